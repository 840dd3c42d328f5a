"""The store keeps what it acknowledged, whatever dies, fills up or comes twice."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxrdash.errors import CxrdashError
from cxrdash.reviews import disk
from cxrdash.reviews.events import UNDO, Event
from cxrdash.reviews.journal import Journal, fragments
from cxrdash.reviews.store import FILE, ReviewStore
from tests.reviews.invented import DEEP, event, session

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 50 if DEEP else 5


@pytest.fixture
def store(tmp_path: Path):
    made = ReviewStore(tmp_path / "reviews")
    yield made
    made.close()


@pytest.fixture(params=["local", "network"])
def kind_of_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "network":
        monkeypatch.setenv(disk.FORCED, "network")
    return request.param


def told(events: list[Event]) -> list[str]:
    return sorted(one.event_id for one in events)


def started(store: ReviewStore) -> ReviewStore:
    store.add_session(session())
    return store


def test_looking_creates_nothing(store: ReviewStore) -> None:
    assert store.sessions() == [] and store.events() == [] and store.version() == "0-0"
    assert not store.folder.exists()


def test_a_mark_is_on_disk_twice_when_it_is_acknowledged(store: ReviewStore, kind_of_disk: str) -> None:
    kept = started(store).append(event(7))
    assert kept.place == 1 and kept.recorded_at
    with sqlite3.connect(store.path) as other:
        assert other.execute("SELECT count(*) FROM events").fetchone() == (1,)
    (fragment,) = fragments(store.folder / "journal")
    assert '"Ann-7"' in fragment.read_text()


def test_places_count_each_reader_s_acts(store: ReviewStore) -> None:
    started(store)
    places = [store.append(event(n, reader=who)).place for n, who in ((1, "Ann"), (1, "Bo"), (2, "Ann"))]
    assert places == [1, 1, 2]


def test_an_act_sent_twice_is_kept_once(store: ReviewStore) -> None:
    started(store)
    assert store.append(event(1)) == store.append(event(1, verdict="wrong"))
    assert store.events()[0].verdict == "correct"


def test_a_mark_of_an_unknown_session_is_refused(store: ReviewStore) -> None:
    with pytest.raises(CxrdashError, match="no review session"):
        store.append(event(1))
    assert store.events() == []


def test_a_session_added_twice_is_one(store: ReviewStore) -> None:
    first = store.add_session(session())
    assert store.add_session(session(created_by="Bo", dataset="renamed")) == first
    assert [one.created_by for one in store.sessions()] == ["Ann"]


def test_nothing_can_be_changed_or_deleted(store: ReviewStore) -> None:
    started(store).append(event(1))
    with sqlite3.connect(store.path) as other:
        for statement in ("UPDATE events SET reader = 'x'", "DELETE FROM events", "DELETE FROM sessions"):
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(statement)


def test_the_journal_alone_restores_everything(store: ReviewStore) -> None:
    started(store)
    for n in range(1, 6):
        store.append(event(n, kind=UNDO if n == 3 else "mark", verdict="" if n == 3 else "wrong"))
    before = store.events()
    store.close()
    for path in store.folder.glob(f"{FILE}*"):
        path.unlink()
    again = ReviewStore(store.folder)
    assert again.events() == before and again.sessions() == [session()]
    again.close()


def test_a_line_the_file_does_not_have_is_taken_up(store: ReviewStore) -> None:
    started(store).append(event(1))
    other = Journal(store.folder / "journal")
    other.write({"event": event(2).as_dict()})
    other.close()
    with other.path.open("ab") as file:
        file.write(b'{"event": {"event_id": "torn')
    store.close()
    again = ReviewStore(store.folder)
    assert told(again.events()) == ["Ann-1", "Ann-2"]
    again.close()


def test_a_damaged_file_is_named_with_the_way_back(store: ReviewStore) -> None:
    started(store).append(event(1))
    store.close()
    for path in store.folder.glob(f"{FILE}-*"):
        path.unlink()
    store.path.write_bytes(b"not a database at all" * 400)
    with pytest.raises(CxrdashError, match="cannot be read") as fault:
        ReviewStore(store.folder).events()
    assert "journal" in fault.value.hint
    store.path.rename(store.folder / "aside")
    assert told(ReviewStore(store.folder).events()) == ["Ann-1"]


def writer(folder: Path, reader: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.reviews.writer", str(folder), reader, str(count)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, kind_of_disk: str) -> None:
    acknowledged = 0
    for round_ in range(ROUNDS):
        reader = f"Ann {round_}"
        with writer(tmp_path, reader, 100_000) as process:
            assert process.stdin and process.stdout and process.stdout.readline() == "ready\n"
            process.stdin.write("go\n")
            process.stdin.flush()
            threading.Timer(random.Random(round_).uniform(0.02, 0.4), process.send_signal, [signal.SIGKILL]).start()
            said = [line for line in process.stdout if line.endswith("\n")]
        store = ReviewStore(tmp_path)
        kept = {one.event_id for one in store.events(reader=reader)}
        store.close()
        assert {f"{reader}-{int(line)}" for line in said} <= kept
        acknowledged += len(said)
    assert acknowledged > ROUNDS
    with sqlite3.connect(tmp_path / FILE) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print(f"{ROUNDS} kills ({kind_of_disk}), {acknowledged} acknowledged, 0 lost")


def test_processes_that_mark_at_once_lose_nothing(tmp_path: Path) -> None:
    count, processes = (250, 8) if DEEP else (40, 4)
    running = [writer(tmp_path, f"reader {at}", count) for at in range(processes)]
    for process in running:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        assert process.communicate()[0].split() == [str(n) for n in range(1, count + 1)]
        assert process.returncode == 0
    store = ReviewStore(tmp_path)
    events = store.events()
    assert len(events) == processes * count
    assert {(one.reader, one.place) for one in events} == {
        (f"reader {at}", place) for at in range(processes) for place in range(1, count + 1)
    }
    store.close()


def test_threads_that_mark_at_once_lose_nothing(store: ReviewStore) -> None:
    started(store)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: store.append(event(n, reader=f"r{n % 20}")), range(1, 201)))
    assert len(store.events()) == 200


def test_on_a_network_folder_a_second_process_is_told_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(disk.FORCED, "network")
    process = writer(tmp_path, "Ann", 1)
    assert process.stdout and process.stdout.readline() == "ready\n"
    store = ReviewStore(tmp_path)
    with pytest.raises(CxrdashError, match=f"process {process.pid} on "):
        store.append(event(1, reader="Bo"))
    assert store.sessions() == [session()]  # reading is not refused
    process.communicate("go\n")
    store.append(event(1, reader="Bo"))  # the lock died with its process
    assert len(store.events()) == 2
    store.close()


def test_a_local_folder_gets_wal_and_a_network_folder_does_not(tmp_path: Path, kind_of_disk: str) -> None:
    store = started(ReviewStore(tmp_path))
    with sqlite3.connect(store.path) as file:
        mode = file.execute("PRAGMA journal_mode").fetchone()[0]
    assert mode == ("wal" if kind_of_disk == "local" and disk.is_local(tmp_path) else "delete")
    store.close()


def test_the_kind_of_disk_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    here = tmp_path.resolve()
    mounts.write_text(f"none / ext4 rw 0 0\nserver:/x {here}/a\\040b nfs4 rw 0 0\nnone {here}/c overlay rw 0 0\n")
    for name, kind in (("a b", "nfs4"), ("c", "overlay"), ("other", "ext4")):
        (tmp_path / name).mkdir()
        assert disk.file_system(tmp_path / name, mounts) == kind
    assert disk.file_system(tmp_path, tmp_path / "none") == ""


FULL = """
import resource, signal, sys
from pathlib import Path
from cxrdash.errors import CxrdashError
from cxrdash.reviews.store import ReviewStore
from tests.reviews.invented import event, session
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = ReviewStore(Path(sys.argv[1]))
store.add_session(session())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
for n in range(1, 2000):
    try:
        store.append(event(n, note="x" * 700))
    except CxrdashError as fault:
        print("refused", fault.message)
        break
    print("kept", n, flush=True)
