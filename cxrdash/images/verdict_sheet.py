"""A contact sheet whose films are framed in the colour of their verdict, for slides and papers."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from cxrdash.images.contact_sheet import FILM, TILE, Tile, contact_sheet

FRAME = 9  # pixels
QUALITY = 92


def verdict_sheet(
    films: Sequence[tuple[bytes | None, str, str]], *, inks: dict[str, str], columns: int, title: str
) -> bytes:
    """Return a PNG of films, each (JPEG or None, verdict, words below), framed in ``inks[verdict]``.

    A film without a verdict in ``inks`` has no frame. Say the verdict in the words too, so that the colours
    are not needed; no identifier is written unless the words hold one.
    """
    tiles = [Tile(_framed(jpeg, inks.get(verdict, "")), None, (words,)) for jpeg, verdict, words in films]
    out = BytesIO()
    contact_sheet(tiles, columns=columns, title=title).save(out, "PNG", optimize=True)
    return out.getvalue()


def _framed(jpeg: bytes | None, ink: str) -> bytes:
    tile = Image.new("RGB", (TILE, TILE), FILM)
    if jpeg is not None:
        with Image.open(BytesIO(jpeg)) as opened:
            film = opened.convert("RGB")
        film.thumbnail((TILE - 2 * FRAME, TILE - 2 * FRAME))
        tile.paste(film, ((TILE - film.width) // 2, (TILE - film.height) // 2))
    draw = ImageDraw.Draw(tile)
    if jpeg is None:
        draw.text((TILE / 2, TILE / 2), "no picture", fill="#d0d0d0", anchor="mm", font=ImageFont.load_default(size=16))
    if ink:
        draw.rectangle((0, 0, TILE - 1, TILE - 1), outline=ink, width=FRAME)
    out = BytesIO()
    tile.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
