"""The lateral film: the same body seen from its left side.

Millimetres again, with the origin at the hila; x grows towards the front of the body. Which way the
front looks on the film is decided once per person, by the pose's ``px`` through a mirrored body.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cxrdash.demo.anatomy import Body
from cxrdash.demo.frontal import Scene, Stance
from cxrdash.demo.shapes import (
    COARSE,
    PLAIN,
    SOFT,
    Field,
    Layer,
    Points,
    Strokes,
    blob,
    ellipse,
    enlarged,
    loop,
    spline,
)


def draw_lateral(body: Body, stance: Stance, rng: np.random.Generator, *, heart_size: float) -> Scene:
    """Draw a healthy chest from the side; ``heart_size`` 1 is normal."""
    pose = stance.pose
    lungs, vessels, heart = Layer(pose), Layer(pose), Layer(pose)
    lungs.polygon(_lungs(body, stance))
    vessels.strokes(_vessels(body))
    heart.polygon(heart_outline(body, heart_size, stance), 0.70)
    soft = enlarged(_trunk(body, stance, rng), pose)
    bone = _bones(body, stance) * np.minimum(6 * soft, 1)
    return Scene(
        body=body,
        stance=stance,
        air=lungs.field(),
        marking=vessels.field(),
        heart=np.maximum(heart.field(1.6), _aorta(body, stance)),
        soft=soft,
        bone=bone,
        metal=np.zeros((pose.height, pose.width), np.float32),
        lucency=_lucency(body, stance),
    )


def _lungs(body: Body, stance: Stance) -> Points:
    t, w, d = body.tall, body.deep, body.dome[0] + stance.depth
    front = [(-22, -124), (6, -112), (44, -88), (70, -52), (86, 0), (92, d - 38), (91, d + 6)]
    base = [(91, d + 8), (70, d - 4), (34, d - 8), (-6, d + 4), (-48, d + 30), (-84, d + 56)]
    back = [(-86, d + 56), (-96, d + 10), (-95, 10), (-82, -56), (-58, -104), (-38, -122), (-22, -124)]
    scale = np.array([w, 1.0])
    parts = [np.array(front) * [w, 1], np.array(base) * scale, np.array(back) * scale]
    parts[0][:, 1] *= np.where(parts[0][:, 1] < 0, t, 1)
    parts[2][:, 1] *= np.where(parts[2][:, 1] < 0, t, 1)
    return np.vstack([spline(part, 5) for part in parts])


def heart_outline(body: Body, size: float, stance: Stance) -> Points:
    """Outline of the heart from the side."""
    d = body.dome[1] + stance.depth - 8
    k = size * (0.6 + 0.4 * body.heart)
    back = 34 - 62 * k
    return loop(
        [(64, 6), (84, 38), (91, d - 8), (76, d + 6), (40, d + 6), (back + 16, d - 10), (back, d - 40),
         (back + 4, 30 - 14 * k), (14, -2), (34, -14)], 5,
    ) * [body.deep, 1]  # fmt: skip


def _aorta(body: Body, stance: Stance) -> Field:
    layer = Layer(stance.pose, SOFT)
    w = body.deep
    arch = spline([(44, 0), (38, -32), (16, -54), (-16, -56), (-44, -34), (-58, 10), (-60, 90)])
    layer.line(arch * [w, 1], 12 + body.knob * 0.5, 0.26)
    layer.polygon(ellipse(-2, 4, 16 * body.hilum, 20 * body.hilum), 0.5)
    return layer.field(2.6)


def _lucency(body: Body, stance: Stance) -> Field:
    layer = Layer(stance.pose, COARSE)
    w = body.deep
    layer.polygon(ellipse(56 * w, -34, 26, 42), 0.9)
    layer.polygon(ellipse(-46 * w, 46, 30, 62), 1.0)
    layer.polygon(ellipse(0, -30, 60 * w, 70), 0.5)
    return enlarged(0.36 + 0.26 * layer.small(15), stance.pose)


def _trunk(body: Body, stance: Stance, rng: np.random.Generator) -> Field:
    """Skin, muscles and the raised arms; the windpipe takes away."""
    w, fat, t = body.deep, 6 + 30 * body.fat, body.tall
    bust = 26 * body.breast
    front = spline(
        [(176, -300), (128 * w, -206 * t), (88 * w + fat * 0.6, -140 * t), (93 * w + fat, -60),
         (106 * w + fat + bust, 36), (108 * w + fat + bust * 0.7, 70),
         (104 * w + fat * 1.2, 110), (106 * w + fat * 1.5, 260)]
    )  # fmt: skip
    back = spline(
        [(-122 * w - fat, 260), (-118 * w - fat * 0.8, 90), (-122 * w - fat * 0.6, 0),
         (-116 * w - fat * 0.6, -90), (-122 * w - fat * 0.5, -150 * t), (-150 * w, -220), (-190, -300)]
    )  # fmt: skip
    skin = Layer(stance.pose, COARSE)
    skin.polygon(np.vstack([front, back]))
    edge, bulk = skin.small(2.2), skin.small(24)
    below = Layer(stance.pose, COARSE)
    floor = body.dome[0] + stance.depth + 34
    below.polygon([(-300, floor), (300, floor), (300, 400), (-300, 400)])
    arms = Layer(stance.pose, COARSE)
    arms.polygon([(-160, -300), (150, -300), (92, -168 * t), (30, -122 * t), (-60, -104 * t), (-110, -140 * t)], 1.0)
    arms.polygon([(20, -300), (60, -300), (-26, -120 * t), (-58, -120 * t)], 0.3)
    trunk: Field = edge * (0.14 + 0.74 * bulk + 0.10 * below.small(14) + 0.12 * arms.small(14))
    pipe = Layer(stance.pose, COARSE)
    pipe.line([(16, -230), (8, -120 * t), (-6, -22)], 15)
    trunk -= 0.13 * pipe.small(2.2)
    if body.stomach > 0.25:
        gas = Layer(stance.pose, COARSE)
        gas.polygon(blob(rng, 12, floor - 14, 13 + 9 * body.stomach, 0.15))
        trunk -= 0.2 * gas.small(3)
    return trunk


def _bones(body: Body, stance: Stance) -> Field:
    spine, ribs = Layer(stance.pose, PLAIN), Layer(stance.pose, PLAIN)
    blocks, arcs = _bone_strokes(body)
    spine.strokes(blocks)
    ribs.strokes(arcs)
    bones: Field = 0.15 * spine.field() + 0.09 * ribs.field()
    return bones


@lru_cache(maxsize=4)
def _bone_strokes(body: Body) -> tuple[Strokes, Strokes]:
    """Vertebrae, and ribs with the breast bone."""
    heights = np.arange(-150, 230, 23.0) * body.tall
    centres = np.interp(heights, [-150, -100, -20, 70, 220], [-44, -66, -84, -82, -66]) * body.deep
    blocks, arcs = Strokes(), Strokes()
    for x, y in zip(centres.tolist(), heights.tolist(), strict=True):
        _vertebra(blocks, x, y)
    for number in range(9):
        y = -112 + number * 21 * body.tall
        x = float(np.interp(y, heights, centres)) - 20
        for offset in (0, 7):
            arcs.band(_rib(number, x, y, offset), 3.6, 0.30, 0.6)
    arcs.band(spline([(52, -100), (78, -60), (96, 0), (102, 44)]) * np.array([body.deep, 1]), 6, 0.6, 1.0)
    return blocks, arcs


def _rib(number: int, x: float, y: float, offset: float) -> Points:
    """A rib from the spine down to the front; the far side's is seen a little lower."""
    reach = 60 + 6 * number
    fall = 2 * number + offset
    return spline(
        [(x, y + offset), (x + reach * 0.1, y + 10 + offset), (x + reach * 0.7, y + 40 + 2 * number),
         (x + reach * 1.3, y + 62 + number + fall)]
    )  # fmt: skip


