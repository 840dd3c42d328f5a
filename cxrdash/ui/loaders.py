"""The loaders view of the label logic page: what a loading recipe keeps and changes, and all of them together."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.cohort_recipe import NAME as MINE
from cxrdash.analysis.cohort_recipe import cohort_recipe, recipe_text
from cxrdash.analysis.loaders import BECAME, TOGETHER
from cxrdash.analysis.narrowings import losses, narrowings
from cxrdash.analysis.recipes import FOLDER, Recipe, applicable
from cxrdash.charts import label_changes, recipe_waterfall
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

MOST_CHANGED = 20  # labels drawn


def loaders_view(now: Frame) -> None:
    """A recipe as a waterfall of images, the labels it changes, and all recipes side by side."""
    recipe, file = _choice(now)
    own = recipe.name == MINE
    options = {} if own else {"recipe": recipe.name}
    names = ("cohort_audit", "cohort_labels") if own else ("loader_audit", "loader_labels")
    audit, labels = (now.compute(name, **options) for name in names)
    told = recipe_sentence(recipe, audit, labels)
    st.markdown(f"**{safe(told)}**")
    if own:
        drawn = audit.assign(door=_own_doors(audit), door_lost="")
    else:
        drawn = audit.assign(door=_doors(narrowings, recipe, now), door_lost=_doors(losses, recipe, now))
    show.chart(recipe_waterfall(drawn, now.look), "waterfall", alt=told)
    if own:
        st.caption("Counted from all images of the dataset; the gallery opens inside the cohort, so only what is left.")
    with file.popover("As a file", width="stretch"):
        _file(now, recipe)
    _notes(recipe, audit)
    _label_changes(now, recipe, labels)
    st.markdown("**All recipes for this dataset**")
    ends = all_ends(now.compute("loader_audit"), now.compute("loader_labels"))
    columns = {
        "title": "Recipe", "images": "Images left", "share_of_images": "Of all", "patients": "Patients left",
        "labels_changed": "Labels changed", "patients_shared": "Patients on both sides", "source": "Source",
    }  # fmt: skip
    show.table(ends, key="recipes_table", columns=columns)
    show.provenance(now, names[0], audit, **options)


def _choice(now: Frame) -> tuple[Recipe, DeltaGenerator]:
    """Return the recipe chosen, the cohort's own among them, and where its file goes."""
    recipes = {recipe.name: recipe for recipe in applicable(now.index.meta["source"])}
    recipes[MINE] = cohort_recipe(now.index, now.cohort, now.policy)
    first, second, third = st.columns([5, 2, 1], vertical_alignment="bottom")
    name = first.selectbox(
        "Recipe", list(recipes), format_func=lambda key: recipes[key].title, key="l_recipe", bind="query-params"
    )

    def own() -> None:
        st.session_state["l_recipe"] = MINE

    second.button("Audit my cohort as a recipe", on_click=own, key="l_own", width="stretch")
    return recipes[name or next(iter(recipes))], third


def _own_doors(audit: pd.DataFrame) -> list[str]:
    """Only the images left after every filter are those of the gallery, which opens inside the cohort."""
    last = audit["images"].iloc[-1]
    kept = (audit["images"] == last) & (audit["images"][::-1].ne(last).cumsum()[::-1] == 0)
    return [doors.door(Cohort()) if row else "" for row in kept]


def recipe_sentence(recipe: Recipe, audit: pd.DataFrame, labels: pd.DataFrame) -> str:
    """Return what is left after all rules and how many labels are then not the dataset's own."""
    start, end = audit.iloc[0], audit.iloc[-1]
    share = percent(end["images"] / start["images"] if start["images"] else float("nan"))
    told = f"{recipe.title}: {number(end['images'])} of {number(start['images'])} images left ({share})"
    if start["patients"]:
        told += f", {number(end['patients'])} of {plural(start['patients'], 'patient')}"
    shared = int(audit["patients_shared"].sum())
    if shared:
        return f"{told}, {plural(shared, 'patient')} on both sides of the split"
    changed = int(changed_in_the_end(labels).sum())
    return f"{told}; {plural(changed, 'label')} of these images changed" if changed else f"{told}; no label changed"


def changed_in_the_end(labels: pd.DataFrame) -> pd.Series:
    """Return, by recipe, the labels that all rules together changed on the images left."""
    ends = labels[labels["rule"] == TOGETHER]
    return ends.groupby("recipe")[list(BECAME)].sum().sum(axis=1)


