"""One picture of many thumbnails with their captions, for the command line and for slides."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

TILE = 256  # pixels
GAP = 12
TEXT = 14  # font size in pixels
LINE = 19
TITLE = 22
PAPER, INK, QUIET = "#ffffff", "#111111", "#555555"
# The font that comes with Pillow has little beyond ASCII and would draw boxes.
PLAIN = str.maketrans({"–": "-", "—": "-", "−": "-", "×": "x", "±": "+/-", "≥": ">=", "≤": "<="})
FILM, FRAME, ON_FILM = "#0b0b0c", "#777777", "#d0d0d0"


@dataclass(frozen=True)
class Tile:
    """One film of a sheet: an encoded thumbnail, or the problem that is written in its place."""

    picture: bytes | None
    problem: str | None = None
    caption: tuple[str, ...] = ()


def contact_sheet(tiles: Sequence[Tile], *, columns: int, title: str) -> Image.Image:
    """Return an RGB picture of the tiles, row by row, each with its caption lines below.

    Films keep their aspect and are never enlarged; a film without a picture is an empty frame that
    says why. Lines that do not fit are cut with an ellipsis. No tiles give a sheet that says so.
    """
    columns = max(1, min(columns, len(tiles) or columns))
    lines = max((len(tile.caption) for tile in tiles), default=0)
    row_height = TILE + lines * LINE + GAP
    rows = -(-len(tiles) // columns)
    top = GAP + TITLE + GAP
    width = columns * (TILE + GAP) + GAP
    sheet = Image.new("RGB", (width, top + (rows * row_height or LINE + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (GAP, GAP), title or "Films", width - 2 * GAP, size=TITLE)
    if not tiles:
        _write(draw, (GAP, top), "No films.", width - 2 * GAP)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _place(sheet, draw, tile, (GAP + column * (TILE + GAP), top + row * row_height))
    return sheet


def _place(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int]) -> None:
    left, top = corner
    draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), fill=FILM)
    if tile.picture is None:
        _place_problem(draw, tile.problem or "no picture", corner)
    else:
        with Image.open(BytesIO(tile.picture)) as opened:
            film = opened.convert("RGB")
        film.thumbnail((TILE, TILE))
        sheet.paste(film, (left + (TILE - film.width) // 2, top + (TILE - film.height) // 2))
    for number, line in enumerate(tile.caption):
        _write(draw, (left, top + TILE + 3 + number * LINE), line, TILE, quiet=number > 0)


def _place_problem(draw: ImageDraw.ImageDraw, problem: str, corner: tuple[int, int]) -> None:
    left, top = corner
    draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), outline=FRAME, width=2)
    lines = textwrap.wrap(problem, 28)[:5]
    first = top + (TILE - len(lines) * LINE) // 2
    for number, line in enumerate(lines):
        fitted, font = _fitted(line, TILE - 2 * GAP, TEXT)
        start = left + (TILE - font.getlength(fitted)) / 2
        draw.text((start, first + number * LINE), fitted, fill=ON_FILM, font=font)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    line: str,
    width: int,
    *,
    size: int = TEXT,
    quiet: bool = False,
) -> None:
    fitted, font = _fitted(line, width, size)
    draw.text(at, fitted, fill=QUIET if quiet else INK, font=font)


def _fitted(line: str, width: int, size: int) -> tuple[str, Font]:
    """The line cut to ``width`` pixels, on one row whatever it holds."""
    font = ImageFont.load_default(size=size)
    text = _plain(" ".join(line.split())[:500])
    if font.getlength(text) <= width:
        return text, font
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…", font


def _plain(text: str) -> str:
    """The text in letters the font has: dashes and signs spelled in ASCII, accents taken off."""
    spelled = unicodedata.normalize("NFD", text.translate(PLAIN))
    return "".join(letter for letter in spelled if not unicodedata.combining(letter))
