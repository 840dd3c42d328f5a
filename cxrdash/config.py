"""What all layers share: the folders cxrdash writes to (index, thumbnails, reviews) and the names of its pages."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "CXRDASH_CACHE"
REVIEWS_VARIABLE = "CXRDASH_REVIEWS"
READ_ONLY_VARIABLE = "CXRDASH_READ_ONLY"
READ_ONLY = "This instance is read-only: nothing is marked, imported or scanned in it."
# What the menu calls each page; a report on paper names them alike.
PAGE_TITLES = {
    "overview": "Overview",
    "patients": "Patients",
    "prevalence": "Prevalence",
    "test_set": "Test set",
    "cooccurrence": "Co-occurrence",
    "second_opinion": "Second opinion",
    "label_logic": "Label logic",
    "strata": "Hidden strata",
    "gallery": "Gallery",
    "review": "Review",
    "image_quality": "Image quality",
    "duplicates": "Duplicates",
    "masks": "Masks and boxes",
    "splits": "Splits",
    "compare": "Compare",
    "report": "Report",
    "query": "Query",
}
BESIDE_APP = Path(__file__).resolve().parents[1] / "data_cache"


@dataclass(frozen=True)
class Cache:
    """The folders under ``data_cache/``; all writes of cxrdash stay inside ``root``."""

    root: Path

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def thumbs(self) -> Path:
        return self.root / "thumbs"

    @property
    def demo(self) -> Path:
        """The demo dataset's own files, as if downloaded."""
        return self.root / "demo"

    @property
    def reviews(self) -> Path:
        """Readers' marks: in ``CXRDASH_REVIEWS`` where that is set. Never deleted with the index."""
        chosen = os.environ.get(REVIEWS_VARIABLE)
        return Path(chosen).expanduser().absolute() if chosen else self.root / "reviews"


def cache(folder: str | Path | None = None) -> Cache:
    """Return the cache in ``folder``, else in ``CXRDASH_CACHE``, else ``data_cache/`` beside app.py."""
    chosen = folder or os.environ.get(CACHE_VARIABLE) or BESIDE_APP
    return Cache(Path(chosen).expanduser().absolute())


def may_write(folder: Path) -> bool:
    """Whether files can be made in an existing folder, by the rights this process has at this moment."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def read_only() -> bool:
    """Whether whoever runs this instance wants nothing changed through it (``serve --read-only``)."""
    return os.environ.get(READ_ONLY_VARIABLE, "").strip().lower() in ("1", "true", "yes")
