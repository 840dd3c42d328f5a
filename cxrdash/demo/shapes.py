"""Curves, bands and anti-aliased layers: the pencils with which the demo's films are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.float32]  # one value per pixel
Points = NDArray[np.float64]  # (n, 2): x to the viewer's right, y downwards
Path = Points | Sequence[tuple[float, float]]

FINE = 2.0  # drawn at twice the film's size and averaged, so that edges are smooth
PLAIN = 1.0  # for faint shapes, whose edges drown in the noise
SOFT = 0.5  # for blurred edges
COARSE = 0.25  # for what has no edges


@dataclass(frozen=True)
class Pose:
    """How the body meets the film: the place of the point (0, 0) mm, the scale and the rotation."""

    width: int
    height: int
    px_per_mm: float
    centre_x: float
    centre_y: float
    angle: float = 0.0  # radians, clockwise as seen

    def px(self, points: Path) -> Points:
        """Return points given in millimetres as pixels of the film."""
        cos, sin = np.cos(self.angle) * self.px_per_mm, np.sin(self.angle) * self.px_per_mm
        turned = np.asarray(points, dtype=np.float64) @ np.array([[cos, sin], [-sin, cos]])
        placed: Points = turned + np.array([self.centre_x, self.centre_y])
        return placed


@dataclass
class Strokes:
    """Polygons and lines in millimetres, collected once per person and drawn on many films."""

    points: list[Points] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)  # 0 for a filled polygon
    values: list[float] = field(default_factory=list)

    @cached_property
    def all_points(self) -> Points:
        """Every stroke's points in one array; asked for once all strokes are collected."""
        return np.vstack(self.points)

    def polygon(self, points: Path, value: float = 1.0) -> None:
        self.line(points, 0.0, value)

    def line(self, points: Path, width_mm: float, value: float = 1.0) -> None:
        self.points.append(np.asarray(points, dtype=np.float64))
        self.widths.append(width_mm)
        self.values.append(value)

    def band(self, centre: Points, half: ArrayLike, inside: float, rim: float) -> None:
        """A bone: a translucent inside between two brighter edges."""
        upper, lower = edges(centre, half)
        self.polygon(np.vstack([upper, lower[::-1]]), inside)
        self.line(upper, 1.0, rim)
        self.line(lower, 1.2, rim)


class Layer:
    """A grey canvas in millimetres; the value of a pixel is how much of it a shape covers, 0 to 1."""

    def __init__(self, pose: Pose, scale: float = FINE) -> None:
        self.pose = pose
        self.scale = scale
        self.drawn = 2.0 if scale == SOFT else 2.0 if scale == COARSE else 1.0  # drawn finer, then averaged
        size = (round(pose.width * scale * self.drawn), round(pose.height * scale * self.drawn))
        self.image = Image.new("L", size)
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Path, value: float = 1.0) -> None:
        flat = (self.pose.px(points) * (self.scale * self.drawn)).ravel().tolist()
        self.draw.polygon(flat, fill=round(255 * value))

    def line(self, points: Path, width_mm: float, value: float = 1.0) -> None:
        scale = self.scale * self.drawn
        width = max(1, round(width_mm * self.pose.px_per_mm * scale))
        flat = (self.pose.px(points) * scale).ravel().tolist()
        self.draw.line(flat, fill=round(255 * value), width=width, joint="curve" if width > 4 else None)

    def strokes(self, strokes: Strokes, shift: tuple[float, float] = (0, 0)) -> None:
        """Draw collected strokes, all moved by ``shift`` millimetres."""
        scale = self.scale * self.drawn
        per_mm = self.pose.px_per_mm * scale
        flat = (self.pose.px(strokes.all_points + np.array(shift)) * scale).ravel().tolist()
        start = 0
        for points, width, value in zip(strokes.points, strokes.widths, strokes.values, strict=True):
            end = start + points.size
            ink = round(255 * value)
            if width:
                self.draw.line(flat[start:end], fill=ink, width=max(1, round(width * per_mm)))
            else:
                self.draw.polygon(flat[start:end], fill=ink)
            start = end

    def small(self, blur_mm: float = 0.0) -> Field:
        """Return the layer at its own scale, blurred by a Gaussian of the given deviation."""
        image = self.image
        if self.drawn > 1:
            image = image.reduce(int(self.drawn))
        elif self.scale > 1:
            image = image.reduce(int(self.scale))
        if blur_mm:
            image = image.filter(ImageFilter.GaussianBlur(blur_mm * self.pose.px_per_mm * min(self.scale, 1.0)))
        return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)

    def field(self, blur_mm: float = 0.0) -> Field:
        """Return the layer at the film's size."""
        small = self.small(blur_mm)
        return small if self.scale >= 1 else enlarged(small, self.pose)


def enlarged(small: Field, pose: Pose) -> Field:
    """Return a coarse field at the film's size."""
    size = (pose.width, pose.height)
    return np.array(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)


def spline(points: Path, steps: int = 6) -> Points:
    """Return a smooth open curve through the points (Catmull-Rom), ``steps`` points per stretch."""
    knots = np.asarray(points, dtype=np.float64)
    knots = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    stretches = np.stack([knots[:-3], knots[1:-2], knots[2:-1], knots[3:]], axis=1)
    curve = np.matmul(_catmull_rom(steps), stretches)  # (stretches, steps, 2)
    return np.vstack([curve.reshape(-1, 2), knots[-2:-1]])


@cache
def _catmull_rom(steps: int) -> Points:
    t = np.linspace(0, 1, steps, endpoint=False)
    squared, cubed = t**2, t**3
    return 0.5 * np.stack(
        [-t + 2 * squared - cubed, 2 - 5 * squared + 3 * cubed, t + 4 * squared - 3 * cubed, cubed - squared],
        axis=1,
    )


def loop(points: Path, steps: int = 6) -> Points:
    """Return a smooth closed curve through the points."""
    knots = np.asarray(points, dtype=np.float64)
    closed = spline(np.vstack([knots[-1:], knots, knots[:2]]), steps)
    return closed[steps : -steps - 1]


def edges(centre: Points, half_width: ArrayLike) -> tuple[Points, Points]:
    """Return the two edges of a band along a centre line."""
    along = np.gradient(centre, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    normal /= np.maximum(np.hypot(normal[:, 0], normal[:, 1])[:, None], 1e-9)
    offset = normal * np.broadcast_to(np.asarray(half_width, dtype=np.float64), len(centre))[:, None]
    return centre + offset, centre - offset


def ellipse(x: float, y: float, radius_x: float, radius_y: float, steps: int = 32) -> Points:
    """Return an ellipse as a polygon."""
    turn = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + radius_x * np.cos(turn), y + radius_y * np.sin(turn)], axis=1)


def blob(rng: np.random.Generator, x: float, y: float, radius: float, roughness: float = 0.25) -> Points:
    """Return an irregular closed shape of about the given radius."""
    turn = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    reach = radius * (1 + roughness * rng.uniform(-1, 1, len(turn)))
    return loop(np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1), 5)


def soften(values: Field) -> Field:
    """Return the field smoothed over 3 x 3 pixels (1 2 1), edges kept."""
    out = values.copy()
    pairs = values[:-1] + values[1:]
    out[1:-1] = pairs[:-1] + pairs[1:]
    out[1:-1] *= np.float32(0.25)
    pairs = out[:, :-1] + out[:, 1:]
    pairs = pairs[:, :-1] + pairs[:, 1:]
    pairs *= np.float32(0.25)
    out[:, 1:-1] = pairs
    return out
