"""Whether two films are one picture: one is laid on the other, and what is seen on both is correlated.

Films of different patients resemble each other, so a high correlation of small pictures is not enough once
one of them may be turned, shifted and stretched to fit: the fine structure (ribs, vessels, text) must
agree as well. Where one film is empty, black or white all over, nothing is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALL, FINE = 64, 128  # points per side at which films are laid on each other, and at which details count
SAME_CORRELATION = 0.97  # METHODS 7.5: reached by no two of 498,823 pairs of different patients
SAME_DETAIL = 0.5  # at least: where a dataset's films are more alike in detail, more is asked (index.duplicates)
FINE_SCALE = 3.0  # points of 128; what is smoother is no detail
EMPTY = 2  # shades from black or white
LEAST_SHARED = 0.4  # of the film; on less than that nothing is said
LEAST_SIZE, MOST_SIZE = 0.75, 1.35  # of one film on the other
GIVE_UP = 0.85  # correlation after a blurred stage below which there is no need to go on

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Stage(NamedTuple):
    """``side`` points of 64 are fitted, both films blurred by ``blur`` of them, in at most so many ``rounds``."""

    side: int
    blur: float
    rounds: int


STAGES = (Stage(32, 3.0, 8), Stage(32, 1.2, 8), Stage(64, 0.0, 5))


@dataclass(frozen=True, eq=False)
class Start:
    """How b is thought to lie on a: a turn in degrees, mirrored top to bottom, greys exchanged.

    ``crop`` is the centre (down, across) and the size of a on b, in shares of the side.
    """

    degrees: float = 0.0
    mirrored: bool = False
    inverted: bool = False
    crop: tuple[float, float, float] = (0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike two films are once b is laid on a.

    ``correlation`` of the greys at 64 points per side and of the ``detail`` at 128, both -1 to 1;
    ``shared`` is the share of a on which both show something. ``matrix`` (2, 2) and ``shift`` lead from
    a place on a, (down, across) from the middle with the film's half side as 1, to the place on b.
    """

    correlation: float
    detail: float
    shared: float
    matrix: Floats
    shift: Floats
    inverted: bool

    @property
    def near(self) -> bool:
        """Whether the greys are as alike as those of one picture; the detail has to say the rest."""
        return self.correlation >= SAME_CORRELATION

    @property
    def mirrored(self) -> bool:
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def size(self) -> float:
        """How much of b's side a covers: below 1 a is a cut-out of b."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    @property
    def degrees(self) -> float:
        """The turn from a to b, counter-clockwise, -180 to 180; after mirroring left to right where mirrored."""
        matrix = self.matrix @ np.diag([1.0, -1.0]) if self.mirrored else self.matrix
        return float(np.degrees(np.arctan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1])))


class Picture:
    """A film as shown, in grey, of any size; squeezed to squares for comparing."""

    def __init__(self, shades: NDArray[np.uint8]) -> None:
        self._shades = shades
        self._blurred: dict[float, Floats] = {}

    @classmethod
    def of_jpeg(cls, jpeg: bytes) -> Picture:
        """Read a thumbnail."""
        with Image.open(BytesIO(jpeg)) as opened:
            return cls(np.asarray(opened.convert("L")))

    @cached_property
    def small(self) -> Floats:
        return self.square(SMALL)

    @cached_property
    def fine(self) -> Floats:
        return self.square(FINE)

    @cached_property
    def detail(self) -> Floats:
        from scipy.ndimage import gaussian_filter

        found: Floats = self.fine - gaussian_filter(self.fine, FINE_SCALE)
        return found

    def blurred(self, points: float) -> Floats:
        """Return the film at 64 points per side, what it shows blurred by so many points."""
        from scipy.ndimage import gaussian_filter

        if points not in self._blurred:
            shown = self.shown.astype(np.float64)
            # What is empty must not bleed into what is not: a black part would pull the fit towards its edge.
            weight = gaussian_filter(shown, points) if points else shown
            greys = gaussian_filter(self.small * shown, points) / np.maximum(weight, 1e-6) if points else self.small
            self._blurred[points] = greys
        return self._blurred[points]

    @cached_property
    def shown(self) -> Flags:
        """Where the film at 64 points shows something: not black or white in a neighbourhood."""
        return _not_empty(self.small)

    @cached_property
    def shown_fine(self) -> Flags:
        return self.shown.repeat(FINE // SMALL, axis=0).repeat(FINE // SMALL, axis=1)

    def square(self, side: int) -> Floats:
        """Return the film averaged to ``side`` x ``side`` points."""
        picture = Image.fromarray(self._shades).resize((side, side), Image.Resampling.BOX)
        return np.asarray(picture, np.float64)


def _not_empty(shades: Floats) -> Flags:
    """What is neither part of a black or white area, nor beside one: single points are no area."""
    from scipy.ndimage import maximum_filter, minimum_filter

    shown = np.ones(shades.shape, bool)
    for empty in (shades <= EMPTY, shades >= 255 - EMPTY):
        if empty.any():
            areas = minimum_filter(empty, 3, mode="nearest")
            shown &= ~maximum_filter(areas, 7, mode="nearest")
    return shown


def correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's correlation of two sets of greys, 0 where either is uniform."""
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread > 1e-6 else 0.0


