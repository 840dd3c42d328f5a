"""Recipes as files: those that come along are whole, and a faulty one is refused where the fault is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash.analysis.recipes import KINDS, applicable, read_recipe, recipes_named, shipped
from cxrdash.errors import CxrdashError
from cxrdash.sources.registry import SOURCES

HEAD = 'title = "Mine"\nsource = "me"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def rule(text: str) -> str:
    return f"{HEAD}[[rule]]\n{text}\n"


def test_every_recipe_that_comes_along_names_its_source_and_its_datasets() -> None:
    assert len(shipped()) >= 20
    for recipe in shipped().values():
        assert recipe.source and recipe.title and recipe.rules
        assert set(recipe.applies_to) <= {"*", *SOURCES}
        assert all(rule.sentence for rule in recipe.rules)


def test_every_kind_of_rule_is_used_by_a_recipe_that_comes_along() -> None:
    assert {rule.kind for recipe in shipped().values() for rule in recipe.rules} == set(KINDS) - {"cohort"}


def test_every_dataset_has_its_loader_first() -> None:
    for source in ("nih", "chexpert", "mimic", "padchest", "rsna", "openi", "siim", "vindr"):
        assert applicable(source)[0].name == f"txrv-{source}"
    assert [recipe.name for recipe in applicable("candid") if recipe.name.startswith("txrv")] == []


def test_a_recipe_of_one_s_own_is_read_with_defaults(tmp_path: Path) -> None:
    text = rule('kind = "keep_views"\nviews = ["PA", "AP"]\n[[rule]]\nkind = "one_per_patient"')
    (recipe,) = recipes_named(str(written(tmp_path, text)), "nih")
    assert (recipe.name, recipe.title, recipe.applies_to) == ("mine", "Mine", ("*",))
    assert [rule.sentence for rule in recipe.rules] == ["Keep PA and AP views", "One row per patient, the first"]
    assert dict(recipe.rules[1].settings) == {"per": "patient", "take": "first row", "order": "index"}


@pytest.mark.parametrize(
    ("text", "fault", "hint"),
    [
        (HEAD, "has no rules", "[[rule]]"),
        ("title = ", "is not TOML", "Mend that line"),
        (rule('kind = "keep_view"'), "rule 1: 'keep_view' is no kind of rule", "Did you mean keep_views?"),
        (rule('views = ["PA"]'), "rule 1: '' is no kind of rule", "Known: keep_views"),
        (rule('kind = "keep_views"'), "rule 1: the setting 'views' is missing", "views = "),
        (rule('kind = "keep_views"\nviews = "PA"'), "views is 'PA'", "a list of texts"),
        (rule('kind = "keep_views"\nviews = ["PAA"]'), "rule 1: 'PAA' is no view", "Known: PA, AP"),
        (rule('kind = "age_below"\nage = "100"'), "age is '100'", "a whole number"),
        (rule('kind = "adults_only"\nage = true'), "age is 'True'", "a whole number"),
        (rule('kind = "uncertain_to"\nstate = "blank"'), "state is 'blank'", '"positive", "negative", "missing"'),
        (rule('kind = "known_sex"\nsex = "F"'), "there is no setting 'sex' here", "Known: none"),
        (rule('kind = "random_split_by_image"\nshare = 20'), "share must lie between 0 and 1, not at 20", "0.2"),
        (rule('kind = "substring_labels"\nterms = {Mass = "mass"}'), "terms is", "a table of lists"),
        ("titel = 'x'\n" + rule('kind = "known_sex"'), "there is no setting 'titel'", "Known: title, source"),
        ("rule = 3", "has no rules", "[[rule]]"),
    ],
)
def test_a_faulty_recipe_is_refused_where_the_fault_is(tmp_path: Path, text: str, fault: str, hint: str) -> None:
    with pytest.raises(CxrdashError) as refused:
        read_recipe(written(tmp_path, text))
    assert "mine.toml" in refused.value.message
    assert fault in refused.value.message and hint in refused.value.hint


def test_files_that_are_no_text_too_long_or_absent_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CxrdashError, match="is not UTF-8 text"):
        read_recipe(path)
    path.write_bytes(b"#" * 200_001)
    with pytest.raises(CxrdashError, match="more than 200,000 bytes"):
        read_recipe(path)
    with pytest.raises(CxrdashError, match="cannot be read: No such file"):
        read_recipe(tmp_path / "absent.toml")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(CxrdashError, match="There is no recipe named 'txrv-nhi'") as refused:
        recipes_named("txrv-nhi", "nih")
    assert "Did you mean txrv-nih?" in refused.value.hint
