"""Parts of the splits page: which split, how alike its parts are, the proof, the files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from cxrdash import charts
from cxrdash.analysis.balance import PAIRS_UP_TO, split_for
from cxrdash.analysis.split_files import manifest, tables
from cxrdash.analysis.splits import DEFAULT_PARTS, DEFAULT_STRATA, GIVEN, Split, parse_parts, ways_to_stratify
from cxrdash.errors import CxrdashError
from cxrdash.index.attributes import attribute_title
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.text import listed, number, plural, safe

if TYPE_CHECKING:
    import pandas as pd

CHOICES = {
    "Given": GIVEN,
    "70 / 10 / 20": DEFAULT_PARTS,
    "80 / 20": "train=0.8,test=0.2",
    "5 folds": "5 folds",
    "10 folds": "10 folds",
    "Own": "",
}
STRATA = {"view": "view", "sex": "sex", "age_band": "age band"}
SHARED_UNITS = {
    "patient": "Patients", "study": "Studies", "image": "Images", "same pixels": "Same pixels",
    "changed copy": "Changed copies",
}  # fmt: skip
NOT_TOLD = "–"
FEW = 50
PICTURES = ("same pixels", "changed copy")  # units of `leakage` that are found by what films show
GIVEN_WORDS, BUILT_WORDS = "the given parts", "the parts built here"


@dataclass(frozen=True)
class Asked:
    """Which split the page shows; ``has_given`` says whether the dataset has parts of its own."""

    parts: str
    strata: tuple[str, ...]
    seed: int
    has_given: bool

    @property
    def options(self) -> dict[str, Any]:
        built = {} if self.parts == GIVEN else {"strata": self.strata, "seed": self.seed}
        return {"parts": self.parts, **built}


def controls(now: Frame) -> Asked:
    """Draw the controls and return what they ask for."""
    has_given = len(now.index.levels("split")) > 1
    choices = list(CHOICES) if has_given else [name for name in CHOICES if name != "Given"]
    which, strata, seed = st.columns([5, 3, 1], vertical_alignment="bottom")
    chosen = which.segmented_control(
        "Parts", choices, default=choices[0], required=True, key="s_parts", bind="query-params"
    )
    parts = CHOICES.get(chosen or choices[0], GIVEN)
    built = parts != GIVEN
    balanced = strata.multiselect(
        "Balance, beside the labels", ways_to_stratify(now.index), default=list(DEFAULT_STRATA), key="s_by",
        bind="query-params", format_func=lambda name: STRATA.get(name, attribute_title(name)), disabled=not built,
    )  # fmt: skip
    number_of = seed.number_input("Seed", 0, 10**9, value=0, key="s_seed", bind="query-params", disabled=not built)
    if chosen == "Own":
        typed = st.text_input("Your parts", value=DEFAULT_PARTS, key="s_own", bind="query-params",
                              help="Names and shares that sum to 1, or a number of folds: 7 folds.")  # fmt: skip
        parts = _readable(typed)
    return Asked(parts, tuple(balanced), int(number_of), has_given)


def _readable(typed: str) -> str:
    try:
        parse_parts(typed)
    except CxrdashError as fault:
        show_fault(fault)
        return DEFAULT_PARTS
    return typed


@dataclass(frozen=True)
class Shown:
    """The tables of one split."""

    sizes: pd.DataFrame
    balance: pd.DataFrame
    leakage: pd.DataFrame


def computed(now: Frame, asked: Asked) -> Shown:
    """Return the tables of the split asked for."""
    names = ("split_sizes", "balance", "leakage")
    return Shown(*(now.compute(name, **asked.options) for name in names))


def copies(shown: Shown) -> int | None:
    """Pairs of films that are one picture and stand in two parts; None where the films were not compared."""
    rows = shown.leakage[shown.leakage["unit"].isin(PICTURES)]
    return None if rows["shared"].isna().any() or rows.empty else int(rows["shared"].sum())


def sentence(shown: Shown) -> str:
    """Return the headline: who stands in two parts, and how far apart the parts are at most."""
    people = shown.leakage[shown.leakage["unit"] == "patient"]
    if (people["verdict"] == "not possible").all():
        leak = "Patients are not identified, so leakage cannot be ruled out"
    elif people["shared"].fillna(0).sum():
        worst = people.sort_values("shared", ascending=False).iloc[0]
        leak = (
            f"{plural(int(worst['shared']), 'patient')} stand in both {worst['part_a']} and {worst['part_b']}"
            if worst["shared"] != 1
            else f"1 patient stands in both {worst['part_a']} and {worst['part_b']}"
        )
    else:
        leak = f"No patient stands in two of the {shown.sizes['part'].nunique()} parts"
    if pictures := copies(shown):
        leak += f"; {plural(pictures, 'pair')} of copies {'stands' if pictures == 1 else 'stand'} in two parts"
    found = shown.balance.dropna(subset=["difference"])
    if found.empty:
        return leak
    worst = found.loc[found["difference"].abs().idxmax()]
    far = abs(worst["difference"])
    if far > 0.1:
        return f"{leak}; the parts differ most in {worst['attribute']} ({far:.2f})"
    return f"{leak}; they are alike in all that was compared (differences up to {far:.2f})"


def figures(shown: Shown) -> list[tuple[str, str, str]]:
    """Return the four key figures."""
    parts = shown.sizes.drop_duplicates("part")
    small = shown.sizes[shown.sizes["part"] == parts.loc[parts["images"].idxmin(), "part"]]
    few = small[small["positive_patients"] < FEW]
    people = shown.leakage.loc[shown.leakage["unit"] == "patient", "shared"]
    flagged = shown.balance[shown.balance["flagged"]]["attribute"].nunique()
    return [
        ("Patients in two parts", "not known" if people.isna().all() else number(int(people.fillna(0).sum())),
         "Counted in the list of images itself, over all pairs of parts."),
        ("Smallest part", f"{small['part'].iloc[0]}: {plural(int(small['images'].iloc[0]), 'image')}",
         f"{plural(int(small['patients'].iloc[0]), 'patient')}."),
        (f"Labels below {FEW} there", f"{len(few)} of {len(small)}",
         f"Labels with fewer than {FEW} positive patients in the smallest part."),
        ("Attributes that differ", f"{flagged} of {shown.balance['attribute'].nunique()}",
         "Standardised difference beyond 0.1 between some two parts."),
    ]  # fmt: skip


def chart(now: Frame, asked: Asked, shown: Shown, alt: str) -> None:
    """The largest difference of every attribute, for the given and the built split together."""
    tables = {BUILT_WORDS if asked.parts != GIVEN else GIVEN_WORDS: shown.balance}
    if asked.has_given and asked.parts != GIVEN:
        tables = {GIVEN_WORDS: now.compute("balance", parts=GIVEN), **tables}
    frame = _largest(tables, now)
    show.chart(charts.balance_dots(frame, now.look, list(tables)), "splits_balance", alt=alt)


def _largest(tables: dict[str, pd.DataFrame], now: Frame) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for name, table in tables.items():
        far = table.assign(difference=table["difference"].abs(), split=name)
        frames.append(far.sort_values("difference", ascending=False).drop_duplicates("attribute"))
    frame = pd.concat(frames, ignore_index=True)
    frame["door"] = [
        doors.labelled(f'"{name}"') if name in now.index.finding_names else "" for name in frame["attribute"]
    ]
    order = [name for name in next(iter(tables.values()))["attribute"].drop_duplicates()]
    return frame.sort_values(
        "attribute", key=lambda column: column.map({name: at for at, name in enumerate(order)}), kind="stable"
    )


def proof(shown: Shown) -> None:
    """The proof, one row per pair of parts, one column per unit."""
    table = shown.leakage
    rows = table.assign(
        pair=table["part_a"] + " and " + table["part_b"],
        found=[
            NOT_TOLD if row.verdict == "not possible" else f"{int(row.shared):,}"
            for row in table.itertuples(index=False)
        ],
    )
    units = list(rows["unit"].drop_duplicates())
    wide = rows.pivot_table(index="pair", columns="unit", values="found", aggfunc="first", sort=False)[
        units
    ].reset_index()
    show.table(wide, key="splits_proof", columns={"pair": "Parts", **{unit: SHARED_UNITS[unit] for unit in units}})
    if (rows["found"] == NOT_TOLD).any():
        st.caption(f"{NOT_TOLD}: cannot be checked; not identified in the dataset, or its films are not scanned.")


def part_table(shown: Shown) -> None:
    """Images and patients of each part."""
    parts = shown.sizes.drop_duplicates("part")[["part", "images", "patients"]].reset_index(drop=True)
    parts["share_of_images"] = parts["images"] / max(parts["images"].sum(), 1)
    columns = {"part": "Part", "images": "Images", "patients": "Patients", "share_of_images": "Share of images"}
    show.table(parts, key="splits_parts", columns=columns)


def finding_table(shown: Shown) -> None:
    """Positive patients per finding and part; those below the line are named in words."""
    wide = shown.sizes.pivot_table(
        index="finding", columns="part", values="positive_patients", sort=False, observed=True
    )
    few = (wide < FEW).any(axis=1)
    wide["note"] = [f"below {FEW} in {listed(list(row.index[row < FEW]))}" if below else ""
                    for (_, row), below in zip(wide.iterrows(), few, strict=True)]  # fmt: skip
    wide = wide.reset_index().astype({name: "int64" for name in wide.columns if name != "note"})
    columns = {"finding": "Finding", **{name: f"{name}: positive patients" for name in wide.columns[1:-1]},
               "note": f"n < {FEW}"}  # fmt: skip
    show.table(wide, key="splits_findings", columns=columns)


def warnings(now: Frame, asked: Asked, shown: Shown) -> None:
    """Say what no split of these data can do, and what the labels of a given one cannot show."""
    _copies(now, shown)
    names = shown.sizes["part"].nunique()
    scarce = shown.sizes.groupby("finding", sort=False)["positive_patients"].sum()
    short = [name for name, people in scarce.items() if 0 < people < names]
    if short and asked.parts != GIVEN:
        st.warning(
            f"{safe(listed(short))}: fewer positive patients than parts, so some part has none.",
            icon=":material/warning:",
        )
    if names > PAIRS_UP_TO:
        st.caption("Each part is set against all the others together.")


def _copies(now: Frame, shown: Shown) -> None:
    """Pictures that stand in two parts, with the way to them; or that nobody has looked for them."""
    from cxrdash.ui.shell import page

    pairs = copies(shown)
    if pairs is None:
        st.caption("Whether a film stands in two parts as a copy is not checked: the films have not been compared. "
                   f"Run `python -m cxrdash scan {now.index.dataset}`.")  # fmt: skip
    elif pairs:
        st.page_link(page("duplicates"), label=f"{plural(pairs, 'pair')} of copies in two parts",
                     query_params={"d_across": ["true"], "d_scope": ["All"]})  # fmt: skip


def files(now: Frame, asked: Asked, shown: Shown) -> None:
    """The split as files: one CSV of images with their part, and what it was made from."""
    if shown.sizes.empty:
        return

    def split() -> Split:
        options: dict[str, Any] = {"parts": asked.parts, "strata": asked.strata, "seed": asked.seed}
        return cast(Split, split_for(now.index, now.cohort, policy=now.policy, **options))

    name = f"{now.index.dataset}-split"
    st.download_button(
        "Images with their part (CSV)", lambda: tables(split(), now.cohort)["split.csv"], file_name=f"{name}.csv",
        mime="text/csv", on_click="ignore", width="stretch",
    )  # fmt: skip
    st.download_button(
        "What it was made from (JSON)",
        lambda: json.dumps(manifest(split(), now.cohort), indent=2, ensure_ascii=False).encode(),
        file_name=f"{name}.json", mime="application/json", on_click="ignore", width="stretch",
    )  # fmt: skip