def likeness(a: Picture, b: Picture, start: Start | None = None) -> Likeness:
    """Lay b on a, beginning from ``start``, and say how alike they are.

    The fit turns, shifts and stretches (six parameters) so as to make the squared difference of the
    standardised greys least, from coarse to fine (Lucas and Kanade 1981, in Gauss-Newton steps). Where
    it leads to less than 40% of the film, or to a size beyond 0.75 to 1.35, all is 0.
    """
    start = start or Start()
    fit = _first(start)
    sign = -1.0 if start.inverted else 1.0
    for stage in STAGES:
        better = _improved(a, b, fit, sign, stage)
        if better is None or (stage.blur and _small_correlation(a, b, better)[0] * sign < GIVE_UP):
            return _nothing(start)
        fit = better
    return _judged(a, b, fit, start)


def _judged(a: Picture, b: Picture, fit: Floats, start: Start) -> Likeness:
    sign = -1.0 if start.inverted else 1.0
    found, shared = _small_correlation(a, b, fit)
    fine = _fine_correlation(a, b, fit) if sign * found >= GIVE_UP else 0.0
    size = np.sqrt(abs(np.linalg.det(fit[:, :2])))
    if shared < LEAST_SHARED or not LEAST_SIZE <= size <= MOST_SIZE:
        return _nothing(start)
    return Likeness(sign * found, sign * fine, shared, fit[:, :2], fit[:, 2], start.inverted)


def _nothing(start: Start) -> Likeness:
    return Likeness(0.0, 0.0, 0.0, np.eye(2), np.zeros(2), start.inverted)


