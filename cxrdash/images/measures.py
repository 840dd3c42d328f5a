"""What one decode of a film tells: its make, its greys, its borders, its sharpness, its digests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrdash.images.display import display_8bit
from cxrdash.images.film import LASTING_KINDS, Film, Pixels, UnreadableFilm
from cxrdash.images.formats import HEAD_BYTES, READERS, read_film
from cxrdash.images.hashes import file_digest, perceptual_hash, pixel_digest
from cxrdash.images.orientation import small_film
from cxrdash.images.small_pictures import JPEG_QUALITY, SIDE, Thumbnail, shrunk

RECIPE = 2  # raise it when the same film would give other measures
SHARP_SIDE = 512
STRIP = 32  # rows looked at together: they stay in the processor's cache
GRID = 128  # points per side at which borders and clipping are looked at
UNIFORM_GREYS = 6  # shades of 256 within which nine tenths of a uniform line lie
TENTH = 0.05  # left out at either end of a line, so that a marker on it does not count
PERCENTILES = (0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99)
BURNED_IN = frozenset({"YES", "NO"})
HEADER_VIEWS = frozenset({"PA", "AP", "LL", "RL", "LLD", "RLD", "LLO", "RLO"})  # PS3.3 C.8.1.6, DX and CR


@dataclass(frozen=True, kw_only=True)
class FilmMeasures:
    """Measures of one film file, under the names of the table ``measures`` (see its column comments).

    All but ``status``, ``reason``, ``kind`` and ``file_bytes`` are None where the file cannot be read.
    ``small`` is the film in 32 x 32 cells, from which its orientation is judged.
    """

    status: str
    reason: str = ""
    kind: str = ""
    file_bytes: int | None = None
    format: str | None = None
    stored_mode: str | None = None
    photometric: str | None = None
    width: int | None = None
    height: int | None = None
    bits_allocated: int | None = None
    bits_stored: int | None = None
    spacing_row_mm: float | None = None
    spacing_column_mm: float | None = None
    spacing_kind: str | None = None
    windows: int | None = None
    header_view: str | None = None
    burned_in: str | None = None
    grey_levels: int | None = None
    lowest: float | None = None
    highest: float | None = None
    mean: float | None = None
    sd: float | None = None
    p01: float | None = None
    p05: float | None = None
    p25: float | None = None
    p50: float | None = None
    p75: float | None = None
    p95: float | None = None
    p99: float | None = None
    share_lowest: float | None = None
    share_highest: float | None = None
    entropy_bits: float | None = None
    border_left: float | None = None
    border_top: float | None = None
    border_right: float | None = None
    border_bottom: float | None = None
    uniform_rows: float | None = None
    uniform_columns: float | None = None
    border_share: float | None = None
    interior_sd: float | None = None
    interior_contrast: float | None = None
    interior_share_lowest: float | None = None
    interior_share_highest: float | None = None
    sharpness: float | None = None
    file_digest: bytes | None = None
    pixel_digest: bytes | None = None
    phash: bytes | None = None
    small: bytes | None = None

    @property
    def lasting(self) -> bool:
        """Whether these measures follow from the file alone, so that it need not be looked at again."""
        return self.status == "ok" or self.kind in LASTING_KINDS


@dataclass(frozen=True, eq=False)
class MeasuredFilm:
    """What one decode gave: the measures, and the thumbnail of the gallery."""

    measures: FilmMeasures
    thumbnail: Thumbnail


def measure_file(path: Path) -> MeasuredFilm:
    """Return measures and thumbnail of one film file, decoded in this process; a fault becomes its reason."""
    try:
        return measure_film(read_film(path), path)
    except UnreadableFilm as fault:
        return unmeasured(fault, path)


def unmeasured(fault: UnreadableFilm, path: Path) -> MeasuredFilm:
    """Return the row of a film without a picture: ``missing`` where its file is gone, else ``unreadable``."""
    status = "missing" if fault.kind == "missing" else "unreadable"
    size = None if status == "missing" else _size(path)
    return MeasuredFilm(
        FilmMeasures(status=status, reason=fault.reason, kind=fault.kind, file_bytes=size),
        Thumbnail(None, fault.reason, kind=fault.kind),
    )


def measure_film(film: Film, path: Path) -> MeasuredFilm:
    """Return measures and thumbnail of a film that was read from ``path``; its bytes are read again for the digest.

    Raises OSError where they can no longer be read.
    """
    content = path.read_bytes()
    shades = display_8bit(film)
    picture = _near(Image.fromarray(shades), SHARP_SIDE)
    thumbnail = shrunk(picture, SIDE)
    facts = {
        **_make(film, content),
        **_header_facts(content),
        **grey_facts(film.pixels),
        **border_facts(film, shades),
        "sharpness": sharpness(picture),
        "file_digest": file_digest(content),
        "pixel_digest": pixel_digest(film.pixels),
        "phash": perceptual_hash(thumbnail),
        "small": small_film(thumbnail),
    }
    held = io.BytesIO()
    thumbnail.save(held, "JPEG", quality=JPEG_QUALITY)
    thumb = Thumbnail(held.getvalue(), None, film.width, film.height)
    return MeasuredFilm(FilmMeasures(status="ok", **facts), thumb)


BYTES = ("file_digest", "pixel_digest", "phash", "small")


def as_message(made: MeasuredFilm) -> tuple[dict[str, Any], list[bytes]]:
    """Return a measured film as a dictionary for JSON and five byte strings: the digests and the thumbnail."""
    head = {key: value for key, value in vars(made.measures).items() if key not in BYTES and value is not None}
    return head, [*(getattr(made.measures, name) or b"" for name in BYTES), made.thumbnail.jpeg or b""]


def from_message(head: dict[str, Any], held: Sequence[bytes | bytearray]) -> MeasuredFilm:
    """Read back what ``as_message`` wrote."""
    *parts, jpeg = (bytes(part) for part in held)
    told: dict[str, Any] = {field.name: head[field.name] for field in fields(FilmMeasures) if field.name in head}
    told |= zip(BYTES, parts, strict=True)
    measures = FilmMeasures(**told)
    return MeasuredFilm(measures, Thumbnail(jpeg, None, measures.width or 0, measures.height or 0))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None


def _make(film: Film, content: bytes) -> dict[str, Any]:
    """What kind of file it is and how its pixels are stored."""
    head = content[:HEAD_BYTES]
    name = next((reader.name for reader in READERS if reader.recognises(head)), None)
    spacing = film.spacing_mm or (None, None)
    return {
        "file_bytes": len(content),
        "format": name,
        "stored_mode": film.stored_mode,
        "photometric": film.stored_mode if name == "DICOM" else None,
        "width": film.width,
        "height": film.height,
        "bits_allocated": 8 * film.pixels.dtype.itemsize,
        "bits_stored": film.bits,
        "spacing_row_mm": spacing[0],
        "spacing_column_mm": spacing[1],
        "spacing_kind": film.spacing_kind or None,
        "windows": len(film.windows) + len(film.lookups) if name == "DICOM" else None,
    }


def _header_facts(content: bytes) -> dict[str, str | None]:
    """The view and the burnt-in annotation that a DICOM header states, as far as they are words of the standard.

    Nothing else is kept in memory: free text could hold a name.
    """
    if content[128:132] != b"DICM":
        return {}
    import pydicom

    tags = ["ViewPosition", "BurnedInAnnotation"]
    header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=tags)
    view = str(header.get("ViewPosition") or "").strip().upper()
    burned_in = str(header.get("BurnedInAnnotation") or "").strip().upper()
    return {
        "header_view": view if view in HEADER_VIEWS else None,
        "burned_in": burned_in if burned_in in BURNED_IN else None,
    }


def grey_facts(pixels: Pixels) -> dict[str, Any]:
    """Return distinct levels, range, mean, deviation, percentiles, end shares and entropy of stored values.

    A percentile is the smallest stored value that at least that share of the pixels do not exceed. The
    entropy is that of the histogram in bits (METHODS 7.1).
    """
    values, counts = _histogram(pixels)
    total = int(counts.sum())
    shares = counts / total
    mean = float(shares @ values)
    reached = np.searchsorted(np.cumsum(counts), np.ceil(np.array(PERCENTILES) * total))
    return {
        "grey_levels": len(values),
        "lowest": float(values[0]),
        "highest": float(values[-1]),
        "mean": mean,
        "sd": float(np.sqrt(shares @ (values - mean) ** 2)),
        **{f"p{round(100 * p):02d}": float(values[at]) for p, at in zip(PERCENTILES, reached, strict=True)},
        "share_lowest": float(shares[0]),
        "share_highest": float(shares[-1]),
        "entropy_bits": float(-(shares @ np.log2(shares))) + 0.0,
    }


def _histogram(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values that occur, rising, and how many pixels have each."""
    if pixels.dtype == np.uint8:
        counts = np.array(Image.fromarray(pixels).histogram(), np.int64)
        first = 0
    elif pixels.dtype.itemsize <= 2:
        first = int(pixels.min())
        shifted = pixels if first >= 0 else (pixels.astype(np.int32) - first)
        first = 0 if first >= 0 else first
        counts = np.bincount(shifted.ravel())
    else:
        values, counts = np.unique(pixels, return_counts=True)
        return values.astype(np.float64), counts
    (present,) = np.nonzero(counts)
    return present.astype(np.float64) + first, counts[present]


