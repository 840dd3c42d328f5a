"""What recipes keep and change, against plain pandas on the dataset's own CSV."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.narrowings import losses, narrowings
from cxrdash.analysis.recipes import applicable, read_recipe, shipped
from cxrdash.cli.options import add_cohort, cohort_of
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from tests.datasets import CHEXPERT_FINDINGS, chexpert_row, indexed, invent, nih_row, write_chexpert, write_nih

YES, MAYBE, NO, SILENT = State.POSITIVE, State.UNCERTAIN, State.NEGATIVE, State.BLANK
LABELS = [name for name in CHEXPERT_FINDINGS if name != "No Finding"]
SAMPLES = Path(__file__).resolve().parents[1] / "data"
CHANGED = ["changed_to_positive", "changed_to_uncertain", "changed_to_negative", "changed_to_missing"]


def mine(folder: Path, *rules: str) -> str:
    path = folder / "mine.toml"
    path.write_text("\n".join(f"[[rule]]\n{rule}" for rule in rules), encoding="utf-8")
    return str(path)


def chexpert(folder: Path, rows: list[str]) -> Index:
    return indexed(write_chexpert(folder / "chexpert", rows), "chexpert")


def pa(patient: int, study: int, **states: State) -> str:
    return chexpert_row(patient, study, 1, {k.replace("_", " "): s for k, s in states.items()}, projection="PA")


def many_rows(seed: int) -> list[str]:
    """Patients with several PA, AP and lateral films in the order of the file, most labels blank."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(1, 61):
        for study in range(1, int(rng.integers(2, 6))):
            drawn = map(State, rng.choice([1, 2, 3, 4], size=14, p=[0.6, 0.15, 0.1, 0.15]).tolist())
            states = dict(zip(CHEXPERT_FINDINGS, drawn, strict=True))
            states["No Finding"] = YES if rng.random() < 0.2 else SILENT
            view = str(rng.choice(["PA", "PA", "AP"]))
            rows.append(chexpert_row(patient, study, 1, states, projection=view))
            rows.append(chexpert_row(patient, study, 2, states, position="Lateral"))
    return rows


