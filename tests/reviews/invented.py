"""Sessions and events that tests of the reviews invent."""

from __future__ import annotations

import os
from typing import Any

from cxrdash.reviews.events import MARK, Event
from cxrdash.reviews.sessions import Item, Session


def session(images: int = 6, **changes: Any) -> Session:
    """A sample of ``images`` images, five of them planned, out of 100."""
    told: dict[str, Any] = {
        "source": "nih", "finding": "Effusion", "state": "positive", "cohort": {"split": ("train",)},
        "cohort_words": "images, train part", "seed": 1, "planned": min(5, images), "unit": "patients", "of": 100,
        "items": tuple(Item(f"{at:03d}.png", "positive") for at in range(images)), "dataset": "nih",
        "generation": "g1", "created_by": "Ann", "created_at": "2024-01-01T00:00:00.000+00:00",
    }  # fmt: skip
    return Session(**(told | changes))


def event(number: int, *, reader: str = "Ann", of: Session | None = None, **changes: Any) -> Event:
    """The ``number``-th act of a reader: a mark unless told otherwise."""
    told: dict[str, Any] = {
        "event_id": f"{reader}-{number}", "session_id": (of or session()).session_id, "reader": reader,
        "place": number, "kind": MARK, "image_id": "000.png", "verdict": "correct",
        "shown_at": "2024-01-01T00:00:00.000+00:00", "decided_at": "2024-01-01T00:00:02.000+00:00",
    }  # fmt: skip
    return Event(**(told | changes))


DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
"""Whether the long versions of the fault tests are asked for."""
