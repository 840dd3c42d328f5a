"""The five worked labels of METHODS 3.9, and that nothing which improves lowers a rating."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.analysis.settings import settings as thresholds
from cxrdash.analysis.star_rule import Evidence, rate
from cxrdash.errors import CxrdashError

OURS = thresholds()


def flags(count: int) -> tuple[str, ...]:
    return tuple(f"flag {at}" for at in range(count))


@pytest.mark.parametrize(("evidence", "scores", "limited"), [
    (Evidence(120, 110, 5760, 240, 200, 2, 1), (5, 5, 5, 5, 5), ()),
    (Evidence(62, 48, 19448, 3145, 130, 20, 17, flags(1), True), (4, 4, 4, 1, 2), ("errors",)),
    (Evidence(5, 5, 9040, 642, flags=flags(1)), (1, 1, 4, 3, 4), ("patients", "width")),
    (Evidence(150, 130, 116001, 1079), (5, 5, 5, 3, 5), ("errors",)),
    (Evidence(35, 33, 500, None, 100, 4, 3, flags(1)), (3, 3, 4, 3, 4), ("patients", "width", "errors")),
])  # fmt: skip
def test_the_worked_labels(evidence: Evidence, scores: tuple[int, ...], limited: tuple[str, ...]) -> None:
    found = rate(evidence, OURS)
    assert found.scores == scores
    assert (found.stars, found.limited_by) == (min(scores), limited)


def test_the_limits_behind_the_errors_score() -> None:
    assert rate(Evidence(62, 48, 19448, 3145, 130, 20, 17), OURS).error_limit == pytest.approx(0.3675, abs=5e-5)
    assert rate(Evidence(35, 33, 500, None, 100, 4, 3), OURS).error_limit == pytest.approx(0.1375, abs=5e-5)


@pytest.mark.parametrize(("count", "score"), [(0, 5), (1, 4), (2, 3), (3, 2), (7, 2)])
def test_flags_lower_the_structure_score_to_two_at_most(count: int, score: int) -> None:
    assert rate(Evidence(200, 200, 100, 0, flags=flags(count)), OURS).scores[4] == score


evidences = st.builds(
    Evidence,
    patients=st.integers(0, 300), effective_n=st.floats(0, 300), positive=st.integers(0, 5000),
    uncertain=st.none() | st.integers(0, 5000), reviewed=st.integers(30, 400), wrong=st.integers(0, 15),
    doubtful=st.integers(0, 15), flags=st.integers(0, 4).map(flags), critical=st.booleans(),
)  # fmt: skip


@settings(max_examples=300)
@given(evidences, st.integers(1, 200))
def test_an_input_that_improves_never_lowers_the_stars(evidence: Evidence, more: int) -> None:
    before = rate(evidence, OURS).stars
    better = [
        replace(evidence, patients=evidence.patients + more),
        replace(evidence, effective_n=evidence.effective_n + more),
        replace(evidence, positive=evidence.positive + more),
        replace(evidence, reviewed=evidence.reviewed + more),
        replace(evidence, wrong=max(evidence.wrong - more, 0)),
        replace(evidence, doubtful=max(evidence.doubtful - more, 0)),
        replace(evidence, flags=evidence.flags[1:]),
        replace(evidence, critical=False),
    ]
    if evidence.uncertain is not None:
        better.append(replace(evidence, uncertain=max(evidence.uncertain - more, 0)))
    assert all(rate(one, OURS).stars >= before for one in better)


def test_an_unreviewed_label_never_has_more_than_three_stars() -> None:
    assert rate(Evidence(1000, 1000, 1000, 0), OURS).stars == 3


def written(folder: Path, text: str) -> str:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return str(folder / "mine.toml")


def test_a_file_of_one_s_own_replaces_what_it_names(tmp_path: Path) -> None:
    mine = thresholds(written(tmp_path, "[stars]\npatients = [10, 5, 3, 1]\n[audit]\nsmd = 0.8\n"))
    assert rate(Evidence(12, 200, 100, 0, 300), mine).scores[0] == 5
    assert (mine.audit["smd"], mine.audit["many_images"]) == (0.8, OURS.audit["many_images"])
    assert mine.source.endswith("mine.toml")


@pytest.mark.parametrize(("text", "said", "hint"), [
    ("[audit]\nsmdd = 1", "there is no key 'smdd'", "Did you mean smd?"),
    ("[star]\npatients = 1", "there is no table 'star'", "Did you mean stars?"),
    ("[audit]\nsmd = 'high'", "must be a number, not 'high'", "Ours: 0.5"),
    ("[audit]\nsmd = true", "must be a number", "Ours: 0.5"),
    ("[stars]\npatients = [1, 2, 3, 4]", "must be 4 falling numbers", "Ours:"),
    ("[stars]\nuncertain = [0.1]", "must be 4 rising numbers", "Ours:"),
    ("[[stars.non_terminal]]\nfinding = 'Mass'", "must be tables with finding, critical, why", ""),
    ("smd = ", "is not TOML", "Mend the line"),
    ("audit = 3", "is not a table", "[audit]"),
])  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, said: str, hint: str) -> None:
    with pytest.raises(CxrdashError) as refused:
        thresholds(written(tmp_path, text))
    assert said in refused.value.message and hint in refused.value.hint


def test_a_settings_file_that_is_not_there_is_told() -> None:
    with pytest.raises(CxrdashError, match=r"cannot be read: nowhere\.toml"):
        thresholds("nowhere.toml")