"""


@pytest.mark.parametrize("room", [40_000, 70_001, 100_003] if DEEP else [60_001])
def test_a_full_disk_refuses_loudly_and_keeps_what_was_acknowledged(
    tmp_path: Path, room: int, kind_of_disk: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(room)], cwd=ROOT, text=True, capture_output=True, check=True
    )
    *kept, last = ran.stdout.splitlines()
    assert last.startswith("refused Nothing was saved: ")
    store = ReviewStore(tmp_path)
    assert told(store.events()) == sorted(f"Ann-{line.split()[1]}" for line in kept)
    store.append(event(5_000))
    store.close()


@pytest.mark.usefixtures("modes_count")
def test_a_folder_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    store = started(ReviewStore(tmp_path / "r"))
    store.append(event(1))
    store.close()
    store.folder.chmod(0o500)
    try:
        again = ReviewStore(store.folder)
        assert "is read-only. Set CXRDASH_REVIEWS" in again.refusal and len(again.events()) == 1
    finally:
        store.folder.chmod(0o700)


def test_the_folder_is_the_reader_s_own(store: ReviewStore) -> None:
    started(store)
    assert store.folder.stat().st_mode & 0o077 == 0


def test_a_clock_set_back_changes_no_verdict(store: ReviewStore) -> None:
    started(store)
    store.append(event(1, decided_at="2024-03-10T08:00:00+00:00"))
    store.append(event(2, verdict="wrong", decided_at="2024-03-10T07:00:00+00:00"))
    assert [one.verdict for one in store.events()] == ["correct", "wrong"]


def test_a_read_only_instance_keeps_nothing_and_reads_all(store: ReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    started(store)
    store.append(event(1))
    assert store.refusal == ""
    monkeypatch.setenv("CXRDASH_READ_ONLY", "1")
    assert store.refusal.startswith("This instance is read-only")
    with pytest.raises(CxrdashError, match=r"Nothing was saved\. This instance is read-only"):
        store.append(event(2))
    with pytest.raises(CxrdashError, match="read-only"):
        store.take(store.sessions(), store.events())
    assert len(store.events()) == 1
    fresh = ReviewStore(store.folder)
    assert len(fresh.events()) == 1
    fresh.close()
