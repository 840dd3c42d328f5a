"""How events add up: the last mark stands, an undo gives back the one before, nobody's clock matters."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.reviews.events import (
    FINISH,
    MARK,
    REOPEN,
    SETTLE,
    UNDO,
    VERDICTS,
    Event,
    check,
    event_from,
    event_id,
    finished,
    reader_name,
    settled,
    standing,
)
from cxrdash.reviews.sessions import Item, reader_order, session_from
from tests.reviews.invented import event, session


def verdicts(*events: Event) -> dict[str, str]:
    return {image: mark.verdict for (_, _, image), mark in standing(events).items()}


def test_the_last_mark_of_an_image_stands() -> None:
    assert verdicts(event(1), event(2, verdict="wrong")) == {"000.png": "wrong"}


def test_an_undo_brings_back_the_mark_before() -> None:
    assert verdicts(event(1), event(2, verdict="wrong"), event(3, kind=UNDO)) == {"000.png": "correct"}


def test_an_undone_first_mark_leaves_the_image_unjudged() -> None:
    assert verdicts(event(1), event(2, kind=UNDO)) == {}
    assert verdicts(event(1, kind=UNDO), event(2)) == {"000.png": "correct"}


def test_places_decide_and_clocks_do_not() -> None:
    late, early = "2024-01-01T10:00:00+00:00", "2024-01-01T09:00:00+00:00"
    assert verdicts(event(1, decided_at=late), event(2, verdict="wrong", decided_at=early)) == {"000.png": "wrong"}


def test_readers_and_sessions_are_apart() -> None:
    other = session(finding="Edema")
    found = standing([event(1), event(1, reader="Bo", verdict="wrong"), event(1, of=other, event_id="x")])
    assert len(found) == 3


def test_a_reader_who_resumes_is_not_finished() -> None:
    done = event(1, kind=FINISH, image_id="", verdict="")
    assert finished([done]) == {(done.session_id, "Ann")}
    assert finished([done, event(2, kind=REOPEN, image_id="", verdict="")]) == set()


def test_the_last_settlement_counts_and_is_nobody_s_mark() -> None:
    two = [event(1, kind=SETTLE, verdict="wrong"), event(2, kind=SETTLE, verdict="doubtful")]
    assert [one.verdict for one in settled(two).values()] == ["doubtful"]
    assert standing(two) == {}


acts = st.lists(
    st.tuples(
        st.sampled_from(["Ann", "Bo"]), st.sampled_from(["000.png", "001.png"]), st.sampled_from([MARK, UNDO]),
        st.sampled_from(VERDICTS), st.integers(1, 6),
    ),
    max_size=30,
)  # fmt: skip


@given(acts, st.randoms(use_true_random=False))
def test_the_order_in_which_events_arrive_changes_nothing(acts: list[tuple], order: random.Random) -> None:
    events = [
        event(place, reader=who, image_id=image, kind=kind, verdict=verdict, event_id=str(at))
        for at, (who, image, kind, verdict, place) in enumerate(acts)
    ]
    mixed = list(events)
    order.shuffle(mixed)
    assert standing(mixed) == standing(events)


@given(acts)
def test_what_stands_was_said_by_that_reader_of_that_image(acts: list[tuple]) -> None:
    events = [
        event(at + 1, reader=who, image_id=image, kind=kind, verdict=verdict)
        for at, (who, image, kind, verdict, _) in enumerate(acts)
    ]
    for (_, reader, image), mark in standing(events).items():
        assert (mark.reader, mark.image_id, mark.kind) == (reader, image, MARK) and mark in events


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "maybe"}, "'maybe' is not a verdict"),
        ({"kind": "guess"}, "'guess' is not a kind of review event"),
        ({"image_id": ""}, "names an image"),
        ({"verdict": ""}, "says nothing"),
        ({"kind": SETTLE, "verdict": ""}, "says nothing"),
    ],
)
def test_an_event_that_cannot_be_meant_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(CxrdashError, match=said):
        check(event(1, **changes))


def test_a_remark_needs_no_verdict() -> None:
    check(event(1, verdict="", identifier=True))
    check(event(1, verdict="", note="rotated"))


def test_an_event_survives_json() -> None:
    told = event(3, findings=("Mass", "Edema"), note="a\nb", identifier=True)
    assert event_from(told.as_dict()) == told
    with pytest.raises(CxrdashError, match="not a review event"):
        event_from({"event_id": "x"})


def test_the_same_act_of_a_tab_has_one_identity() -> None:
    assert event_id("s", "Ann", "tab", 1) == event_id("s", "Ann", "tab", 1)
    assert len({event_id("s", who, tab, at) for who in "ab" for tab in "xy" for at in range(50)}) == 200


def test_a_reader_is_one_name_however_it_is_typed() -> None:
    assert reader_name("  Dr.  A\u0301 ") == "Dr. Á"
    for bad in ("", " \n", "x" * 81):
        with pytest.raises(CxrdashError):
            reader_name(bad)


def test_a_session_is_the_same_on_any_machine_and_after_renaming() -> None:
    one = session()
    other = session(dataset="renamed", generation="g9", created_by="Bo", created_at="later", app_version="9")
    assert one.session_id == other.session_id
    assert session(seed=2).session_id != one.session_id
    assert session_from(one.as_dict()) == one


def test_a_session_that_contradicts_itself_is_refused() -> None:
    for changes in ({"planned": 9}, {"of": 2}, {"state": "perhaps"}, {"items": (Item("a", "positive"),) * 6}):
        with pytest.raises(CxrdashError, match="contradicts itself"):
            session_from(session().as_dict() | session(**changes).as_dict())
    with pytest.raises(CxrdashError, match="not a review session"):
        session_from({"finding": "Mass"})


def test_readers_see_the_same_sample_in_orders_of_their_own() -> None:
    made = session(60, planned=50)
    ann, bo = reader_order(made, "Ann"), reader_order(made, "Bo")
    assert ann == reader_order(made, "Ann") != bo
    assert set(ann[:50]) == set(bo[:50]) == set(made.items[:50])
    assert ann[50:] == bo[50:] == made.items[50:]


def test_every_image_is_equally_likely_to_come_first() -> None:
    made = session(10, planned=10)
    first = [made.image_ids.index(reader_order(made, f"reader {at}")[0].image_id) for at in range(2000)]
    assert all(140 <= first.count(at) <= 260 for at in range(10))


def test_the_name_of_a_session_is_made_once() -> None:
    """It is made of all images and asked for once per image: made anew each time, a mark took seconds."""
    one = session()
    assert one.session_id is one.session_id
