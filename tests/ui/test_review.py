"""The review page: what may be seen, what reaches the disk, and what each answer means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cxrdash.analysis.review_intervals import anytime_interval
from cxrdash.analysis.review_marks import Marks
from cxrdash.config import Cache
from cxrdash.reviews.sessions import Item
from cxrdash.reviews.store import FILE, ReviewStore
from cxrdash.ui.review_board import LEAST_MS, Sitting, code_of, keep, question, verdict
from cxrdash.ui.review_readers import Seen
from cxrdash.ui.review_results import _films, for_other_patients, missed, stopping
from tests.reviews.invented import event, session
from tests.ui.test_pages import ROOT, app, headline, shown


@pytest.fixture
def sitting(tmp_path: Path) -> Iterator[Sitting]:
    store = ReviewStore(tmp_path / "reviews")
    store.add_session(session())
    yield Sitting(session(), "Ann", store)
    store.close()


def act(sitting: Sitting, number: int, image: int = 0, **changes: Any) -> dict[str, Any]:
    """What the browser sends for one key press."""
    ref = sitting.reference(sitting.session.items[image])
    times = {"shown": 1.7e12, "decided": 1.7e12 + 900, "dwell": 900}
    return {"c": "tab", "n": number, "ref": ref, "code": "yes", **times} | changes


def send(sitting: Sitting, *acts: dict[str, Any]) -> Any:
    return keep(sitting, {"acts": list(acts)}, generation="g1")


def test_a_mark_is_stored_on_the_image_it_names(sitting: Sitting) -> None:
    done = send(sitting, act(sitting, 1, 2, code="no", present=["Mass"], note=" a\nb ", identifier=True))
    (mark,) = sitting.store.events()
    assert done.done == ("tab:1",) and done.refused == () and done.fault == ""
    assert (mark.image_id, mark.verdict, mark.findings, mark.note) == ("002.png", "wrong", ("Mass",), "a b")
    assert mark.identifier and mark.shown_at == "2023-11-14T22:13:20.000+00:00" and mark.generation == "g1"


def test_acts_sent_again_are_stored_once(sitting: Sitting) -> None:
    acts = [act(sitting, n, n - 1) for n in (1, 2, 3)]
    assert send(sitting, *acts) == send(sitting, *acts)
    assert len(sitting.store.events()) == 3


def test_two_tabs_with_the_same_numbers_do_not_hide_each_other(sitting: Sitting) -> None:
    send(sitting, act(sitting, 1), act(sitting, 1, 1, c="other tab"))
    assert {mark.image_id for mark in sitting.store.events()} == {"000.png", "001.png"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"dwell": LEAST_MS - 1}, "too fast"), ({"dwell": None}, "too fast"), ({"ref": "elsewhere"}, "not in this review"),
     ({"code": "perhaps"}, "not in this review")],
)  # fmt: skip
def test_a_mark_that_cannot_be_meant_is_refused_and_done_with(sitting: Sitting, changes: dict, said: str) -> None:
    outcome = send(sitting, act(sitting, 1, **changes))
    assert outcome.done == ("tab:1",) and said in outcome.refused[0][1]
    assert sitting.store.events() == []


def test_an_undo_takes_the_mark_back(sitting: Sitting) -> None:
    send(sitting, act(sitting, 1), act(sitting, 2, undo=True))
    assert sitting.marks() == {} and len(sitting.store.events()) == 2


def test_what_the_disk_refuses_is_not_acknowledged(sitting: Sitting) -> None:
    send(sitting, act(sitting, 1))
    sitting.store.close()
    for path in sitting.store.folder.glob(f"{FILE}*"):
        path.unlink()
    sitting.store.path.mkdir()
    for fragment in (sitting.store.folder / "journal").iterdir():
        fragment.unlink()
    with pytest.raises(Exception, match="Nothing was saved"):
        send(sitting, act(sitting, 2, 1))
    sitting.store.path.rmdir()
    broken = replace(sitting, session=session(finding="Edema"))  # a session the store does not have
    outcome = keep(broken, {"acts": [act(broken, 1), act(broken, 2, 1)]}, generation="g")
    assert outcome.done == () and "no review session" in outcome.fault


def test_what_an_answer_says_of_the_label() -> None:
    blind, open_ = session(), session(blind=False)
    for state, yes, no in (("positive", "correct", "wrong"), ("uncertain", "correct", "wrong"),
                           ("negative", "wrong", "correct"), ("blank", "wrong", "correct")):  # fmt: skip
        item = Item("a", state)
        assert (verdict(blind, item, "yes"), verdict(blind, item, "no")) == (yes, no)
        assert (verdict(open_, item, "yes"), verdict(open_, item, "no")) == ("correct", "wrong")
        for made in (blind, open_):
            for code in ("yes", "no", "doubtful", "unsure", "unreadable"):
                assert code_of(made, item, verdict(made, item, code)) == code


def test_a_blind_question_does_not_give_the_label_away() -> None:
    assert question(session(state="positive")) == question(session(state="negative"))
    assert "positive" in question(session(blind=False))
    assert question(session(finding="No Finding", normal=True)) == "Is this film normal?"


def test_suspects_are_of_any_label_so_that_the_question_claims_none() -> None:
    told = question(session(purpose="suspects", blind=False))
    assert told == "Is the label for Effusion, below each film, right?"
    assert question(session(purpose="suspects")) == "Does this film show Effusion?"


def test_readers_have_references_that_hold_no_identifier(sitting: Sitting) -> None:
    references = {sitting.reference(item) for item in sitting.session.items}
    assert len(references) == 6 and not any("png" in one for one in references)
    assert references == {replace(sitting, reader="Bo").reference(item) for item in sitting.session.items}


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CXRDASH_REVIEWS", str(tmp_path / "marks"))
    return tmp_path / "marks"


def press(at: Any, label: str) -> Any:
    return next(button for button in at.button if button.label == label).click().run()


def test_a_review_is_started_marked_and_read(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = app(small_cache, monkeypatch, "review", ds="films", rv_finding="Effusion")
    assert "patients" in headline(at)
    press(at, "Start marking")
    assert not at.exception and headline(at) == "Does this film show Effusion?"
    assert "name" in shown(at)
    at.text_input(key="_rv_reader").set_value("Ann").run()
    assert not at.exception and at.get("bidi_component")
    (made,) = ReviewStore(reviews).sessions()
    assert made.finding == "Effusion" and made.blind


@pytest.mark.parametrize("chart", ["Error rate", "By stratum", "Contact sheet", "Readers", "Prevalence"])
def test_every_view_of_the_results_runs(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path, chart: str
) -> None:
    at = app(small_cache, monkeypatch, "review", ds="films", rv_finding="Effusion", rv_chart=chart)
    press(at, "Start marking")
    store = ReviewStore(reviews)
    (made,) = store.sessions()
    for reader in ("Ann", "Bo"):
        seat = Sitting(made, reader, store)
        for place in range(len(made.items)):
            code = ("yes", "no", "doubtful")[(place + (reader == "Bo")) % 3]
            keep(seat, {"acts": [act(seat, place + 1, place, code=code)]}, generation="g")
    at.text_input(key="_rv_reader").set_value("Ann").run()
    at.segmented_control(key="rv_view").set_value("Results").run()
    assert not at.exception and not at.error
    assert "wrong (95%" in headline(at).replace("\\", "")


def test_the_others_marks_stay_hidden_until_one_has_finished(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = app(small_cache, monkeypatch, "review", ds="films", rv_finding="Effusion")
    press(at, "Start marking")
    store = ReviewStore(reviews)
    seat = Sitting(store.sessions()[0], "Ann", store)
    keep(seat, {"acts": [act(seat, 1)]}, generation="g")
    at.text_input(key="_rv_reader").set_value("Bo").run()
    at.segmented_control(key="rv_view").set_value("Results").run()
    assert "1 reader hidden until you have finished" in headline(at)
    at.segmented_control(key="rv_view").set_value("Mark").run()
    press(at, "I am finished")
    at.segmented_control(key="rv_view").set_value("Results").run()
    assert "100.0% wrong" not in headline(at) and "1 of" in headline(at).replace("\\", "")


@pytest.mark.parametrize("single", ["true", "false"])
def test_films_of_one_patient_are_said_where_they_narrow_the_interval(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path, single: str
) -> None:
    at = app(small_cache, monkeypatch, "review", ds="small", rv_finding="Effusion", rv_single=single)
    press(at, "Start marking")
    store = ReviewStore(reviews)
    seat = Sitting(store.sessions()[0], "Ann", store)
    keep(seat, {"acts": [act(seat, at + 1, at) for at in range(len(seat.session.items))]}, generation="g")
    at.text_input(key="_rv_reader").set_value("Ann").run()
    at.segmented_control(key="rv_view").set_value("Results").run()
    assert not at.exception
    assert ("of a patient with another one here" in shown(at)) == (single == "false")


@pytest.mark.parametrize("kind", ["Spot check: what was missed?", "Suspicious films (no rate)"])
def test_every_preset_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path, kind: str) -> None:
    assert not app(small_cache, monkeypatch, "review", ds="films", rv_kind=kind).exception


def test_a_link_to_a_review_that_is_elsewhere_says_so(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = app(small_cache, monkeypatch, "review", ds="films", rv_view="Mark", rv_session="feedfeedfeed")
    assert not at.exception and any("not kept here" in warning.value.replace("\\", "") for warning in at.warning)


ANN = {"is_logged_in": True, "name": "Ann <b>Berg", "email": "ann@clinic.example"}


def logged_in(cache: Cache, monkeypatch: pytest.MonkeyPatch, user: dict[str, Any], **parameters: Any) -> Any:
    """The review page as the server shows it to whom the login names."""
    monkeypatch.setenv("CXRDASH_CACHE", str(cache.root))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.user = user
    for name, value in parameters.items():
        at.query_params[name] = value
    at.run()
    return at.switch_page("pages/review_page.py").run()


def test_the_name_of_the_login_stands_with_the_marks_and_cannot_be_typed_over(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = logged_in(small_cache, monkeypatch, ANN, ds="films", rv_finding="Effusion")
    at.session_state["_rv_reader"] = "Somebody else"
    press(at, "Start marking")
    assert not at.exception and not [box for box in at.text_input if box.key == "_rv_reader"]
    press(at, "I am finished")
    store = ReviewStore(reviews)
    assert [event.reader for event in store.events()] == ["Ann <b>Berg (ann@clinic.example)"]
    assert store.sessions()[0].created_by == "Ann <b>Berg (ann@clinic.example)"


def test_where_a_login_is_asked_for_nobody_marks_without_one(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = logged_in(small_cache, monkeypatch, {"is_logged_in": False}, ds="films", rv_finding="Effusion")
    press(at, "Start marking")
    assert not at.exception and not at.get("bidi_component") and not [b for b in at.text_input if b.key == "_rv_reader"]
    assert "Log in at the top right" in shown(at) and "Log in" in [button.label for button in at.button]


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"email": "b@c.example"}, "b@c.example"),
        ({"name": "Bo"}, "Bo"),
        ({"sub": "1234"}, "1234"),
        ({"name": "x" * 90, "email": "b@c.example"}, "b@c.example"),
        ({"sub": "y" * 90}, "y" * 80),
    ],
)
def test_whatever_the_login_tells_becomes_a_name(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path, claims: dict[str, str], told: str
) -> None:
    at = logged_in(small_cache, monkeypatch, {"is_logged_in": True, **claims}, ds="films", rv_finding="Effusion")
    press(at, "Start marking")
    press(at, "I am finished")
    assert [event.reader for event in ReviewStore(reviews).events()] == [told]


def labels(at: Any) -> list[str]:
    return [figure.label.replace("\\", "") for figure in at.metric]


def test_a_reader_who_has_not_finished_is_not_an_organiser(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = app(small_cache, monkeypatch, "review", ds="films", rv_finding="Effusion")
    press(at, "Start marking")
    store = ReviewStore(reviews)
    for reader in ("Ann", "Bo"):
        seat = Sitting(store.sessions()[0], reader, store)
        keep(seat, {"acts": [act(seat, 1, code="no" if reader == "Ann" else "yes")]}, generation="g")
    at.segmented_control(key="rv_view").set_value("Results").run()
    at.toggle(key="_rv_organiser").set_value(True).run()
    assert "Wrong or doubtful: 1 of 1" in labels(at)  # the two differ
    at.text_input(key="_rv_reader").set_value("Bo").run()
    assert at.toggle(key="_rv_organiser").disabled
    assert "Wrong or doubtful: 0 of 1" in labels(at)  # Bo's own mark alone


def test_a_film_on_which_an_identifier_can_be_read_is_left_out_of_the_figure() -> None:
    one = session()
    marks = Marks(one, (
        event(1, of=one, image_id="000.png", verdict="wrong", findings=("Mass",)),
        event(2, of=one, image_id="001.png", verdict="correct"),
        event(1, of=one, reader="Bo", image_id="001.png", verdict="", identifier=True),
    ))  # fmt: skip
    own = Marks(one, tuple(each for each in marks.events if each.reader == "Ann"))
    seen = Seen(one, own, marks, "Ann")
    assert _films(seen, own.verdicts["Ann"]) == (
        ("000.png", "wrong", "wrong, Mass"),
        ("", "correct", "correct, identifier: left out"),
    )


def test_which_findings_were_missed_is_counted_by_film() -> None:
    one = session()
    marks = Marks(one, (
        event(1, of=one, image_id="000.png", verdict="wrong", findings=("Mass", "Edema")),
        event(2, of=one, image_id="001.png", verdict="doubtful", findings=("Mass",)),
        event(3, of=one, image_id="002.png", verdict="correct", findings=("Hernia",)),
        event(1, of=one, reader="Bo", image_id="000.png", verdict="wrong", findings=("Mass",)),
    ))  # fmt: skip
    assert missed(marks) == {"Mass": 2, "Edema": 1}


@pytest.mark.parametrize(
    ("wrong", "judged", "said"),
    [
        (0, 0, "If you stop now: 0 judged, upper bound 100.0%."),
        (1, 40, "more bring it to 10% if the rate stays as it is."),
        (8, 40, "more bring it to 30% if the rate stays as it is."),
        (20, 40, "40 judged, upper bound 72.5%."),
    ],
)
def test_what_stopping_now_would_mean(wrong: int, judged: int, said: str) -> None:
    row = {"wrong": wrong, "judged": judged, "anytime_high": anytime_interval(wrong, judged, 2000)[1]}
    assert said in stopping(session(of=2000), row)


def test_the_interval_for_other_patients_is_told_where_there_is_one() -> None:
    import pandas as pd

    reader, panel = {"clustered_low": 0.1, "clustered_high": 0.4}, {"clustered_low": 0.071, "clustered_high": 0.352}
    told = for_other_patients(4, pd.DataFrame([reader, panel]))
    assert told.startswith("4 judged films of a patient with another one here.")
    assert "for other patients it is 7.1%–35.2%" in told
    untold = for_other_patients(1, pd.DataFrame([{"clustered_low": float("nan"), "clustered_high": float("nan")}]))
    assert untold.startswith("1 judged film of a patient") and "for other patients it is too narrow" in untold


def test_a_read_only_instance_says_why_nothing_can_be_marked(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = app(small_cache, monkeypatch, "review", ds="films", rv_finding="Effusion")
    press(at, "Start marking")
    (made,) = ReviewStore(reviews).sessions()
    monkeypatch.setenv("CXRDASH_READ_ONLY", "1")
    at = app(small_cache, monkeypatch, "review", ds="films", rv_finding="Effusion")
    (button,) = (button for button in at.button if button.label == "Start marking")
    assert button.disabled and "read-only" in button.help
    at = app(small_cache, monkeypatch, "review", ds="films", rv_view="Mark", rv_session=made.session_id)
    assert not at.exception
    assert "Marks cannot be kept: This instance is read-only" in " ".join(one.value for one in at.warning).replace(
        "\\", ""
    )


def test_films_a_model_doubts_make_a_review_without_a_rate(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, reviews: Path
) -> None:
    at = app(
        small_cache, monkeypatch, "review", ds="films", rv_kind="Suspicious films (no rate)",
        rv_check="Films a model doubts", rv_finding="Effusion",
    )  # fmt: skip
    assert not [button for button in at.button if button.label == "Start marking"]
    rows = "".join(f"{patient:08d}_000,{patient / 100},{1 - patient / 100}\n" for patient in range(1, 41))
    at.file_uploader[0].set_value(("model.csv", f"image,Mass,Effusion\n{rows}".encode(), "text/csv")).run()
    assert at.selectbox(key="rv_score_Effusion").value == "Effusion"
    assert "40 of 40 rows name an image" in shown(at)
    at.selectbox(key="rv_doubt").set_value("high").run()
    at.number_input(key="rv_doubted").set_value(3).run()
    assert headline(at) == "3 suspicious films to look at, without a rate"
    assert "3 films of 40 with a score, from 0.99 to 0.97" in shown(at)
    next(button for button in at.button if button.label == "Start marking").click().run()
    (made,) = ReviewStore(reviews).sessions()
    assert {item.image_id for item in made.items} == {f"{patient:08d}_000.png" for patient in (1, 2, 3)}
    assert made.purpose == "suspects"


def test_a_file_that_is_no_table_of_scores_is_a_message(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(
        small_cache, monkeypatch, "review", ds="films", rv_kind="Suspicious films (no rate)",
        rv_check="Films a model doubts",
    )  # fmt: skip
    at.file_uploader[0].set_value(("model.csv", b"image,p\nelse.png,0.5\n", "text/csv")).run()
    assert not at.exception
    assert "No column of model.csv names images of films." in shown(at).replace("\\", "")
