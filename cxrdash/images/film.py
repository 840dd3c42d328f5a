"""What a reader hands over: one film and how it wants to be shown, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

from numpy.typing import NDArray

from cxrdash.errors import CxrdashError, shown

MAX_PIXELS = 60_000_000  # four times the largest detector in use (4,280 x 3,520); read from the header

Pixels = NDArray[Any]
Kind = Literal["missing", "not a file", "unknown format", "too large", "broken", "needs decoder"]

# Only what follows from the bytes of the file may be remembered: a missing file may come back, a mount
# may recover, a package may be installed.
LASTING_KINDS = frozenset({"unknown format", "too large", "broken"})


class UnreadableFilm(CxrdashError):
    """A film that cannot be shown.

    ``kind`` is one of six words, ``reason`` a few words for the tile, ``message`` the reason with the
    file's name and ``hint`` the next step.
    """

    def __init__(self, kind: Kind, reason: str, hint: str = "", *, path: str | PathLike[str] = "") -> None:
        super().__init__(f"{shown(path, 200)}: {reason}" if str(path) else reason, hint)
        self.kind: Kind = kind
        self.reason = reason

    def of(self, path: str | PathLike[str]) -> UnreadableFilm:
        """Return the same fault with the file named in its message."""
        return UnreadableFilm(self.kind, self.reason, self.hint, path=path)


@dataclass(frozen=True)
class Window:
    """The range of pixel values that is spread from black to white.

    ``function`` is one of DICOM's three (PS3.3 C.11.2.1.2 and C.11.2.1.3). ``origin`` says whether the
    file asked for this window or the film's own minimum and maximum are used for want of one.
    """

    center: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"] = "LINEAR"
    origin: Literal["file", "range"] = "file"


@dataclass(frozen=True, eq=False)
class Lookup:
    """A VOI lookup table: the value ``first + i`` is shown as ``values[i]`` of ``bits`` bits."""

    first: int
    values: Pixels
    bits: int


@dataclass(frozen=True, eq=False)
class Film:
    """One radiograph as stored, never flipped, turned or clipped.

    ``pixels`` is (h, w): uint8 or uint16 as stored, or int16 or float32 where a DICOM modality step
    asks for it. ``stored_mode`` is the file's own word for its pixels ('L', 'I;16', 'RGBA',
    'MONOCHROME1'), ``bits`` the bits stored per channel, ``width`` and ``height`` those of the file
    even when a reduced size was asked for. ``inverted`` films store black as their largest value.
    With neither ``lookup`` nor ``window`` the 8-bit pixels are the picture.
    """

    pixels: Pixels
    stored_mode: str
    bits: int
    width: int
    height: int
    inverted: bool = False
    window: Window | None = None
    lookup: Lookup | None = None


def full_range(pixels: Pixels) -> Window:
    """Return the window from the smallest to the largest value, so that nothing is clipped."""
    low, high = float(pixels.min()), float(pixels.max())
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
