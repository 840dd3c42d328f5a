"""Films are decoded in other processes, which may stall, die or lie without the app noticing more than a reason."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from cxrdash.images import wire, workers
from cxrdash.images.decoding_process import DecodingProcess
from cxrdash.images.film import Film, Lookup, UnreadableFilm, Window
from cxrdash.images.formats import read_film
from cxrdash.images.small_pictures import make_thumbnail
from cxrdash.images.thumbnails import ThumbnailStore

WriteDicom = Callable[..., Path]
ROOT = Path(workers.__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, or uses leases")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test starts and ends without processes."""
    workers.close()
    yield
    workers.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.linear_gradient("L").save(tmp_path / "film.png")
    return tmp_path / "film.png"


def decoders(parent: int | None = None) -> list[int]:
    """The decoding processes of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == (parent or os.getpid()) and b"images.decoding" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def same(one: Film, other: Film) -> bool:
    """Whether two films have equal parts."""
    plain = [
        {name: value for name, value in vars(held).items() if name not in ("pixels", "modality", "lookups")}
        for held in (one, other)
    ]
    tables = [
        [
            held and (held.first, held.bits, held.explanation, held.values.tolist())
            for held in (film.modality, *film.lookups)
        ]
        for film in (one, other)
    ]
    kinds = one.pixels.dtype == other.pixels.dtype
    return plain[0] == plain[1] and tables[0] == tables[1] and kinds and np.array_equal(one.pixels, other.pixels)


def test_a_film_read_elsewhere_is_the_film_read_here(
    write_dicom: WriteDicom, picture: Path, tmp_path: Path, ramp: np.ndarray
) -> None:
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [3, 10, 8])
    table.add_new("LUTData", "US", [0, 50, 255])
    table.LUTExplanation = "NORMAL"
    dicom = write_dicom(
        ramp.astype(np.int16), PhotometricInterpretation="MONOCHROME1", RescaleSlope=0.1, RescaleIntercept=-7,
        WindowCenter=[10, 0.3], WindowWidth=[1, 7], VOILUTSequence=[table], ModalityLUTSequence=[table],
        PixelSpacing=[0.143, 0.143], ImagerPixelSpacing=[0.15, 0.15],
    )  # fmt: skip
    for path in (picture, tmp_path / "deep.png", dicom):
        assert same(workers.read(path), read_film(path))
    assert workers.thumbnails([picture, dicom], 32) == [make_thumbnail(path, 32) for path in (picture, dicom)]


@pytest.mark.parametrize("name", ["absent.png", "notes.png", "bomb.png"])
def test_faults_are_the_same_as_here(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.png").write_text("not a picture")
    Image.new("1", (13_000, 13_000)).save(tmp_path / "bomb.png")
    with pytest.raises(UnreadableFilm) as here:
        read_film(tmp_path / name)
    with pytest.raises(UnreadableFilm) as there:
        workers.read(tmp_path / name)
    assert vars(here.value) == vars(there.value)


def test_what_went_wrong_is_logged_by_the_app(tmp_path: Path, picture: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture.write_bytes(picture.read_bytes()[:-40])
    with pytest.raises(UnreadableFilm, match="broken file"):
        workers.read(picture)
    assert "cannot decode" in caplog.text
    assert "Traceback" in caplog.text


@linux
def test_processes_start_with_the_first_film_and_serve_the_next(picture: Path) -> None:
    assert decoders() == []
    for _ in range(5):
        workers.read(picture)
    first = decoders()
    assert len(first) == 1
    workers.thumbnails([picture] * 40)
    assert set(first) < set(decoders())
    assert len(decoders()) == workers.PROCESSES
    workers.close()
    assert decoders() == []


@linux
def test_a_process_that_was_killed_is_replaced_without_a_word(picture: Path) -> None:
    workers.read(picture)
    (before,) = decoders()
    os.kill(before, signal.SIGKILL)
    assert workers.read(picture).width == 256
    assert decoders() != [before]


def test_a_film_that_crashes_its_decoder_is_broken_and_the_next_is_read(picture: Path) -> None:
    process = DecodingProcess()
    os.kill(process.pid, signal.SIGSTOP)
    threading.Timer(0.2, os.kill, (process.pid, signal.SIGSEGV)).start()
    threading.Timer(0.3, os.kill, (process.pid, signal.SIGCONT)).start()
    with pytest.raises(UnreadableFilm, match="it stops its decoder") as caught:
        process.ask({"make": "film", "path": str(picture), "side": None}, 3)
    assert caught.value.kind == "broken"
    assert not process.is_running


def test_a_process_that_does_not_answer_is_ended(picture: Path) -> None:
    process = DecodingProcess()
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(UnreadableFilm) as caught:
        process.ask({"make": "film", "path": str(picture), "side": None}, 0.3)
    assert (caught.value.kind, caught.value.reason) == ("timed out", "timed out")
    assert not process.is_running


@pytest.fixture
def stall(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Make a file that can be looked up but not opened: a lease holds the opener, as a dead disk would."""
    held, before = [], signal.signal(signal.SIGIO, signal.SIG_IGN)

    def stalled(path: Path) -> None:
        file = os.open(path, os.O_RDWR)
        held.append(file)
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            pytest.skip("this file system has no leases")

    yield stalled
    for file in held:
        os.close(file)
    signal.signal(signal.SIGIO, before)


