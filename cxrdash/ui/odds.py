"""The odds ratio view of the co-occurrence page: a forest of pairs, one pair at two levels, the table of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash import charts
from cxrdash.analysis.pairs import positive_text
from cxrdash.index.store import Unit
from cxrdash.ui import doors, many_labels, show
from cxrdash.ui.controls import UNITS, Frame
from cxrdash.ui.text import number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd

ALL = "All findings"
ORDERS = {"Together": "together", "Apart": "apart", "Not told apart": ""}
ROWS = 14
MOST = 30  # labels of which every pair is tested


def tested(now: Frame, pairs: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the odds ratios of all pairs, or with many labels of those chosen, and the options that give them."""
    from cxrdash.ui.pairs import counts

    shown = many_labels.control(now, counts(pairs), most=MOST)
    options: dict[str, Any] = {} if shown.names is None else {"findings": tuple(shown.names)}
    return now.compute("pair_odds", **options), options


def sentence(now: Frame, table: pd.DataFrame) -> str:
    """Return the headline: how many pairs cannot be told from independence, and which goes together most."""
    known = of_findings(now, table)
    if known.empty:
        return "No two findings can be compared in this cohort"
    open_pairs = int((known["verdict"] == "").sum())
    said = f"{number(open_pairs)} of {plural(len(known), 'pair')} of findings cannot be told from independence"
    together = ranked(known, "Together")
    if together.empty:
        return said
    row = together.iloc[0]
    return (
        f"{said}; furthest together are {row['finding_a']} and {row['finding_b']}, odds ratio {row['odds_ratio']:.1f} "
        f"({row['odds_low']:.1f}–{row['odds_high']:.1f})"
    )


