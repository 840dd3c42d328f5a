"""The thumbnails of the draw a reader is likely to ask for next, made while this one is looked at."""

from __future__ import annotations

import logging
import threading

from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import draw, film_path
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.ui import cache as cached

log = logging.getLogger(__name__)
MOST_REMEMBERED = 1_000
_busy = threading.Lock()
_made: dict[tuple[str, ...], None] = {}


def thumbnails_ahead(index: Index, cohort: Cohort, n: int, *, seed: int, one_per_patient: bool) -> None:
    """Make the thumbnails of that draw in the background, once, unless another draw is being made."""
    key = (index.dataset, index.generation, cached.key_of(cohort), f"{n} {seed} {one_per_patient}")
    if key in _made or not index.counts["on_disk"] or not _busy.acquire(blocking=False):
        return
    store = cached.thumbnails(index.dataset)
    while len(_made) >= MOST_REMEMBERED:
        del _made[next(iter(_made))]
    _made[key] = None

    def make() -> None:
        try:
            films = draw(select(index, cohort), n, seed=seed, one_per_patient=one_per_patient).films
            store.get_many([film_path(index, film) for film in films if film.path is not None])
        except CxrdashError as fault:
            log.info("nothing made ahead: %s", fault.message)  # the page will say it, should it come to that
        finally:
            _busy.release()

    threading.Thread(target=make, name="thumbnails-ahead", daemon=True).start()
