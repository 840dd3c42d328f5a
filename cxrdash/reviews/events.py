"""What readers did, one event each, and how events add up to the verdicts that stand."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from cxrdash.errors import CxrdashError, shown

VERDICTS = ("correct", "doubtful", "wrong", "unsure", "unreadable")
MARK, UNDO, FINISH, REOPEN, SETTLE = "mark", "undo", "finish", "reopen", "settle"
KINDS = (MARK, UNDO, FINISH, REOPEN, SETTLE)
LONGEST_NOTE = 2_000  # characters
LONGEST_NAME = 80


@dataclass(frozen=True)
class Event:
    """One act of one reader in one session.

    ``place`` counts a reader's events of a session from 1 and decides what came last, whatever the clocks
    say. A ``mark`` gives ``image_id`` a verdict ('' for a remark alone), ``findings`` seen on the film, a
    note, and whether an identifier is visible; an ``undo`` takes back the reader's last mark of the image;
    ``settle`` is the panel's final verdict; ``finish`` and ``reopen`` end and resume a reader's part. Times
    are UTC, ISO 8601; ``shown_at`` is empty where no film was shown.
    """

    event_id: str
    session_id: str
    reader: str
    place: int
    kind: str
    image_id: str = ""
    verdict: str = ""
    findings: tuple[str, ...] = ()
    identifier: bool = False
    note: str = ""
    shown_at: str = ""
    decided_at: str = ""
    recorded_at: str = ""
    generation: str = ""
    app_version: str = ""
    host: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the event in the types of JSON."""
        return asdict(self) | {"findings": list(self.findings)}


FIELDS = tuple(each.name for each in fields(Event))


def event_from(told: Mapping[str, Any]) -> Event:
    """Read an event back from ``as_dict``; CxrdashError where it is not one."""
    try:
        values = {name: told[name] for name in FIELDS if name in told}
        values["findings"] = tuple(map(str, told.get("findings") or ()))
        values["place"], values["identifier"] = int(told["place"]), bool(told.get("identifier"))
        read = Event(**values)
    except (KeyError, TypeError, ValueError) as fault:
        said = shown(json.dumps(told, default=str))
        raise CxrdashError(f"This is not a review event: {said}", "Export the reviews again.") from fault
    texts = (read.event_id, read.session_id, read.reader, read.image_id, read.note)
    if not all(isinstance(text, str) for text in texts) or not read.event_id or read.place < 1:
        raise CxrdashError(f"This review event has no identity: {shown(read)}", "Export the reviews again.")
    check(read)
    return read


def check(event: Event) -> None:
    """Refuse an event that says nothing or something unknown."""
    if event.kind not in KINDS:
        raise CxrdashError(f"'{shown(event.kind)}' is not a kind of review event.", f"Known: {', '.join(KINDS)}.")
    if event.verdict and event.verdict not in VERDICTS:
        raise CxrdashError(f"'{shown(event.verdict)}' is not a verdict.", f"Known: {', '.join(VERDICTS)}.")
    about_an_image = event.kind in (MARK, UNDO, SETTLE)
    if about_an_image != bool(event.image_id):
        raise CxrdashError(f"A {event.kind} {'names' if about_an_image else 'does not name'} an image.")
    silent = not (event.verdict or event.note or event.identifier or event.findings)
    if (event.kind == MARK and silent) or (event.kind == SETTLE and not event.verdict):
        raise CxrdashError(f"The {event.kind} of image {shown(event.image_id)} says nothing.", "Choose a verdict.")


def reader_name(text: str) -> str:
    """Return a reader's name in one spelling; CxrdashError for none or one that is too long."""
    name = " ".join(unicodedata.normalize("NFC", "".join(c if c.isprintable() else " " for c in text)).split())
    if not name:
        raise CxrdashError("A mark needs a reader's name.", "Type your name or initials.")
    if len(name) > LONGEST_NAME:
        raise CxrdashError(f"A reader's name has at most {LONGEST_NAME} characters.", "Shorten it.")
    return name


def event_id(session_id: str, reader: str, client: str, number: int) -> str:
    """Return the identity of the ``number``-th act of one browser tab: sent twice, it is stored once."""
    text = "\0".join((session_id, reader, client, str(int(number))))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def now() -> str:
    """Return this moment in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events in the order that counts: by place, and where two machines gave the same place, by identity."""
    return sorted(events, key=lambda event: (event.place, event.event_id))


Key = tuple[str, str, str]


def standing(events: Iterable[Event]) -> dict[Key, Event]:
    """Return the mark that stands for each (session, reader, image): the last one that was not undone."""
    marks: dict[Key, list[Event]] = {}
    for event in in_order(events):
        given = marks.setdefault((event.session_id, event.reader, event.image_id), [])
        if event.kind == MARK:
            given.append(event)
        elif event.kind == UNDO and given:
            given.pop()
    return {key: given[-1] for key, given in marks.items() if given}


def settled(events: Iterable[Event]) -> dict[tuple[str, str], Event]:
    """Return the panel's final verdict of each (session, image) that has one."""
    return {(event.session_id, event.image_id): event for event in in_order(events) if event.kind == SETTLE}


def finished(events: Iterable[Event]) -> set[tuple[str, str]]:
    """Return each (session, reader) whose reader said to be done and did not resume."""
    last: dict[tuple[str, str], str] = {}
    for event in in_order(events):
        if event.kind in (FINISH, REOPEN):
            last[event.session_id, event.reader] = event.kind
    return {key for key, kind in last.items() if kind == FINISH}
