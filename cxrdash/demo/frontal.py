"""The frontal film: thicknesses of tissue, air and bone, added up as X-rays add them up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cxrdash.demo import anatomy
from cxrdash.demo.anatomy import LEFT, SIDES, Body
from cxrdash.demo.shapes import (
    COARSE,
    PLAIN,
    Field,
    Layer,
    Points,
    Pose,
    blob,
    ellipse,
    enlarged,
    soften,
    spline,
)


@dataclass(frozen=True)
class Stance:
    """How this one film was taken."""

    pose: Pose
    depth: float = 0.0  # mm of further descent of the diaphragm
    turn: float = 0.0  # mm by which the front of the chest is shifted against the spine
    supine: bool = False
    arms: float = 0.5  # 0 arms away from the film, 1 arms in the picture


@dataclass
class Box:
    """The outline, in millimetres of the body, that a drawn finding fills."""

    finding: str
    points: Points


@dataclass
class Scene:
    """The layers of one film. Fields are arrays of the film's size; findings change them in place."""

    body: Body
    stance: Stance
    air: Field  # 0 none to 1 lung
    marking: Field  # vessels, seen only where there is aerated lung
    heart: Field
    soft: Field  # body, haze, fluid
    bone: Field
    metal: Field
    lucency: Field  # how much a fully aerated lung darkens each place
    boxes: list[Box] = field(default_factory=list)

    @property
    def pose(self) -> Pose:
        return self.stance.pose


def draw_frontal(body: Body, stance: Stance, rng: np.random.Generator, *, heart_size: float, wider: float) -> Scene:
    """Draw a healthy chest; ``heart_size`` 1 and ``wider`` 0 mm are normal."""
    pose = stance.pose
    lungs = Layer(pose)
    for side in SIDES:
        lungs.polygon(anatomy.lung(body, side, stance.depth))
    vessels = Layer(pose)
    vessels.strokes(body.vessels, (stance.turn * 0.3, stance.depth * 0.35))
    soft = enlarged(_torso(body, stance) + _soft(body, stance, rng) - _airway(body, stance), pose)
    return Scene(
        body=body,
        stance=stance,
        air=lungs.field(),
        marking=vessels.field(),
        heart=_mediastinum(body, stance, heart_size, wider),
        soft=soft,
        bone=_bones(body, stance) * np.minimum(6 * soft, 1),
        metal=np.zeros((pose.height, pose.width), np.float32),
        lucency=_lucency(body, stance),
    )


def density(scene: Scene) -> Field:
    """Return the film's density, 0 (black, air) to about 1.3 (white)."""
    air = scene.air * (1 - 0.86 * scene.heart)
    total = scene.soft + scene.bone
    total += 0.09 * scene.heart
    total += (0.17 * scene.body.marking) * scene.marking * air
    total -= air * scene.lucency
    return soften(np.maximum(total, scene.metal, out=total))


def _torso(body: Body, stance: Stance) -> Field:
    """Thickness of the body without the lungs: thick in the middle, none beside it."""
    fat, wide, arms = 8 + 34 * body.fat, body.wide, stance.arms
    flank = 146 * wide + fat
    neck = spline(
        [(52 * wide + fat * 0.3, -290), (54 * wide + fat * 0.3, -190), (66 * wide + fat * 0.4, -164),
         (120 * wide, -146 - fat * 0.2), (184 * wide, -128), (226 * wide, -80), (246 * wide, 40)], 5,
    )  # fmt: skip
    armpit = 60 - 60 * arms
    inner = spline(
        [(226 * wide - 30 * arms, 270), (flank + 42 - 30 * arms, 120 - armpit / 2),
         (flank + 22 - 10 * arms, 10 + armpit / 3),
         (flank + 12, -18), (flank + 3, 14), (flank - 3, 84), (flank + 4, 270)], 5,
    )  # fmt: skip
    half = np.vstack([neck, [(320, 270)], inner])
    layer = Layer(stance.pose, COARSE)
    layer.polygon(np.vstack([half, (half * [-1, 1])[::-1]]))
    edge, bulk = layer.small(2.2), layer.small(26)
    trunk = Layer(stance.pose, COARSE)
    trunk.polygon(ellipse(0, 60, 122 * wide + fat * 0.4, 250))
    return edge * (0.12 + 0.50 * bulk + (0.27 + 0.08 * body.fat) * trunk.small(34))


