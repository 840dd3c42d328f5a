"""From a drawing to a film: noise, tone curve, marks burnt into the picture."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cxrdash.demo.shapes import Field

WHITE = 4095  # films are made with 12 bits and reduced where the file format has 8
STAMP = "SYNTHETIC"
_GRAIN = 640

# Density against grey, as a digital radiograph is usually processed: steep in the lungs, flat above.
_DENSITY = (-0.2, 0.0, 0.10, 0.30, 0.55, 0.80, 1.00, 1.20, 1.5)
_GREY = (0.0, 0.015, 0.08, 0.265, 0.475, 0.70, 0.83, 0.915, 1.0)


@cache
def _curve() -> NDArray[np.float32]:
    return np.interp(np.linspace(-0.2, 1.5, 4096), _DENSITY, _GREY).astype(np.float32)


@cache
def _grain() -> tuple[Field, Field]:
    """Quantum noise and the fine texture of lung tissue, the same pool for all films."""
    rng = np.random.default_rng(20)
    fine = rng.standard_normal((_GRAIN, _GRAIN), dtype=np.float32)
    noise: Field = fine + np.roll(fine, 1, 0) + np.roll(fine, 1, 1) + np.roll(fine, (1, 1), (0, 1))
    noise *= np.float32(0.5)
    small = Image.fromarray(rng.standard_normal((_GRAIN // 5, _GRAIN // 5), dtype=np.float32))
    texture = np.asarray(small.resize((_GRAIN, _GRAIN), Image.Resampling.BICUBIC))
    return noise, texture


def expose(density: Field, lung: Field, rng: np.random.Generator, *, noise: float, gain: float, offset: float) -> Field:
    """Return grey values 0 to 1 with noise; ``gain`` and ``offset`` set its contrast and level."""
    height, width = density.shape
    grains, texture = _grain()
    y, x = (int(rng.integers(0, _GRAIN - side)) for side in (height, width))
    window = np.s_[y : y + height, x : x + width]
    total = density * gain + offset
    total += lung * (0.011 * texture[window])
    total += (noise * 0.009) * grains[window]
    steps = np.clip((total + 0.2) * (4095 / 1.7), 0, 4095).astype(np.int32)
    grey: Field = _curve()[steps]
    return grey


@cache
def _word(text: str, size: int) -> Field:
    font = ImageFont.load_default(size)
    box = font.getbbox(text)
    image = Image.new("L", (int(box[2]) + 2, int(box[3]) + 2))
    ImageDraw.Draw(image).text((1, 1), text, fill=255, font=font)
    word: Field = np.asarray(image, dtype=np.float32) * np.float32(1 / 255)
    return word


def write_word(grey: Field, text: str, *, x: int, y: int, size: int) -> None:
    """Burn a word into the film, with its upper left corner at (x, y); it is cut at the film's edges."""
    word = _word(text, size)
    target = grey[y : y + word.shape[0], x : x + word.shape[1]]
    part = word[: target.shape[0], : target.shape[1]]
    target *= 1 - part
    target += part * np.float32(0.98)


def stamp(grey: Field) -> None:
    """Write SYNTHETIC on a dark ground at the lower edge."""
    word = _word(STAMP, 11)
    height, width = word.shape
    ground = grey[-height - 3 : -1, 4 : width + 8]
    ground *= np.float32(0.25)
    write_word(grey, STAMP, x=6, y=grey.shape[0] - height - 2, size=11)


def collimate(grey: Field, edges: tuple[int, int, int, int]) -> None:
    """Blacken the film outside the shutters: left, top, right, bottom in pixels."""
    left, top, right, bottom = edges
    height, width = grey.shape
    black = np.float32(0.01)
    grey[:, :left] = black
    grey[:top] = black
    grey[:, width - right :] = black
    grey[height - bottom :] = black
