"""Small tables with the columns each chart declares, and the charts by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from cxrdash import charts
from cxrdash.charts import Look


def spread() -> pd.DataFrame:
    """Ten patients: six with 1 image, three with 2, one with 12; 24 images."""
    return pd.DataFrame(
        {
            "images": [1, 2, 12],
            "patients": [6, 3, 1],
            "share_of_patients": [0.6, 0.3, 0.1],
            "share_of_images": [0.25, 0.25, 0.5],
            "share_of_patients_with_more": [0.4, 0.1, 0.0],
            "share_of_images_with_more": [0.75, 0.5, 0.0],
        }
    )


def states(*findings: str) -> pd.DataFrame:
    names = findings or ("Edema", "Mass")
    counts = {"positive": 30, "uncertain": 10, "negative": 20, "blank": 40, "of": 100}
    return pd.DataFrame([{"finding": name, **counts, "door": f"door {i}"} for i, name in enumerate(names)])


def rates(*findings: str, **more: list[Any]) -> pd.DataFrame:
    names = list(findings or ("Edema", "Mass"))
    n = len(names)
    base = {"finding": names, "rate": [0.3] * n, "low": [0.2] * n, "high": [0.4] * n}
    return pd.DataFrame(base | {"of": [100] * n, "positive": [30] * n} | more)


def tiers(*findings: str) -> pd.DataFrame:
    names = list(findings or ("Edema", "Hernia"))
    return pd.DataFrame(
        {
            "finding": names,
            "split": ["test"] * len(names),
            "positive_patients": [48, 0, 7, 200][: len(names)] or [48],
            "positive": [90, 0, 9, 400][: len(names)],
            "tier": ["low", "blocked", "anecdotal", "adequate"][: len(names)],
        }
    )


def pairs(*findings: str) -> pd.DataFrame:
    names = findings or ("Edema", "Mass", "Hernia")
    rows = []
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            both = 100 if i == j else 3 if "Hernia" in (a, b) else 40
            rows.append({"finding_a": a, "finding_b": b, "value": both / 100, "text": f"{both}.0%", "both": both})
    frame = pd.DataFrame(rows)
    return frame.assign(door=frame["finding_a"] + " AND " + frame["finding_b"])


def combinations(*names: str) -> pd.DataFrame:
    a, b = names or ("Edema", "Mass")
    return pd.DataFrame(
        {
            "combination": ["", a, f"{a} + {b}"],
            "findings": [[], [a], [a, b]],
            "count": [60, 30, 10],
            "share": [0.6, 0.3, 0.1],
            "door": ["none", "one", "two"],
        }
    )


def films(*findings: str) -> pd.DataFrame:
    names = findings or ("Edema", "Mass")
    film = {"image_id": "p1_film", "age_years": 50, "view": "PA"}
    rows = [{"order": o, **film, "finding": f, "state": s} for o in (1, 2) for f in names for s in ("positive",)]
    return pd.DataFrame(rows)


def children(*findings: str) -> pd.DataFrame:
    """Two children of one parent, the second with a child of its own."""
    first, second = findings or ("Edema", "Consolidation")
    counts = {"positive": 10, "parent_positive": 4, "parent_uncertain": 1, "parent_negative": 2, "parent_blank": 3,
              "not_assessed": 0}  # fmt: skip
    named = ((first, "Lung Opacity", 1), (second, "Lung Opacity", 1), ("Pneumonia", second, 2))
    return pd.DataFrame([{"finding": f, "parent": p, "level": at, **counts} for f, p, at in named])


def rules(*names: str) -> pd.DataFrame:
    first, second = names or ("Edema, parent denied", "Edema, parent blank")
    return pd.DataFrame({"rule": [first, second], "verdict": ["contradiction", "incomplete"], "count": [1, 30],
                         "of": [40, 40], "share": [0.025, 0.75], "door": ["one", "two"]})  # fmt: skip


def recipe_steps(*names: str) -> pd.DataFrame:
    first, second = names or ("Every image", "Keep PA views")
    return pd.DataFrame({"rule": [first, second], "images": [100, 60], "images_lost": [0, 40], "patients": [30, 20],
                         "labels_changed": [0, 7], "applied": [True, True], "door": ["all", "PA"],
                         "door_lost": ["", "AP"]})  # fmt: skip


def became(*findings: str) -> pd.DataFrame:
    names = list(findings or ("Edema", "Mass"))
    return pd.DataFrame({"finding": names, "changed_to_positive": 3, "changed_to_uncertain": 0,
                         "changed_to_negative": 20, "changed_to_missing": 5, "positive_before": 9, "positive_after": 4,
                         "of": 100, "door": [f"door {i}" for i in range(len(names))]})  # fmt: skip


def repeats(*findings: str) -> pd.DataFrame:
    a, b = findings or ("Edema", "Mass")
    return pd.DataFrame({"finding_a": [a], "finding_b": [b], "both": [4], "ami": [0.21], "nmi": [0.28], "phi": [0.6],
                         "jaccard": [0.67], "door": ["both"]})  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One chart: its table for any findings, and how it is drawn."""

    table: Callable[..., pd.DataFrame]
    draw: Callable[[pd.DataFrame, Look], go.Figure]


