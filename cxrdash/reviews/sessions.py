"""A review session: a frozen random sample of images and the question asked about each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from cxrdash.errors import CxrdashError, shown
from cxrdash.labels.states import SPELLINGS

RATE, SUSPECTS = "rate", "suspects"
"""Whether the sample is random, so that a rate may be computed, or chosen for being suspicious."""
NOT_OF_THE_SAMPLE = ("dataset", "generation", "blind", "app_version", "created_by", "created_at")


@dataclass(frozen=True)
class Item:
    """One image of a sample: the dataset's own identifier, its stratum, and the state of its label when drawn."""

    image_id: str
    state: str
    stratum: str = ""


@dataclass(frozen=True)
class Session:
    """What is looked at, and why these images.

    ``finding`` in ``state`` (labels.State spelling) is the label under review. ``cohort`` are the link
    parameters of the images sampled from and ``cohort_words`` the same in words. ``of`` is the size of the
    frame, counted in ``unit`` (patients: one random image each; images), ``frame_images`` its images;
    ``stratum_sizes`` split it by ``strata``. The first ``planned`` of ``items`` are the sample; the
    others a reserve in random order.
    """

    source: str
    finding: str
    state: str
    cohort: Mapping[str, tuple[str, ...]]
    cohort_words: str
    seed: int
    planned: int
    unit: str
    of: int
    items: tuple[Item, ...]
    normal: bool = False
    strata: str = ""
    stratum_sizes: Mapping[str, int] = field(default_factory=dict)
    frame_images: int = 0
    purpose: str = RATE
    dataset: str = ""
    generation: str = ""
    blind: bool = True
    app_version: str = ""
    created_by: str = ""
    created_at: str = ""

    @cached_property  # it is asked for once per image, and made of all of them
    def session_id(self) -> str:
        """Twelve characters that depend on the question and the sample alone, so that both are the same anywhere."""
        told = {name: value for name, value in self.as_dict().items() if name not in NOT_OF_THE_SAMPLE}
        text = json.dumps(told, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    @property
    def image_ids(self) -> tuple[str, ...]:
        return tuple(item.image_id for item in self.items)

    @property
    def title(self) -> str:
        """The label and the sample in a line: 'Effusion positive, 130 of 1,234 patients, seed 1'."""
        if self.purpose == SUSPECTS:
            return f"{self.finding}: {self.planned:,} suspects"
        what = self.finding if self.normal else f"{self.finding} {self.state.replace('_', ' ')}"
        return f"{what}: {self.planned:,} of {self.of:,} {self.unit}, seed {self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Return the session in the types of JSON."""
        told = asdict(self)
        told["items"] = [[item.image_id, item.state, item.stratum] for item in self.items]
        told["cohort"] = {name: list(values) for name, values in self.cohort.items()}
        return told


def session_from(told: Mapping[str, Any]) -> Session:
    """Read a session back from ``as_dict``; CxrdashError where it is not one."""
    known = {each.name for each in fields(Session)}
    try:
        values = {name: value for name, value in told.items() if name in known}
        values["items"] = tuple(Item(*map(str, item)) for item in told["items"])
        values["cohort"] = {str(name): tuple(map(str, texts)) for name, texts in told["cohort"].items()}
        read = Session(**values)
        sound = 0 < read.planned <= len(read.items) <= read.of and read.state in SPELLINGS
        sound = sound and len(set(read.image_ids)) == len(read.items)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise CxrdashError(
            f"This is not a review session: {shown(json.dumps(told, default=str))}", "Export it again."
        ) from fault
    if not sound:
        raise CxrdashError(f"The review session '{shown(read.title)}' contradicts itself.", "Export it again.")
    return read


def reader_order(session: Session, reader: str) -> tuple[Item, ...]:
    """Return the images in the order in which this reader is shown them.

    The sample is shuffled for each reader, always the same way; the reserve keeps its random order. Any
    prefix is therefore itself a random sample (METHODS 5.1).
    """
    key = f"{session.session_id}\0{reader}\0".encode("utf-8", "surrogatepass")

    def place(item: Item) -> bytes:
        return hashlib.blake2b(key + item.image_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()

    planned = sorted(session.items[: session.planned], key=place)
    return (*planned, *session.items[session.planned :])