def _vertebra(strokes: Strokes, x: float, y: float) -> None:
    tilt = (y + 10) * 0.014
    block = loop(
        [(x - 14, y - 8 - tilt), (x, y - 7.5), (x + 14, y - 8 + tilt), (x + 12.5, y),
         (x + 14, y + 8 + tilt), (x, y + 7.5), (x - 14, y + 8 - tilt), (x - 12.5, y)], 3,
    )  # fmt: skip
    strokes.polygon(block, 0.55)
    strokes.line(np.vstack([block, block[:1]]), 1.1, 0.9)
    strokes.polygon(ellipse(x - 25, y + 6, 9, 4, 12), 0.25)


@lru_cache(maxsize=4)
def _vessels(body: Body) -> Strokes:
    rng = np.random.default_rng(body.vessel_seed + 1)
    strokes = Strokes()
    for turn in np.linspace(0, 2 * np.pi, 26, endpoint=False):
        heading, length, width = turn + rng.normal(0, 0.1), rng.uniform(16, 26), rng.uniform(2.2, 4.6)
        point = np.array([-2.0, 2.0]) + 8 * np.array([np.cos(heading), np.sin(heading)])
        while width > 0.8:
            bend = heading + rng.normal(0, 0.22)
            middle = point + length / 2 * np.array([np.cos(heading), np.sin(heading)])
            end = middle + length / 2 * np.array([np.cos(bend), np.sin(bend)])
            strokes.line(np.stack([point, middle, end]), width * 0.8, min(0.2 + 0.13 * width, 0.9))
            fork = bend + rng.choice((-1, 1)) * rng.uniform(0.4, 0.8)
            twig = end + length * 0.8 * np.array([np.cos(fork), np.sin(fork)])
            strokes.line(np.stack([end, twig]), width * 0.5, min(0.15 + 0.09 * width, 0.8))
            point, heading, width = end, bend, width * rng.uniform(0.62, 0.8)
    return strokes


