"""One synthetic person's chest, in millimetres: what stays the same from film to film.

The origin is the midline at the height of the hila; x grows to the viewer's right (the patient's
left), y downwards. ``side`` is -1 for the patient's right, which is on the picture's left, and +1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxrdash.demo.shapes import Points, Strokes, ellipse, loop, spline

RIGHT, LEFT = -1, 1
SIDES = (RIGHT, LEFT)


@dataclass(frozen=True)
class Body:
    """The build of one person. Lengths are millimetres or factors of the average."""

    female: bool
    wide: float
    deep: float
    tall: float
    fat: float  # 0 lean to 1 obese
    breast: float
    heart: float  # width of the heart against the average
    knob: float  # radius of the aortic knob, mm
    dome: tuple[float, float]  # depth of the right and left dome, mm
    rib_slope: float
    rib_gap: float
    clavicle: float
    scoliosis: float
    stomach: float
    hilum: float
    marking: float
    marker: str  # the hospital's side marker: L or R
    marker_place: float
    vessel_seed: int

    @cached_property
    def vessels(self) -> Strokes:
        rng = np.random.default_rng(self.vessel_seed)
        strokes = Strokes()
        for side in SIDES:
            _grow_vessels(strokes, rng, self, side)
        return strokes

    @cached_property
    def back_ribs(self) -> Strokes:
        strokes = Strokes()
        for side in SIDES:
            for number in range(1, 11):
                centre = posterior_rib(self, number, side)
                half = np.interp(np.linspace(0, 1, len(centre)), [0, 0.3, 0.85, 1], [4.0, 5.4, 5.0, 3.0])
                strokes.band(centre, half, 0.46, 0.86)
        return strokes

    @cached_property
    def front_ribs(self) -> Strokes:
        strokes = Strokes()
        for side in SIDES:
            for number in range(2, 8):
                centre = anterior_rib(self, number, side)
                half = np.interp(np.linspace(0, 1, len(centre)), [0, 0.5, 1], [4.6, 5.6, 6.8])
                strokes.band(centre, half, 0.40, 0.62)
        return strokes

    @cached_property
    def shoulders(self) -> Strokes:
        strokes = Strokes()
        for side in SIDES:
            _shoulder(strokes, self, side)
        return strokes

    @cached_property
    def spine(self) -> Strokes:
        return _spine(self)


def make_body(rng: np.random.Generator, *, female: bool, age: float) -> Body:
    """Draw a person. Everything varies: no two people's films may pass for near duplicates."""
    old = min(max((age - 30) / 50, 0.0), 1.2)
    right_dome = float(rng.normal(92, 11))
    return Body(
        female=female,
        wide=float(rng.normal(0.97 if female else 1.04, 0.06)),
        deep=float(rng.normal(0.97 if female else 1.03, 0.085)),
        tall=float(rng.normal(0.97 if female else 1.05, 0.07)),
        fat=float(rng.beta(1.5, 2)),
        breast=float(rng.uniform(0.2, 1.0)) if female else 0.0,
        heart=float(rng.normal(0.97, 0.07)) + 0.05 * old,
        knob=float(rng.normal(13, 1.5)) + 5 * old,
        dome=(right_dome, right_dome + float(rng.normal(11, 4))),
        rib_slope=float(rng.normal(1.05, 0.18)),
        rib_gap=float(rng.normal(22.5, 1.2)),
        clavicle=float(rng.normal(0, 7)),
        scoliosis=float(rng.normal(0, 3.5)),
        stomach=float(rng.uniform(0, 1.2)),
        hilum=float(rng.normal(1.0, 0.12)),
        marking=float(rng.normal(1.0, 0.15)),
        marker="L" if rng.random() < 0.7 else "R",
        marker_place=float(rng.uniform(0, 1)),
        vessel_seed=int(rng.integers(2**32)),
    )


# Trunks leave the hilum with a direction in degrees (0 lateral, 90 down), a length and a width in mm.
_TRUNKS = np.array(
    [(-74, 30, 4.4), (-48, 28, 4.4), (-20, 22, 3.6), (8, 22, 3.6), (36, 34, 5.4), (58, 38, 6.2),
     (78, 40, 5.4)]
)  # fmt: skip
_THINNEST = 0.95  # mm


