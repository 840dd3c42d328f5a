"""The marks of a review as they stand: who judged which image of the sample how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cxrdash.config import Cache
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import level_columns, ways_to_split
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.reviews.events import Event, finished, settled, standing
from cxrdash.reviews.sessions import Session, reader_order
from cxrdash.reviews.store import ReviewStore

PANEL = "panel"
"""Stands for the readers together: the settled verdict, else that of more than half of them."""
JUDGED = ("correct", "doubtful", "wrong")
DISPUTED = "doubtful"


@dataclass(frozen=True)
class Marks:
    """One session and what its readers said, restricted to ``images`` where that is not None."""

    session: Session
    events: tuple[Event, ...]
    images: frozenset[str] | None = None

    @cached_property
    def by_reader(self) -> dict[str, dict[str, Event]]:
        """Reader to image to the mark that stands (remarks without a verdict included), readers by name."""
        found: dict[str, dict[str, Event]] = {}
        for (_, reader, image), mark in standing(self.events).items():
            if self.images is None or image in self.images:
                found.setdefault(reader, {})[image] = mark
        return dict(sorted(found.items()))

    @cached_property
    def verdicts(self) -> dict[str, dict[str, str]]:
        """Reader to image to verdict; readers without any are left out."""
        found = {
            reader: {image: mark.verdict for image, mark in marks.items() if mark.verdict}
            for reader, marks in self.by_reader.items()
        }
        return {reader: verdicts for reader, verdicts in found.items() if verdicts}

    @cached_property
    def settled(self) -> dict[str, str]:
        """Image to the verdict on which the panel settled."""
        return {image: event.verdict for (_, image), event in settled(self.events).items()}

    @cached_property
    def finished(self) -> frozenset[str]:
        """Readers who said to be done, or have judged the whole sample."""
        planned = {item.image_id for item in self.session.items[: self.session.planned]}
        complete = {reader for reader, verdicts in self.verdicts.items() if planned <= verdicts.keys()}
        return frozenset({reader for _, reader in finished(self.events)} | complete)

    def panel(self) -> dict[str, str]:
        """Return image to the panel's verdict: settled, else what more than half said, else doubtful."""
        said: dict[str, Counter[str]] = {}
        for verdicts in self.verdicts.values():
            for image, verdict in verdicts.items():
                said.setdefault(image, Counter())[verdict] += 1
        found = {image: majority(votes) for image, votes in said.items()}
        return found | {image: verdict for image, verdict in self.settled.items() if image in found}

    def skipped(self, reader: str) -> int:
        """Return how many images before the reader's last one were passed over."""
        verdicts = self.verdicts.get(reader, {})
        order = [item.image_id for item in reader_order(self.session, reader)]
        places = [at for at, image in enumerate(order) if image in verdicts]
        return places[-1] + 1 - len(places) if places else 0

    @property
    def complete(self) -> int:
        """Planned images that may be judged here: all, or those of the restriction."""
        planned = self.session.items[: self.session.planned]
        return sum(self.images is None or item.image_id in self.images for item in planned)


def majority(votes: Mapping[str, int]) -> str:
    """Return the verdict of more than half of the readers, 'doubtful' where there is none."""
    verdict, most = max(votes.items(), key=lambda vote: (vote[1], vote[0]))
    return verdict if 2 * most > sum(votes.values()) else DISPUTED


def reviews_of(index: Index) -> ReviewStore:
    """Return the store that belongs to an index: ``reviews/`` beside its folder, or where CXRDASH_REVIEWS says."""
    return ReviewStore(Cache(index.path.parents[2]).reviews)


def of_dataset(index: Index, sessions: Iterable[Session]) -> list[Session]:
    """Return the sessions of this dataset under whatever name: same source, and images that are in the index."""
    same = [session for session in sessions if session.source == index.meta["source"]]
    asked = sorted({image for session in same for image in session.image_ids[:5]})
    known = _known(index, asked)
    return [session for session in same if known.intersection(session.image_ids[:5])]


def marks_of(index: Index, cohort: Cohort | None = None, *, session: str = "") -> list[Marks]:
    """Return the sessions of this dataset (or the one named) with their marks of images in the cohort."""
    store = reviews_of(index)
    try:
        sessions = [store.session(session)] if session else of_dataset(index, store.sessions())
        found = [Marks(each, tuple(store.events(each.session_id))) for each in sessions]
    finally:
        store.close()
    return [restricted(index, marks, cohort) for marks in found]


def restricted(index: Index, marks: Marks, cohort: Cohort | None) -> Marks:
    """Return the marks of images that are in the cohort; all of them for the whole dataset."""
    if cohort is None or cohort.everything:
        return marks
    sql = "SELECT image_id FROM selected WHERE image_id IN (SELECT unnest($wanted::VARCHAR[]))"
    rows = select(index, cohort).rows(sql, wanted=list(marks.session.image_ids))
    return Marks(marks.session, marks.events, frozenset(image for (image,) in rows))


def attributes(index: Index, images: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return attribute to image to level, for all an image may be split by and follow-up."""
    names = ways_to_split(index)
    levels, bound = level_columns(names)
    sql = f"""
        SELECT image_id, {levels}
               CASE WHEN order_in_patient IS NULL THEN 'unknown' WHEN image IN (
                    SELECT arg_min(image, order_in_patient) FROM images GROUP BY patient) THEN 'first image'
               ELSE 'later image' END AS follow_up
        FROM images AS selected WHERE image_id IN (SELECT unnest($wanted::VARCHAR[]))
    """
    rows = index.rows(sql, {"wanted": sorted(set(images)), **bound})
    return {name: {row[0]: str(row[at + 1]) for row in rows} for at, name in enumerate((*names, "follow_up"))}


def patients_of(index: Index, marks: Marks) -> dict[str, str]:
    """Return the patient of each judged image; images whose patient the dataset does not tell are left out."""
    judged = {image for verdicts in marks.verdicts.values() for image in verdicts}
    sql = """
        SELECT image_id, patient_id FROM images
        WHERE patient_id IS NOT NULL AND image_id IN (SELECT unnest($wanted::VARCHAR[]))
    """
    return {image: str(patient) for image, patient in index.rows(sql, {"wanted": sorted(judged)})}


def _known(index: Index, images: list[str]) -> set[str]:
    sql = "SELECT image_id FROM images WHERE image_id IN (SELECT unnest($wanted::VARCHAR[]))"
    return {image for (image,) in index.rows(sql, {"wanted": images})} if images else set()