def border_facts(film: Film, shades: NDArray[np.uint8]) -> dict[str, float]:
    """Return the uniform bands at the edges, the share of the border, and the greys of the interior.

    Looked at on about 128 x 128 points of the film. A row or column is uniform where nine tenths of its
    shades lie within 6 of 256. The border is these lines and whatever is joined to the edge at the
    darkest stored value: collimation and air, which must not be taken for clipping.
    """
    height, width = film.pixels.shape
    step = max(1, max(height, width) // GRID)
    stored, shown = film.pixels[::step, ::step], shades[::step, ::step]
    rows, columns = _uniform_lines(shown[:, ::2]), _uniform_lines(shown.T[:, ::2])
    top, bottom = _run(rows), _run(rows[::-1])
    left, right = _run(columns), _run(columns[::-1])
    lowest, highest = stored == film.pixels.min(), stored == film.pixels.max()
    outside = _joined_to_edge(highest if film.inverted else lowest)
    outside[rows, :] = True
    outside[:, columns] = True
    inside = ~outside
    return {
        "border_left": left / len(columns),
        "border_top": top / len(rows),
        "border_right": right / len(columns),
        "border_bottom": bottom / len(rows),
        "uniform_rows": _longest_run(rows) / len(rows),
        "uniform_columns": _longest_run(columns) / len(columns),
        "border_share": float(outside.mean()),
        **_interior(shown[inside], lowest[inside], highest[inside]),
    }


def _interior(shades: NDArray[np.uint8], lowest: NDArray[np.bool_], highest: NDArray[np.bool_]) -> dict[str, float]:
    if not len(shades):
        return {"interior_sd": 0.0, "interior_contrast": 0.0, "interior_share_lowest": 0.0,
                "interior_share_highest": 0.0}  # fmt: skip
    reached = np.cumsum(np.bincount(shades, minlength=256))
    dark, light = np.searchsorted(reached, (0.05 * len(shades), 0.95 * len(shades)))
    return {
        "interior_sd": float(shades.std()),
        "interior_contrast": float(light - dark),
        "interior_share_lowest": float(lowest.mean()),
        "interior_share_highest": float(highest.mean()),
    }


def _uniform_lines(shades: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which rows have nine tenths of their shades within a few greys."""
    ordered = np.sort(shades, axis=1)
    left_out = int(TENTH * ordered.shape[1])
    spread = ordered[:, -1 - left_out].astype(np.int16) - ordered[:, left_out]
    uniform: NDArray[np.bool_] = spread <= UNIFORM_GREYS
    return uniform


def _run(lines: NDArray[np.bool_]) -> int:
    """How many lines from the first on are uniform."""
    return int(lines.argmin()) if not lines.all() else len(lines)


def _longest_run(lines: NDArray[np.bool_]) -> int:
    ends = np.flatnonzero(np.diff(np.concatenate([[0], lines, [0]]).astype(np.int8)))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def _joined_to_edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a mask that reach the edge of the film."""
    if not mask.any():
        return mask
    from scipy.ndimage import label

    parts, count = label(mask)
    edges = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    reaching = np.zeros(count + 1, bool)
    reaching[edges] = True
    reaching[0] = False
    joined: NDArray[np.bool_] = reaching[parts]
    return joined


def sharpness(picture: Image.Image) -> float:
    """Return the variance of the 4-neighbour Laplacian of a shown film of longest side 512 (METHODS 7.4).

    It depends on resolution, window and noise: compare it only within one dataset and view. Smaller
    films are not enlarged; a film under 3 pixels has 0.
    """
    values = np.asarray(_at_most(picture, SHARP_SIDE))
    height, width = values.shape
    if min(height, width) < 3:
        return 0.0
    total = squares = 0.0
    for top in range(0, height - 2, STRIP):
        found = _laplacian(values[top : top + STRIP + 2].astype(np.int16)).astype(np.float32).ravel()
        squares += float(found @ found)
        total += float(found.sum(dtype=np.float64))
    count = (height - 2) * (width - 2)
    return float(squares / count - (total / count) ** 2)


def _laplacian(values: NDArray[np.int16]) -> NDArray[np.int16]:
    found = values[1:-1, 1:-1] * np.int16(-4)
    for shifted in (values[:-2, 1:-1], values[2:, 1:-1], values[1:-1, :-2], values[1:-1, 2:]):
        found += shifted
    return found


def _near(picture: Image.Image, side: int) -> Image.Image:
    """The picture averaged in whole blocks, its longest side at least ``side`` and less than twice that.

    It is what a thumbnail is made of on the way in any case (see ``shrunk``).
    """
    blocks = max(picture.size) // side
    return picture.reduce(blocks) if blocks > 1 else picture


def _at_most(picture: Image.Image, side: int) -> Image.Image:
    picture = _near(picture, side)
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)
