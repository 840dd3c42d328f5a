"""Parts of the compare page: which datasets, headline, doors into each of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.harmonised import frontal, readable
from cxrdash.analysis.pairs import positive_text
from cxrdash.config import cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations
from cxrdash.index.cohort import OLDEST, Cohort
from cxrdash.index.store import Index
from cxrdash.labels.vocabulary import RELATION_WORDS
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, show
from cxrdash.ui.controls import UNITS, Frame
from cxrdash.ui.text import listed, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

MOST_IN_A_LINK = 200  # image ids
MOST = 6  # datasets that colours and symbols tell apart
VIEWS = ("Prevalence", "Standardised", "Who", "Repeats", "What the mapping loses", "Overlaps")
ATTRIBUTES = {"age": "age_band", "sex": "sex", "view": "view", "part": "split"}


@dataclass(frozen=True)
class Comparison:
    """The datasets compared, counted in one unit, and why others were left out."""

    now: Frame
    indexes: tuple[Index, ...]
    notes: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return [index.dataset for index in self.indexes]

    @property
    def options(self) -> dict[str, str]:
        """The option with which the command line and Python compare the same datasets."""
        return {"others": ",".join(self.names[1:])}

    def compute(self, name: str, **options: Any) -> pd.DataFrame:
        """Return a statistic's table of these datasets under the frame's cohort, policy and unit."""
        settings = {"policy": self.now.policy, "unit": self.now.unit, **options}
        return cached.compared(name, self.indexes, self.now.cohort, **settings)


def controls(now: Frame, place: DeltaGenerator) -> Comparison:
    """Return the dataset of the frame and those chosen beside it (in ``place``), in a unit that all of them know."""
    others = [name for name in generations.datasets(cache()) if name != now.index.dataset]
    if not others:
        return Comparison(now, (now.index,), ())
    chosen = place.multiselect(
        f"Beside {safe(now.index.dataset)}", others, default=others[: MOST - 1], max_selections=MOST - 1,
        key="cmp_others", bind="query-params", placeholder="other indexed datasets",
    )  # fmt: skip
    indexes, notes = [now.index], []
    for name in chosen:
        try:
            index = cached.open_dataset(name)
            readable(index, now.cohort)
            indexes.append(index)
        except CxrdashError as fault:
            notes.append(f"{name} is left out. {fault.message}")
    return _in_one_unit(now, indexes, notes)


def _in_one_unit(now: Frame, indexes: list[Index], notes: list[str]) -> Comparison:
    lacking = [index.dataset for index in indexes if now.unit not in index.units]
    if lacking:
        verb = "does" if len(lacking) == 1 else "do"
        notes.append(f"Counted by image: {listed(lacking)} {verb} not identify a {now.unit}.")
        now = replace(now, unit="image")
    return Comparison(now, tuple(indexes), tuple(notes))


def sizes(comparison: Comparison) -> str:
    """Return how many films of each dataset the cohort holds."""
    found = [
        f"{index.dataset}, {cached.counted(index, comparison.now.cohort)[1]}, generation {index.generation}"
        for index in comparison.indexes[1:]
    ]
    return f"Beside it: {'; '.join(found)}"


def view_control(place: DeltaGenerator) -> str:
    """Return which side of the comparison to show."""
    chosen: str = place.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="cmp_view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    return chosen


def say(sentences: Sequence[str]) -> None:
    """What the reader must know about the datasets: who is left out, and in what unit the others are counted."""
    for sentence in sentences:
        st.caption(safe(sentence))


def alone(now: Frame) -> None:
    """Say what to do where there is nothing to compare with."""
    name = safe(now.index.dataset)
    st.info(f"Only {name} is chosen or indexed. Choose a dataset above, or index another one and come back:")
    st.code("python -m cxrdash index FOLDER --name NAME\npython -m cxrdash demo", language="bash")


def sentence(comparison: Comparison, differences: pd.DataFrame) -> str:
    """Return the headline: the label of one meaning whose prevalence differs most between two datasets."""
    alike = differences[(differences["relation"] == "=") & differences["difference"].notna()]
    if alike.empty:
        return f"No label means the same in two of {listed(comparison.names)}"
    sure = alike[(alike["low"] > 0) | (alike["high"] < 0)]
    most = alike.loc[(sure if len(sure) else alike)["difference"].abs().idxmax()]
    if most["difference"] == 0:
        return f"No prevalence differs between {listed(comparison.names)}"
    low, high = (most["low"], most["high"]) if most["difference"] > 0 else (-most["high"], -most["low"])
    return (
        f"{most['shared']} differs most: {percent(most['rate_a'])} of {UNITS[comparison.now.unit].lower()} in "
        f"{most['dataset_a']}, {percent(most['rate_b'])} in {most['dataset_b']}, "
        f"{abs(100 * most['difference']):.1f} points{_points(low, high)}"
    )


def _points(low: float, high: float) -> str:
    if low != low or high != high:
        return ""
    dash = "–" if low >= 0 else " to "
    return f" ({100 * low:.1f}{dash}{100 * high:.1f})".replace("-", "−")


# A mark belongs to a dataset: its door carries the name, and the frame follows before the gallery opens.


def into(dataset: str, token: str) -> str:
    """Return the door to images of a dataset, which may be another than the frame's."""
    return json.dumps({"ds": dataset, "door": token}) if token else ""


