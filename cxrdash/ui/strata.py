"""Parts of the hidden strata page: which finding, its strata, associations that turn round, the metadata probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash import charts
from cxrdash.analysis.pairs import positive_text
from cxrdash.analysis.shortcut import feature_words
from cxrdash.analysis.strata import stratum_words
from cxrdash.index.attributes import attribute_title
from cxrdash.index.cohort import Cohort
from cxrdash.index.readings import reading_text
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import interval, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd

MAP = "Map of the images"
VIEWS = ("Strata", "All alerts", "Turned round", "From metadata alone", MAP)
OF_ONE_FINDING = ("Strata", MAP)
SHOWN = 14
NAMES = {"view": "View", "sex": "Sex", "age_band": "Age", "split": "Part"}


def controls(table: pd.DataFrame) -> tuple[str, str]:
    """Return the view and the finding; first offered is the finding with the strongest alert."""
    view, which = st.columns([3, 2], vertical_alignment="bottom")
    chosen = view.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="h_view", bind="query-params", label_visibility="collapsed"
    )
    names = ordered_findings(table)
    finding = which.selectbox(
        "Finding", names, key="h_finding", bind="query-params", disabled=chosen not in OF_ONE_FINDING
    )
    return chosen or VIEWS[0], str(finding or names[0])


def ordered_findings(table: pd.DataFrame) -> list[str]:
    """Findings by their strongest stratum of the dataset's own, alerts first, those without a positive last."""
    own = table[table["kind"] != "reader"]
    far = own["smd"].abs()
    strength = own.assign(alert=far.where(own["verdict"] != "", 0.0), far=far).groupby("finding")[["alert", "far"]]
    return list(strength.max().sort_values(["alert", "far"], ascending=False, kind="stable").index)


def sentence(table: pd.DataFrame, finding: str) -> str:
    """Return the headline: the stratum that sets the finding's positives most apart."""
    rows = table[(table["finding"] == finding) & (table["kind"] != "reader")].dropna(subset=["smd"])
    if rows.empty:
        return f"{finding}: no positive and negative images to compare"
    row = rows.loc[rows["smd"].abs().idxmax()]
    what = stratum_words(row["attribute"], row["level"])
    return (
        f"{finding}: {percent(row['share_in_positive'])} {what} among the {number(row['positive'])} positive images, "
        f"{percent(row['share_in_other'])} among the others"
    )


def figures(now: Frame, table: pd.DataFrame, finding: str) -> list[tuple[str, str, str]]:
    """Return key figures of one finding."""
    rows = table[(table["finding"] == finding) & (table["kind"] != "reader")].dropna(subset=["smd"])
    alerts = table[(table["verdict"] == "alert") & (table["kind"] != "reader")]
    if rows.empty:
        return [("Findings with an alert", number(alerts["finding"].nunique()), "")]
    row = rows.loc[rows["smd"].abs().idxmax()]
    return [
        ("Standardised difference", f"{row['smd']:.2f}",
         f"95% interval {row['smd_low']:.2f} to {row['smd_high']:.2f}, patients as clusters; 0.5 or more is an alert."),
        ("Odds ratio", f"{row['odds_ratio']:.1f}",
         f"95% interval {row['odds_low']:.2f}–{row['odds_high']:.2f}, patients as clusters."),
        ("No such image in a batch of 32", percent(row["none_in_32"]),
         f"Chance that 32 images drawn at random from the cohort hold none that is {finding} and "
         f"{stratum_words(row['attribute'], row['level'])}; {percent(row['none_in_16'])} for 16, "
         f"{percent(row['none_in_64'])} for 64."),
        ("Findings with an alert", f"{alerts['finding'].nunique()} of {len(now.index.finding_names)}",
         "Among the dataset's own metadata and devices."),
    ]  # fmt: skip


def chart(now: Frame, table: pd.DataFrame, finding: str, alt: str) -> None:
    """The strata of one finding, ranked."""
    rows = table[table["finding"] == finding].dropna(subset=["smd"]).head(SHOWN)
    rows = rows.assign(
        name=[_label(row.attribute, row.level) for row in rows.itertuples()],
        door=[doors.door(_stratum(now, finding, row.attribute, row.level)) for row in rows.itertuples()],
    )
    show.chart(charts.strata_dots(rows, now.look), "h_strata", alt=alt)
    st.caption(
        "Filled diamond: alert (0.5 or more); filled circle: note (0.2); hollow: smaller, or not told apart from none. "
        "A click opens the finding's positive images in that stratum."
    )