def _first(start: Start) -> Floats:
    """The fit (2, 3) with which the search begins: matrix and shift."""
    angle = np.radians(start.degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag([-1.0, 1.0]) @ turn if start.mirrored else turn
    down, across, size = start.crop
    return np.column_stack([size * matrix, [2 * down, 2 * across]])


def _places(side: int) -> Floats:
    """The points of a square, (2, side * side): down and across from the middle, the half side as 1."""
    line = (np.arange(side) + 0.5) * 2 / side - 1
    return np.stack([np.repeat(line, side), np.tile(line, side)])


def _on_b(fit: Floats, side: int) -> tuple[Floats, Flags]:
    """Where the points of a lie on b, in b's points; and whether they do."""
    place = fit[:, :2] @ _places(side) + fit[:, 2:]
    points = (place + 1) * side / 2 - 0.5
    return points, _within(points, side - 1)


def _within(points: Floats, last: float) -> Flags:
    inside: Flags = np.all((points >= 0) & (points <= last), axis=0)
    return inside


def _taken(shades: Floats, points: Floats, *, order: int = 1) -> Floats:
    from scipy.ndimage import map_coordinates

    found: Floats = map_coordinates(shades, points, order=order, mode="nearest")
    return found


def _shared(a: Picture, b: Picture, fit: Floats, side: int = SMALL) -> tuple[Floats, Flags]:
    """Where the points of a (of 64, every one or every second) lie on b, and where both show something."""
    places = (_on_b_places(fit, side) + 1) * SMALL / 2 - 0.5
    both = _within(places, SMALL - 1)
    both &= _thinned(a.shown, side)
    nearest = np.clip(np.rint(places), 0, SMALL - 1).astype(np.int64)
    both &= b.shown[nearest[0], nearest[1]]
    return places, both


def _thinned(values: NDArray[Any], side: int) -> NDArray[Any]:
    """Every point of 64 per side, or every second: those at which a fit is judged."""
    step = SMALL // side
    return values[step // 2 :: step, step // 2 :: step].ravel()


def _on_b_places(fit: Floats, side: int) -> Floats:
    places = _thinned_places(side)
    found: Floats = fit[:, :2] @ places + fit[:, 2:]
    return found


@cache
def _thinned_places(side: int) -> Floats:
    whole = _places(SMALL).reshape(2, SMALL, SMALL)
    return np.stack([_thinned(line, side) for line in whole])


def _small_correlation(a: Picture, b: Picture, fit: Floats) -> tuple[float, float]:
    points, both = _shared(a, b, fit)
    if both.mean() < LEAST_SHARED:
        return 0.0, float(both.mean())
    return correlation(a.small.ravel()[both], _taken(b.small, points[:, both])), float(both.mean())


def _fine_correlation(a: Picture, b: Picture, fit: Floats) -> float:
    points, both = _on_b(fit, FINE)
    both &= a.shown_fine.ravel()
    both &= _taken(b.shown_fine.astype(np.float64), points, order=0) > 0.5
    if both.mean() < LEAST_SHARED:
        return 0.0
    return correlation(a.detail.ravel()[both], _taken(b.detail, points[:, both]))


def _improved(a: Picture, b: Picture, fit: Floats, sign: float, stage: Stage) -> Floats | None:
    """Some Gauss-Newton steps on blurred films; None where hardly anything is shared."""
    side = stage.side
    greys_a = a.blurred(stage.blur)
    greys_b: Floats = sign * b.blurred(stage.blur)
    down, across = np.gradient(greys_b, axis=0), np.gradient(greys_b, axis=1)
    target, place = _thinned(greys_a, side), _thinned_places(side)
    for _ in range(stage.rounds):
        points, both = _shared(a, b, fit, side)
        if both.mean() < LEAST_SHARED:
            return None
        seen = points[:, both]
        steps = _steps(_taken(down, seen), _taken(across, seen), place[:, both])
        change = _solved(target[both], _taken(greys_b, seen), steps)
        fit = fit + change
        if np.abs(change).max() < 5e-4:
            break
    return fit


def _steps(down: Floats, across: Floats, place: Floats) -> Floats:
    """How the greys of b at each point change with each of the six parameters, (points, 6)."""
    down, across = down * SMALL / 2, across * SMALL / 2
    return np.stack([down * place[0], down * place[1], down, across * place[0], across * place[1], across], axis=1)


def _solved(target: Floats, greys: Floats, steps: Floats) -> Floats:
    """The change of the fit that brings the standardised greys nearest to the standardised target."""
    spread = greys.std() + 1e-9
    now = (greys - greys.mean()) / spread
    wanted = (target - target.mean()) / (target.std() + 1e-9)
    steps = (steps - steps.mean(axis=0)) / spread
    steps -= now[:, None] * (now @ steps / len(now))
    square = steps.T @ steps
    square[np.diag_indices(6)] *= 1.001
    square[np.diag_indices(6)] += 1e-9
    return np.asarray(np.linalg.solve(square, steps.T @ (wanted - now)).reshape(2, 3))


def laid_on(a: NDArray[np.uint8], b: NDArray[np.uint8], found: Likeness) -> Floats:
    """Return b as it lies on a, float64 of a's shape, with greys as a has them; NaN beyond b's edge."""
    height, width = a.shape
    y, x = np.mgrid[0:height, 0:width]
    place = np.stack([((y + 0.5) * 2 / height - 1).ravel(), ((x + 0.5) * 2 / width - 1).ravel()])
    place = found.matrix @ place + found.shift[:, None]
    points = np.stack([(place[0] + 1) * b.shape[0] / 2 - 0.5, (place[1] + 1) * b.shape[1] / 2 - 0.5])
    shades = b.astype(np.float64)
    laid = _taken(255.0 - shades if found.inverted else shades, points)
    inside = _within(place + 1, 2)
    laid[~inside] = np.nan
    if inside.any():
        laid = _matched(a.ravel().astype(np.float64), laid, inside)
    return laid.reshape(height, width)


def _matched(target: Floats, laid: Floats, inside: Flags) -> Floats:
    """The greys stretched and shifted by least squares, so that another window alone makes no difference."""
    x, y = laid[inside], target[inside]
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float((x - x.mean()) @ (y - y.mean())) / spread if spread > 0 else 1.0
    matched: Floats = y.mean() + slope * (laid - x.mean())
    return matched
