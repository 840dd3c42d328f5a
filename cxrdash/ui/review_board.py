"""The board on which films are judged, and how its marks reach the disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import streamlit as st

from cxrdash import __version__
from cxrdash.charts.theme import VERDICT_COLOURS, VERDICT_GLYPHS
from cxrdash.errors import CxrdashError
from cxrdash.index.draw import DrawnImage
from cxrdash.reviews.events import LONGEST_NOTE, MARK, UNDO, Event, event_id, standing
from cxrdash.reviews.sessions import SUSPECTS, Item, Session, reader_order
from cxrdash.reviews.store import ReviewStore
from cxrdash.ui import cache as cached
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.routes import film_url

HERE = Path(__file__).parent
KEY = "review_board"
LEAST_MS = 300  # a verdict sooner after the film appeared was meant for another film
MOST_ACTS = 500
CODES = ("yes", "doubtful", "no", "unsure", "unreadable")
TOO_FAST = "That was too fast to have seen the film: it is not marked."
UNKNOWN = "That film is not in this review: it is not marked."
COLOURS = VERDICT_COLOURS | {"unreadable": "#6B7078"}
GLYPHS = VERDICT_GLYPHS | {"unreadable": "–"}


@dataclass(frozen=True)
class Sitting:
    """One reader at one session."""

    session: Session
    reader: str
    store: ReviewStore

    @cached_property
    def order(self) -> tuple[Item, ...]:
        return reader_order(self.session, self.reader)

    def reference(self, item: Item) -> str:
        """What stands for an image in the browser: identifiers stay here."""
        text = f"{self.session.session_id}\0{item.image_id}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=8).hexdigest()

    def marks(self) -> dict[str, Event]:
        """Image to the reader's mark that stands, read from the disk."""
        events = self.store.events(self.session.session_id, self.reader)
        return {image: mark for (_, _, image), mark in standing(events).items()}


@dataclass(frozen=True)
class Outcome:
    """What became of the acts a tab sent, by name: those ``done`` are on disk, but for the ``refused``."""

    done: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    fault: str = ""


@st.fragment
def board(now: Frame, sitting: Sitting, *, size: int, extended: bool) -> None:
    """Show the films of a session to a reader and keep the marks; a mark runs this alone, not the page.

    ``size`` films are shown at once; ``extended`` adds the reserve to the planned sample.
    """
    try:
        _show_board(now, sitting, size, extended=extended)
    except CxrdashError as fault:  # a fragment runs outside the page, which would show it
        show_fault(fault)


def _show_board(now: Frame, sitting: Sitting, size: int, *, extended: bool) -> None:
    key = f"{KEY}-{sitting.session.session_id}-{size}-{extended}"
    sent = (st.session_state.get(key) or {}).get("sent") or {}
    outcome = keep(sitting, sent, generation=now.index.generation)
    marks = sitting.marks()
    items = sitting.order if extended else sitting.order[: sitting.session.planned]
    block = _block(sent, items, marks, size)
    head = _head(now, sitting, items, (block, size), _first_open(items, marks))
    live = _live(sitting, items[block * size : (block + 2) * size], marks, outcome)
    _board(key=key, data={"head": json.dumps(head), "live": json.dumps(live)}, on_sent_change=lambda: None)


def keep(sitting: Sitting, sent: Mapping[str, Any], *, generation: str) -> Outcome:
    """Store the acts of a tab and say what became of them. Acts sent again are stored once.

    The first fault of the disk ends it: what follows is not acknowledged and the tab sends it again.
    """
    acts = list(sent.get("acts") or ())[:MOST_ACTS]
    items = {sitting.reference(item): item for item in sitting.order} if acts else {}
    known = sitting.store.known([_identity(sitting, act) for act in acts]) if acts else set()
    done: list[str] = []
    refused: list[tuple[str, str]] = []
    for act in acts:
        name, identity, item = f"{act['c']}:{act['n']}", _identity(sitting, act), items.get(str(act.get("ref")))
        if identity not in known:
            why = _refusal(act, item)
            if why or item is None:
                refused.append((name, why))
            else:
                try:
                    sitting.store.append(_event(sitting, act, item, generation))
                except CxrdashError as fault:
                    return Outcome(tuple(done), tuple(refused), f"{fault.message} {fault.hint}")
        done.append(name)
    return Outcome(tuple(done), tuple(refused))


def _identity(sitting: Sitting, act: Mapping[str, Any]) -> str:
    return event_id(sitting.session.session_id, sitting.reader, str(act["c"]), int(act["n"]))


def _refusal(act: Mapping[str, Any], item: Item | None) -> str:
    if item is None or act.get("code", "") not in ("", *CODES):
        return UNKNOWN
    if act.get("undo") or not act.get("code"):
        return ""
    return TOO_FAST if float(act.get("dwell") or 0) < LEAST_MS else ""


def _event(sitting: Sitting, act: Mapping[str, Any], item: Item, generation: str) -> Event:
    made = Event(
        event_id=_identity(sitting, act),
        session_id=sitting.session.session_id,
        reader=sitting.reader,
        place=0,
        kind=UNDO,
        image_id=item.image_id,
        decided_at=moment(act.get("decided")),
        generation=generation,
        app_version=__version__,
    )
    if act.get("undo"):
        return made
    return replace(
        made,
        kind=MARK,
        verdict=verdict(sitting.session, item, str(act.get("code") or "")),
        findings=tuple(str(name)[:200] for name in act.get("present") or ())[:50],
        identifier=bool(act.get("identifier")),
        note="".join(c if c.isprintable() else " " for c in str(act.get("note") or ""))[:LONGEST_NOTE].strip(),
        shown_at=moment(act.get("shown")),
    )