def _grow_vessels(strokes: Strokes, rng: np.random.Generator, body: Body, side: int) -> None:
    """Let the trunks fork, one generation at a time, until the twigs are too thin to be seen."""
    degrees, lengths, widths = (_TRUNKS * rng.uniform(0.88, 1.14, _TRUNKS.shape)).T
    directions = np.radians(degrees)
    starts = np.stack([27 + rng.normal(0, 3, 7), _TRUNKS[:, 0] * 0.15 - 3 + rng.normal(0, 4, 7)], axis=1)
    scale = np.array([side * body.wide, body.tall])
    while len(starts):
        bends = rng.normal(0, 0.2, len(starts))
        middles = starts + lengths[:, None] / 2 * _towards(directions - bends)
        ends = middles + lengths[:, None] / 2 * _towards(directions + bends)
        for path, width in zip(np.stack([starts, middles, ends], axis=1) * scale, widths.tolist(), strict=True):
            strokes.line(path, width * 0.85, min(0.22 + 0.15 * width, 0.95))
        fork, share = rng.uniform(0.25, 0.7, len(starts)), rng.uniform(0.6, 0.82, len(starts))
        turn = rng.choice((-1.0, 1.0), len(starts))
        starts = np.repeat(ends, 2, axis=0)
        directions = np.repeat(directions + bends, 2) + np.stack([turn * fork * 0.4, -turn * fork], 1).ravel()
        widths = np.repeat(widths, 2) * np.stack([share, 1.3 - share], 1).ravel()
        lengths = np.repeat(lengths, 2) * rng.uniform(0.66, 0.98, len(starts))
        kept = (widths > _THINNEST) & (starts[:, 0] < 132)
        starts, directions, widths, lengths = starts[kept], directions[kept], widths[kept], lengths[kept]


def _towards(directions: np.ndarray) -> Points:
    return np.stack([np.cos(directions), np.sin(directions)], axis=1)


def wall(body: Body, y: float) -> float:
    """Half the width of the inside of the chest at height ``y``."""
    heights = np.array([-128, -116, -100, -66, -16, 40, 95, 150]) * body.tall
    widths = np.array([30, 62, 84, 106, 123, 133, 138, 137]) * body.wide
    return float(np.interp(y, heights, widths))


def lung(body: Body, side: int, depth: float) -> Points:
    """Outline of a lung; ``depth`` (mm) lowers the diaphragm: deep breath positive, shallow negative."""
    tall, wide = body.tall, body.wide
    dome = body.dome[0 if side == RIGHT else 1] + depth
    angle = dome + 38 * tall  # the costophrenic angle lies below the dome
    outer = [(wall(body, y), float(y)) for y in np.linspace(-98 * tall, angle - 6, 7)]
    apex = [
        (26 * wide, -92 * tall),
        (36 * wide, -113 * tall),
        (54 * wide, -121 * tall),
        (70 * wide, -113 * tall),
    ]
    corner = wall(body, angle)
    base = [
        (corner * 0.985, angle), (corner * 0.9, dome + 17), (corner * 0.72, dome + 3),
        (corner * 0.52, dome - 1), (corner * 0.34, dome + 4), (20 * wide, dome + 13),
    ]  # fmt: skip
    inner = [(19.0 * wide, dome + 2), (18.0 * wide, dome - 40), (20 * wide, 10), (24 * wide, -50 * tall)]
    outline = np.vstack([spline(apex + outer, 4), spline(base, 5), spline([*inner, apex[0]], 4)])
    return outline * [side, 1]


def heart(body: Body, size: float, depth: float) -> Points:
    """Outline of the heart; ``size`` 1 is normal, from about 1.25 a layman sees that it is large."""
    k = body.heart * size * body.wide
    floor = body.dome[1] + depth * 0.8 + 6
    top = 4 - 8 * (size - 1)
    return loop(
        [
            (-26 * body.wide, top - 14), (6, top - 22), (35 * body.wide, top - 8), (45 * k, 18), (64 * k, 42),
            (83 * k, floor - 32), (85 * k, floor - 12), (66 * k, floor + 6), (10, floor + 14),
            (-30 * k, floor + 2), (-44 * k, floor - 22), (-45 * k, floor - 50), (-36 * k, 18),
        ],
        5,
    )  # fmt: skip