def of_findings(now: Frame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs that were tested, without those of 'No Finding', which excludes the others by its meaning."""
    normal = {finding.name for finding in now.index.findings if finding.kind == "normal"}
    apart = ~(table["finding_a"].isin(normal) | table["finding_b"].isin(normal))
    return table[apart & table["q"].notna()]


def ranked(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    """Return the pairs of one verdict, those first whose interval is furthest from 1; the open ones by expected."""
    rows = rows[rows["verdict"] == ORDERS[order]]
    if order == "Not told apart":
        return rows.sort_values("expected", ascending=False, kind="stable")
    end = "odds_low" if order == "Together" else "odds_high"
    return rows.sort_values(end, ascending=order == "Apart", kind="stable")


def view(now: Frame, table: pd.DataFrame, said: str) -> None:
    """The forest of the pairs that stand out, then one pair at two levels, then all."""
    which, order = _controls(now, table)
    rows = of_findings(now, table)
    if which != ALL:
        rows = rows[(rows["finding_a"] == which) | (rows["finding_b"] == which)]
        drawn = rows.sort_values("odds_ratio", ascending=False, kind="stable").head(2 * ROWS)
    else:
        drawn = ranked(rows, order).head(ROWS)
    if drawn.empty:
        st.info("No pair of this kind in this cohort.")
    else:
        tokens = [
            doors.labelled(positive_text([a, b], now.policy))
            for a, b in zip(drawn["finding_a"], drawn["finding_b"], strict=True)
        ]
        show.chart(charts.odds_forest(drawn.assign(door=tokens), now.look, unit=now.units), "pair_odds", alt=said)
    left = len(rows) - len(drawn)
    if len(table) < len(now.index.findings) * (len(now.index.findings) - 1) // 2:
        st.caption("With so many labels only the pairs among those chosen above are tested and listed.")
    further = f"{plural(left, 'further pair')} and " if left else ""
    st.caption(
        "Intervals at 95% with the patient as cluster. Hollow and grey: not told from independence after "
        f"{plural(len(of_findings(now, table)), 'comparison')} (Benjamini-Hochberg, q of 0.05 or more). In the table: "
        f"{further}those with a label for no finding, which excludes the others."
    )
    levels(now, table)
    with st.expander("All pairs as a table"):
        _table(now, table)


def _controls(now: Frame, table: pd.DataFrame) -> tuple[str, str]:
    first, second = st.columns([2, 5], vertical_alignment="bottom")
    present = set(table["finding_a"]) | set(table["finding_b"])
    names = [name for name in now.index.finding_names if name in present]
    which = first.selectbox(
        "Pairs of", [ALL, *names], key="c_of", bind="query-params", label_visibility="collapsed"
    )  # fmt: skip
    order = second.segmented_control(
        "Which", list(ORDERS), default="Together", required=True, key="c_which", bind="query-params",
        label_visibility="collapsed", disabled=which != ALL,
    )  # fmt: skip
    return which or ALL, order or "Together"


def levels(now: Frame, table: pd.DataFrame) -> None:
    """One pair counted by unit and by patient, side by side."""
    import pandas as pd

    from cxrdash.ui.pairs import pair_link

    st.markdown("##### One pair at two levels")
    a, b = pair_link(now)
    if a == b:
        st.caption("Choose two different findings.")
        return
    by_patient = now.unit != "patient" and "patient" in now.index.units
    counted: tuple[Unit, ...] = (now.unit, "patient") if by_patient else (now.unit,)
    found = []
    for unit in counted:
        pair = table if unit == now.unit else now.compute("pair_odds", unit=unit, findings=(a, b))
        rows = pair[pair["finding_a"].isin((a, b)) & pair["finding_b"].isin((a, b))]
        if rows.empty:
            rows = now.compute("pair_odds", unit=unit, findings=(a, b))
        found.append(rows.assign(level=UNITS[unit]))
    both = pd.concat(found, ignore_index=True)
    one, other = both["a"] - both["both"], both["b"] - both["both"]
    first = str(both["finding_a"].iloc[0])
    second = str(both["finding_b"].iloc[0])
    _levels_table(both.assign(only_a=one, only_b=other), (first, second))
    if len(both) > 1:
        st.caption(safe(level_sentence(both)))


def _levels_table(both: pd.DataFrame, names: tuple[str, str]) -> None:
    shown = both.assign(
        neither=both["of"] - both["both"] - both["only_a"] - both["only_b"],
        from_=both["odds_low"], to_=both["odds_high"],
    )  # fmt: skip
    show.table(
        shown, key="pair_levels",
        columns={"level": "Counted", "both": "Both", "only_a": f"Only {names[0]}", "only_b": f"Only {names[1]}",
                 "neither": "Neither", "expected": "Both if independent", "lift": "Lift", "odds_ratio": "Odds ratio",
                 "from_": "95% from", "to_": "to"},
    )  # fmt: skip


def level_sentence(both: pd.DataFrame) -> str:
    """Return what the two levels say and why they differ."""
    unit, patient = both.iloc[0], both.iloc[1]
    return (
        f"Odds ratio {unit['odds_ratio']:.2f} by {unit['unit']}, {patient['odds_ratio']:.2f} by patient. The second "
        "asks whether a patient ever had both, on whatever dates: it mixes visits and grows with follow-up. "
        f"{number(patient['both'])} of {number(patient['of'])} patients ({percent(patient['both'] / patient['of'])}) "
        "had both at some time."
    )


def _table(now: Frame, table: pd.DataFrame) -> None:
    shown = table.sort_values("both", ascending=False, kind="stable")
    shown = shown.assign(from_=shown["odds_low"], to_=shown["odds_high"], told=shown["verdict"].replace("", "–"))
    shown = shown.assign(q=["–" if q != q else "<0.001" if q < 0.001 else f"{q:.3f}" for q in shown["q"]])
    show.table(
        shown, key="odds_table",
        columns={"finding_a": "A", "finding_b": "B", "both": "Both", "expected": "Both if independent", "lift": "Lift",
                 "odds_ratio": "Odds ratio", "from_": "95% from", "to_": "to", "log_error": "Error of the logarithm",
                 "log_error_independent": f"if {now.units} were independent", "q": "q", "told": "Told apart"},
    )  # fmt: skip
    corrected = int(table["corrected"].sum())
    if corrected:
        st.caption(f"{plural(corrected, 'pair')} with an empty cell: 0.5 is added to all four.")
