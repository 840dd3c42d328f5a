"""The reviews of all datasets: an append-only SQLite file, with a journal of the same events beside it."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cxrdash.config import READ_ONLY, may_write, read_only
from cxrdash.errors import CxrdashError, shown
from cxrdash.reviews import disk
from cxrdash.reviews.events import Event, check, event_from, now
from cxrdash.reviews.journal import Journal, fragments, records
from cxrdash.reviews.lock import WriterLock
from cxrdash.reviews.sessions import Session, session_from

FILE = "reviews.sqlite"
WAIT_SECONDS = 15
log = logging.getLogger(__name__)
SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (session_id TEXT PRIMARY KEY, told TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    event_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, reader TEXT NOT NULL, place INTEGER NOT NULL CHECK (place > 0),
    kind TEXT NOT NULL CHECK (kind IN ('mark', 'undo', 'finish', 'reopen', 'settle')), told TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_reader ON events (session_id, reader, place);
CREATE TABLE IF NOT EXISTS folded (fragment TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are kept'); END;
CREATE TRIGGER IF NOT EXISTS events_last BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are kept'); END;
CREATE TRIGGER IF NOT EXISTS sessions_stay BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'kept'); END;
CREATE TRIGGER IF NOT EXISTS sessions_last BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'kept'); END;
"""
_ADD_EVENT = """
INSERT INTO events (event_id, session_id, reader, place, kind, told) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (event_id) DO NOTHING
"""
_ADD_SESSION = "INSERT INTO sessions (session_id, told) VALUES (?, ?) ON CONFLICT (session_id) DO NOTHING"
_LAST_PLACE = "SELECT coalesce(max(place), 0) FROM events WHERE session_id = ? AND reader = ?"


@dataclass(frozen=True)
class Taken:
    """What an import did: sessions and events read, and how many of them were new."""

    sessions: int
    events: int
    new_sessions: int
    new_events: int