def _lucency(body: Body, stance: Stance) -> Field:
    """Deep lung darkens more: less at the apex and towards the side wall."""
    layer = Layer(stance.pose, COARSE)
    for side in SIDES:
        layer.polygon(ellipse(side * 74 * body.wide, 6, 58 * body.wide, 104 * body.tall), 0.7)
        layer.polygon(ellipse(side * 72 * body.wide, -2, 40 * body.wide, 74 * body.tall), 1.0)
    hila = Layer(stance.pose, COARSE)
    h = body.hilum
    for side in SIDES:
        drop = -7 * (side == LEFT)
        hila.polygon(ellipse(side * 36 * body.wide, 0 + drop, 12 * h, 17 * h), 0.6)
        hila.polygon(ellipse(side * 42 * body.wide, 17 + drop, 8 * h, 18 * h), 0.55)
    return enlarged((0.35 + 0.34 * layer.small(18)) * (1 - hila.small(5)), stance.pose)


def _mediastinum(body: Body, stance: Stance, heart_size: float, wider: float) -> Field:
    shift = [stance.turn * 0.6, 0]
    layer = Layer(stance.pose)
    layer.polygon(anatomy.great_vessels(body, wider) + shift, 0.80)
    layer.polygon(ellipse(body.knob * 0.9 + 15 + stance.turn * 0.6, -44, body.knob * 0.92, body.knob), 0.88)
    layer.polygon(anatomy.heart(body, heart_size, stance.depth) + shift, 0.92)
    return layer.field()


def _soft(body: Body, stance: Stance, rng: np.random.Generator) -> Field:
    """Breasts, liver, neck; the stomach bubble takes away."""
    layer = Layer(stance.pose, COARSE)
    floor = body.dome[0] + stance.depth
    layer.polygon([(-320, floor + 40), (320, floor + 40), (320, 400), (-320, 400)])
    soft = 0.06 * layer.small(18)
    if body.breast:
        soft += (0.03 + 0.06 * body.breast) * _breasts(body, stance)
    if body.stomach > 0.25 and not stance.supine:
        soft -= 0.24 * _stomach(body, stance, rng)
    return soft


def _breasts(body: Body, stance: Stance) -> Field:
    layer = Layer(stance.pose, COARSE)
    b = body.breast
    for side in SIDES:
        x, y = side * (84 + 8 * body.fat) * body.wide, 46 + 26 * b
        layer.polygon(ellipse(x, y, 46 + 20 * b, 34 + 26 * b + 12 * body.fat))
    return 0.5 * layer.small(3) + 0.5 * layer.small(16)


def _stomach(body: Body, stance: Stance, rng: np.random.Generator) -> Field:
    layer = Layer(stance.pose, COARSE)
    top = body.dome[1] + stance.depth + 9
    size = body.stomach
    level = top + 20 + 9 * size
    outline = blob(rng, 62 * body.wide, top + 20, 17 + 13 * size, 0.12)
    outline[:, 1] = np.clip(outline[:, 1], top - 1, level)
    layer.polygon(outline)
    for _ in range(3):
        layer.polygon(blob(rng, rng.uniform(86, 122), top + rng.uniform(26, 60), rng.uniform(7, 14)), 0.4)
    return layer.small(2.4)


def _airway(body: Body, stance: Stance) -> Field:
    """Windpipe and main bronchi: a dark band in the bright middle."""
    layer = Layer(stance.pose, COARSE)
    shift = [stance.turn * 0.4 - 2, 0]
    t = body.tall
    layer.line(np.array([(0, -240), (0, -150 * t), (-2, -90 * t), (-1, -26)]) + shift, 16)
    layer.line(np.array([(-1, -28), (-16, -12), (-32, 2)]) + shift, 11, 0.6)
    layer.line(np.array([(0, -28), (20, -12), (40, -4)]) + shift, 9.5, 0.5)
    return 0.13 * layer.small(2.2)


def _bones(body: Body, stance: Stance) -> Field:
    back, front, other = (Layer(stance.pose, PLAIN) for _ in range(3))
    back.strokes(body.back_ribs)
    front.strokes(body.front_ribs, (stance.turn, stance.depth * 0.2))
    other.strokes(body.spine)
    other.strokes(body.shoulders, (stance.turn, 0))
    bones = 0.15 * back.field()
    bones += 0.10 * front.field()
    bones += 0.20 * other.field()
    return bones
