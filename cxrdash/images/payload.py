"""A film as the browser receives it: its stored pixels to the bit, and what is needed to show them.

Layout: the header's length (u32, little-endian), a JSON header padded with spaces so that the data begins
at a multiple of 8 bytes, then sections of little-endian numbers. ``header["sections"]`` tells of each
section its type ("u1", "i2", "f4" ...), its first byte counted from where the data begins, and its count.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrdash.images.display import display_8bit, rescaled
from cxrdash.images.film import Film, Lookup, Pixels, Window, full_range

ALIGNED = 8
MARGIN = 0.1  # of each side: what lies outside is often collimation, a marker or nothing
SAMPLED = 250_000  # pixels enough for a percentile
AS_STORED = Window(127.5, 255, "LINEAR_EXACT", "range")

# How dark to how bright a preset reaches, in percentiles of the film's own interior from black to white.
# Radiographs have no absolute units, so these are shares of the picture, not Hounsfield windows.
PRESETS = (("Lung", 0.5, 60), ("Mediastinum", 45, 99.5), ("Bone", 20, 90))
TIP = (
    "Percentiles {dark:g} to {bright:g}, from dark to bright, of this film's own interior. "
    "Radiographs have no absolute units, so this is no fixed window."
)


def payload(film: Film, *, spacing_mm: tuple[float, float] | None = None) -> bytes:
    """Return the film in the layout above.

    The section "pixels" holds ``film.pixels`` unchanged, row by row. "rescaled" (65,536 float32) is there
    only for a modality table; "shades0", "shades1" ... (uint8) are the finished greys of each VOI table:
    both are indexed by the stored value, taken modulo 65,536. ``spacing_mm`` (between rows, between columns)
    is what the dataset states, used where the file has none.
    """
    sections = {"pixels": film.pixels, **_tables(film)}
    places: dict[str, tuple[str, int, int]] = {}
    end = 0
    for name, values in sections.items():
        places[name] = (values.dtype.str.lstrip("<>|="), end, values.size)
        end += -(-values.nbytes // ALIGNED) * ALIGNED
    header = json.dumps({**_header(film, spacing_mm), "sections": places}).encode()
    header += b" " * (-(len(header) + 4) % ALIGNED)
    parts = [struct.pack("<I", len(header)), header]
    for values in sections.values():
        held = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        parts += [held, b"\0" * (-len(held) % ALIGNED)]
    return b"".join(parts)


def _tables(film: Film) -> dict[str, Pixels]:
    """The steps that are no formula, worked out for every value that 16 bits can hold."""
    stored = _every_value(film.pixels.dtype)
    if stored is None:
        return {}
    found: dict[str, Pixels] = {}
    if film.modality:
        found["rescaled"] = rescaled(stored, film).astype(np.float32)
    for place, lookup in enumerate(film.lookups):
        greys = replace(film, pixels=stored.reshape(256, -1), lookups=(lookup,), inverted=False)
        found[f"shades{place}"] = display_8bit(greys).ravel()
    return found


def _every_value(kind: np.dtype[Any]) -> Pixels | None:
    """Return the 65,536 values of a type of at most 16 bits, the negative ones last; None for wider types."""
    if kind.itemsize > 2:
        return None
    values = np.arange(65_536).astype(np.uint16)
    signed = values.view(np.int16) if kind.kind == "i" else values
    return signed.astype(kind) if kind.itemsize == 1 else signed


def _header(film: Film, stated: tuple[float, float] | None) -> dict[str, Any]:
    height, width = film.pixels.shape
    low, high = (float(rescaled(np.array([edge]), film)[0]) for edge in (film.pixels.min(), film.pixels.max()))
    if film.modality:
        low, high = (float(edge(rescaled(film.pixels, film))) for edge in (np.min, np.max))
    whole = film.spread or full_range(low, high)
    own = [*_lookups(film.lookups), *(_tone(_named(window), window) for window in film.windows)]
    if not own and film.spread is None:
        own = [_tone("As stored", AS_STORED)]
    spacing = film.spacing_mm or stated
    return {
        "width": width,
        "height": height,
        "file_width": film.width,
        "file_height": film.height,
        "bits": film.bits,
        "mode": film.stored_mode,
        "slope": film.slope,
        "intercept": film.intercept,
        "has_modality": film.modality is not None or (film.slope, film.intercept) != (1.0, 0.0),
        "inverted": film.inverted,
        "range": [whole.center - whole.width / 2, whole.center + whole.width / 2],
        "presets": [_tone("Full range", whole, "From the film's lowest to its highest value."), *_presets(film)],
        "own": own,
        "spacing_mm": list(spacing) if spacing else None,
        "spacing_kind": (film.spacing_kind if film.spacing_mm else "dataset") if spacing else "",
    }


def _tone(name: str, window: Window, tip: str = "") -> dict[str, Any]:
    return {"name": name, "center": window.center, "width": window.width, "function": window.function, "tip": tip}


def _lookups(lookups: Sequence[Lookup]) -> list[dict[str, Any]]:
    return [
        {"name": f"File's table {lookup.explanation.lower()}".strip(), "shades": f"shades{place}", "tip": ""}
        for place, lookup in enumerate(lookups)
    ]


def _named(window: Window) -> str:
    return f"File's window {window.explanation.lower()}".strip()


def _presets(film: Film) -> list[dict[str, Any]]:
    values = rescaled(interior(film.pixels), film)
    shares = [(100 - bright, 100 - dark) if film.inverted else (dark, bright) for _, dark, bright in PRESETS]
    limits = np.percentile(values, np.ravel(shares)).reshape(-1, 2)
    return [
        _tone(name, full_range(low, high), TIP.format(dark=dark, bright=bright))
        for (name, dark, bright), (low, high) in zip(PRESETS, limits, strict=True)
    ]


def interior(pixels: Pixels) -> NDArray[Any]:
    """Return the values of the film without its outer tenths, thinned to about ``SAMPLED`` at most."""
    height, width = pixels.shape
    top, left = int(height * MARGIN), int(width * MARGIN)
    inner = pixels[top : height - top, left : width - left]
    step = max(1, round((inner.size / SAMPLED) ** 0.5))
    return inner[::step, ::step].ravel()