CASES = {
    "state_bars": Case(states, charts.state_bars),
    "rate_intervals": Case(rates, charts.rate_intervals),
    "policy_dots": Case(lambda *f: rates(*f).assign(policy="U-Ones"), charts.policy_dots),
    "level_dots": Case(lambda *f: rates(*f).assign(level="PA"), charts.level_dots),
    "tier_bars": Case(tiers, charts.tier_bars),
    "subgroup_grid": Case(lambda *f: tiers(*f).assign(subgroup="women"), charts.subgroup_grid),
    "width_chart": Case(lambda *f: rates(*f).assign(sensitivity_assumed=0.3), charts.width_chart),
    "pair_matrix": Case(pairs, charts.pair_matrix),
    "combination_chart": Case(
        combinations,
        lambda frame, look: charts.combination_chart(
            frame, look, sorted({f for row in frame["findings"] for f in row})
        ),
    ),
    "timeline_chart": Case(films, charts.timeline_chart),
    "share_bars": Case(
        lambda *f: pd.DataFrame({"level": list(f or ("PA", "AP")), "images": 50, "share": 0.5, "door": "d"}),
        charts.share_bars,
    ),
    "age_histogram": Case(
        lambda *f: pd.DataFrame({"age_band": list(f or ("0-9", "10-19")), "images": 50}), charts.age_histogram
    ),
    "patients_histogram": Case(
        lambda *f: pd.DataFrame({"bin": list(f or ("1", "2-10")), "patients": 50}), charts.patients_histogram
    ),
    "lorenz_chart": Case(
        lambda *f: pd.DataFrame(
            [
                {"share_of_patients": x, "share_of_images": x * x, "dataset": d}
                for d in f or ("a", "b")
                for x in (0, 0.5, 1)
            ]
        ),
        charts.lorenz_chart,
    ),
    "several_chart": Case(
        lambda *f: pd.concat([spread().assign(dataset=d) for d in f or ("a", "b")], ignore_index=True),
        charts.several_chart,
    ),
    "hierarchy_tree": Case(children, charts.hierarchy_tree),
    "rule_bars": Case(rules, charts.rule_bars),
    "recipe_waterfall": Case(recipe_steps, charts.recipe_waterfall),
    "label_changes": Case(became, charts.label_changes),
    "redundancy_bars": Case(repeats, charts.redundancy_bars),
    "images_per_patient_chart": Case(lambda *_: spread(), charts.images_per_patient_chart),
    "ecdf_chart": Case(lambda *_: spread(), charts.ecdf_chart),
}
UNNAMED = {"images_per_patient_chart", "ecdf_chart"}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    """Each chart in turn."""
    return CASES[request.param]


@pytest.fixture(params=sorted(set(CASES) - UNNAMED))
def named_case(request: pytest.FixtureRequest) -> Case:
    """Each chart in turn whose table holds names from a dataset."""
    return CASES[request.param]


@pytest.fixture
def tables() -> SimpleNamespace:
    """The makers of small tables."""
    return SimpleNamespace(
        spread=spread,
        states=states,
        rates=rates,
        tiers=tiers,
        pairs=pairs,
        combinations=combinations,
        films=films,
        children=children,
        rules=rules,
        recipe_steps=recipe_steps,
        became=became,
        repeats=repeats,
    )


@pytest.fixture
def drawn() -> Callable[[go.Figure], list[str]]:
    """What lists every string of a figure that Plotly draws."""
    return drawn_texts


def drawn_texts(figure: go.Figure) -> list[str]:
    """Every string of the figure that Plotly draws: all but the doors, which it never shows."""
    found: list[str] = []

    def walk(value: Any, key: str) -> None:
        if key == "customdata":
            return
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, name)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                walk(inner, key)

    walk(figure.to_plotly_json(), "")
    return found