def plain_loader(csv: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The loader's rules in plain pandas: the labels recorded for the images kept, and the labels it makes."""
    table = pd.read_csv(csv)
    table = table[(table["Frontal/Lateral"] == "Frontal") & (table["AP/PA"] == "PA")]
    table["PatientID"] = table["Path"].str.extract(r"(patient\d+)")[0]
    recorded = table.drop_duplicates("PatientID").set_index("PatientID")
    merged = table.groupby("PatientID").first()
    assert (merged["Path"] == recorded["Path"]).all()
    made = merged.copy()
    made.loc[made["No Finding"] == 1, [name for name in LABELS if name != "Support Devices"]] = 0.0
    return recorded[LABELS], made[LABELS].replace(-1, np.nan)


def test_a_label_may_come_from_a_later_image_of_the_patient(tmp_path: Path) -> None:
    rows = [pa(1, 1, Edema=NO), pa(1, 2, Edema=YES, Fracture=YES), pa(2, 1), pa(2, 2, Edema=MAYBE)]
    index = chexpert(tmp_path, rows)
    audit = analysis.loader_audit(index, recipe="txrv-chexpert").set_index("step")
    assert audit.loc[3, ["images", "images_lost", "labels_changed", "images_changed"]].tolist() == [2, 2, 2, 2]
    table = analysis.loader_labels(index, recipe="txrv-chexpert").set_index(["step", "finding"])
    assert table.loc[(3, "Fracture"), ["positive_before", "positive_after", *CHANGED]].tolist() == [1, 1, 1, 0, 0, 0]
    assert table.loc[(3, "Edema"), ["positive_before", "positive_after", *CHANGED]].tolist() == [1, 0, 0, 1, 0, 0]
    assert table.loc[(3, "Edema"), "example_patient"] == "patient00002"
    assert table.loc[(8, "Edema"), CHANGED].sum() == 0  # uncertain from elsewhere becomes missing, as recorded


@pytest.mark.parametrize("seed", [3, 4])
def test_the_chexpert_loader_agrees_with_plain_pandas(tmp_path: Path, seed: int) -> None:
    index = chexpert(tmp_path, many_rows(seed))
    recorded, made = plain_loader(tmp_path / "chexpert" / "train.csv")
    table = analysis.loader_labels(index, recipe="txrv-chexpert")
    ends = table[table["rule"] == "All rules together"].set_index("finding")
    assert ends.index.tolist() == LABELS and (ends["of"] == len(made)).all()
    assert ends["positive_after"].tolist() == (made == 1).sum().tolist()
    assert ends["missing_after"].tolist() == made.isna().sum().tolist()
    for value, name in ((1.0, "changed_to_positive"), (0.0, "changed_to_negative")):
        assert ends[name].tolist() == ((made == value) & (recorded != value)).sum().tolist()
        assert ends[name].sum() > 0
    assert ends["changed_to_missing"].tolist() == (made.isna() & recorded.notna()).sum().tolist()


def test_the_merge_and_the_zeroes_are_counted_apart(tmp_path: Path) -> None:
    rows = [pa(1, 1, Edema=YES, Support_Devices=YES), pa(1, 2, No_Finding=YES)]
    table = analysis.loader_labels(chexpert(tmp_path, rows), recipe="txrv-chexpert").set_index(["step", "finding"])
    assert table.loc[(3, "No Finding"), "changed_to_positive"] == 1
    assert table.loc[(4, "Edema"), ["positive_before", "positive_after", "changed_to_negative"]].tolist() == [1, 0, 1]
    assert table.loc[(4, "Fracture"), "changed_to_negative"] == 1
    assert table.loc[(4, "Support Devices"), CHANGED].sum() == 0


def test_devices_are_zeroed_only_where_the_recipe_says_so(tmp_path: Path) -> None:
    index = chexpert(tmp_path, [pa(1, 1, No_Finding=YES, Support_Devices=YES)])
    for devices, changed in (("false", 0), ("true", 1)):
        recipe = mine(tmp_path, f'kind = "no_finding_zeroes"\ndevices = {devices}')
        table = analysis.loader_labels(index, recipe=recipe).set_index(["step", "finding"])
        assert table.loc[(1, "Support Devices"), "changed_to_negative"] == changed


def test_uncertain_and_blank_become_what_the_recipe_says(tmp_path: Path) -> None:
    index = chexpert(tmp_path, [pa(1, 1, Edema=MAYBE, Fracture=MAYBE), pa(2, 1, Edema=YES)])
    recipe = mine(
        tmp_path,
        'kind = "uncertain_to"\nstate = "positive"\nfindings = ["Edema"]',
        'kind = "blank_to"\nstate = "negative"',
    )
    table = analysis.loader_labels(index, recipe=recipe).set_index(["step", "finding"])
    assert table.loc[(1, "Edema"), ["positive_before", "positive_after", "changed_to_positive"]].tolist() == [1, 2, 1]
    assert table.loc[(1, "Fracture"), CHANGED].sum() == 0
    assert table.loc[(2, "Fracture"), "changed_to_negative"] == 1
    assert table.loc[(3, "Fracture"), ["missing_after", "of"]].tolist() == [0, 2]


def test_parents_are_filled_upwards_through_all_levels(tmp_path: Path) -> None:
    index = chexpert(tmp_path, [pa(1, 1, Pneumonia=YES, Consolidation=NO)])
    table = analysis.loader_labels(index, recipe="fill-parents").set_index(["step", "finding"])["changed_to_positive"]
    assert table[1].sum() == 2 and table[1, "Consolidation"] == table[1, "Lung Opacity"] == 1


def test_only_no_finding_makes_a_negative(tmp_path: Path) -> None:
    index = indexed(
        write_nih(tmp_path / "nih", [nih_row(1), nih_row(2, 0, "Mass"), nih_row(3, 0, "Edema|Mass")]), "nih"
    )
    table = analysis.loader_labels(index, recipe="no-finding-as-normal").set_index(["step", "finding"])
    assert table.loc[(1, "Mass"), ["positive_after", "changed_to_missing", "missing_after"]].tolist() == [2, 0, 0]
    assert table.loc[(1, "Edema"), ["positive_after", "changed_to_missing", "missing_after"]].tolist() == [1, 1, 1]


def test_a_substring_raises_labels_that_the_text_does_not_mean(tmp_path: Path) -> None:
    rows = [nih_row(1, 0, "Pleural_Thickening"), nih_row(2, 0, "Mass"), nih_row(3)]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    recipe = mine(
        tmp_path, 'kind = "substring_labels"\nignore_case = true\nterms = {Pleural = ["pleural"], Mass = ["mass"], '
        'End = ["ss\'"]}'
    )  # fmt: skip
    table = analysis.loader_labels(index, recipe=recipe).set_index(["step", "finding"])
    counts = ["positive_before", "positive_after", "changed_to_positive", "of"]
    assert table.loc[(1, "Pleural"), counts].tolist() == [0, 1, 1, 3]
    assert table.loc[(1, "Mass"), counts].tolist() == [1, 1, 0, 3]
    assert table.loc[(1, "End"), counts].tolist() == [0, 1, 1, 3]
    assert table.loc[2, counts].to_numpy().tolist() == table.loc[1, counts].to_numpy().tolist()


def test_images_are_lost_rule_by_rule(tmp_path: Path) -> None:
    rows = [
        nih_row(1, 0, "Mass", age="17"), nih_row(1, 1, "Mass|Edema", age="18"), nih_row(2, 0, age="99", sex="M"),
        nih_row(3, 0, "Edema", age="100"), nih_row(4, 0, "Edema", age="50", view="AP"),
    ]  # fmt: skip
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    recipe = mine(tmp_path, 'kind = "adults_only"', 'kind = "age_below"\nage = 100', 'kind = "frontal_only"',
                  'kind = "known_sex"', 'kind = "single_label"', 'kind = "keep_views"\nviews = ["PA"]')  # fmt: skip
    audit = analysis.loader_audit(index, recipe=recipe)
    assert audit["images"].tolist() == [5, 4, 3, 3, 3, 1, 0]
    assert audit["patients"].tolist() == [4, 4, 3, 3, 3, 1, 0]
    assert audit["images_lost"].tolist() == [0, 1, 1, 0, 0, 2, 1]
    assert audit["patients_lost"].tolist() == [0, 0, 1, 0, 0, 2, 1]


def test_images_without_any_label_and_parts_are_dropped(tmp_path: Path) -> None:
    index = chexpert(tmp_path, [pa(1, 1), pa(2, 1, Edema=MAYBE), pa(3, 1, Fracture=NO)])
    recipe = mine(tmp_path, 'kind = "drop_unlabelled"', 'kind = "keep_parts"\nparts = ["test"]')
    assert analysis.loader_audit(index, recipe=recipe)["images"].tolist() == [3, 2, 0]


def test_a_split_by_image_puts_patients_on_both_sides(tmp_path: Path) -> None:
    rows = [nih_row(patient, number) for patient in range(1, 21) for number in range(1 if patient < 11 else 5)]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    row = analysis.loader_audit(index, recipe="split-by-image").iloc[-1]
    assert 0 < row["patients_shared"] <= 10 and row["images"] == 60
    assert row["note"] == f"{row['patients_shared']} patients stand on both sides."
    again = analysis.loader_audit(index, recipe="split-by-image").iloc[-1]
    assert again["patients_shared"] == row["patients_shared"]
    alone = analysis.loader_audit(index, Cohort(one_per_patient="first"), recipe="split-by-image").iloc[-1]
    assert alone["patients_shared"] == 0


def test_a_rule_that_cannot_be_applied_says_so_and_drops_nothing(tmp_path: Path) -> None:
    index = invent(8, known_patients=False).index(tmp_path / "nobody")
    recipe = mine(tmp_path, 'kind = "one_per_patient"', 'kind = "stated"\ntext = "Drop bad films"\nreason = "no list"',
                  'kind = "only_findings"\nfindings = ["Mass", "Sinusitis"]')  # fmt: skip
    audit = analysis.loader_audit(index, recipe=recipe)
    assert audit["applied"].tolist() == [True, False, False, True]
    assert audit["images"].nunique() == 1
    assert "do not identify a patient" in audit["note"][1] and "no list" in audit["note"][2]
    assert audit["note"][3] == "Not among the labels here: Sinusitis."
    labels = analysis.loader_labels(index, recipe=recipe)
    assert labels.loc[labels["step"] == 3, "finding"].tolist() == ["Mass"]


def test_the_order_of_ids_may_be_asked_for(tmp_path: Path) -> None:
    rows = [nih_row(1, 1, "Mass", follow_up="0"), nih_row(1, 0, "Edema", follow_up="1")]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    for order, finding in (("index", "Mass"), ("ids", "Edema")):
        recipe = mine(tmp_path, f'kind = "one_per_patient"\norder = "{order}"')
        table = analysis.loader_labels(index, recipe=recipe)
        kept = table[(table["step"] == 1) & (table["positive_after"] == 1)]
        assert kept["finding"].tolist() == [finding]


def test_every_cohort_given_chooses_exactly_the_images_left(tmp_path: Path) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_cohort(parser)
    rows = [*many_rows(5), pa(99, 1), pa(98, 1, Edema=YES)]
    index = chexpert(tmp_path, rows)
    told = 0
    for cohort in (Cohort(), Cohort(sexes=("F",)), Cohort(one_per_patient="first")):
        audit = analysis.loader_audit(index, cohort)
        for text, images, step in zip(audit["cohort"], audit["images"], audit["step"], strict=True):
            if text or step == 0:
                found = cohort_of(parser.parse_args(shlex.split(text)))
                assert select(index, found).counts["images"] == images
                told += 1
    assert told > 40


def test_lost_images_and_changed_labels_open_exactly_what_they_count(tmp_path: Path) -> None:
    index = chexpert(tmp_path, [*many_rows(6), pa(99, 1)])
    doors = 0
    for recipe in applicable("chexpert"):
        audit = analysis.loader_audit(index, recipe=recipe.name)
        for dropped, count in zip(losses(recipe, index, Cohort()), audit["images_lost"], strict=True):
            if dropped is not None:
                assert select(index, dropped).counts["images"] == count
                doors += 1
        held = narrowings(recipe, index, Cohort())
        table = analysis.loader_labels(index, recipe=recipe.name)
        for row in table[table["labels"] != ""].to_dict("records"):
            narrowing = held[min(row["step"], len(held) - 1)]
            assert narrowing is not None
            images = select(index, narrowing.narrow(Cohort(labels=row["labels"]))).counts["images"]
            assert images == sum(row[name] for name in CHANGED), (recipe.name, row["finding"])
            doors += 1
    assert doors > 60


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    index = indexed(write_nih(tmp_path / "nih", [nih_row(1)]), "nih")
    with pytest.raises(CxrdashError, match="There is no recipe named 'torch'"):
        analysis.loader_audit(index, recipe="torch")


def test_each_recipe_that_applies_is_audited_from_the_same_start(tmp_path: Path) -> None:
    index = indexed(write_nih(tmp_path / "nih", [nih_row(1), nih_row(2, 0, "Mass", view="AP")]), "nih")
    audit = analysis.loader_audit(index)
    assert audit["recipe"].unique().tolist() == [recipe.name for recipe in applicable("nih")]
    assert audit.loc[audit["step"] == 0, "images"].unique().tolist() == [2]


def test_a_recipe_file_is_the_same_as_the_recipe_by_name(tmp_path: Path) -> None:
    from cxrdash.analysis.recipes import FOLDER

    assert read_recipe(FOLDER / "u-ones.toml") == shipped()["u-ones"]


def sample(folder: Path, source: str) -> Index:
    """The few invented rows of a source that its own tests read."""
    return indexed(Path(shutil.copytree(SAMPLES / source, folder / source)), source)


def test_a_loader_of_masks_has_a_row_for_each_mask(tmp_path: Path) -> None:
    row = analysis.loader_audit(sample(tmp_path, "siim"), recipe="txrv-siim").iloc[-1]
    assert (row["images"], row["note"]) == (4, "5 rows for 4 images.")


def test_one_reader_is_enough_for_a_loader_that_joins_readers(tmp_path: Path) -> None:
    index = sample(tmp_path, "vindr")
    readings = "SELECT image, finding FROM readings WHERE state = 'positive'"
    labels = "SELECT image, finding::VARCHAR FROM images JOIN patterns USING (pattern) WHERE state = 'positive'"
    said, before = set(index.rows(readings)), set(index.rows(labels))
    table = analysis.loader_labels(index, recipe="txrv-vindr")
    ends = table[table["rule"] == "All rules together"].set_index("finding")
    assert ends["positive_after"].sum() == len(said | before)
    assert ends["changed_to_positive"].sum() == len(said - before) == 3
    assert ends.loc["Lung Opacity", "changed_to_positive"] == 1


def test_without_readers_no_reader_can_be_asked(tmp_path: Path) -> None:
    index = indexed(write_nih(tmp_path / "nih", [nih_row(1)]), "nih")
    row = analysis.loader_audit(index, recipe="txrv-vindr").iloc[-1]
    assert not row["applied"] and row["note"] == "The files do not say what each reader saw."


@pytest.mark.real_data
def test_nih_with_torchxrayvision_s_defaults_agrees_with_plain_pandas(real_nih: Index, real_data: Path) -> None:
    table = pd.read_csv(real_data / "nih" / "Data_Entry_2017_v2020.csv.gz")
    kept = table[table["View Position"] == "PA"]
    firsts = kept.groupby("Patient ID").first()
    audit = analysis.loader_audit(real_nih, recipe="txrv-nih")
    assert audit["images"].tolist() == [len(table), len(kept), len(firsts), len(firsts), len(firsts)]
    assert audit["images"].tolist()[:3] == [112_120, 67_310, 28_868] and audit["patients"].tolist()[2] == 28_868
    assert not audit["labels_changed"].any()
    labels = analysis.loader_labels(real_nih, recipe="txrv-nih")
    ends = labels[labels["rule"] == "All rules together"]
    assert len(ends) == 14
    for finding, positive in zip(ends["finding"], ends["positive_after"], strict=True):
        assert positive == firsts["Finding Labels"].str.contains(finding, regex=False).sum()
    # The images themselves: the first row of a patient is the first image of the index.
    (narrowing,) = {n for n in narrowings(shipped()["txrv-nih"], real_nih, Cohort())[2:3] if n is not None}
    chosen = select(real_nih, narrowing).rows("SELECT image_id FROM selected")
    assert {image for (image,) in chosen} == set(firsts["Image Index"])


@pytest.mark.real_data
def test_the_rows_of_the_nih_file_stand_in_the_index_s_order(real_data: Path) -> None:
    table = pd.read_csv(real_data / "nih" / "Data_Entry_2017_v2020.csv.gz")
    ordered = table.sort_values(["Patient ID", "Follow-up #", "Image Index"], kind="stable")
    assert ordered.index.equals(table.index)
