"""What a reader hands over: one film and how it wants to be shown, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

from numpy.typing import NDArray

from cxrdash.errors import CxrdashError, shown

MAX_PIXELS = 60_000_000  # four times the largest detector in use (4,280 x 3,520); read from the header

REASON_CHARACTERS = 160

Pixels = NDArray[Any]
Kind = Literal["missing", "not a file", "unknown format", "too large", "broken", "needs decoder", "timed out"]
SpacingKind = Literal["detector", "patient", "stated", ""]

# Only what follows from the bytes of the file may be remembered: a missing file may come back, a mount
# may recover, a package may be installed.
LASTING_KINDS = frozenset({"unknown format", "too large", "broken"})


class UnreadableFilm(CxrdashError):
    """A film that cannot be shown.

    ``kind`` is one of seven words, ``reason`` a few words for the tile, ``message`` the reason with the
    file's name and ``hint`` the next step.
    """

    def __init__(self, kind: Kind, reason: str, hint: str = "", *, path: str | PathLike[str] = "") -> None:
        reason = shown(reason, REASON_CHARACTERS)  # it may quote the file
        super().__init__(f"{shown(path, 200)}: {reason}" if str(path) else reason, hint)
        self.kind: Kind = kind
        self.reason = reason

    def of(self, path: str | PathLike[str]) -> UnreadableFilm:
        """Return the same fault with the file named in its message."""
        return UnreadableFilm(self.kind, self.reason, self.hint, path=path)


# What a manufacturer may call a window. Any other text could name a person, so it is not kept.
EXPLANATIONS = frozenset(
    {"NORMAL", "HARDER", "SOFTER", "HARD", "SOFT", "WINDOW1", "WINDOW2", "WINDOW3", "USER", "DEFAULT", "CUSTOM"}
    | {"ALGO1", "ALGO2", "ALGO3", "LUNG", "BONE", "MEDIASTINUM", "CHEST", "ABDOMEN", "AUTO", "LINEAR", "SIGMOID"}
)


@dataclass(frozen=True)
class Window:
    """The range of rescaled values that is spread from black to white.

    ``function`` is one of DICOM's three (PS3.3 C.11.2.1.2 and C.11.2.1.3). ``origin`` says whether the
    file asked for this window or the film's own minimum and maximum are used for want of one.
    ``explanation`` is the file's own name for it, if that is one of ``EXPLANATIONS``.
    """

    center: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"] = "LINEAR"
    origin: Literal["file", "range"] = "file"
    explanation: str = ""


@dataclass(frozen=True, eq=False)
class Lookup:
    """A lookup table: ``first + i`` becomes ``values[i]``, of ``bits`` bits; the ends hold beyond it."""

    first: int
    values: Pixels
    bits: int
    explanation: str = ""


@dataclass(frozen=True, eq=False)
class Film:
    """One radiograph as stored, never flipped, turned, rescaled or clipped.

    ``pixels`` is (h, w), integers as stored; where a reduced size was asked for it may be smaller than
    ``width`` and ``height``, which are the file's. ``stored_mode`` is the file's own word for its
    pixels ('L', 'I;16', 'RGBA', 'MONOCHROME1'), ``bits`` the bits stored per channel. ``inverted``
    films store black as their largest value.

    The modality step takes stored to rescaled values: by the table ``modality`` where there is one,
    else times ``slope`` plus ``intercept``. ``windows`` and ``lookups`` (VOI tables) are all that the
    file has, in its order and in rescaled values; ``window`` and ``lookup`` are those shown first, and a
    lookup goes before a window. ``spread`` is the whole range of the film, used where the file has
    neither; with none of the three the 8-bit pixels are the picture.

    ``spacing_mm`` is (between rows, between columns). Its ``spacing_kind`` is "detector" (measured at
    the detector or the digitised film, so that the patient is magnified), "patient" (calibrated), or
    "stated" where the file does not say which of the two; empty without a spacing.
    """

    pixels: Pixels
    stored_mode: str
    bits: int
    width: int
    height: int
    inverted: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    modality: Lookup | None = None
    windows: tuple[Window, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    spread: Window | None = None
    spacing_mm: tuple[float, float] | None = None
    spacing_kind: SpacingKind = ""

    @property
    def window(self) -> Window | None:
        """The window shown first: the file's first, else the film's whole range, else none."""
        return self.windows[0] if self.windows else self.spread

    @property
    def lookup(self) -> Lookup | None:
        """The file's first VOI lookup table, which goes before its windows."""
        return self.lookups[0] if self.lookups else None


def full_range(low: float, high: float) -> Window:
    """Return the window from the smallest to the largest rescaled value, so that nothing is clipped."""
    low, high = sorted((float(low), float(high)))
    return Window((low + high) / 2, high - low, "LINEAR_EXACT", "range")


def check_pixel_count(width: int, height: int, planes: int = 1) -> None:
    """Raise ``UnreadableFilm`` where the header announces no pixels, or more than ``MAX_PIXELS``."""
    if width < 1 or height < 1:
        raise UnreadableFilm("broken", f"broken file: {width:,} × {height:,} pixels")
    if width * height * planes > MAX_PIXELS:
        size = f"{width:,} × {height:,}" + (f" × {planes:,}" if planes > 1 else "")
        raise UnreadableFilm(
            "too large",
            f"too large: {size} pixels",
            f"The limit is {MAX_PIXELS:,} pixels; export it smaller.",
        )
