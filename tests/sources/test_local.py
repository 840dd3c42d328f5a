"""A declared dataset is read as declared: nothing is guessed, and every fault names its key, file and line."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.analysis import compute
from cxrdash.errors import CxrdashError
from cxrdash.index.build import LoadAudit, Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from cxrdash.sources.local_tables import MACROS, film_key
from cxrdash.sources.mapping import read_mapping
from tests.datasets import cache_of

INVENTED = Path(__file__).resolve().parents[1] / "data" / "local"
MUTATIONS = 1000  # of the mapping, and as many of the table's header
SALT = "0123456789abcdef" * 2
Edit = Callable[[str, str], None]


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    return Path(shutil.copytree(INVENTED, tmp_path / "clinic"))


@pytest.fixture
def edit(clinic: Path) -> Edit:
    """Replace a piece of the mapping."""

    def replace(old: str, new: str) -> None:
        path = clinic / "cxrdash.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace


def read(folder: Path, **request: Any) -> tuple[LoadAudit, Index]:
    audit = build_index(Request(folder, **request), cache_of(folder))
    return audit, open_index(audit.dataset, cache_of(folder))


def rows(index: Index, table: str) -> list[tuple[Any, ...]]:
    return index.rows(f"SELECT * FROM {table}")


def refusal(folder: Path) -> str:
    with pytest.raises(CxrdashError) as caught:
        build_index(Request(folder), cache_of(folder))
    assert caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


def test_a_clinic_is_read_as_declared(clinic: Path) -> None:
    audit, index = read(clinic)
    assert (audit.dataset, audit.title, audit.source) == ("clinic", "Clinic films", "local")
    found = "SELECT image_id, patient_id, study_id, view, sex, age_years, age_flag, split FROM images ORDER BY image_id"
    assert index.rows(found) == [
        ("a/001.png", "P01", "E1", "PA", "F", 45.0, None, "train"),
        ("a/002.png", "P01", "E2", "AP", "F", 46.0, None, "train"),
        ("b/003.png", "P02", "E3", "LATERAL", "M", 1.5, None, "valid"),
        ("b/004.png", "P03", "E4", "UNKNOWN", "M", None, "implausible", "test"),
        ("b/005.png", "P03", "E4", "PA", "unknown", None, None, "test"),
    ]
    states = "SELECT image_id, finding::VARCHAR, state::VARCHAR FROM images JOIN patterns USING (pattern) ORDER BY 1, 2"
    assert index.rows(states) == [
        ("a/001.png", "Effusion", "positive"),
        ("a/001.png", "Pneumothorax", "negative"),
        ("a/002.png", "Effusion", "negative"),
        ("a/002.png", "Pneumothorax", "negative"),
        ("b/003.png", "Effusion", "uncertain"),
        ("b/004.png", "Effusion", "negative"),
        ("b/004.png", "Pneumothorax", "positive"),
        ("b/005.png", "Pneumothorax", "negative"),
    ]
    assert index.card.label_provenance == "One radiologist." and index.card.title == index.title
    assert index.findings[0].harmonised == "Pleural Effusion"


def test_what_no_spelling_covers_is_set_aside_where_it_stands(clinic: Path) -> None:
    audit, _ = read(clinic)
    found = [(row["what"], row["file"], row["line"], row["column_name"], row["value"]) for row in audit.set_aside]
    assert found == [
        ("row", "films.csv", 7, "film", None),
        ("value", "films.csv", 5, "Age", "200"),
        ("value", "films.csv", 5, "Projection", "swimmers"),
        ("value", "films.csv", 6, "Effusion", "vielleicht"),
        ("value", "films.csv", 6, "Gender", "1"),
    ]
    (table,) = [file for file in audit.files if file["recognised_as"] == "images"]
    assert (table["records"], table["indexed"], table["set_aside"]) == (6, 5, 1)


def test_a_changed_mapping_is_noticed(clinic: Path, edit: Edit) -> None:
    _, index = read(clinic)
    assert index.changed_sources() == []
    edit("Clinic films", "Clinic films again")
    assert index.changed_sources() == ["cxrdash.toml"]


def test_a_mapping_may_lie_elsewhere(clinic: Path, tmp_path: Path) -> None:
    moved = (clinic / "cxrdash.toml").rename(tmp_path / "mine.toml")
    audit, _ = read(clinic, mapping=moved)
    assert audit.counts["images"] == 5 and "Read as mine.toml declares." in audit.notes


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("patient =", "pateint =", "no key [images] 'pateint'. Did you mean 'patient'?"),
        ("[labels.states]", "[labels.state]", "no key [labels] 'state'. Did you mean 'states'?"),
        ("[labels]", "[label]", "no key 'label'"),
        ('"PatNo"', '"PatientNo"', "[images]: films.csv has no column 'PatientNo'. The nearest is 'PatNo'."),
        ('"Effusion", "Pn', '"Efusion", "Pn', "films.csv has no column 'Efusion'. The nearest is 'Effusion'."),
        ('["films.csv"]', '["film.csv"]', "'film.csv' was refused: there is no such file"),
        ('["films.csv"]', '["../films.csv"]', "it climbs out with '..'"),
        ('["films.csv"]', '"films.csv"', "[images] tables: films.csv is not a list of texts"),
        ('separator = ";"', 'separator = ","', "films.csv"),
        ('separator = ";"', 'separator = "#"', "'#' is no separator"),
        ('match = "path"', 'match = "paths"', "[images] match: 'paths' is not understood"),
        ('from = "tables"', 'from = "table"', "'table' is not understood. Write \"tables\" or \"files\" or \"dicom\"."),
        ('negative = ["nein"]', 'negative = ["nein", "JA"]', "'JA' means both positive and negative"),
        ('blank = [""]', "blank = []", "nothing says what an empty cell means"),
        ('positive = ["ja"]', 'positiv = ["ja"]', "there is no state 'positiv'"),
        ('["ja"]', '["yes"]', "no value of the column"),
        ('"lat" = "LATERAL"', '"lat" = "SIDE"', "'SIDE' for 'lat' is none of PA, AP"),
        ('"Effusion" = "Pl', '"Efusion" = "Pl', "no finding 'Efusion'. Did you mean 'Effusion'?"),
        ('match = "path"', 'match = "path"\nfile = "{series}/{image}"', "{series} stands for nothing"),
        ("[labels.harmonised]", '[labels.parent]\n"Effusion" = "Fluid"\n[labels.harmonised]', "'Fluid' is no other"),
        ("[dataset]", '[privacy]\npatient_ids = "pseudonym"\n[dataset]', "[privacy] salt: is missing"),
        ("[dataset]", "[dataset", "cxrdash.toml is not valid TOML: "),
        ('title = "Clinic films"', "title = 5", "[dataset] title: 5 is not text in quotes"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_answered_with_key_and_fix(clinic: Path, edit: Edit, old: str, new: str, said: str) -> None:
    edit(old, new)
    if old == '["ja"]':
        edit('negative = ["nein"]', 'negative = ["no"]')
        edit('uncertain = ["unklar"]', "uncertain = []")
    assert said in refusal(clinic)


def test_a_label_list_reads_declared_names_only(clinic: Path) -> None:
    (clinic / "films.csv").write_text("film,found\n1.png,Effusion; edema\n2.png,\n3.png,Efusion\n")
    (clinic / "cxrdash.toml").write_text(
        '[images]\ntables = ["films.csv"]\nimage = "film"\n'
        '[labels]\nlist = "found"\ndelimiter = ";"\nunlisted = "negative"\nempty = "not_assessed"\n'
        'findings = ["Effusion", "Edema"]\n'
    )
    audit, index = read(clinic)
    states = "SELECT image_id, finding::VARCHAR, state::VARCHAR FROM images JOIN patterns USING (pattern) ORDER BY ALL"
    assert sorted(index.rows(states)) == [
        ("1.png", "Edema", "positive"),
        ("1.png", "Effusion", "positive"),
        ("2.png", "Edema", "not_assessed"),
        ("2.png", "Effusion", "not_assessed"),
        ("3.png", "Edema", "negative"),
        ("3.png", "Effusion", "negative"),
    ]
    assert [(row["line"], row["value"]) for row in audit.set_aside] == [(4, "Efusion")]


def write_joined(folder: Path, people: str, labels: str, extra: str = "") -> Path:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "films.csv").write_text("film,pid,exam\n1.png,A,E1\n2.png,A,E1\n3.png,B,E2\n")
    (folder / "people.csv").write_text(people)
    (folder / "labels.csv").write_text(labels)
    (folder / "cxrdash.toml").write_text(
        '[images]\ntables = ["films.csv"]\nimage = "film"\npatient = "pid"\nstudy = "exam"\n'
        '[[joined]]\ntable = "people.csv"\nby = "patient"\ncolumn = "pid"\nsex = "sex"\n'
        '[labels]\ntable = "labels.csv"\nby = "study"\ncolumn = "exam"\ncolumns = ["Edema"]\n'
        '[labels.states]\npositive = ["1"]\nnegative = ["0"]\nblank = [""]\n' + extra
    )
    return folder


def test_studies_hand_their_labels_down_and_patients_their_sex(clinic: Path) -> None:
    folder = write_joined(clinic, "pid,sex\nA,F\nB,M\nC,M\n", "exam,Edema\nE1,1\nE3,0\n")
    audit, index = read(folder)
    assert index.rows("SELECT image_id, sex FROM images ORDER BY 1") == [("1.png", "F"), ("2.png", "F"), ("3.png", "M")]
    states = "SELECT image_id, state::VARCHAR FROM images JOIN patterns USING (pattern) ORDER BY ALL"
    assert sorted(index.rows(states)) == [("1.png", "positive"), ("2.png", "positive"), ("3.png", "not_assessed")]
    aside = [(row["file"], row["line"], row["value"], row["reason"]) for row in audit.set_aside]
    assert aside == [
        ("labels.csv", 3, "E3", "no image of this dataset has this study id"),
        ("people.csv", 4, "C", "no image of this dataset has this patient id"),
    ]


def test_rows_that_contradict_each_other_are_not_chosen_from(clinic: Path) -> None:
    folder = write_joined(clinic, "pid,sex\nA,F\nA,M\nB,M\nB,M\n", "exam,Edema\nE1,1\nE1,0\nE2,0\n")
    audit, index = read(folder)
    assert dict(index.rows("SELECT image_id, sex FROM images")) == {
        "1.png": "unknown",
        "2.png": "unknown",
        "3.png": "M",
    }
    states = "SELECT image_id, state::VARCHAR FROM images JOIN patterns USING (pattern) ORDER BY ALL"
    assert dict(index.rows(states)) == {"1.png": "not_assessed", "2.png": "not_assessed", "3.png": "negative"}
    reasons = [(row["file"], row["line"], row["reason"].split(";")[0]) for row in audit.set_aside]
    differ = "the same id stands in rows that differ"
    assert reasons == [
        ("labels.csv", 2, differ), ("labels.csv", 3, differ), ("people.csv", 2, differ), ("people.csv", 3, differ),
        ("people.csv", 5, "repeats an earlier row"),
    ]  # fmt: skip


def test_pseudonyms_join_tables_and_leave_no_id_behind(clinic: Path) -> None:
    people = "pid,sex\nA-4711,F\nB-4712,M\nC-4713,M\n"
    folder = write_joined(
        clinic, people, "exam,Edema\nE1,1\n", f'[privacy]\npatient_ids = "pseudonym"\nsalt = "{SALT}"\n'
    )
    (folder / "films.csv").write_text("film,pid,exam\n1.png,A-4711,E1\n2.png,A-4711,E1\n3.png,B-4712,E2\n")
    first, index = read(folder)
    assert dict(index.rows("SELECT image_id, sex FROM images")) == {"1.png": "F", "2.png": "F", "3.png": "M"}
    ids = index.rows("SELECT DISTINCT patient_id FROM images ORDER BY 1")
    assert len(ids) == 2 and all(len(one) == 20 for (one,) in ids)
    assert first.path is not None and not re.search(rb"[ABC]-471", first.path.read_bytes())
    assert all(
        "-471" not in str(row) for table in ("images", "patients", "set_aside", "meta") for row in rows(index, table)
    )
    _, again = read(folder)
    assert again.rows("SELECT DISTINCT patient_id FROM images ORDER BY 1") == ids


FILMS = st.text(st.sampled_from("ab/.\\ é\u0301pngPNGjdc"), min_size=1, max_size=20)


@given(FILMS.filter(lambda text: text.strip(" ")), st.sampled_from(["path", "name", "stem", "last 2", "last 3"]))
def test_a_value_and_a_file_of_one_path_share_their_key(path: str, match: str) -> None:
    import duckdb

    with duckdb.connect() as con:
        con.execute(MACROS)
        ((key,),) = con.execute("SELECT film_key($path, $match)", {"path": path, "match": match}).fetchall()
    assert key == film_key(path, match)


def mutated(body: bytes, width: int, seed: int) -> list[bytes]:
    numbers = random.Random(seed)
    found = {}
    while len(found) < MUTATIONS:
        at, byte = numbers.randrange(width), bytes([numbers.randrange(256)])
        middle = numbers.choice([byte] * 18 + [b"", body[at : at + 1] * 2])
        found.setdefault(body[:at] + middle + body[at + 1 :])
    return list(found)


def test_a_damaged_mapping_is_refused_or_means_what_it_says(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "cxrdash.toml", set()
    whole = (INVENTED / "cxrdash.toml").read_bytes()
    for body in mutated(whole, len(whole), seed=1):
        path.write_bytes(body)
        try:
            read_mapping(path)
            outcomes.add("read")
        except CxrdashError as fault:
            assert "cxrdash.toml" in fault.message and fault.hint
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_damage_to_mapping_or_header_loses_no_row(clinic: Path) -> None:
    header = (INVENTED / "films.csv").read_bytes()
    mapping = (INVENTED / "cxrdash.toml").read_bytes()
    damaged = [("films.csv", body) for body in mutated(header, header.index(b"\n") + 1, seed=2)[::12]]
    damaged += [("cxrdash.toml", body) for body in mutated(mapping, len(mapping), seed=3)[::12]]
    for name, body in damaged:
        (clinic / "films.csv").write_bytes(header)
        (clinic / "cxrdash.toml").write_bytes(mapping)
        (clinic / name).write_bytes(body)
        try:
            audit = build_index(Request(clinic, name="clinic", dry_run=True), cache_of(clinic))
        except CxrdashError as fault:
            assert fault.message and fault.hint
            continue
        for file in audit.files:
            assert file["records"] == file["indexed"] + file["set_aside"]
        assert sum(file["indexed"] for file in audit.files if file["counts_images"]) == audit.counts["images"]


def test_deeply_nested_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cxrdash.toml").write_text("a = " + "[" * 20_000)
    with pytest.raises(CxrdashError, match=r"cxrdash\.toml is not valid TOML"):
        read_mapping(tmp_path / "cxrdash.toml")


@pytest.fixture
def sites(clinic: Path, edit: Edit) -> Path:
    """The clinic with the site in its table of films and the scanner in a table of exams."""
    films = clinic / "films.csv"
    lines = films.read_text(encoding="utf-8").splitlines()
    told = ["Haus", "Nord", "Nord ", "Süd", "", "Süd", "Süd"]
    films.write_text(
        "\n".join(f"{line};{site}" for line, site in zip(lines, told, strict=True)) + "\n", encoding="utf-8"
    )
    (clinic / "exams.csv").write_text("Exam,Model,Year\nE1,DX1,2019\nE2,DX2,2019\nE4,DX1,2020\n", encoding="utf-8")
    edit('split = "Set"', 'split = "Set"\nattributes = { site = "Haus" }')
    joined = '[[joined]]\ntable = "exams.csv"\nby = "study"\ncolumn = "Exam"\n'
    edit("[labels]", joined + 'attributes = { scanner = "Model", study_year = "Year" }\n\n[labels]')
    return clinic


def test_further_columns_become_attributes(sites: Path) -> None:
    _, index = read(sites)
    assert index.attributes == ("scanner", "site", "study_year")
    assert index.levels("site") == ("Nord", "Süd", "not stated")
    assert index.levels("scanner") == ("DX1", "DX2", "not stated")
    told = "SELECT image_id, attribute, level FROM attributes JOIN images USING (image) WHERE attribute <> 'study_year'"
    assert set(index.rows(told)) == {
        ("a/001.png", "site", "Nord"), ("a/002.png", "site", "Nord"), ("b/003.png", "site", "Süd"),
        ("b/005.png", "site", "Süd"), ("a/001.png", "scanner", "DX1"), ("a/002.png", "scanner", "DX2"),
        ("b/004.png", "scanner", "DX1"), ("b/005.png", "scanner", "DX1"),
    }  # fmt: skip
    table = compute("prevalence_by", index, Cohort(), by="site", unit="image")
    assert table[table["finding"] == "Effusion"].set_index("site")["of"].to_dict() == {
        "Nord": 2, "Süd": 2, "not stated": 1,
    }  # fmt: skip
    assert select(index, Cohort(attributes=("site: not stated",))).counts["images"] == 1
    assert select(index, Cohort(attributes=("site: Nord", "site: Süd", "scanner: DX1"))).counts["images"] == 2


def test_strata_are_made_of_further_attributes(sites: Path) -> None:
    _, index = read(sites)
    table = compute("strata", index, Cohort())
    site = table[(table["finding"] == "Effusion") & (table["attribute"] == "site")].set_index("level")
    assert site["kind"].unique().tolist() == ["metadata"]
    for level, row in site.iterrows():
        within = Cohort(attributes=(f"site: {level}",))
        assert row["images"] == select(index, within.narrow(Cohort(labels="Effusion"))).counts["images"]
        assert row["images"] + row["images_other"] == select(index, within).counts["images"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("site =", "Site =", "[images] attributes: 'Site' is no name of an attribute"),
        ("site =", "age =", "[images] attributes: the name 'age' is taken"),
        ('site = "Haus"', 'site = ""', "[images] attributes: 'site' names no column"),
        ('site = "Haus"', 'site = "Hause"', "films.csv has no column 'Hause'. The nearest is 'Haus'"),
        ('attributes = { site = "Haus" }', 'attributes = "Haus"', "[images] attributes: Haus is not a table of keys"),
        ('scanner = "Model"', 'scanner = "Modell"', "exams.csv has no column 'Modell'. The nearest is 'Model'"),
    ],
)
def test_a_wrong_attribute_is_named(sites: Path, edit: Edit, old: str, new: str, said: str) -> None:
    edit(old, new)
    assert said in refusal(sites)


def test_a_column_with_a_value_for_each_image_is_no_attribute(sites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxrdash.sources.local.MOST_LEVELS", 1)
    assert "attributes: the column of 'site' holds 2 different values" in refusal(sites)


def test_attributes_of_films_without_a_table_need_a_joined_one(sites: Path, edit: Edit) -> None:
    edit('from = "tables"', 'from = "files"')
    assert "[images] attributes: needs tables of images" in refusal(sites)