@linux
def test_films_on_a_dead_disk_time_out_and_the_others_are_shown(
    tmp_path: Path, stall: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(24)]
    for path in paths:
        Image.new("L", (300, 200), 90).save(path)
    for path in paths[3:18:3]:
        stall(path)
    store = ThumbnailStore(tmp_path / "thumbs", "nih")
    shown = store.get_many(paths)
    assert [thumbnail.problem for thumbnail in shown] == [
        "timed out" if place in range(3, 18, 3) else None for place in range(24)
    ]
    assert {thumbnail.kind for thumbnail in shown} == {"", "timed out"}
    begun: list[str] = []
    monkeypatch.setattr(workers.DecodingProcess, "ask", lambda _, question, *rest: begun.append(question["path"]))
    assert store.get_many(paths) == shown  # not tried again for a while, and not stored for ever
    assert begun == []


@linux
def test_a_page_does_not_wait_for_every_film_of_a_dead_disk(tmp_path: Path, stall: Callable[[Path], None]) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(60)]
    for path in paths:
        Image.new("L", (30, 20), 90).save(path)
        stall(path)
    reasons = [thumbnail.problem for thumbnail in workers.thumbnails(paths)]
    at_work = workers.PROCESSES - 1  # they are at a film of their own when the last one counts
    assert workers.STALLS_AT_MOST <= reasons.count("timed out") <= workers.STALLS_AT_MOST + at_work
    assert set(reasons) == {"timed out", "not tried: many films beside it timed out"}


def test_fifos_are_refused_at_once(tmp_path: Path, picture: Path) -> None:
    pipes = [tmp_path / f"{number}.png" for number in range(5)]
    for pipe in pipes:
        os.mkfifo(pipe)
    shown = workers.thumbnails([*pipes, picture])
    assert [thumbnail.kind for thumbnail in shown] == ["not a file"] * 5 + [""]


@linux
def test_memory_of_a_process_is_limited(picture: Path) -> None:
    workers.read(picture)
    (pid,) = decoders()
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    space, core = (next(line for line in limits if name in line) for name in ("address space", "core file"))
    assert 2 * 2**30 <= int(space.split()[3]) < 3 * 2**30
    assert core.split()[4] == "0"


def test_names_that_are_no_utf8_are_found(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\n.png")
    Image.new("L", (4, 4), 33).save(path)
    assert workers.read(path).width == 4


def test_threads_share_the_processes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for number, path in enumerate(paths):
        Image.new("L", (number + 1, 5), number).save(path)
    wrong: list[int] = []

    def check(number: int) -> None:
        for _ in range(10):
            film = workers.read(paths[number])
            if (film.width, film.pixels.max()) != (number + 1, number):
                wrong.append(number)

    threads = [threading.Thread(target=check, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


SCRIPT = """
import sys, time
print("script", flush=True)
from cxrdash.images import workers
workers.thumbnails([sys.argv[1]] * 8)
print("ready", flush=True)
try:
    time.sleep(30)
except KeyboardInterrupt:
    pass
"""


@pytest.fixture
def app(tmp_path: Path, picture: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that reads films without guarding its main module, as a script of Streamlit."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported from the working directory')")
    running = subprocess.Popen(
        [sys.executable, "-P", str(tmp_path / "script.py"), str(picture)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    yield running
    running.kill()
    running.wait()


@linux
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_app_and_none_is_noisy(app: subprocess.Popen[str], stop: signal.Signals) -> None:
    assert app.stdout is not None
    assert [app.stdout.readline() for _ in range(2)] == ["script\n", "ready\n"]
    started = decoders(app.pid)
    assert len(started) == workers.PROCESSES
    os.killpg(app.pid, stop)
    out, err = app.communicate(timeout=60)
    assert (out, err) == ("", "")
    until = time.monotonic() + 30
    while time.monotonic() < until and any(Path(f"/proc/{pid}/cmdline").exists() for pid in started):
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in started)


def lying(answer: bytes) -> tuple[dict[str, object], list[bytearray]]:
    """What the app makes of bytes that come back."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        return wire.receive(ours, time.monotonic() + 1)


def message(head: object) -> bytes:
    text = json.dumps(head).encode()
    return len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xff\xff\xff",
        message([1]),
        message({"sizes": [-1]}),
        message({"sizes": [10**12]}),
        message({"sizes": "x"}),
        message({}),
        b"\0\0\0\2{{",
        b"\0\0\x40\0" + b"[" * 0x4000,
    ],
)
def test_messages_that_are_none_are_refused(answer: bytes) -> None:
    with pytest.raises(wire.BadMessage):
        lying(answer)


def test_a_line_that_breaks_off_is_told() -> None:
    for answer in (b"", b"\0\0", message({"sizes": [4]}) + b"ab"):
        with pytest.raises(EOFError):
            lying(answer)


@pytest.mark.parametrize(
    "change",
    [
        {"arrays": [{"dtype": "object", "shape": [1]}]},
        {"arrays": [{"dtype": "uint16", "shape": [5, 5]}]},
        {"arrays": [{"dtype": "uint16", "shape": [-2, -3]}]},
        {"arrays": [{"dtype": "uint16", "shape": [6]}, {"dtype": "float64", "shape": [3]}]},
        {"arrays": []},
        {"windows": [{"center": 1, "wide": 2}]},
        {"tables": [{"first": 0}]},
        {"spread": 7},
    ],
)
def test_films_that_are_none_are_refused(change: dict[str, object]) -> None:
    film = Film(np.ones((2, 3), np.uint16), "L", 16, 3, 2, spread=Window(1, 2), lookups=(Lookup(0, np.ones(3), 8),))
    head, buffers = wire.film_message(film)
    held = [bytearray(buffer) for buffer in buffers]
    assert same(wire.film_from(head, held), film)
    with pytest.raises(wire.BadMessage):
        wire.film_from({"film": {**head["film"], **change}}, held)
