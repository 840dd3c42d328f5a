"""The shared vocabulary says what the datasets' cards say, forbids what must not be joined, and shows its losses."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash.labels.findings import Finding
from cxrdash.labels.vocabulary import (
    NEAREST_FIRST,
    RELATION_WORDS,
    between,
    known_sources,
    losses,
    mapped,
    mapping,
    overlaps,
    shared_label,
    shared_labels,
)
from cxrdash.sources import card as cards

NAMES = [label.name for label in shared_labels()]
CARDS = sorted(path.stem for path in Path(cards.CARDS).glob("*.toml") if path.stem in known_sources())
EVERY_CARD = pytest.mark.parametrize("source", CARDS)


def findings_of(source: str) -> tuple[Finding, ...]:
    return cards.load_card(source).findings


def relations(source: str, shared: str) -> dict[str, tuple[str, ...]]:
    return {one.relation: one.findings for one in mapping(source) if one.shared == shared}


def loss(source: str, finding: str) -> tuple[str, str]:
    found = {entry.finding: (entry.shared, entry.relation) for entry in losses(source, findings_of(source))}
    return found.get(finding, ("", "="))


def test_shared_labels_are_distinct_and_every_relation_has_words() -> None:
    assert len(set(NAMES)) == len(NAMES) == 25
    assert set(NEAREST_FIRST) == set(RELATION_WORDS)


@EVERY_CARD
def test_every_label_the_vocabulary_names_is_on_the_card(source: str) -> None:
    on_card = {text for finding in findings_of(source) for text in (finding.name, finding.source_name)}
    named = {name for one in mapping(source) for name in one.findings}
    assert named <= on_card


@EVERY_CARD
def test_a_card_and_the_vocabulary_do_not_contradict_each_other(source: str) -> None:
    places: dict[str, dict[str, str]] = {}
    for one in mapped(source, findings_of(source)):
        for name in one.findings:
            places.setdefault(name, {})[one.shared] = one.relation
    for finding in findings_of(source):
        here = places.get(finding.name, {})
        if finding.harmonised is not None:
            assert finding.harmonised in here, (source, finding.name)
        else:
            assert "=" not in here.values(), (source, finding.name)


@EVERY_CARD
def test_a_whole_dataset_maps_as_its_source_does(source: str) -> None:
    own, whole = (
        sorted((one.shared, one.relation, len(one.findings)) for one in mappings)
        for mappings in (mapping(source), mapped(source, findings_of(source)))
    )
    assert own == whole


def test_the_labels_of_nih() -> None:
    assert relations("nih", "Pleural Effusion") == {"=": ("Effusion",)}
    assert relations("nih", "Lung Lesion") == {"⊂": ("Nodule", "Mass")}
    assert relations("nih", "Pleural Other") == {"⊂": ("Pleural_Thickening",)}
    assert relations("nih", "No Finding") == {"~": ("No Finding",)}
    assert relations("nih", "Support Devices") == relations("nih", "Lung Opacity") == {}


def test_a_shared_label_may_have_an_exact_and_a_related_finding() -> None:
    assert relations("vindr", "Emphysema") == {"=": ("Emphysema",), "~": ("COPD",)}
    assert relations("chexpert", "Pleural Thickening") == {"⊃": ("Pleural Other",)}


def test_sources_with_one_list_of_labels_map_alike() -> None:
    assert mapping("mimic") == mapping("demo") == mapping("chexpert")
    assert len(mapping("chexpert")) == 15


def test_infiltration_maps_to_nothing() -> None:
    assert loss("nih", "Infiltration") == ("Infiltration", "none")
    assert relations("chexpert", "Infiltration") == {}
    for forbidden in ("Consolidation", "Pneumonia", "Lung Opacity"):
        assert not any("Infiltration" in found for found in relations("nih", forbidden).values())


def test_consolidation_and_pneumonia_are_never_joined() -> None:
    for source in known_sources():
        both = [set(one.findings) for one in mapping(source) if one.shared in ("Consolidation", "Pneumonia")]
        assert len(both) < 2 or not both[0] & both[1]


def test_no_finding_is_never_the_same_in_two_datasets() -> None:
    every = [one for source in known_sources() for one in mapping(source)]
    assert {one.relation for one in every if one.shared == "No Finding"} == {"~"}


def test_fibrosis_does_not_go_to_pleural_other() -> None:
    assert "Fibrosis" not in relations("nih", "Pleural Other")["⊂"]


def test_what_has_no_equivalent_is_said() -> None:
    assert loss("vindr", "Mediastinal shift") == ("", "none")
    assert loss("vindr", "Nodule/Mass") == ("Lung Lesion", "⊂")
    assert loss("padchest", "suture material") == ("", "none")
    assert loss("nih", "Nodule") == loss("nih", "Edema") == ("", "=")
    assert losses("nih", ()) == ()


def test_a_local_dataset_maps_by_what_it_declares() -> None:
    own = (
        Finding("water", "water", harmonised="Pleural Effusion"),
        Finding("spot", "spot", harmonised="Nodule"),
        Finding("dot", "dot", harmonised="Nodule"),
        Finding("Edema", "Edema"),
        Finding("odd", "odd", harmonised="Not a shared label"),
    )
    found = {one.shared: (one.findings, one.relation) for one in mapped("local", own)}
    assert found == {"Nodule": (("spot", "dot"), "="), "Pleural Effusion": (("water",), "=")}
    assert [entry.finding for entry in losses("local", own)] == ["Edema", "odd"]


def test_a_finding_the_vocabulary_places_is_not_placed_again() -> None:
    nodule = Finding("Nodule", "Nodule", harmonised="Mass")
    assert [(one.shared, one.relation) for one in mapped("nih", (nodule,))] == [("Lung Lesion", "⊂"), ("Nodule", "=")]


def test_labels_are_matched_whole_and_without_regard_to_case() -> None:
    assert mapped("nih", (Finding("EDEMA ", "EDEMA "),))[0].shared == "Edema"
    assert mapped("nih", (Finding("Edematous", "Edematous"),)) == ()


def test_two_relations_make_one() -> None:
    assert between("=", "=") == "="
    assert between("⊂", "=") == "⊂" and between("=", "⊂") == "⊃"
    assert between("⊂", "⊂") == between("~", "=") == between("=", "~") == "~"
    assert between("=", "none") == "none"


def test_known_overlaps_name_the_films_inside_nih() -> None:
    inside = {one.first for one in overlaps() if one.second == "nih" and one.extent == "inside"}
    assert {"rsna", "siim", "google"} <= inside
    assert all(one.says and one.matched_by for one in overlaps())


def test_an_unknown_word_is_no_shared_label() -> None:
    with pytest.raises(KeyError):
        shared_label("Effusion")
