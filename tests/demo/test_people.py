"""The invented population resembles published ones in what the pages are about."""

from __future__ import annotations

from collections import Counter

import pytest

from cxrdash.demo.people import DEVICES_WITH_PNEUMOTHORAX, FINDINGS, Person, make_people


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return make_people()


def images(people: list[Person]) -> list[int]:
    return [sum(len(study.films) for study in person.studies) for person in people]


def states(people: list[Person], finding: str) -> Counter[str]:
    return Counter(study.labels[finding] for person in people for study in person.studies)


def test_the_population_is_the_same_every_time(people: list[Person]) -> None:
    assert make_people() == people


def test_images_per_patient_are_as_unequal_as_in_nih(people: list[Person]) -> None:
    counts = images(people)
    many = [count for count in counts if count > 10]
    assert counts.count(1) / len(counts) == pytest.approx(0.568, abs=0.002)
    assert len(many) / len(counts) == pytest.approx(0.072, abs=0.002)
    assert sum(many) / sum(counts) == pytest.approx(0.45, abs=0.01)
    assert max(counts) > 100


def test_reports_hedge_on_pneumonia_but_not_on_devices(people: list[Person]) -> None:
    hedged = {finding: states(people, finding) for finding in FINDINGS}
    share = {finding: count["-1"] / (count["1"] + count["-1"]) for finding, count in hedged.items()}
    assert 0.65 < share["Pneumonia"] < 0.9
    assert 0.5 < share["Consolidation"] < 0.75
    assert 0.4 < share["Atelectasis"] < 0.6
    assert share["Support Devices"] < 0.03
    assert set(hedged["No Finding"]) == {"1", ""}


def test_no_finding_stands_alone_before_anything_is_planted(people: list[Person]) -> None:
    for person in people:
        for study in person.studies:
            others = {state for name, state in study.labels.items() if name not in ("No Finding", "Support Devices")}
            assert study.labels["No Finding"] == "" or not others & {"1", "-1"}


def test_parents_are_mostly_left_blank(people: list[Person]) -> None:
    parents = Counter(
        study.labels["Enlarged Cardiomediastinum"]
        for person in people
        for study in person.studies
        if study.labels["Cardiomegaly"] == "1"
    )
    assert parents[""] > 4 * (parents["1"] + parents["0"] + parents["-1"])


def test_most_pneumothoraces_are_seen_with_a_device(people: list[Person]) -> None:
    labelled = [s.labels for person in people for s in person.studies if s.labels["Pneumothorax"] == "1"]
    treated = sum(labels["Support Devices"] == "1" for labels in labelled) / len(labelled)
    assert treated == pytest.approx(DEVICES_WITH_PNEUMOTHORAX, abs=0.12)


def test_bedside_films_show_sicker_patients(people: list[Person]) -> None:
    for finding in ("Pleural Effusion", "Edema", "Support Devices"):
        rate = {
            view: [s.labels[finding] == "1" for person in people for s in person.studies if s.view == view]
            for view in ("AP", "PA")
        }
        assert sum(rate["AP"]) / len(rate["AP"]) > 1.8 * sum(rate["PA"]) / len(rate["PA"])


def test_the_test_part_is_too_small_for_rare_findings(people: list[Person]) -> None:
    part = [person for person in people if person.split == "test"]
    assert len(part) == 100
    few = [finding for finding in FINDINGS if 0 < states(part, finding)["1"] < 10]
    assert {"Pneumonia", "Fracture", "Pleural Other"} <= set(few)
