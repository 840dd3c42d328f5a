"""Single films are answered at signed addresses only, from the index and never from what the address says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cxrdash.config import Cache
from cxrdash.index.draw import films, image_number
from cxrdash.index.store import Index, open_index
from cxrdash.ui import routes, viewer_facts
from tests.datasets import indexed
from tests.ui.films import BROKEN, make_cache, pixels

FRONTAL = "train/patient{:05d}/study1/view1_frontal.jpg"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return make_cache(tmp_path_factory.mktemp("routes"))


@pytest.fixture
def index(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setenv("CXRDASH_CACHE", str(cache.root))
    return open_index("chexpert", cache)


def number(index: Index, patient: int) -> int:
    return image_number(index, FRONTAL.format(patient))


def answered(url: str) -> Response:
    place = url.removeprefix("cxr-film/")
    return routes.answer(Request({"type": "http", "path_params": {"place": place}, "headers": []}))


def test_pixels_are_those_of_the_film_the_index_names(index: Index) -> None:
    answer = answered(routes.film_url(index, number(index, 2), "pixels", hidden=True))
    assert answer.status_code == 200
    assert pixels(2, 1, 1).tobytes() in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["content-encoding"] == "identity"


def changed(url: str, part: int, text: str) -> str:
    parts = url.split("/")
    parts[part] = text
    return "/".join(parts)


@pytest.mark.parametrize(
    ("part", "text"),
    [(1, "facts"), (2, "nih"), (3, "20200101T000000Z"), (4, "0"), (4, "../../etc/passwd"), (4, "99999"), (5, "named"),
     (6, "0" * 32), (6, ""), (6, "é")],
)  # fmt: skip
def test_a_changed_address_is_not_found(index: Index, part: int, text: str) -> None:
    url = routes.film_url(index, number(index, 2), "pixels", hidden=True)
    answer = answered(changed(url, part, text))
    assert (answer.status_code, answer.body) == (404, b"")


@pytest.mark.parametrize("place", ["", "/", "pixels", "a/b/c/d/e/f/g/h", "pixels/chexpert///hidden/"])
def test_an_address_that_is_none_is_not_found(index: Index, place: str) -> None:
    assert answered(place).status_code == 404


def test_an_address_signed_by_another_process_is_not_found(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    url = routes.film_url(index, 0, "thumb", hidden=True)
    monkeypatch.setattr(routes, "_KEY", b"another process")
    assert answered(url).status_code == 404


def test_a_signed_address_of_an_earlier_generation_asks_to_reload(index: Index) -> None:
    place = ("pixels", index.dataset, "20200101T000000Z", "0", "named")
    answer = answered("/".join(("cxr-film", *place, routes._signature(*place))))
    assert json.loads(answer.body) == {"message": "The dataset was indexed anew.", "hint": "Reload the page."}


def test_a_film_that_cannot_be_read_is_a_message_and_no_fault(index: Index) -> None:
    answer = answered(routes.film_url(index, number(index, BROKEN), "pixels", hidden=True))
    said = json.loads(answer.body)
    assert answer.status_code == 200
    assert said["message"] and "patient" not in answer.body.decode()
    assert answer.headers["cache-control"] == "no-store"


def test_a_film_gone_since_the_index_was_built_is_a_message_without_names_where_they_are_hidden(index: Index) -> None:
    (index.roots[0] / "train" / "patient00006" / "study1" / "view1_frontal.jpg").unlink(missing_ok=True)
    named, hidden = (
        json.loads(answered(routes.film_url(index, number(index, 6), "pixels", hidden=hide)).body)
        for hide in (False, True)
    )
    assert "no such file" in named["message"]
    assert hidden == {"message": "not on disk", "hint": ""}


def test_a_thumbnail_is_a_jpeg(index: Index) -> None:
    answer = answered(routes.film_url(index, number(index, 3), "thumb", hidden=True))
    assert answer.media_type == "image/jpeg" and answer.body.startswith(b"\xff\xd8")


def facts(index: Index, image: int, *, hidden: bool) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered(routes.film_url(index, image, "facts", hidden=hidden)).body)
    return found


def test_facts_tell_labels_study_and_patient(index: Index) -> None:
    found = facts(index, number(index, 1), hidden=False)
    assert ["Patient", "patient00001"] in [list(row) for row in found["metadata"]]
    assert sum(map(len, found["labels"].values())) == 14
    assert [mate["view"] for mate in found["mates"]] == ["LATERAL"]
    assert (found["timeline"]["of"], found["timeline"]["place"]) == (4, 0)
    assert found["overlays"] == []


def test_hidden_facts_hold_no_identifier_anywhere(index: Index) -> None:
    body = json.dumps(facts(index, number(index, 1), hidden=True))
    assert "patient00001" not in body and "study1" not in body


def test_the_report_stands_beside_the_film_but_not_where_names_are_hidden(tmp_path: Path) -> None:
    invented = Path(__file__).resolve().parents[1] / "data" / "openi"
    openi = indexed(Path(shutil.copytree(invented, tmp_path / "openi")), "openi")
    image = int(openi.rows("SELECT image FROM images WHERE image_id = '1_IM-0001-4001'")[0][0])
    (film,) = films(openi, [image])
    told = [["Indication", "invented XXXX"], ["Findings", "The XXXX are invented."]]
    assert json.loads(json.dumps(viewer_facts.facts(openi, film, hidden=False)["report"])) == told
    assert viewer_facts.facts(openi, film, hidden=True)["report"] == []
