"""Reviews as files, for other machines and other programs: JSON lines, CSV and Parquet hold the same."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrdash.errors import CxrdashError, shown
from cxrdash.reviews.events import FIELDS, Event, event_from, in_order
from cxrdash.reviews.sessions import Session, session_from

FORMATS = ("csv", "jsonl", "parquet")
SESSION = "session"
# What a reader of the table wants beside each mark; not read back, because the session says it.
CONTEXT = ("dataset", "source", "finding", "state", "label_state", "stratum", "seed", "sample")
COLUMNS = ("kind", "session_id", *(name for name in FIELDS if name not in ("kind", "session_id")), *CONTEXT, "session")
LARGEST_FIELD = 2**30  # a session with its sample stands in one cell


@dataclass(frozen=True)
class Reviews:
    """Sessions and the events of their readers."""

    sessions: tuple[Session, ...]
    events: tuple[Event, ...]

    def of_session(self, session_id: str) -> Reviews:
        return Reviews(
            tuple(session for session in self.sessions if session.session_id == session_id),
            tuple(event for event in self.events if event.session_id == session_id),
        )


def together(parts: Iterable[Reviews]) -> Reviews:
    """Return the union: every session and event once, in a fixed order."""
    sessions: dict[str, Session] = {}
    events: dict[str, Event] = {}
    for part in parts:
        for session in part.sessions:
            sessions.setdefault(session.session_id, session)
        for event in part.events:
            events.setdefault(event.event_id, event)
    ordered = sorted(in_order(events.values()), key=lambda event: (event.session_id, event.reader))
    return Reviews(tuple(sessions[key] for key in sorted(sessions)), tuple(ordered))


def rows(reviews: Reviews) -> list[dict[str, Any]]:
    """Return one flat row per session and event, with the keys of COLUMNS and texts or numbers as values."""
    by_id = {session.session_id: session for session in reviews.sessions}
    items = {key: {item.image_id: item for item in session.items} for key, session in by_id.items()}
    empty = dict.fromkeys(COLUMNS, "")
    made = [
        empty | _context(session) | {"kind": SESSION, "session_id": key, "session": json.dumps(session.as_dict())}
        for key, session in by_id.items()
    ]
    for event in reviews.events:
        item = items[event.session_id].get(event.image_id)
        told = event.as_dict() | {"findings": json.dumps(list(event.findings), ensure_ascii=False)}
        about = {"label_state": item.state, "stratum": item.stratum} if item else {}
        made.append(empty | _context(by_id[event.session_id]) | about | told)
    return made


def _context(session: Session) -> dict[str, Any]:
    return {
        "dataset": session.dataset,
        "source": session.source,
        "finding": session.finding,
        "state": session.state,
        "seed": session.seed,
        "sample": session.cohort_words,
    }


def to_bytes(reviews: Reviews, form: str) -> bytes:
    """Return the reviews as a file: 'jsonl' (one record a line), 'csv' or 'parquet' (one table). All of them
    read back as the same reviews; values stand exactly as given, so open a CSV of strangers with care."""
    if form == "jsonl":
        records = [{"session": each.as_dict()} for each in reviews.sessions]
        records += [{"event": each.as_dict()} for each in reviews.events]
        return "".join(json.dumps(record) + "\n" for record in records).encode()
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(rows(reviews))
        return text.getvalue().encode("utf-8", "surrogatepass")
    if form == "parquet":
        return _parquet(rows(reviews))
    raise CxrdashError(f"'{shown(form)}' is not a format of reviews.", f"Use {', '.join(FORMATS)}.")


def _parquet(table: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([str(row[name]) for row in table], pa.string()) for name in COLUMNS}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def read_file(path: Path) -> Reviews:
    """Read what ``to_bytes`` wrote; CxrdashError names the file and line of what cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise CxrdashError(
            f"{path} cannot be read: {fault.strerror}.", "Check the name and its permissions."
        ) from fault
    return read_bytes(content, str(path))


def read_bytes(content: bytes, name: str) -> Reviews:
    """Read the content of an exported file, whichever of the formats it is in."""
    if content.startswith(b"PAR1"):
        records = _parquet_records(content, name)
    elif content.lstrip()[:1] == b"{":
        records = _lines(content, name)
    else:
        records = _table(content, name)
    sessions, events = [], []
    for place, record in records:
        try:
            if "session" in record:
                sessions.append(session_from(record["session"]))
            else:
                events.append(event_from(record["event"]))
        except (CxrdashError, KeyError) as fault:
            said = fault.message if isinstance(fault, CxrdashError) else "neither a session nor an event."
            raise CxrdashError(f"{name}, {place}: {said}", "Export the reviews again.") from fault
    return together([Reviews(tuple(sessions), tuple(events))])


Records = Iterator[tuple[str, dict[str, Any]]]


def _lines(content: bytes, name: str) -> Records:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as fault:
            message = f"{name}, line {number}: not a record of JSON lines."
            raise CxrdashError(message, "The file is cut off or damaged; export it again.") from fault
        yield f"line {number}", record if isinstance(record, dict) else {}


def _table(content: bytes, name: str) -> Records:
    try:
        text = content.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError as fault:
        raise CxrdashError(f"{name} is not text in UTF-8.", "Give a file written by `review export`.") from fault
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = {"kind", "session_id", "event_id", "session"} - set(reader.fieldnames or ())
    if missing:
        wants = f"it has no column {', '.join(sorted(missing))}"
        raise CxrdashError(f"{name} is not an export of reviews: {wants}.", "Give a file written by `review export`.")
    for row in reader:
        yield f"line {reader.line_num}", _record(row, f"{name}, line {reader.line_num}")


def _parquet_records(content: bytes, name: str) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content)).to_pylist()
    except (pa.ArrowException, OSError) as fault:
        raise CxrdashError(f"{name} is a damaged Parquet file.", "Export the reviews again.") from fault
    for number, row in enumerate(table, start=1):
        yield f"row {number}", _record(row, f"{name}, row {number}")


def _record(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        if row["kind"] == SESSION:
            return {"session": json.loads(row["session"])}
        told = {name: row[name] for name in FIELDS}
        told["findings"] = json.loads(told["findings"] or "[]")
        told["identifier"] = str(told["identifier"]).lower() == "true"
    except (ValueError, KeyError, TypeError) as fault:
        raise CxrdashError(f"{where}: this row cannot be read back.", "Export the reviews again.") from fault
    return {"event": told}