def great_vessels(body: Body, wider: float) -> Points:
    """Outline of the upper mediastinum with the aortic knob; ``wider`` adds millimetres to each side."""
    t, right, knob = body.tall, 31 * body.wide + wider, body.knob
    left = 21 * body.wide + wider
    return np.vstack(
        [
            spline([(-30 - wider / 2, -140 * t), (-right + 1, -90 * t), (-right, -40),
                    (-right - 2, 0), (-right + 2, 16), (-22, 34)]),
            spline(
                [(22, 34), (left + 13, 16), (left + 17, 4), (left + 16, -10), (left + 10, -20),
                 (left + knob * 0.9, -31), (left + knob * 1.18, -43), (left + knob * 0.95, -55),
                 (left + 5, -66), (left + 2, -90 * t), (28 + wider / 2, -140 * t)]
            ),
        ]
    )  # fmt: skip


def posterior_rib(body: Body, number: int, side: int) -> Points:
    """Centre line of a rib from the spine to the side wall; ``number`` is 1 to 10."""
    y = -132 * body.tall + body.rib_gap * body.tall * (number - 1)
    drop = (6 + 4.6 * number) * body.rib_slope
    reach = wall(body, y + drop) + 1.5
    if number == 1:
        return spline([(14, y + 2), (34, y - 3), (58, y + 10), (66, y + 30)], 5) * [side, 1]
    return (
        spline(
            [(13, y), (reach * 0.32, y - 4 + drop * 0.06), (reach * 0.62, y + drop * 0.22),
             (reach * 0.87, y + drop * 0.58), (reach * 0.985, y + drop * 0.95), (reach, y + drop * 1.25)],
            4,
        )
        * [side, 1]
    )  # fmt: skip


def anterior_rib(body: Body, number: int, side: int) -> Points:
    """Centre line of a rib's front part, from the side wall down towards the cartilage; 2 to 7."""
    y = -132 * body.tall + body.rib_gap * body.tall * (number - 1) + (6 + 4.6 * number) * body.rib_slope * 1.2
    reach = wall(body, y) + 1
    inner = (44 + 5.5 * number) * body.wide
    fall = (24 + 3.2 * number) * body.rib_slope
    return (
        spline(
            [(reach, y), (reach * 0.98, y + fall * 0.22), (reach * 0.5 + inner * 0.5, y + fall * 0.85),
             (inner, y + fall * 1.12)],
            5,
        )
        * [side, 1]
    )  # fmt: skip


def _shoulder(strokes: Strokes, body: Body, side: int) -> None:
    w, mirror = body.wide, np.array([side, 1])
    blade = loop(
        [(168 * w, -112), (150 * w, -96), (128 * w, -40), (124 * w, 22), (112 * w, 18), (98 * w, -60),
         (104 * w, -110)], 4,
    )  # fmt: skip
    strokes.polygon(blade * mirror, 0.13)
    strokes.line(blade[: len(blade) // 2] * mirror, 2.2, 0.36)
    arm = np.array([(182, -100), (210, -96), (224, -20), (244, 300), (222, 300), (204, -20)]) * [w, 1]
    strokes.polygon(arm * mirror, 0.42)
    strokes.polygon(ellipse(195 * w, -104, 21, 23) * mirror, 0.48)
    top = -104 * body.tall + body.clavicle
    collar = spline([(16, top + 14), (42, top + 5), (84, top - 6), (118, top - 14), (148, top - 15), (172, top - 8)], 5)
    half = np.interp(np.linspace(0, 1, len(collar)), [0, 0.12, 0.5, 1], [8.5, 6, 5, 6.5])
    strokes.band(collar * mirror, half, 0.52, 0.8)


def _spine(body: Body) -> Strokes:
    strokes = Strokes()
    heights = np.arange(-200, 260, 23.0) * body.tall
    for y, x in zip(heights.tolist(), (body.scoliosis * np.sin(heights / 75)).tolist(), strict=True):
        half, tall = 15 + 0.02 * y, 8.6 * body.tall
        for sign in (-1, 1):
            strokes.line([(x + sign * half, y - 3), (x + sign * (half + 13), y - 6)], 6, 0.12)
        strokes.polygon(
            loop([(x - half, y - tall), (x, y - tall + 1), (x + half, y - tall), (x + half - 2, y),
                  (x + half, y + tall), (x, y + tall - 1), (x - half, y + tall), (x - half + 2, y)], 3), 0.26,
        )  # fmt: skip
        for sign in (-1, 1):
            strokes.polygon(ellipse(x + sign * 9, y - 2, 2.6, 4.2, 12), 0.40)
        strokes.polygon(ellipse(x, y + 7, 2.2, 6, 12), 0.40)
    return strokes
