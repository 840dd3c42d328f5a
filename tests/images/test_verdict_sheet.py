"""The contact sheet of a review: frames in the colours of the verdicts, nothing that names a patient."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from cxrdash.images.contact_sheet import GAP, TILE, TITLE
from cxrdash.images.verdict_sheet import verdict_sheet

INKS = {"wrong": "#C62828", "doubtful": "#E69F00"}


def grey() -> bytes:
    out = BytesIO()
    Image.new("L", (200, 240), 120).save(out, "JPEG")
    return out.getvalue()


def test_a_film_is_framed_in_the_colour_of_its_verdict() -> None:
    films = [(grey(), "wrong", "wrong"), (grey(), "doubtful", "doubtful"), (grey(), "correct", "correct")]
    sheet = Image.open(BytesIO(verdict_sheet(films, inks=INKS, columns=3, title="Films")))
    assert sheet.format == "PNG" and not sheet.info
    top = GAP + TITLE + GAP + 4
    edges = [sheet.convert("RGB").getpixel((GAP + at * (TILE + GAP) + 4, top + TILE // 2)) for at in range(3)]
    for found, wanted in zip(edges, ((198, 40, 40), (230, 159, 0), (11, 11, 12)), strict=True):
        assert all(abs(a - b) < 12 for a, b in zip(found, wanted, strict=True))


def test_a_film_without_a_picture_keeps_its_verdict() -> None:
    made = verdict_sheet([(None, "wrong", "wrong")], inks=INKS, columns=8, title="Films")
    assert Image.open(BytesIO(made)).size[0] > TILE
