"""Tubes, lines, wires and boxes on a frontal film."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cxrdash.demo import anatomy
from cxrdash.demo.frontal import Box, Scene
from cxrdash.demo.shapes import Layer, Points, edges, ellipse, spline

PLASTIC, METAL = 0.34, 1.42
Draw = Callable[[Scene, np.random.Generator, int], None]


def _plastic(scene: Scene, layer: Layer, amount: float = PLASTIC) -> None:
    scene.bone += amount * layer.field()


def _metal(scene: Scene, layer: Layer) -> None:
    np.maximum(scene.metal, METAL * layer.field(), out=scene.metal)


def _tube(layer: Layer, path: Points, width: float) -> None:
    """A hollow tube: two walls and an opaque stripe."""
    for edge in edges(path, width / 2):
        layer.line(edge, 1.0, 0.55)
    layer.line(path, 1.1, 1.0)


def tracheal_tube(scene: Scene, rng: np.random.Generator, _side: int) -> None:
    tip = -52 + rng.uniform(-14, 8)
    path = spline([(rng.normal(6, 5), -250), (4, -200), (-1, -130), (-2, tip)])
    layer = Layer(scene.pose)
    _tube(layer, path, 8.5)
    _plastic(scene, layer, 0.34)
    scene.boxes.append(Box("Support Devices", np.vstack([path[path[:, 1] > -170] + [8, 0], path[-2:] - [8, 0]])))


def feeding_tube(scene: Scene, rng: np.random.Generator, _side: int) -> None:
    dome = scene.body.dome[1]
    path = spline(
        [(rng.normal(-6, 5), -250), (5, -180), (7, -80), (9, 20), (16, dome - 6), (44, dome + 26),
         (58, dome + 60), (30, dome + 84)]
    )  # fmt: skip
    layer = Layer(scene.pose)
    layer.line(path, 1.7)
    _plastic(scene, layer)


def central_line(scene: Scene, rng: np.random.Generator, _side: int) -> None:
    wide, end = scene.body.wide, rng.uniform(-14, 18)
    if rng.random() < 0.6:
        start = [(-62 * wide, -235), (-46 * wide, -180), (-27 * wide, -125)]
    else:
        start = [(-150 * wide, -70), (-104 * wide, -104), (-48 * wide, -98)]
    path = spline([*start, (-25 * wide, -70), (-24 * wide, end)])
    layer = Layer(scene.pose)
    layer.line(path, 2.1)
    _plastic(scene, layer, 0.36)
    scene.boxes.append(Box("Support Devices", path[path[:, 1] > -190] + rng.uniform(-3, 3, (1, 2))))


def port(scene: Scene, rng: np.random.Generator, _side: int) -> None:
    wide = scene.body.wide
    x, y = -82 * wide, -58 + rng.normal(0, 6)
    layer = Layer(scene.pose)
    layer.polygon(ellipse(x, y, 10, 9))
    inner = Layer(scene.pose)
    inner.polygon(ellipse(x, y, 5.5, 5))
    layer.line(
        spline([(x + 8, y - 4), (-60 * wide, -96), (-30 * wide, -92), (-25 * wide, -40), (-24 * wide, 6)]),
        2.0,
    )
    _plastic(scene, layer, 0.3)
    _metal(scene, inner)
    scene.boxes.append(Box("Support Devices", ellipse(x, y, 13, 12)))


def pacemaker(scene: Scene, rng: np.random.Generator, side: int) -> None:
    """A box under the collar bone with leads to the right atrium and the right ventricle's tip."""
    body = scene.body
    k = body.heart * body.wide
    x, y = 108 * body.wide * side, -62 + rng.normal(0, 7)
    floor = body.dome[1] + scene.stance.depth
    case = Layer(scene.pose)
    shape = spline([(-19, -14), (0, -19), (19, -13), (21, 6), (8, 21), (-12, 20), (-21, 4), (-19, -14)], 4)
    case.polygon(shape + np.array([x, y]), 0.92)
    leads = Layer(scene.pose)
    bend = [(x - side * 6, y - 17), (70 * side, -98), (18 * side, -96), (-22, -66), (-29, 0)]
    leads.line(spline([*bend, (-30, floor - 44), (4, floor - 16), (50 * k, floor - 10)]), 1.5)
    leads.line(spline([*bend, (-38, floor - 62), (-26, floor - 50)]), 1.5)
    for tip_x, tip_y in ((50 * k, floor - 10), (-26.0, floor - 50)):
        leads.polygon(ellipse(tip_x, tip_y, 2.6, 2.2, 12))
    _metal(scene, case)
    np.maximum(scene.metal, 1.36 * leads.field(), out=scene.metal)
    scene.boxes.append(Box("Support Devices", ellipse(x, y, 25, 25)))


def monitor_wires(scene: Scene, rng: np.random.Generator, _side: int) -> None:
    layer, discs = Layer(scene.pose), Layer(scene.pose)
    wide = scene.body.wide
    spots = [(-112, -92), (114, -88), (118, 96), (-20, 60)][: int(rng.integers(3, 5))]
    for place_x, place_y in spots:
        x, y = place_x * wide + float(rng.normal(0, 10)), place_y + float(rng.normal(0, 10))
        end = (rng.uniform(-60, 150), 260)
        middle = (x * 0.6 + end[0] * 0.4 + rng.normal(0, 26), y * 0.5 + 120 + rng.normal(0, 16))
        layer.line(spline([(x, y), (x + rng.normal(0, 16), y + 36), middle, end]), 1.4)
        discs.polygon(ellipse(x, y, 6.5, 6.5, 16), 0.7)
        discs.polygon(ellipse(x, y, 3.0, 3.0, 12), 1.0)
    np.maximum(scene.metal, 1.34 * layer.field(), out=scene.metal)
    _plastic(scene, discs, 0.4)


def sternal_wires(scene: Scene, rng: np.random.Generator, _side: int) -> None:
    layer = Layer(scene.pose)
    shift = scene.stance.turn * 0.8
    for number, y in enumerate(np.linspace(-86, 42, 6)):
        size = 6.5 + rng.uniform(-1, 1.5)
        ring = ellipse(shift + rng.normal(0, 1.2), y, size, 4 + 0.4 * number, 14)
        layer.line(np.vstack([ring, ring[:1]]), 1.2)
    _metal(scene, layer)


def chest_drain(scene: Scene, rng: np.random.Generator, side: int) -> None:
    """A thick tube through the side wall, running up beside the lung."""
    body = scene.body
    entry = 62 + rng.normal(0, 10)
    out = anatomy.wall(body, entry)
    top = -70 * body.tall + rng.normal(0, 10)
    path = spline(
        [(out + 62, entry + 46), (out + 16, entry + 14), (out - 14, entry - 10), (out - 30, entry - 60),
         (72 * body.wide, top)]
    ) * [side, 1]  # fmt: skip
    layer = Layer(scene.pose)
    _tube(layer, path, 8)
    _plastic(scene, layer, 0.38)
    scene.boxes.append(Box("Support Devices", path[1:]))


DRAW: dict[str, Draw] = {
    "tracheal tube": tracheal_tube,
    "feeding tube": feeding_tube,
    "central line": central_line,
    "port": port,
    "pacemaker": pacemaker,
    "monitor wires": monitor_wires,
    "sternal wires": sternal_wires,
    "chest drain": chest_drain,
}