class ReviewStore:
    """The reviews in one folder; safe to share between threads, and between processes on a local disk.

    Nothing is created before something is written. On a folder that is not known to be local one process
    writes at a time, and others say who that is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE
        self._journal = Journal(folder / "journal")
        self._guard = threading.RLock()
        self._con: sqlite3.Connection | None = None
        self._lock: WriterLock | None = None

    @property
    def refusal(self) -> str:
        """Why no marks can be kept here; '' where they can."""
        if read_only():
            return READ_ONLY
        return "" if self._may_write() else f"{self.folder} is read-only. Set CXRDASH_REVIEWS to another folder."

    def _may_write(self) -> bool:
        return may_write(next(parent for parent in (self.folder, *self.folder.parents) if parent.exists()))

    def add_session(self, session: Session) -> str:
        """Keep a session and return its identifier; one that is known already stays as it is."""
        with self._writing() as con:
            if _insert_session(con, session):
                self._journal.write({"session": session.as_dict()})
        return session.session_id

    def append(self, event: Event) -> Event:
        """Keep an event and return it as kept, with its place and time; on return it is on disk twice.

        ``place`` and ``recorded_at`` are given here. An event whose ``event_id`` is known is not kept again.
        CxrdashError where the session is unknown or the disk refuses: then nothing was kept.
        """
        check(replace(event, place=1))
        with self._writing() as con:
            known = con.execute("SELECT told FROM events WHERE event_id = ?", (event.event_id,)).fetchone()
            if known:
                return event_from(json.loads(known[0]))
            if not con.execute("SELECT 1 FROM sessions WHERE session_id = ?", (event.session_id,)).fetchone():
                raise _unknown_session(event.session_id)
            (last,) = con.execute(_LAST_PLACE, (event.session_id, event.reader)).fetchone()
            kept = replace(event, place=last + 1, recorded_at=now())
            con.execute(_ADD_EVENT, _row(kept))
            self._journal.write({"event": kept.as_dict()})
        return kept

    def take(self, sessions: Iterable[Session], events: Iterable[Event]) -> Taken:
        """Keep what another store exported; what is known already stays. All of it or, on a fault, nothing."""
        arrived, marks = list(sessions), list(events)
        with self._writing() as con:
            known = {row[0] for row in con.execute("SELECT session_id FROM sessions")}
            coming = {session.session_id for session in arrived}
            for event in marks:
                if event.session_id not in known | coming:
                    raise _unknown_session(event.session_id)
            new_sessions = [{"session": one.as_dict()} for one in arrived if _insert_session(con, one)]
            new_events = [{"event": one.as_dict()} for one in marks if con.execute(_ADD_EVENT, _row(one)).rowcount]
            self._journal.write(*new_sessions, *new_events)
        return Taken(len(arrived), len(marks), len(new_sessions), len(new_events))

    def sessions(self) -> list[Session]:
        """Return all sessions, the oldest first."""
        rows = self._rows("SELECT told FROM sessions")
        found = [session_from(json.loads(told)) for (told,) in rows]
        return sorted(found, key=lambda session: (session.created_at, session.session_id))

    def session(self, session_id: str) -> Session:
        """Return one session; CxrdashError where there is none."""
        rows = self._rows("SELECT told FROM sessions WHERE session_id = ?", session_id)
        if not rows:
            raise _unknown_session(session_id)
        return session_from(json.loads(rows[0][0]))

    def events(self, session_id: str = "", reader: str = "") -> list[Event]:
        """Return the events of one session (and reader), or of all, in the order of each reader's places."""
        rows = self._rows(
            "SELECT told FROM events WHERE (? = '' OR session_id = ?) AND (? = '' OR reader = ?)"
            " ORDER BY session_id, reader, place, event_id",
            session_id, session_id, reader, reader,
        )  # fmt: skip
        return [event_from(json.loads(told)) for (told,) in rows]

    def known(self, event_ids: Sequence[str]) -> set[str]:
        """Return those of the identifiers that are kept."""
        asked = json.dumps(list(event_ids))
        rows = self._rows("SELECT event_id FROM events WHERE event_id IN (SELECT value FROM json_each(?))", asked)
        return {row[0] for row in rows}

    def version(self) -> str:
        """Return a text that changes with every event and session."""
        rows = self._rows("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM sessions)")
        return f"{rows[0][0]}-{rows[0][1]}" if rows else "0-0"

    def close(self) -> None:
        with self._guard:
            self._journal.close()
            if self._con:
                self._con.close()
                self._con = None
            if self._lock:
                self._lock.release()
                self._lock = None

    def _rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        with self._guard, self._told():
            if not self.path.exists() and not fragments(self._journal.folder):
                return []
            return self._connected(write=False).execute(sql, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that takes its lock at the start, so that waiting writers queue instead of failing."""
        if read_only():
            raise CxrdashError(f"Nothing was saved. {READ_ONLY}", "Mark in an instance started without --read-only.")
        with self._guard, self._told():
            con = self._connected(write=True)
            con.execute("BEGIN IMMEDIATE")
            start = self._journal.mark()
            try:
                yield con
                con.execute("COMMIT")
            except BaseException:
                self._journal.take_back(start)
                if con.in_transaction:
                    con.execute("ROLLBACK")
                raise

    def _connected(self, *, write: bool) -> sqlite3.Connection:
        if write and self._lock is None and not self._local():
            self._lock = WriterLock(self.folder / "writer.lock")
        if self._con is None:
            self._con = self._opened() if self._may_write() else _read_only(self.path)
        return self._con

    def _local(self) -> bool:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return disk.is_local(self.folder)

    def _opened(self) -> sqlite3.Connection:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        con = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _set_journal(con, disk.journal_mode(self.folder))
            con.execute("PRAGMA synchronous=FULL")
            con.execute("PRAGMA mmap_size=0")
            con.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")
            _fold(con, self._journal.folder)
        except BaseException:
            con.close()
            raise
        return con

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the disk and SQLite say into a fault that says what was (not) kept and what to do."""
        try:
            yield
        except sqlite3.OperationalError as fault:
            raise CxrdashError(
                f"Nothing was saved: {fault} ({self.path}).",
                "Free space on that disk, or set CXRDASH_REVIEWS to a folder that can be written, and mark again.",
            ) from fault
        except sqlite3.DatabaseError as fault:
            raise CxrdashError(
                f"The reviews cannot be read: {self.path} ({fault}).",
                f"Move that file elsewhere and start again: every mark is also in {self._journal.folder}.",
            ) from fault
        except OSError as fault:
            raise CxrdashError(
                f"Nothing was saved: {fault.strerror or fault} ({self.folder}).",
                "Free space on that disk, or set CXRDASH_REVIEWS to a folder that can be written, and mark again.",
            ) from fault


def _insert_session(con: sqlite3.Connection, session: Session) -> bool:
    return bool(con.execute(_ADD_SESSION, (session.session_id, json.dumps(session.as_dict()))).rowcount)


def _row(event: Event) -> tuple[Any, ...]:
    told = json.dumps(event.as_dict())
    return event.event_id, event.session_id, event.reader, event.place, event.kind, told


def _fold(con: sqlite3.Connection, folder: Path) -> None:
    """Take up what the journal holds and the file does not: a process died between the two."""
    done = dict(con.execute("SELECT fragment, bytes FROM folded").fetchall())
    sizes = {path: path.stat().st_size for path in fragments(folder)}
    for path, size in sizes.items():
        if done.get(path.name) == size:
            continue
        con.execute("BEGIN IMMEDIATE")
        for record in records(path):
            try:
                _take_up(con, record)
            except CxrdashError as fault:
                log.warning("passed over in %s: %s", path, fault.message)
        con.execute("INSERT OR REPLACE INTO folded VALUES (?, ?)", (path.name, size))
        con.execute("COMMIT")


def _take_up(con: sqlite3.Connection, record: dict[str, Any]) -> None:
    if "session" in record:
        _insert_session(con, session_from(record["session"]))
    elif "event" in record:
        con.execute(_ADD_EVENT, _row(event_from(record["event"])))


def _read_only(path: Path) -> sqlite3.Connection:
    """Open a file in a folder that cannot be written: nobody changes it, so no lock is needed."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
    )


def _set_journal(con: sqlite3.Connection, mode: str) -> None:
    """Switch the journal; SQLite does not wait for others here, so that processes started at once must try again."""
    statement = "PRAGMA journal_mode=WAL" if mode == "wal" else "PRAGMA journal_mode=DELETE"
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            con.execute(statement)
            return
        except sqlite3.OperationalError as busy:
            if "locked" not in str(busy) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _unknown_session(session_id: str) -> CxrdashError:
    return CxrdashError(
        f"There is no review session '{shown(session_id)}' here.",
        "`python -m cxrdash review list` names them; `review import FILE` brings one from elsewhere.",
    )
