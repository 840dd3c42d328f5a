"""The SQLite file under a thumbnail store: it may be lost, damaged or unwritable without anyone noticing."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cxrdash.config import may_write

Row = tuple[bytes | None, str | None, int, int, str]
Answer = TypeVar("Answer")

CREATE = """
CREATE TABLE IF NOT EXISTS thumbnails (
    row INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, jpeg BLOB, problem TEXT,
    width INTEGER NOT NULL, height INTEGER NOT NULL, kind TEXT NOT NULL, check_sum INTEGER NOT NULL
)"""
READ = """
SELECT key, check_sum, jpeg, problem, width, height, kind FROM thumbnails
WHERE key IN (SELECT value FROM json_each(:keys))"""
WRITE = """
INSERT OR REPLACE INTO thumbnails (key, check_sum, jpeg, problem, width, height, kind)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
USED_BYTES = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size"""
PRUNE = """
DELETE FROM thumbnails WHERE row <= (
    SELECT min(row) + max(1, (max(row) - min(row)) / 5) FROM thumbnails
)"""
WAIT_SECONDS = 2.0

FAULTS = (sqlite3.Error, OSError, UnicodeError)  # a damaged schema cannot even be quoted in a message
TROUBLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
    }
)

_log = logging.getLogger(__name__)


class ThumbnailFile:
    """Rows by key, the oldest pruned beyond ``max_bytes``; no method raises for anything the disk does."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        with self._lock:
            self._connection = self._opened()

    def read(self, keys: Sequence[str]) -> dict[str, Row]:
        """Return the rows of those keys that are stored whole."""
        found = self._with_file(lambda file: file.execute(READ, {"keys": json.dumps(keys)}).fetchall())
        return {key: tuple(row) for key, check, *row in found or () if check == _check_sum(key, row)}

    def write(self, rows: Mapping[str, Row]) -> None:
        """Store the rows, or as many as the disk takes."""
        if rows:
            full = [(key, _check_sum(key, row), *row) for key, row in rows.items()]
            self._with_file(lambda file: self._insert(file, full))

    def close(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def _insert(self, file: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        with file:
            file.executemany(WRITE, rows)
            while self._max_bytes < file.execute(USED_BYTES).fetchone()[0]:
                if not file.execute(PRUNE).rowcount:
                    break

    def _with_file(self, act: Callable[[sqlite3.Connection], Answer]) -> Answer | None:
        """Act on the file; on any trouble with it answer nothing, and make a damaged one anew."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                return act(self._connection)
            except FAULTS as fault:
                if _is_damage(fault):
                    self._connection.close()
                    self._delete()
                    self._connection = self._opened()
            return None

    def _opened(self) -> sqlite3.Connection | None:
        for _attempt in ("as found", "made anew"):
            try:
                return self._connect()
            except FAULTS as fault:
                if not _is_damage(fault):
                    break
                self._delete()
        return None

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not may_write(self._path.parent):
            # Without a journal beside it SQLite reads only a file that it is told will not change.
            uri = f"{self._path.absolute().as_uri()}?immutable=1"
            return sqlite3.connect(uri, uri=True, check_same_thread=False)
        connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()  # answers "delete" where it cannot
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(CREATE)
            connection.commit()
        except FAULTS:
            connection.close()
            raise
        return connection

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            try:
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            except OSError as fault:
                _log.info("cannot delete the damaged thumbnail file: %s", fault)


def _is_damage(fault: Exception) -> bool:
    """Whether the file itself is at fault, rather than the disk, the folder or another process."""
    code = getattr(fault, "sqlite_errorcode", None)
    trouble = isinstance(fault, OSError) or (code is not None and code & 0xFF in TROUBLE)
    if trouble:
        _log.info("thumbnails are not stored: %s", fault)
    else:
        _log.warning("thumbnail file is damaged and is made anew: %s", fault)
    return not trouble


def _check_sum(key: str, row: Sequence[object]) -> int:
    """SQLite notices damage to the structure of its pages, not to what a row holds."""
    jpeg, *rest = row
    picture = jpeg if isinstance(jpeg, bytes) else b""
    return zlib.crc32(picture, zlib.crc32(repr((key, type(jpeg), rest)).encode()))
