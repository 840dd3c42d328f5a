"""The verb that draws images: sample."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from cxrdash.cli.ask import stamp, warnings
from cxrdash.cli.doubts import doubts
from cxrdash.cli.faults import as_misuse
from cxrdash.cli.options import cohort_of
from cxrdash.cli.output import say, write_table
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

    from cxrdash.index.draw import Draw, DrawnImage
    from cxrdash.index.store import Index

MOST_COLUMNS = 8


def sample(arguments: argparse.Namespace, cache: Cache) -> int:
    """Draw images of a cohort, print one row each, and draw a contact sheet where asked."""
    from cxrdash.index.draw import draw
    from cxrdash.index.selection import select
    from cxrdash.index.store import open_index

    cohort = cohort_of(arguments)
    index = open_index(arguments.dataset, cache)
    selection = select(index, cohort)
    if arguments.scores:
        found = doubts(arguments, index, cohort)
        drawn, how = found.drawn, found.how
    else:
        found = None
        with as_misuse():
            drawn = draw(selection, arguments.n, seed=arguments.seed, one_per_patient=bool(arguments.per_patient))
        how = f"{len(drawn.films):,} of {drawn.of:,} {drawn.frame}, seed {drawn.seed}"
    paths = [_path(index, film) for film in drawn.films]
    rows = _rows(drawn, paths)
    write_table(rows.assign(score=list(found.scores)) if found else rows, arguments.format)
    say("", *warnings(index, cohort), f"{how}: {selection.sentence()}", stamp(index))
    if missing := paths.count(None):
        say(f"{missing:,} of these images have no file on disk; --on-disk draws among those that have.")
    if arguments.contact_sheet:
        synthetic = " (synthetic)" if index.card.synthetic else ""
        title = f"{index.title}{synthetic}: {how}; {cohort.words()}"
        _write_sheet(arguments.contact_sheet, drawn, _pictures(cache, index, paths), title)
        say(f"Contact sheet: {arguments.contact_sheet}")
    return 0


def _path(index: Index, film: DrawnImage) -> Path | None:
    from cxrdash.index.draw import film_path

    try:
        return film_path(index, film)
    except CxrdashError:
        return None


def _rows(drawn: Draw, paths: list[Path | None]) -> pd.DataFrame:
    import pandas as pd

    columns = ["image_id", "patient_id", "study_id", "view", "sex", "age_years", "split"]
    rows = [
        (
            *(getattr(film, name) for name in columns),
            "|".join(_in_state(film, State.POSITIVE)),
            "|".join(_in_state(film, State.UNCERTAIN)),
            None if path is None else str(path),
        )
        for film, path in zip(drawn.films, paths, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*columns, "positive", "uncertain", "path"])


def _in_state(film: DrawnImage, state: State) -> list[str]:
    return [name for name, found in film.states if found is state]


def _pictures(cache: Cache, index: Index, paths: list[Path | None]) -> list[tuple[bytes | None, str | None]]:
    from cxrdash.images.thumbnails import ThumbnailStore

    store = ThumbnailStore(cache.thumbs, index.dataset)
    try:
        return [(made.jpeg, made.problem) for made in store.get_many(paths)]
    finally:
        store.close()


def _write_sheet(out: Path, drawn: Draw, pictures: list[tuple[bytes | None, str | None]], title: str) -> None:
    from cxrdash.images.contact_sheet import Tile, contact_sheet

    tiles = [
        Tile(picture, problem, _caption(film)) for film, (picture, problem) in zip(drawn.films, pictures, strict=True)
    ]
    columns = min(MOST_COLUMNS, max(1, math.ceil(math.sqrt(2 * len(tiles)))))
    sheet = contact_sheet(tiles, columns=columns, title=title)
    try:
        sheet.save(out, "PNG")
    except OSError as fault:
        raise CxrdashError(
            f"The contact sheet cannot be written to {out}: {fault.strerror or fault}.",
            "Choose a folder that exists and may be written.",
        ) from fault


def _caption(film: DrawnImage) -> tuple[str, ...]:
    positive, uncertain = _in_state(film, State.POSITIVE), _in_state(film, State.UNCERTAIN)
    labels = ", ".join([*positive, *(f"{name}?" for name in uncertain)])
    age = "" if film.age_years is None else f"{film.age_years:.0f} years"
    return labels or "no positive finding", ", ".join(filter(None, (film.view, film.sex, age))), film.image_id
