"""Reports of MIMIC-CXR beside their images: found in every place, in sections, and never outside the folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cxrdash.config import Cache
from cxrdash.index.draw import films
from cxrdash.index.film_facts import report_text
from cxrdash.index.store import Index, open_index
from cxrdash.sources.mimic_reports import LARGEST, report_of, sections
from tests.datasets import build

INVENTED = Path(__file__).resolve().parents[1] / "data" / "mimic"
PATIENT, STUDY = "19000001", "50000009"
TEXT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old woman with invented cough.

 FINDINGS:

 The lungs are drawn: note the AP view.
 No line ends here.

 IMPRESSION:
 Nothing but letters.
"""
TOLD = (
    ("examination", "CHEST (PA AND LAT)"),
    ("indication", "___ year old woman with invented cough."),
    ("findings", "The lungs are drawn: note the AP view. No line ends here."),
    ("impression", "Nothing but letters."),
)


def write_report(root: Path, place: str = "files", text: str = TEXT, study: str = STUDY) -> None:
    path = root / place / f"p{PATIENT[:2]}" / f"p{PATIENT}" / f"s{study}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(INVENTED, tmp_path / "mimic"))


def indexed_beside(folder: Path) -> Index:
    cache = Cache(folder.parent / "cache")
    build(folder, "mimic", cache)
    return open_index("mimic", cache)


@pytest.mark.parametrize("place", ["files", ".", "mimic-cxr-reports/files"])
def test_a_report_unpacked_beside_the_images_is_shown_with_each_film_of_its_study(folder: Path, place: str) -> None:
    write_report(folder, place)
    index = indexed_beside(folder)
    of_study = [image for (image,) in index.rows(f"SELECT image FROM images WHERE study_id = '{STUDY}'")]
    assert len(of_study) == 2
    assert [report_text(index, film) for film in films(index, of_study)] == [TOLD, TOLD]
    (other,) = films(index, [index.rows(f"SELECT min(image) FROM images WHERE study_id <> '{STUDY}'")[0][0]])
    assert report_text(index, other) == ()


def test_reports_are_no_tables(folder: Path) -> None:
    alone = indexed_beside(folder).rows("SELECT file FROM sources ORDER BY file")
    for study in range(51_000_000, 51_000_400):
        write_report(folder, study=str(study))
    index = indexed_beside(folder)
    assert index.rows("SELECT file FROM sources ORDER BY file") == alone
    assert not any("s51000" in note for note in index.meta["notes"])


def test_what_stands_before_the_first_heading_is_kept() -> None:
    assert sections("WET READ at noon.\n\nFINDINGS: none") == (("report", "WET READ at noon."), ("findings", "none"))
    assert sections("  FINAL REPORT\n") == ()
    assert sections("") == ()


def test_a_report_is_read_within_bounds(tmp_path: Path) -> None:
    write_report(tmp_path, text="FINDINGS: " + "x" * (2 * LARGEST))
    ((_, text),) = report_of([tmp_path], PATIENT, STUDY)
    assert len(text) < LARGEST


@pytest.mark.parametrize("patient", ["../..", "1900000", "19000001/..", "", "19000001\n", "１９０００００１"])
def test_what_is_no_number_opens_no_file(tmp_path: Path, patient: str) -> None:
    write_report(tmp_path)
    assert report_of([tmp_path], patient, STUDY) == ()
    assert report_of([tmp_path], PATIENT, patient) == ()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside.txt"
    outside.write_text("FINDINGS: secret")
    at = root / "files" / "p19" / f"p{PATIENT}"
    at.mkdir(parents=True)
    (at / f"s{STUDY}.txt").symlink_to(outside)
    assert report_of([root], PATIENT, STUDY) == ()
