"""What disease does to a frontal film. Each function changes the scene and says where it drew.

``strength`` is 0 (barely seen) to 1 (plain); ``side`` is that of the patient (anatomy.RIGHT, LEFT).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cxrdash.demo import anatomy
from cxrdash.demo.anatomy import LEFT, RIGHT
from cxrdash.demo.frontal import Box, Scene
from cxrdash.demo.shapes import COARSE, SOFT, Layer, Points, blob, edges, ellipse, spline

Draw = Callable[[Scene, np.random.Generator, int, float], None]


def _place(scene: Scene, side: int, across: float, down: float) -> tuple[float, float]:
    """A point in a lung: ``across`` 0 (hilum) to 1 (side wall), ``down`` 0 (apex) to 1 (diaphragm)."""
    body = scene.body
    floor = body.dome[0 if side == RIGHT else 1] + scene.stance.depth
    y = -112 * body.tall + down * (floor + 112 * body.tall)
    inner = 34 * body.wide
    return side * (inner + across * (anatomy.wall(body, y) - inner)), y


def effusion(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """Fluid fills the angle between ribs and diaphragm and climbs the side wall as a meniscus."""
    body = scene.body
    dome = body.dome[0 if side == RIGHT else 1] + scene.stance.depth
    level = dome + 14 - 95 * strength * rng.uniform(0.8, 1.1)
    out = anatomy.wall(body, level) + 8
    rise = 18 + 38 * strength
    top = spline(
        [(0, level + 10), (34, level + 6), (out * 0.6, level), (out * 0.83, level - rise * 0.3),
         (out * 0.95, level - rise), (out * 1.0, level - rise * 2.1)], 5,
    )  # fmt: skip
    shape = np.vstack([top, [(out + 20, level + 220), (0, level + 220)]]) * [side, 1]
    layer = Layer(scene.pose, SOFT)
    layer.polygon(shape)
    fluid = layer.field(3.0) * (scene.air > 0)
    scene.air *= 1 - 0.93 * fluid
    scene.soft += 0.05 * fluid
    corner = dome + 38 * body.tall
    scene.boxes.append(
        Box(
            "Pleural Effusion",
            np.array([(side * 30, corner), (side * out, min(level - rise * 1.3, corner - 14))]),
        )
    )


def pneumothorax(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """A collapsed lung: a fine line with darkness and no vessels beyond it."""
    body = scene.body
    whole = Layer(scene.pose)
    outline = anatomy.lung(body, side, scene.stance.depth)
    whole.polygon(outline)
    hilum = np.array([side * 24, 22.0])
    shrink = 0.86 - 0.30 * strength * rng.uniform(0.85, 1.15)
    collapsed = hilum + (outline - hilum) * [shrink, min(shrink + 0.02, 0.94)]
    collapsed[:, 1] += 10 * strength
    lung = Layer(scene.pose)
    lung.polygon(collapsed)
    line = Layer(scene.pose)
    line.line(collapsed, 1.3)
    inside = lung.field()
    beyond = np.clip(whole.field() - inside, 0, 1)
    scene.marking *= 1 - beyond
    scene.air *= 1 + 0.14 * beyond - (0.07 + 0.2 * strength) * inside
    scene.soft += 0.085 * line.field() * scene.air
    lateral = outline[np.abs(outline[:, 0]) > 50 * body.wide]
    bottom = collapsed[:, 1].max() if strength > 0.6 else 0
    scene.boxes.append(Box("Pneumothorax", lateral[lateral[:, 1] < max(bottom, 30)]))


def edema(scene: Scene, rng: np.random.Generator, _side: int, strength: float) -> None:
    """Haze spreading from both hila like wings, with thickened vessels and fine lines at the bases."""
    layer = Layer(scene.pose, COARSE)
    body = scene.body
    reach = 30 + 18 * strength
    for wing in anatomy.SIDES:
        layer.polygon(ellipse(wing * 54 * body.wide, 14, reach, reach * 1.5), 0.7)
        for _ in range(5):
            x, y = _place(scene, wing, rng.uniform(0, 0.6), rng.uniform(0.35, 0.95))
            layer.polygon(blob(rng, x, y, rng.uniform(10, 20)), 1.0)
    haze = layer.field(13) * (0.35 + 0.65 * strength)
    scene.air *= 1 - 0.62 * haze
    scene.marking *= 1.2 + 0.5 * strength
    fine = Layer(scene.pose)
    for wing in anatomy.SIDES:
        for _ in range(9):
            x, y = _place(scene, wing, rng.uniform(0.82, 0.95), rng.uniform(0.6, 1.0))
            fine.line([(x, y), (x + wing * rng.uniform(8, 14), y + rng.uniform(-1, 2))], 1.0)
    scene.soft += 0.06 * strength * fine.field() * scene.air
    half = 54 * body.wide + reach
    scene.boxes.append(Box("Edema", np.array([(-half, 14 - reach * 1.4), (half, 14 + reach * 1.4)])))


def _patches(
    scene: Scene, rng: np.random.Generator, centre: tuple[float, float], radius: float, amount: float
) -> Points:
    """Fluffy opacity: clumps of blurred spots inside a soft cloud. Returns its outline."""
    x, y = centre
    cloud, clumps = Layer(scene.pose, COARSE), Layer(scene.pose, SOFT)
    outline = blob(rng, x, y, radius, 0.3)
    cloud.polygon(outline)
    for _ in range(14):
        turn, far = rng.uniform(0, 6.283), radius * rng.uniform(0, 0.9)
        clumps.polygon(blob(rng, x + far * np.cos(turn), y + far * np.sin(turn), rng.uniform(4, 10)))
    opacity = 0.62 * cloud.field(radius * 0.28) + 0.38 * clumps.field(3.2)
    scene.air *= 1 - amount * opacity
    return outline


def consolidation(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """A dense patch in a lower or middle zone, with an air-filled bronchus left dark in it."""
    centre = _place(scene, side, rng.uniform(0.25, 0.6), rng.uniform(0.55, 0.85))
    radius = rng.uniform(26, 38)
    outline = _patches(scene, rng, centre, radius, 0.50 + 0.35 * strength)
    bronchus = Layer(scene.pose, SOFT)
    x, y = centre
    bronchus.line([(x - side * radius * 0.7, y - 12), (x, y), (x + side * radius * 0.4, y + 9)], 2.6)
    scene.soft -= 0.09 * strength * bronchus.field(0.6) * scene.air
    scene.boxes.append(Box("Consolidation", outline))


def pneumonia(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """Patchy opacity in a lower zone."""
    centre = _place(scene, side, rng.uniform(0.2, 0.6), rng.uniform(0.66, 0.9))
    outline = _patches(scene, rng, centre, rng.uniform(28, 40), 0.42 + 0.35 * strength)
    scene.boxes.append(Box("Pneumonia", outline))


def opacity(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """A vague shadow that could be anything."""
    centre = _place(scene, side, rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.85))
    outline = _patches(scene, rng, centre, rng.uniform(20, 32), 0.28 + 0.25 * strength)
    scene.boxes.append(Box("Lung Opacity", outline))


def atelectasis(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """Plate-like bands above the diaphragm."""
    layer = Layer(scene.pose, SOFT)
    drawn = []
    for _ in range(1 + round(2 * strength)):
        x, y = _place(scene, side, rng.uniform(0.2, 0.5), rng.uniform(0.7, 0.94))
        length, fall = rng.uniform(38, 62), rng.uniform(-8, 10)
        line = spline([(x, y), (x + side * length / 2, y + fall / 2 + 2), (x + side * length, y + fall)])
        layer.line(line, rng.uniform(3.2, 5.0))
        drawn.append(line)
    scene.soft += (0.15 + 0.12 * strength) * layer.field(1.1) * scene.air * (1 - 0.6 * scene.heart)
    scene.boxes.append(Box("Atelectasis", np.vstack(drawn)))


def lesion(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """A round shadow: a nodule, or a mass when plain."""
    x, y = _place(scene, side, rng.uniform(0.2, 0.75), rng.uniform(0.2, 0.8))
    radius = rng.uniform(6, 9) + 16 * strength**2 * rng.uniform(0.4, 1)
    outline = blob(rng, x, y, radius, 0.1)
    layer = Layer(scene.pose, SOFT)
    layer.polygon(outline)
    scene.soft += (0.15 + 0.12 * strength) * layer.field(1.2) * scene.air
    scene.boxes.append(Box("Lung Lesion", outline))


def thickening(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """Thickened pleura along the side wall and over the apex."""
    body = scene.body
    heights = np.linspace(-40, 70, 8)
    rind = 5 + 7 * strength
    outer = np.array([(anatomy.wall(body, y) + 2, y) for y in heights])
    inner = outer[::-1] - [rind, 0] * rng.uniform(0.6, 1.3, (8, 1))
    shape = np.vstack([outer, spline(inner, 3)]) * [side, 1]
    cap = ellipse(side * 54 * body.wide, -116 * body.tall, 26, 9 + 5 * strength)
    layer = Layer(scene.pose, SOFT)
    layer.polygon(shape)
    layer.polygon(cap, 0.8)
    scene.air *= 1 - 0.8 * layer.field(1.4)
    scene.boxes.append(Box("Pleural Other", shape))


def fracture(scene: Scene, rng: np.random.Generator, side: int, strength: float) -> None:
    """A step in a rib: a dark gap and a displaced, brighter end."""
    number = int(rng.integers(4, 8))
    centre = anatomy.posterior_rib(scene.body, number, side)
    at = int(len(centre) * rng.uniform(0.55, 0.72))
    shift = np.array([0, 4.5 + 2.5 * strength])
    piece = centre[at : at + 5] + shift
    bone, gap = Layer(scene.pose), Layer(scene.pose)
    upper, lower = edges(piece, 5.2)
    bone.polygon(np.vstack([upper, lower[::-1]]), 0.55)
    for rim in (upper, lower, np.stack([upper[0], lower[0]])):
        bone.line(rim, 1.5, 1.0)
    across = edges(centre[at - 1 : at + 2], 7.5)
    gap.line(np.stack([across[0][0], across[1][1]]), 2.4)
    scene.bone *= 1 - 0.95 * gap.field()
    scene.bone += 0.15 * bone.field()
    around = np.vstack([centre[max(at - 3, 0) : at + 5] - np.array([0, 8]), piece + np.array([0, 8])])
    scene.boxes.append(Box("Fracture", around))


# In the order in which they are drawn: what replaces air first, what lies over it last.
DRAW: dict[str, Draw] = {
    "Edema": edema,
    "Consolidation": consolidation,
    "Pneumonia": pneumonia,
    "Lung Opacity": opacity,
    "Lung Lesion": lesion,
    "Atelectasis": atelectasis,
    "Pleural Other": thickening,
    "Pneumothorax": pneumothorax,
    "Pleural Effusion": effusion,
    "Fracture": fracture,
}


def heart_box(scene: Scene, size: float) -> Box:
    """The box of a heart drawn at ``size``."""
    outline = anatomy.heart(scene.body, size, scene.stance.depth)
    return Box("Cardiomegaly", outline + np.array([scene.stance.turn * 0.6, 0]))


def mediastinum_box(scene: Scene, wider: float) -> Box:
    """The box of an upper mediastinum drawn ``wider``."""
    outline = anatomy.great_vessels(scene.body, wider)
    outline = outline[(outline[:, 1] > -100) & (outline[:, 1] < 20)]
    return Box("Enlarged Cardiomediastinum", outline + np.array([scene.stance.turn * 0.6, 0]))


__all__ = ["DRAW", "LEFT", "RIGHT", "heart_box", "mediastinum_box"]