def _label(attribute: str, level: str) -> str:
    if attribute in NAMES:
        return f"{NAMES[attribute]}: {level}"
    if level not in ("yes", "no"):
        title = attribute_title(attribute)
        return f"{title[:1].upper()}{title[1:]}: {level}"
    return attribute if level == "yes" else f"no {attribute}"


def _stratum(now: Frame, finding: str, attribute: str, level: str) -> Cohort:
    positive = Cohort(labels=positive_text([finding], now.policy))
    if attribute in NAMES or attribute in now.index.attributes:
        return positive.narrow(doors.narrowing_of(doors.level(attribute, level)))
    if attribute in now.index.finding_names:
        text = positive_text([attribute], now.policy)
        return positive.narrow(Cohort(labels=text if level == "yes" else f"NOT ({text})"))
    reader = next(name for name in now.index.readers if attribute.endswith(f" ({name})"))
    marked = attribute.removesuffix(f" ({reader})")
    quoted = '"' + marked.replace('"', '""') + '"'
    said = quoted if level == "yes" else f"NOT {quoted}"
    return positive.narrow(Cohort(readings=(reading_text(reader, said),)))


COLUMNS = {
    "finding": "Finding", "attribute": "Attribute", "level": "Level", "images": "Positive images in it",
    "positive": "Positive images", "share_in_positive": "Share in positives", "share_in_other": "Share in others",
    "smd": "Standardised difference", "smd_low": "from", "smd_high": "to", "odds_ratio": "Odds ratio",
    "odds_low": "from ", "odds_high": "to ", "q": "q", "verdict": "Verdict", "attribute_v": "Attribute's V",
}  # fmt: skip


def details(table: pd.DataFrame, finding: str) -> None:
    """All strata of a finding as a table."""
    with st.expander(f"All strata of {safe(finding)}"):
        rows = table[table["finding"] == finding]
        show.table(rows, key="h_table", columns={name: COLUMNS[name] for name in COLUMNS if name != "finding"})


def alerts(table: pd.DataFrame) -> None:
    """Every alert, the strongest first."""
    rows = table[table["verdict"] == "alert"]
    rows = rows.assign(far=-rows["smd"].abs(), told=rows["kind"] == "reader").sort_values(["told", "far"])
    if rows.empty:
        st.info("No stratum sets the positives of a finding so far apart.")
        return
    show.table(rows, key="h_alerts", columns=COLUMNS)


def turned(now: Frame) -> pd.DataFrame:
    """Associations whose sign turns round within every stratum, each with the table that shows it."""
    table = now.compute("simpson")
    found = table[table["alert"]]
    if found.empty:
        st.success(
            f"None of {plural(len(table), 'association')} of a finding with view, sex, age or a device turns round "
            "when a third variable is held fixed.",
            icon=":material/check:",
        )
        return table
    for row in found.itertuples():
        what = stratum_words(row.exposure, row.level)
        st.markdown(
            f"**{safe(row.finding)}, {safe(what)}**: {percent(row.positive_exposed / row.exposed)} against "
            f"{percent(row.positive_other / row.other)} of the others, but the other way round within every "
            f"{safe(NAMES.get(row.third, row.third).lower())}"
        )
        strata = now.compute("simpson_strata", row=(row.finding, row.exposure, row.level, row.third))
        show.table(
            strata,
            key=f"h_turned_{row.Index}",
            columns={
                "stratum": "Stratum", "positive_exposed": "Positive, exposed", "exposed": "Exposed",
                "rate_exposed": "Rate, exposed", "positive_other": "Positive, others", "other": "Others",
                "rate_other": "Rate, others",
            },
        )  # fmt: skip
    return table


def probe(now: Frame) -> pd.DataFrame:
    """What a model guesses from view, sex, age and film size; strongest first."""
    with st.spinner("Fitting models on the metadata of held-out patients"):
        table = now.compute("shortcut_probe")
    rows = table.sort_values("auc", ascending=False, kind="stable")
    rows = rows.assign(door=[doors.door(Cohort(labels=positive_text([name], now.policy))) for name in rows["finding"]])
    best = rows.iloc[0] if rows["auc"].notna().any() else None
    said = (
        f"{best['finding']} is guessed best: {best['auc']:.2f} ({interval_of(best)})"
        if best is not None
        else "no model could be fitted"
    )
    show.chart(charts.probe_dots(rows, now.look), "h_probe", alt=said)
    st.caption(
        f"A logistic model is told {safe(feature_words(now.index))}, never the film, and ranks images of patients it "
        "has not seen. A high value means that these carry the label here: an image model can score well without "
        "reading the lungs. It does not mean that any model does so, and 0.5 does not exclude other shortcuts."
    )
    return table


def interval_of(row: pd.Series) -> str:
    return interval(row["low"], row["high"])
