"""A filter on what readers said keeps the images that brute force keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.readings import Reading, Votes, parse_reading, reading_text, reading_words, votes_text
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.expression import Expression, matches
from cxrdash.labels.states import State
from tests.datasets import READERS, Invented, invent
from tests.index.test_selection import HOSTILE, chosen, expressions, pasted

DATASET = invent(21, patients=15)
ODD = {
    "google_2019": ("Mass",),
    "1 of 2 readers": ("Mass",),
    'say "R: 1"': ("Mass", "Nodule or mass"),
    " a b ": ("Mass",),
}
JUDGED = DATASET.findings[:-1]  # by all three readers


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return DATASET.index(tmp_path_factory.mktemp("readings") / "invented")


def said_by(dataset: Invented, reader: str) -> dict[str, dict[str, State]]:
    """What a reader said of each image the reader read."""
    rows = dataset.readings[dataset.readings["reader"] == reader]
    return {
        image: {name: State(state) for name, state in zip(group["finding"], group["state"], strict=True)}
        for image, group in rows.groupby("image_id")
    }


def test_readers_stand_in_order_with_the_findings_they_judge(index: Index) -> None:
    assert list(index.readers) == ["R1", "R2", "R10"]
    assert index.readers["R1"] == ("Mass", "Pleural Effusion", "Edema", "Another thing")
    assert index.readers["R10"] == ("Mass", "Pleural Effusion", "Edema")


@settings(max_examples=150)
@given(reader=st.sampled_from(READERS), said=st.none() | expressions(JUDGED))
def test_a_reading_is_what_brute_force_filters(index: Index, reader: str, said: Expression | None) -> None:
    selection = select(index, Cohort(readings=(reading_text(reader, said),)))
    answers = said_by(DATASET, reader)
    expected = sorted(image for image, states in answers.items() if said is None or matches(said, states))
    assert chosen(selection) == expected
    assert pasted(selection) == len(expected)


@settings(max_examples=100)
@given(yes=st.integers(0, 3), of=st.integers(1, 3), said=expressions(JUDGED))
def test_votes_are_what_brute_force_counts(index: Index, yes: int, of: int, said: Expression) -> None:
    if yes > of:
        with pytest.raises(CxrdashError, match=f"asks for {yes} of only {of}"):
            _ = select(index, Cohort(readings=(votes_text(yes, of, said),))).counts
        return
    answers = [said_by(DATASET, reader) for reader in READERS]
    expected = []
    for image in DATASET.images["image_id"]:
        read = [states[image] for states in answers if image in states]
        if len(read) == of and sum(matches(said, states) for states in read) == yes:
            expected.append(image)
    selection = select(index, Cohort(readings=(votes_text(yes, of, said),)))
    assert chosen(selection) == sorted(expected)
    assert pasted(selection) == len(expected)


def test_votes_count_only_readers_who_judge_the_findings(index: Index) -> None:
    once = select(index, Cohort(readings=('1 of 1 readers: "Another thing"',)))
    alone = select(index, Cohort(readings=('R1: "Another thing"',)))
    assert chosen(once) == chosen(alone) != []


@settings(max_examples=50)
@given(ours=expressions(JUDGED), theirs=expressions(JUDGED))
def test_readings_narrow_like_everything_else(index: Index, ours: Expression, theirs: Expression) -> None:
    one, other = Cohort(readings=(reading_text("R1", ours),)), Cohort(readings=(reading_text("R2", theirs),))
    both = one.narrow(other)
    assert set(chosen(select(index, both))) == set(chosen(select(index, one))) & set(chosen(select(index, other)))
    assert both.narrow(one) == both


def test_disagreement_is_a_label_and_a_reading(index: Index) -> None:
    table = DATASET.table.set_index("image_id")
    read = said_by(DATASET, "R2")
    positive = table.index[table["Mass"] == State.POSITIVE]
    expected = [image for image in positive if image in read and read[image].get("Mass") != State.POSITIVE]
    assert chosen(select(index, Cohort(labels="Mass", readings=("R2: NOT Mass",)))) == sorted(expected) != []


@settings(max_examples=60)
@given(said=expressions(HOSTILE[:-1]))
def test_hostile_names_are_only_names(tmp_path_factory: pytest.TempPathFactory, said: Expression) -> None:
    dataset, index = hostile(tmp_path_factory)
    selection = select(index, Cohort(readings=(reading_text("x'; DROP TABLE readings; --", said),)))
    answers = said_by(dataset, "x'; DROP TABLE readings; --")
    expected = sorted(image for image, states in answers.items() if matches(said, states))
    assert (chosen(selection), pasted(selection)) == (expected, len(expected))


_HOSTILE: dict[str, tuple[Invented, Index]] = {}


def hostile(factory: pytest.TempPathFactory) -> tuple[Invented, Index]:
    if not _HOSTILE:
        drawn = invent(22, patients=8, findings=HOSTILE)
        names = {"R2": "x'; DROP TABLE readings; --"}
        dataset = Invented(drawn.findings, drawn.images, drawn.states, drawn.readings.replace({"reader": names}))
        _HOSTILE["made"] = dataset, dataset.index(factory.mktemp("hostile-readings") / "invented")
    return _HOSTILE["made"]


@pytest.mark.parametrize("reader", ODD)
def test_any_reader_s_name_can_be_written(reader: str) -> None:
    assert parse_reading(reading_text(reader, "NOT Mass"), ODD) == parse_reading(reading_text(reader, "NOT mass"), ODD)
    assert parse_reading(reading_text(reader), ODD).said is None


def test_a_reader_is_found_whatever_the_case_and_a_reader_s_own_name_wins() -> None:
    assert parse_reading("Google_2019 :Mass", ODD) == parse_reading("google_2019: Mass", ODD)
    assert isinstance(parse_reading("1 of 2 readers: Mass", ODD), Reading)
    assert isinstance(parse_reading("2 of 2 readers: Mass", ODD), Votes)


@pytest.mark.parametrize(("text", "message", "hint"), [
    ("Mass", "The reading 'Mass' names no reader", "Write READER: LABELS"),
    ("", "The reading '' names no reader", "google_2019: NOT Pneumothorax"),
    (": Mass", "names no reader", "Write READER"),
    ("gogle_2019: Mass", "'gogle_2019' is not a reader of this dataset", "Did you mean google_2019?"),
    ("nobody: Mass", "'nobody' is not a reader", "Its readers: google_2019, 1 of 2 readers"),
    ("google_2019: Maas", "is not a finding", "Did you mean Mass?"),
    ("google_2019: Mass AND", "the expression ends where a finding's name is expected", ""),
    ("2 of 3 readers:", "The reading '2 of 3 readers' says nothing of a finding", "For example"),
    ("3 of 2 readers: Mass", "asks for 3 of only 2", "For example"),
])  # fmt: skip
def test_a_reading_that_cannot_be_meant_says_why(text: str, message: str, hint: str) -> None:
    with pytest.raises(CxrdashError) as refused:
        parse_reading(text, ODD)
    assert message in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(("text", "words"), [
    ("google_2019: NOT Edema", "google_2019 says NOT Edema"),
    ("google_2019:", "read by google_2019"),
    ('"R: 1": Mass', "R: 1 says Mass"),
    ("1 of 3 readers: Mass", "1 of 3 readers says Mass"),
    ("2 of 3 readers: Mass", "2 of 3 readers say Mass"),
    ("nonsense", "nonsense"),
])  # fmt: skip
def test_words(text: str, words: str) -> None:
    assert reading_words(text) == words
    assert Cohort(readings=(text,)).words() == f"images, {words}"


def test_without_readings_there_is_no_reader(tmp_path: Path) -> None:
    drawn = invent(23, patients=3)
    index = Invented(drawn.findings, drawn.images, drawn.states).index(tmp_path / "invented")
    assert index.readers == {}
    with pytest.raises(CxrdashError) as refused:
        _ = select(index, Cohort(readings=("R1: Mass",))).counts
    assert refused.value.hint == "Its readers: none."


def test_the_statement_without_readings_names_no_reader(index: Index) -> None:
    assert "readings" not in select(index, Cohort(labels="Mass")).written_out("SELECT 1 FROM selected")
