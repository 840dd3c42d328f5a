"""A sheet shows every tile, in order, and says why a film is missing."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from cxrdash.images.contact_sheet import FILM, GAP, TILE, TITLE, Tile, contact_sheet

TOP = GAP + TITLE + GAP


def encoded(grey: int, size: tuple[int, int] = (TILE, TILE)) -> bytes:
    held = BytesIO()
    Image.new("L", size, grey).save(held, "PNG")
    return held.getvalue()


def test_tiles_fill_the_grid_row_by_row() -> None:
    sheet = contact_sheet([Tile(encoded(grey)) for grey in (50, 100, 150)], columns=2, title="Three")
    assert sheet.size == (2 * (TILE + GAP) + GAP, TOP + 2 * (TILE + GAP))
    step = TILE + GAP
    centres = [(GAP + 128, TOP + 128), (GAP + step + 128, TOP + 128), (GAP + 128, TOP + step + 128)]
    assert [sheet.getpixel(centre)[0] for centre in centres] == [50, 100, 150]


def test_films_keep_their_aspect_on_black() -> None:
    sheet = contact_sheet([Tile(encoded(200, (256, 128)))], columns=1, title="Wide")
    column = np.asarray(sheet)[TOP : TOP + TILE, GAP + 128, 0]
    assert (column == 200).sum() == 128
    assert (column == int(FILM[1:3], 16)).sum() == 128


def test_missing_film_is_a_frame_that_says_why() -> None:
    def ink(problem: str) -> int:
        sheet = contact_sheet([Tile(None, problem)], columns=1, title="One")
        inside = np.asarray(sheet)[TOP + 10 : TOP + TILE - 10, GAP + 10 : GAP + TILE - 10, 0]
        return int((inside > 100).sum())

    assert 0 < ink("not on disk") < ink("broken file: image file is truncated (12 bytes not processed)")


def test_captions_stay_in_their_column() -> None:
    long = Tile(encoded(0), caption=("an image name much longer than the film is wide " * 9, "\n\ttabs"))
    sheet = np.asarray(contact_sheet([long, Tile(encoded(0))], columns=2, title="Long " * 99))
    below = sheet[TOP + TILE :, :, 0]
    assert (below[:, GAP : GAP + TILE] < 128).any()
    assert (below[:, GAP + TILE + 2 :] == 255).all()
    assert (sheet[:, -GAP + 2 :] == 255).all()


def test_no_films_is_a_sheet_that_says_so() -> None:
    empty = np.asarray(contact_sheet([], columns=6, title="Nothing"))
    assert (empty[TOP:, :, 0] < 128).any()