def moment(milliseconds: Any) -> str:
    """Return the browser's clock in UTC, ISO 8601; '' for what is no time."""
    try:
        made = datetime.fromtimestamp(float(milliseconds) / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
    return made.isoformat(timespec="milliseconds")


def verdict(session: Session, item: Item, code: str) -> str:
    """Return the verdict on the label that an answer means.

    In an open review "yes" says that the label is right. In a blind one it says that the finding is there
    (or the film normal), which confirms a positive or uncertain label and refutes any other.
    """
    if code not in ("yes", "no"):
        return code
    claims = item.state in ("positive", "uncertain")
    right = code == "yes" if not session.blind or claims else code == "no"
    return "correct" if right else "wrong"


def code_of(session: Session, item: Item, given: str) -> str:
    """Return the answer that a verdict came from: the reverse of ``verdict``."""
    if given not in ("correct", "wrong"):
        return given
    return "yes" if verdict(session, item, "yes") == given else "no"


def question(session: Session) -> str:
    """Return what the reader is asked, without giving the label away in a blind review."""
    if not session.blind and session.purpose == SUSPECTS:
        return f"Is the label for {session.finding}, below each film, right?"
    if not session.blind:
        return f"Labelled {session.finding}: {session.state.replace('_', ' ')}. Is that right?"
    return "Is this film normal?" if session.normal else f"Does this film show {session.finding}?"


def words(session: Session) -> dict[str, str]:
    """Return the names of the answers."""
    yes, no = ("Normal", "Abnormal") if session.normal else ("Present", "Absent")
    if not session.blind:
        yes, no = "Correct", "Wrong"
    return {"yes": yes, "doubtful": "Doubtful", "no": no, "unsure": "Unsure", "unreadable": "Unreadable"}


def _block(sent: Mapping[str, Any], items: Sequence[Item], marks: Mapping[str, Event], size: int) -> int:
    if "block" in sent:
        return max(0, min(int(sent["block"]), (len(items) - 1) // size))
    return _first_open(items, marks) // size


def _first_open(items: Sequence[Item], marks: Mapping[str, Event]) -> int:
    return next((at for at, item in enumerate(items) if not _judged(marks.get(item.image_id))), 0)


def _judged(mark: Event | None) -> bool:
    return mark is not None and bool(mark.verdict)


def _head(now: Frame, sitting: Sitting, items: Sequence[Item], view: tuple[int, int], place: int) -> dict[str, Any]:
    """The films of the reader's block and of the next one, and what does not change with a mark."""
    block, size = view
    session, start = sitting.session, block * size
    who = hashlib.blake2b(sitting.reader.encode(), digest_size=6).hexdigest()
    findings = [each.name for each in now.index.findings if each.kind != "normal" and each.name != session.finding]
    films = cached.films_named(now.index, tuple(item.image_id for item in items[start : start + 2 * size]))
    return {
        "signature": f"{session.session_id}-{len(items)}-{size}-{who}",
        "owner": f"{session.session_id}-{who}",
        "films": [_film(now, sitting, item, films) for item in items[start : start + 2 * size]],
        "start": start, "size": size, "total": len(items), "place": place,
        "words": words(session), "symbols": GLYPHS, "askWhich": session.normal,
        "findings": findings,
    }  # fmt: skip


def _film(now: Frame, sitting: Sitting, item: Item, films: Mapping[str, DrawnImage]) -> dict[str, str]:
    film, told = films.get(item.image_id), {"ref": sitting.reference(item)}
    if not sitting.session.blind and sitting.session.purpose == SUSPECTS:  # whose labels differ
        told["label"] = _label(item)
    if film is None:
        return told | {"problem": "not in this index"}
    if film.path is None:
        return told | {"problem": "not on disk"}
    return told | {what: film_url(now.index, film.image, what, hidden=True) for what in ("thumb", "pixels")}


def _live(sitting: Sitting, items: Sequence[Item], marks: Mapping[str, Event], outcome: Outcome) -> dict[str, Any]:
    given = {
        sitting.reference(item): _told(sitting.session, item, marks[item.image_id])
        for item in items
        if item.image_id in marks
    }
    return {
        "saved": sum(_judged(mark) for mark in marks.values()),
        "given": given,
        "none": [ref for item in items if (ref := sitting.reference(item)) not in given],
        "done": outcome.done,
        "refused": outcome.refused,
        "fault": outcome.fault,
    }


def _label(item: Item) -> str:
    return f"label {item.state.replace('_', ' ')}"


def _told(session: Session, item: Item, mark: Event) -> dict[str, Any]:
    """A stored mark, and only now the label."""
    return {
        "code": code_of(session, item, mark.verdict),
        "verdict": mark.verdict,
        "present": mark.findings,
        "identifier": mark.identifier,
        "note": mark.note,
        "label": _label(item) if session.blind and mark.verdict else "",
    }


HTML = '\n<div class="board" role="application" aria-label="Review: keys 1 to 5 judge, arrows move"></div>\n'
CSS = (HERE / "review_board.css").read_text(encoding="utf-8") + "".join(
    f'[data-verdict="{name}"] .film, .one[data-verdict="{name}"] {{ border-color: {colour}; }}\n'
    for name, colour in {**COLOURS, "saving": "#5b6470"}.items()
)
CSS += f".key.yes {{ border-color: {COLOURS['correct']}; }} .key.doubtful {{ border-color: {COLOURS['doubtful']}; }}\n"
CSS += f".key.no {{ border-color: {COLOURS['wrong']}; }}\n"
JS = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("film_canvas.js", "review_board.js"))
_board = st.components.v2.component("cxrdash_review_board", html=HTML, css=CSS, js=JS)