def enter(token: str, *_: object) -> str:
    """Switch the frame to the door's dataset and return the door itself; called when a mark was clicked."""
    if not token:
        return ""
    target = json.loads(token)
    st.session_state["ds"] = target["ds"]
    return str(target["door"])


def rate_doors(comparison: Comparison, table: pd.DataFrame) -> list[str]:
    """Return the door of each row: its positive films among those that were counted."""
    cohort = comparison.now.cohort
    views = {index.dataset: () if cohort.views else frontal(index, cohort).views for index in comparison.indexes}
    return [
        into(name, doors.door(Cohort(views=views[name], labels=labels))) if labels else ""
        for name, labels in zip(table["dataset"], table["labels"], strict=True)
    ]


def level_doors(table: pd.DataFrame) -> list[str]:
    """Return the door of each level; an unknown age has none, because no cohort can ask for it."""
    return [
        ""
        if (row.attribute, row.level) == ("age", "unknown")
        else into(str(row.dataset), doors.level(ATTRIBUTES[str(row.attribute)], str(row.level)))
        for row in table.itertuples()
    ]


def exact_rate_doors(comparison: Comparison, table: pd.DataFrame) -> list[str]:
    """Return the door of each standardised rate: its positive films of known age and sex.

    None ('') where some of these lie outside the standard, because no cohort names its cells one by one.
    """
    cohort, unit = comparison.now.cohort, comparison.now.unit
    found = {index.dataset: index for index in comparison.indexes}
    count = {"image": "images", "study": "studies", "patient": "patients"}[unit]
    tokens = []
    for row in table.itertuples():
        index = found[str(row.dataset)]
        views = () if cohort.views else frontal(index, cohort).views
        opened = Cohort(views=views, labels=str(row.labels), sexes=("F", "M"), ages=(0, OLDEST))
        counted = cached.counted(index, cohort.narrow(opened))[0][count] if row.labels else -1
        tokens.append(into(index.dataset, doors.door(opened)) if counted == row.positive else "")
    return tokens


KNOWN = {
    "age": Cohort(ages=(0, OLDEST)), "sex": Cohort(sexes=("F", "M")), "view": Cohort(),
}  # fmt: skip


