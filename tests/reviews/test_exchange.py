"""Export, import and merge: nothing lost, nothing doubled, in any format and any order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.reviews.events import VERDICTS, standing
from cxrdash.reviews.exchange import FORMATS, Reviews, read_bytes, read_file, to_bytes, together
from cxrdash.reviews.store import ReviewStore
from tests.reviews.invented import event, session

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
events = st.builds(
    lambda at, who, verdict, findings, note, seen: event(
        at, reader=who or "Ann", verdict=verdict, findings=tuple(findings), note=note, identifier=seen,
        event_id=f"{who}-{at}",
    ),
    st.integers(1, 10**6), texts, st.sampled_from(VERDICTS), st.lists(texts, max_size=3), texts, st.booleans(),
)  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@given(st.lists(events, max_size=8, unique_by=lambda one: one.event_id))
def test_every_format_gives_back_the_same_reviews(form: str, events: list) -> None:
    told = together([Reviews((session(),), tuple(events))])
    assert read_bytes(to_bytes(told, form), "file") == told


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_text_comes_back_as_it_went(form: str) -> None:
    note = '=1+1\r\n"quoted",;\t,\u202e NULL'
    about = session(cohort_words=note)
    told = Reviews((about,), (event(1, of=about, note=note, reader="=Ann"),))
    assert read_bytes(to_bytes(told, form), "file") == told


def stores(tmp_path: Path) -> tuple[ReviewStore, ReviewStore]:
    """Two machines on which the same session is read, by Ann on both."""
    made = tuple(ReviewStore(tmp_path / name) for name in ("one", "two"))
    for store, name in zip(made, ("one", "two"), strict=True):
        store.add_session(session())
        for n in range(1, 6):
            store.append(event(n, event_id=f"{name}-{n}", image_id=f"00{n % 3}.png", verdict=VERDICTS[n % 3]))
            store.append(event(n, reader=name, event_id=f"{name}'s-{n}"))
    return made  # type: ignore[return-value]


def contents(store: ReviewStore) -> Reviews:
    return Reviews(tuple(store.sessions()), tuple(store.events()))


@pytest.mark.parametrize("form", FORMATS)
def test_two_machines_end_with_the_same_verdicts_whoever_imports_first(tmp_path: Path, form: str) -> None:
    one, two = stores(tmp_path)
    from_one, from_two = (to_bytes(contents(store), form) for store in (one, two))
    for store, arrived in ((one, from_two), (two, from_one)):
        read = read_bytes(arrived, "file")
        taken = store.take(read.sessions, read.events)
        assert (taken.events, taken.new_events, taken.new_sessions) == (10, 10, 0)
        assert store.take(read.sessions, read.events).new_events == 0
    assert len(one.events()) == len(two.events()) == 20
    assert standing(one.events()) == standing(two.events())


def test_a_mark_made_after_a_merge_is_the_last(tmp_path: Path) -> None:
    one, two = stores(tmp_path)
    one.take([], two.events())
    one.append(event(99, image_id="001.png", verdict="unreadable"))
    ((_, mark),) = [(key, mark) for key, mark in standing(one.events()).items() if key[1:] == ("Ann", "001.png")]
    assert mark.verdict == "unreadable"


def test_an_import_survives_the_loss_of_the_file(tmp_path: Path) -> None:
    one, two = stores(tmp_path)
    one.take([], two.events())
    one.close()
    for path in one.folder.glob("reviews.sqlite*"):
        path.unlink()
    assert len(ReviewStore(one.folder).events()) == 20


def test_events_without_their_session_are_refused_whole(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    store.add_session(session())
    with pytest.raises(CxrdashError, match="no review session"):
        store.take([], [event(1), event(2, of=session(finding="Edema"))])
    assert store.events() == []


def test_a_union_is_the_same_in_any_order_and_has_everything_once() -> None:
    parts = [Reviews((session(),), (event(1), event(2))), Reviews((session(seed=3),), (event(2), event(3)))]
    assert together(parts) == together(parts[::-1]) == together([*parts, *parts])
    assert len(together(parts).events) == 3 and len(together(parts).sessions) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n", "no column event_id, kind, session, session_id"),
        (b'{"event": {"event_id": "x"}}\n', "line 1: This is not a review event"),
        (b'{"event"', "line 1: not a record"),
        (b'{"other": 1}\n', "line 1: neither a session nor an event"),
        (b"PAR1 broken", "damaged Parquet"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_export_says_where_and_why(content: bytes, said: str) -> None:
    with pytest.raises(CxrdashError, match=said):
        read_bytes(content, "marks.csv")


def test_a_cut_off_file_imports_nothing(tmp_path: Path) -> None:
    whole = to_bytes(Reviews((session(),), tuple(event(n) for n in range(1, 9))), "jsonl")
    (tmp_path / "cut.jsonl").write_bytes(whole[:-40])
    with pytest.raises(CxrdashError, match=r"cut\.jsonl, line 9: not a record"):
        read_file(tmp_path / "cut.jsonl")
    with pytest.raises(CxrdashError, match="cannot be read"):
        read_file(tmp_path / "absent.jsonl")