def all_ends(audit: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return one row per recipe: the images and patients left, and the labels changed on them."""
    groups = audit.groupby("recipe", sort=False)
    ends = groups.last().reset_index()
    return ends.assign(
        share_of_images=ends["images"] / groups["images"].first().to_numpy(),
        patients_shared=groups["patients_shared"].sum().to_numpy(),
        labels_changed=ends["recipe"].map(changed_in_the_end(labels)).fillna(0).astype("int64"),
    )


def _doors(rows: Callable[[Recipe, Index, Cohort], list[Cohort | None]], recipe: Recipe, now: Frame) -> list[str]:
    return ["" if narrowing is None else doors.door(narrowing) for narrowing in rows(recipe, now.index, now.cohort)]


def _notes(recipe: Recipe, audit: pd.DataFrame) -> None:
    notes = [f"{row['rule']}: {row['note']}" for _, row in audit.iloc[1:].iterrows() if row["note"]]
    for text in filter(None, [f"Source: {recipe.source}.", recipe.caution, *notes]):
        st.caption(safe(text))


def _file(now: Frame, recipe: Recipe) -> None:
    st.caption("A recipe is a file of rules. Save this one, change it, and audit your own:")
    shipped = FOLDER / f"{recipe.name}.toml"
    text = recipe_text(recipe) if recipe.name == MINE else shipped.read_text(encoding="utf-8")
    st.code(text, language="toml")
    words = ["python", "-m", "cxrdash", "stat", "loader_audit", now.index.dataset, "--set", "recipe=mine.toml"]
    st.code(shlex.join(words), language="bash", wrap_lines=True)


def _label_changes(now: Frame, recipe: Recipe, labels: pd.DataFrame) -> None:
    """The labels that a rule, or all of them together, changed."""
    table = labels.assign(changed=labels[list(BECAME)].sum(axis=1))
    steps = table.groupby("step", sort=True)["changed"].sum()
    told = [int(step) for step in steps.index[steps > 0]]
    if not told:
        return
    words = dict(zip(table["step"], table["rule"], strict=True))
    step = st.selectbox(
        "Labels changed by", told[::-1], format_func=lambda key: words[key], key=f"l_step_{recipe.name}"
    )
    rows = table[table["step"] == step].sort_values("changed", ascending=False, kind="stable", ignore_index=True)
    changed = rows[rows["changed"] > 0]
    drawn = changed.head(MOST_CHANGED).assign(door=lambda part: _change_doors(now, recipe, part))
    worst = drawn.iloc[0]
    takeaway = f"{words[step]}: {worst['finding']} changed in {plural(worst['changed'], 'image')}"
    show.chart(label_changes(drawn, now.look), "label_changes", alt=takeaway)
    if len(changed) > len(drawn):
        rest = int(changed["changed"].iloc[len(drawn) :].sum())
        st.caption(f"The other {len(changed) - len(drawn)} labels changed {plural(rest, 'time')}; the table lists all.")
    st.caption("Where no label expression finds exactly these images, a mark opens a patient who has one of them.")
    columns = {
        "finding": "Finding", "positive_before": "Positive before", "positive_after": "Positive after",
        "changed_to_positive": "Became positive", "changed_to_uncertain": "Uncertain",
        "changed_to_negative": "Negative", "changed_to_missing": "Missing", "missing_after": "Missing in all",
        "of": "Of images", "labels": "Label expression",
    }  # fmt: skip
    show.table(rows, key="loader_labels_table", columns=columns)
    own = recipe.name == MINE
    show.provenance(
        now, "cohort_labels" if own else "loader_labels", labels, **({} if own else {"recipe": recipe.name})
    )


def _change_doors(now: Frame, recipe: Recipe, rows: pd.DataFrame) -> list[str]:
    """Doors to exactly the images changed, or to a patient who has one."""
    own = recipe.name == MINE  # its images are the cohort's, in which the gallery opens
    held = [Cohort()] if own else narrowings(recipe, now.index, now.cohort)
    tokens = []
    for step, labels, patient in zip(rows["step"], rows["labels"], rows["example_patient"], strict=True):
        narrowing = held[min(step, len(held) - 1)]
        if labels and narrowing is not None:
            tokens.append(doors.door(narrowing.narrow(Cohort(labels=labels))))
        else:
            tokens.append(doors.of_patient(patient) if patient else "")
    return tokens