def distance_doors(comparison: Comparison, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the distances with a door to the images of each side that have the variable, where exactly these open."""
    found = {index.dataset: index for index in comparison.indexes}
    doors_of: dict[str, list[str]] = {"door_a": [], "door_b": []}
    for row in rows.to_dict("records"):
        for side, tokens in (("a", doors_of["door_a"]), ("b", doors_of["door_b"])):
            index = found[row[f"dataset_{side}"]]
            known = KNOWN[row["variable"]]
            if row["variable"] == "view":
                known = Cohort(views=tuple(view for view in index.levels("view") if view != "UNKNOWN"))
            images = cached.counted(index, comparison.now.cohort.narrow(known))[0]["images"]
            tokens.append(into(index.dataset, doors.door(known)) if images == row[f"images_{side}"] else "")
    return rows.assign(**doors_of)


def loss_doors(comparison: Comparison, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the findings with positives and the door to them, for the keyboard's choice."""
    cohort = comparison.now.cohort
    found = {index.dataset: index for index in comparison.indexes}
    views = {name: () if cohort.views else frontal(index, cohort).views for name, index in found.items()}
    told = rows[rows["positive"] > 0].sort_values("positive", ascending=False, kind="stable")
    tokens = [
        into(name, doors.door(Cohort(views=views[name], labels=positive_text([finding], comparison.now.policy))))
        for name, finding in zip(told["dataset"], told["finding"], strict=True)
    ]
    return told.assign(door=tokens, shared=told["finding"])


def shared_doors(rows: pd.DataFrame) -> pd.DataFrame:
    """Return both sides of the ids shared, with a door where the list is short enough for a link."""
    import pandas as pd

    found = []
    for (a, b), part in rows.groupby(["dataset_a", "dataset_b"], sort=False):
        if len(part) <= MOST_IN_A_LINK:
            for name, side in ((a, "a"), (b, "b")):
                token = into(str(name), doors.door(Cohort(images=tuple(part[f"image_id_{side}"]))))
                found.append((f"{plural(len(part), 'image')} of {a} and {b}, as", name, token))
    return pd.DataFrame(found, columns=["shared", "dataset", "door"])


def keyboard_door(table: pd.DataFrame) -> None:
    """The same doors without a mouse: choose a row, press the button."""
    rows = table[table["door"] != ""].reset_index(drop=True)
    if rows.empty:
        return
    names = [f"{row.shared} in {row.dataset}" for row in rows.itertuples()]
    pick, go = st.columns([3, 1], vertical_alignment="bottom")
    at = pick.selectbox("Images of", range(len(rows)), format_func=lambda place: names[place], key="cmp_door")
    go.button("Open in the gallery", on_click=_go, args=(rows["door"].iloc[at or 0],), key="cmp_go", width="stretch")


def _go(token: str) -> None:
    doors.through(doors.narrowing_of(enter(token)))


def nearest(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per dataset and shared label, its nearest finding.

    Labels that mean the same in all their datasets come first, then the others, the most common first.
    """
    known = table[table["relation"] != "none"].drop_duplicates(["dataset", "shared"])
    order = known.groupby("shared").agg(
        bent=("relation", lambda relations: bool((relations != "=").any())), rate=("rate", "max")
    )
    order = order.sort_values(["bent", "rate"], ascending=[True, False], kind="stable")
    place = {name: at for at, name in enumerate(order.index)}
    return known.sort_values("shared", key=lambda names: names.map(place), kind="stable")


def in_common(table: pd.DataFrame) -> pd.DataFrame:
    """Return the labels that at least two of the datasets have."""
    return table[table.groupby("shared")["dataset"].transform("nunique") > 1]


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its relations in words."""
    return table.assign(meaning=table["relation"].map(RELATION_WORDS))


def films_note(table: pd.DataFrame) -> str:
    """Return in words which films of which dataset count."""
    kinds = table.drop_duplicates("dataset").groupby("films", sort=False)["dataset"].agg(list)
    return "; ".join(f"{_FILMS[films]} of {listed(list(names))}" for films, names in kinds.items())


_FILMS = {
    "frontal": "frontal films",
    "views of the cohort": "films of the cohort's views",
    "all, views unknown": "all films (views unknown)",
}


def rate_table(table: pd.DataFrame) -> None:
    """All rows, those without an equivalent among them."""
    show.table(
        in_words(table), key="cmp_rates", height=380,
        columns={"shared": "Shared label", "dataset": "Dataset", "findings": "Its findings", "meaning": "Relation",
                 "positive": "Positive", "of": "Of", "rate": "Prevalence", "low": "95% from", "high": "to",
                 "method": "Interval", "note": "What is lost"},
    )  # fmt: skip


def standard_controls(names: Sequence[str]) -> str:
    """Return the standard chosen."""
    words = {"common": "cells that every dataset fills", "pooled": "all datasets pooled"}
    first, second = st.columns([2, 1], vertical_alignment="bottom")
    population = first.selectbox(
        "Bring every dataset to the mix of", ["common", "pooled", *names],
        format_func=lambda name: words.get(name, f"dataset {name}"), key="cmp_standard", bind="query-params",
    )  # fmt: skip
    views = second.toggle("Also by view", key="cmp_by_view", bind="query-params")
    return f"{population}, by view" if views else str(population)


def cells_note(cells: pd.DataFrame) -> list[str]:
    """Return one sentence per dataset that lacks cells of the standard or has units outside it."""
    said = []
    for name, part in cells.groupby("dataset", sort=False):
        missing = part[(part["share_of_standard"] > 0) & (part["units"] == 0)]
        if not part["units"].any():
            said.append(f"{name} has nobody of known age and sex: it cannot be standardised.")
        elif len(missing):
            weight = percent(missing["share_of_standard"].sum())
            said.append(
                f"{name} has nobody in {plural(len(missing), 'cell')} holding {weight} of the standard "
                f"({_cells(missing)}): its standardised prevalence is not shown."
            )
        outside = part[(part["share_of_standard"] == 0) & (part["units"] > 0)]
        if len(outside):
            share = percent(outside["share_of_units"].sum())
            said.append(f"{share} of {name} lie outside the standard ({_cells(outside)}).")
    return said


def _cells(part: pd.DataFrame) -> str:
    words = {"F": "women", "M": "men"}
    named = [f"{words[row.sex]} {row.age_band}{' ' + row.view if row.view else ''}" for row in part.itertuples()]
    return ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")


def loss_summary(losses: pd.DataFrame) -> pd.DataFrame:
    """Return, per dataset and where it is mapped to, how many findings keep, bend or lose their meaning."""
    import pandas as pd

    rows = []
    for (name, other), part in losses.groupby(["dataset", "other"], sort=False):
        kinds = part["relation"]
        none = part[(kinds == "none")].sort_values("positive", ascending=False)
        lost = [f"{row.finding} ({number(row.positive)})" for row in none.head(6).itertuples()]
        more = f" and {len(none) - 6} more" if len(none) > 6 else ""
        same, bent = int((kinds == "=").sum()), int((~kinds.isin(["=", "none"])).sum())
        rows.append((name, other, same, bent, len(none), ", ".join(lost) + more))
    return pd.DataFrame(rows, columns=["dataset", "other", "same", "bent", "none", "lost"])


def notes(losses: pd.DataFrame) -> list[str]:
    """Return what is lost or forbidden, each sentence once, for relations that are not exact."""
    own = losses.loc[(losses["relation"] != "=") & (losses["note"] != ""), ["note"]].drop_duplicates()
    return [str(note) for note in own["note"] if not str(note).startswith("The shared vocabulary")]


def overlap_sentences(table: pd.DataFrame) -> list[str]:
    """Return one sentence per pair with something known or shared, and one for all the others."""
    telling = table[(table["known"] != "") | (table["shared_ids"] > 0) | (table["shared_names"] > 0)]
    others = [f"{row.dataset_a} and {row.dataset_b}" for row in table.drop(telling.index).itertuples()]
    said = [_overlap(row) for row in telling.itertuples()]
    if others:
        said.append(f"No film in common is known, and no image id or file name is shared: {'; '.join(others)}.")
    return said


def _overlap(row: Any) -> str:
    ids = f"{plural(row.shared_ids, 'image id')} in common" if row.shared_ids else "no image id in common"
    if row.shared_names > row.shared_ids:
        ids += f", {plural(row.shared_names, 'file name')} in common"
    known = f"{row.known}. {row.says} Matched by: {row.matched_by}" if row.known else "nothing published here"
    return f"{row.dataset_a} and {row.dataset_b}: {known}; {ids}."
