"""What kind of disk the reviews lie on, and which of SQLite's journals is safe there."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

LOCAL = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "ramfs", "apfs", "hfs", "ntfs", "overlay"}
FORCED = "CXRDASH_REVIEWS_DISK"
"""Environment variable: 'network' treats the folder as one on a network, whatever it is."""


def is_local(folder: Path) -> bool:
    """Return whether the folder is known to lie on a disk of this machine; unknown counts as a network."""
    if os.environ.get(FORCED) == "network":
        return False
    if os.name == "nt":  # pragma: no cover
        return not str(folder).startswith("\\\\")
    return file_system(folder) in LOCAL


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of file system a folder lies on, '' where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        real = folder.resolve()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        parts = line.split(" ")
        point = Path(parts[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if len(parts) > 2 and (real == point or point in real.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), parts[2]  # of mounts over each other the last one counts
    return kind


def journal_mode(folder: Path) -> str:
    """Return 'wal' where the folder is local and a trial with two connections went well, else 'delete'."""
    return "wal" if is_local(folder) and _wal_works(folder) else "delete"


def _wal_works(folder: Path) -> bool:
    try:
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=folder) as made:
            path = Path(made) / "probe.sqlite"
            one = sqlite3.connect(path, timeout=1, isolation_level=None)
            other = sqlite3.connect(path, timeout=1, isolation_level=None)
            try:
                switched = one.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                one.execute("CREATE TABLE probe (value INTEGER)")
                one.execute("INSERT INTO probe VALUES (7)")
                return bool(switched == "wal" and other.execute("SELECT value FROM probe").fetchone() == (7,))
            finally:
                other.close()
                one.close()
    except (OSError, sqlite3.Error):
        return False
