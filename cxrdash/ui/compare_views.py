"""The views of the compare page; each draws itself and returns what its provenance line needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash import charts
from cxrdash.analysis.overlaps import VOCABULARY
from cxrdash.charts import several_chart
from cxrdash.index.cohort import UNBOUNDED
from cxrdash.ui import cache as cached
from cxrdash.ui import compare as parts
from cxrdash.ui import doors, show
from cxrdash.ui.compare import Comparison
from cxrdash.ui.controls import UNITS
from cxrdash.ui.text import listed, number, percent, plural, safe

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    Drawn = tuple[str, pd.DataFrame, dict[str, Any]]

HOLLOW = "Hollow: the dataset's label is narrower, broader or only related, so the rates do not measure the same thing."
MEASURES = {  # variable and measure, and the distance at which the colour is strongest
    "Age, SMD": ("age", "SMD", 1.0),
    "Age, Jensen-Shannon": ("age", "Jensen-Shannon", 0.3),
    "Sex, SMD": ("sex", "SMD", 1.0),
    "Views, Jensen-Shannon": ("view", "Jensen-Shannon", 0.5),
}


def prevalence(comparison: Comparison, alt: str) -> Drawn:
    """Rates of the labels that at least two datasets have, as found."""
    table = comparison.compute("compare")
    drawn = parts.in_common(parts.nearest(table))
    drawn = drawn.assign(door=parts.rate_doors(comparison, drawn))
    share = f"Share of {UNITS[comparison.now.unit].lower()}"
    figure = charts.dataset_dots(drawn, comparison.now.look, comparison.names, title=share)
    show.chart(figure, "compare_rates", alt=alt, refine=parts.enter)
    st.caption(f"{HOLLOW} Counted: {safe(parts.films_note(table))}.")
    parts.keyboard_door(drawn)
    with st.expander("All shared labels, also those that one dataset lacks"):
        parts.rate_table(table)
    return "compare", table, comparison.options


def standardised(comparison: Comparison, alt: str) -> Drawn:
    """Rates brought to one mix of ages and sexes, with the crude rates as ticks."""
    standard = parts.standard_controls(comparison.names)
    table = comparison.compute("standardised_prevalence", standard=standard)
    cells = comparison.compute("standard_cells", standard=standard)
    drawn = parts.in_common(parts.nearest(table[table["rate"].notna()]))
    drawn = drawn.assign(door=parts.exact_rate_doors(comparison, drawn))
    if drawn.empty:
        st.info(
            "No label can be standardised in two of these datasets. Bring them to the cells that every dataset "
            "fills, or choose datasets of similar people."
        )
    else:
        look, names = comparison.now.look, comparison.names
        figure = charts.dataset_dots(drawn, look, names, title="Standardised share", before="crude")
        show.chart(figure, "compare_standardised", alt=f"Standardised. {alt}", refine=parts.enter)
        st.caption(
            f"Symbol: as if every dataset had the standard's ages and sexes. Tick: the same films as they are. {HOLLOW}"
        )
        if (drawn["door"] == "").any():
            st.caption("A mark without images to open counts only some ages and sexes of its dataset.")
    st.markdown("\n".join(f"- {safe(line)}" for line in parts.cells_note(cells)))
    show.table(
        table.rename(columns={"crude": "rate_as_is"}), key="cmp_standardised", height=320,
        columns={"shared": "Shared label", "dataset": "Dataset", "findings": "Its findings", "relation": "Relation",
                 "positive": "Positive", "of": "Of", "rate_as_is": "Found", "rate": "Standardised", "low": "95% from",
                 "high": "to", "fewest": "Units in the thinnest cell", "share_uncovered": "Standard not covered",
                 "share_outside": "Units left out"},
    )  # fmt: skip
    return "standardised_prevalence", table, {**comparison.options, "standard": standard}


def who(comparison: Comparison, alt: str) -> Drawn:
    """Ages, sexes and views side by side, and how far apart they are."""
    table = comparison.compute("compare_attributes")
    headings = {"age": "Age in years", "sex": "Sex", "view": "View"}
    drawn = table[table["attribute"].isin(headings)]
    drawn = drawn.assign(door=parts.level_doors(drawn), attribute=drawn["attribute"].map(headings))
    drawn = drawn.sort_values("attribute", key=lambda names: names.map(list(headings.values()).index), kind="stable")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        figure = charts.attribute_bars(drawn, comparison.now.look, comparison.names)
        show.chart(figure, "compare_attributes", alt=f"Ages, sexes and views. {alt}", refine=parts.enter)
    with right:
        _distances(comparison)
    return "compare_attributes", table, comparison.options


def _distances(comparison: Comparison) -> None:
    """Distances with intervals, as a matrix where there are more than two datasets."""
    found = comparison.compute("compare_distances")
    st.markdown("**How far apart**")
    if len(comparison.indexes) > 2:
        chosen = st.selectbox("Distance", list(MEASURES), key="cmp_measure", bind="query-params")
        variable, measure, full = MEASURES[chosen]
        rows = found[(found["variable"] == variable) & (found["measure"] == measure)]
        rows = parts.distance_doors(comparison, rows.assign(signed=measure == "SMD"))
        figure = charts.distance_matrix(rows, comparison.now.look, comparison.names, full=full)
        show.chart(figure, "compare_distances", alt=f"{chosen} between datasets", refine=parts.enter)
        st.caption("A cell opens the images of its row's dataset.")
    ordered = found.sort_values("value", key=lambda values: values.isna(), kind="stable")  # undefined ones last
    pairs = {"dataset_a": "A", "dataset_b": "B"} if len(comparison.indexes) > 2 else {}
    show.table(
        ordered.rename(columns={"low": "from_value", "high": "to_value"}), key="cmp_distances", height=318,
        columns={"variable": "Of", "measure": "Distance", "value": "Value", "from_value": "95% from",
                 "to_value": "to", **pairs, "images_a": f"Images {'A' if pairs else comparison.names[0]}",
                 "images_b": f"Images {'B' if pairs else comparison.names[1]}", "unknown_a": "Unknown, first",
                 "unknown_b": "Unknown, second", "method": "Interval"},
    )  # fmt: skip
    st.caption(
        "SMD: difference of means in standard deviations, first minus second dataset (of sex: the share of women); "
        "beyond 0.1 it is called a difference. KS: largest gap of the cumulative shares. Jensen-Shannon: 0 alike, 1 "
        "nothing in common. Intervals resample patients; only an SMD can fall on either side of 0."
    )


def repeats(comparison: Comparison, _: str) -> Drawn:
    """Patients with more than so many images, one curve per dataset."""
    import pandas as pd

    now = comparison.now
    known = [index for index in comparison.indexes if index.counts["patients"]]
    unknown = [index.dataset for index in comparison.indexes if not index.counts["patients"]]
    unit = "study" if now.unit == "study" else "image"
    curves, shares = [], []
    for index in known:
        sizes, share = (
            cached.compute(name, index, now.cohort, policy=now.policy, unit=unit)
            for name in ("images_per_patient", "repeat_share")
        )
        tokens = [parts.into(index.dataset, doors.patients_with(n + 1, UNBOUNDED, unit=unit)) for n in sizes["images"]]
        curves.append(sizes.assign(dataset=index.dataset, door=tokens))
        shares.append(share.assign(dataset=index.dataset))
    if unknown:
        st.caption(f"Without patients: {safe(listed(unknown))}.")
    if not curves:
        st.info("None of these datasets identifies its patients.")
        return "repeat_share", now.compute("repeat_share"), {}
    table, drawn = pd.concat(shares, ignore_index=True), pd.concat(curves, ignore_index=True)
    words = UNITS[unit].lower()
    said = repeat_sentence(table, words)
    show.chart(several_chart(drawn, now.look, unit=words), "compare_repeats", alt=said, refine=parts.enter)
    st.caption(safe(said))
    show.table(
        table, key="cmp_repeats", height=320,
        columns={"dataset": "Dataset", "threshold": "More than", "patients": "Patients",
                 "share_of_patients": "Share of patients", "images": words.capitalize(),
                 "share_of_images": f"Share of {words}"},
    )  # fmt: skip
    return "repeat_share", table, {}


def repeat_sentence(table: pd.DataFrame, words: str) -> str:
    """Return what patients with more than ten images hold, dataset by dataset."""
    ten = table[table["threshold"] == 10]
    said = [
        f"{row.dataset}: {percent(row.share_of_patients)} of patients hold {percent(row.share_of_images)}"
        for row in ten.itertuples()
    ]
    return f"Patients with more than 10 {words}. {'; '.join(said)}."


def losses(comparison: Comparison, _: str) -> Drawn:
    """Findings that bend or lose their meaning on the way to the shared vocabulary and to each other."""
    table = comparison.compute("mapping_losses")
    show.table(
        parts.loss_summary(table), key="cmp_loss_summary",
        columns={"dataset": "Findings of", "other": "Mapped to", "same": "Same meaning",
                 "bent": "Narrower, broader or related", "none": "No equivalent",
                 "lost": f"Lost without an equivalent (positive {UNITS[comparison.now.unit].lower()})"},
    )  # fmt: skip
    pairs = table[["dataset", "other"]].drop_duplicates()
    pairs = pairs.sort_values("other", key=lambda names: names == VOCABULARY, kind="stable")
    names = [f"{row.dataset} to {row.other}" for row in pairs.itertuples()]
    chosen = st.selectbox("Finding by finding", names, key="cmp_pair", bind="query-params")
    at = pairs.iloc[names.index(chosen) if chosen in names else 0]
    rows = table[(table["dataset"] == at["dataset"]) & (table["other"] == at["other"])]
    show.table(
        rows, key="cmp_losses",
        columns={"finding": "Finding", "positive": "Positive", "of": "Of", "relation": "", "counterpart": "Counterpart",
                 "meaning": "Relation", "note": "What is lost"},
    )  # fmt: skip
    parts.keyboard_door(parts.loss_doors(comparison, rows))
    st.markdown("\n".join(f"- {safe(note)}" for note in parts.notes(table)))
    st.caption(
        "A label that a dataset lacks is not assessed there, which is not the same as negative. The vocabulary is a "
        "file, cxrdash/labels/vocabulary.toml, for a radiologist to confirm."
    )
    return "mapping_losses", table, comparison.options


def overlaps(comparison: Comparison, _: str) -> Drawn:
    """Films that the datasets have in common: what is published, and what their ids say."""
    table = comparison.compute("known_overlaps")
    st.markdown("\n".join(f"- {safe(line)}" for line in parts.overlap_sentences(table)))
    st.caption(
        "Films in both datasets must not lie in the training part of one and the test part of the other. "
        "No shared id does not prove that no film is shared: RSNA and SIIM give NIH's films new ids."
    )
    show.table(
        table, key="cmp_overlaps",
        columns={"dataset_a": "A", "dataset_b": "B", "known": "Published", "images_a": "Images of A",
                 "images_b": "Images of B", "shared_ids": "Image ids in both", "share_of_a": "Share of A",
                 "share_of_b": "Share of B", "shared_names": "File names in both"},
    )  # fmt: skip
    if (table["shared_ids"] > 0).any():
        _shared(comparison, int(table["shared_ids"].sum()))
    return "known_overlaps", table, comparison.options


def _shared(comparison: Comparison, known: int) -> None:
    """The image ids that two datasets share, with their parts on both sides."""
    ids = comparison.compute("shared_images")
    crossed = int((ids["crosses"]).sum())
    more = f"; the first {number(len(ids))} listed" if len(ids) < known else ""
    st.markdown(
        f"**{plural(known, 'image id')} shared{more}: {number(crossed)} of these in the test part of one and in "
        "another part of the other**"
    )
    show.table(
        ids, key="cmp_shared", height=280,
        columns={"dataset_a": "A", "dataset_b": "B", "image_id_a": "Image id", "split_a": "Part in A",
                 "split_b": "Part in B"},
    )  # fmt: skip
    st.download_button(
        "These ids as CSV", lambda: ids.to_csv(index=False).encode(), file_name="shared-images.csv", mime="text/csv",
        on_click="ignore", key="cmp_shared_csv",
    )  # fmt: skip
    parts.keyboard_door(parts.shared_doors(ids))


DRAW: dict[str, Callable[[Comparison, str], Drawn]] = dict(
    zip(parts.VIEWS, (prevalence, standardised, who, repeats, losses, overlaps), strict=True)
)