def effusion(scene: Scene, strength: float) -> None:
    """Fluid in the deep angle behind the diaphragm."""
    d = scene.body.dome[0] + scene.stance.depth
    level = d + 26 - 80 * strength
    top = spline([(140, level + 4), (20, level + 8), (-60, level), (-86, level - 22), (-104, level - 60)], 5)
    layer = Layer(scene.pose, SOFT)
    layer.polygon(np.vstack([top, [(-140, d + 200), (140, d + 200)]]))
    scene.air *= 1 - 0.9 * layer.field(2.6)


def cloud(scene: Scene, rng: np.random.Generator, strength: float, *, radius: float, spread: float) -> None:
    """Opacity: wide and central for edema, a patch for consolidation and its like."""
    layer = Layer(scene.pose, COARSE)
    for _ in range(6):
        x, y = rng.normal(-10, spread), rng.normal(24, spread)
        layer.polygon(blob(rng, x, y, radius * rng.uniform(0.6, 1)))
    scene.air *= 1 - (0.3 + 0.4 * strength) * layer.field(8)


def nodule(scene: Scene, rng: np.random.Generator, strength: float) -> None:
    layer = Layer(scene.pose, SOFT)
    layer.polygon(blob(rng, rng.uniform(-60, 60), rng.uniform(-60, 20), 7 + 13 * strength, 0.1))
    scene.soft += 0.2 * layer.field(1.2) * scene.air


def pacemaker(scene: Scene) -> None:
    layer = Layer(scene.pose)
    case = loop([(84, -74), (97, -62), (97, -40), (88, -30), (78, -44)], 4)
    layer.polygon(case, 0.9)
    d = scene.body.dome[1] + scene.stance.depth
    layer.line(spline([(84, -70), (50, -104), (20, -70), (20, -10), (50, d - 22), (78, d - 16)]), 1.5, 0.9)
    np.maximum(scene.metal, 1.3 * layer.field(), out=scene.metal)
