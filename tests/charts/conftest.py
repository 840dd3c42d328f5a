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


def boxed(*findings: str) -> pd.DataFrame:
    """Two cells of each finding that a box reaches into."""
    names = findings or ("Edema", "Mass")
    cells = [{"x": 1, "y": 2, "boxes": 3}, {"x": 2, "y": 2, "boxes": 1}]
    told = {"title": "3 boxes, 2 patients", "of": 3, "door": "a"}
    return pd.DataFrame([{"finding": name, **cell, **told} for name in names for cell in cells])


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


def compared(*shared: str) -> pd.DataFrame:
    """Two datasets; the second's labels are narrower."""
    return pd.concat(
        rates(*shared)
        .rename(columns={"finding": "shared"})
        .assign(dataset=name, findings="Nodule or Mass", relation=relation, door=f"into {name}")
        for name, relation in (("nih", "="), ("demo", "⊂"))
    ).sort_values("shared", kind="stable")


def attributes(*levels: str) -> pd.DataFrame:
    names = levels or ("F", "M")
    rows = [
        {"attribute": attribute, "level": level, "dataset": dataset}
        for attribute in ("Sex", "View")
        for level in names
        for dataset in ("nih", "demo")
    ]
    return pd.DataFrame(rows).assign(images=50, of=100, share_of_images=0.5, door="d")


def apart(*names: str) -> pd.DataFrame:
    a, b = names or ("nih", "demo")
    return pd.DataFrame([{"dataset_a": a, "dataset_b": b, "value": -0.5, "low": -0.7, "high": -0.3, "signed": True}])


def named_in(frame: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys([*frame["dataset_a"], *frame["dataset_b"]]))


def opinions(*findings: str) -> pd.DataFrame:
    counts = {"both": 10, "only_first": 10, "only_second": 20, "neither": 60, "of": 100}
    doors = {f"door_{cell}": cell for cell in ("both", "only_first", "only_second", "neither")}
    return pd.DataFrame([{"finding": name, **counts, **doors} for name in findings or ("Edema", "Mass")])


def support(*findings: str) -> pd.DataFrame:
    counts = {"positive": 40, "by_1": 20, "by_2": 10, "by_3": 6, "by_more": 4}
    return pd.DataFrame([{"finding": name, **counts} for name in findings or ("Edema", "Mass")])


def agreed(*findings: str) -> pd.DataFrame:
    measures = {"agreement": 0.9, "ac1": 0.85, "kappa": 0.6, "kappa_low": 0.5, "kappa_high": 0.7}
    rest = {"positive_agreement": 0.66, "images": 100, "readers": 3, "door": "d"}
    return pd.DataFrame([{"finding": name, **measures, **rest} for name in findings or ("Edema", "Mass")])


def read(*findings: str) -> pd.DataFrame:
    names = list(findings or ("Edema", "Mass"))
    rest = {"reader": "R1", "shared": 100, "shared_rate": 0.3, "peers_rate": 0.2, "door": "d"}
    return rates(*names, images=[100] * len(names)).assign(**rest)


def apart_strata(*names: str) -> pd.DataFrame:
    rows = [
        {"name": name, "smd": 0.7 - at, "smd_low": 0.5 - at, "smd_high": 0.9 - at, "share_in_positive": 0.8,
         "share_in_other": 0.4, "images": 80, "positive": 100, "images_other": 40, "other": 100,
         "verdict": ("alert", "note", "")[at % 3]}
        for at, name in enumerate(names or ("View: AP", "Sex: F"))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def guessed(*names: str) -> pd.DataFrame:
    rows = [
        {"finding": name, "auc": 0.7, "low": 0.6, "high": 0.8, "positive": 100, "of": 900}
        for name in names or ("Edema", "Mass")
    ]
    return pd.DataFrame(rows)


def worths(*findings: str) -> pd.DataFrame:
    """Findings with an effective size, the first without an interval."""
    names = list(findings or ("Edema", "Mass"))
    return pd.DataFrame(
        {
            "finding": names, "if_repeats_added_nothing": 20.0, "effective_n": 60.0,
            "effective_low": [float("nan"), 40.0][: len(names)], "effective_high": [float("nan"), 80.0][: len(names)],
            "of": 100, "images": 10, "patients": [1, 4][: len(names)],
        }
    )  # fmt: skip


def odds(*findings: str) -> pd.DataFrame:
    """A pair told apart from independence and one that is not."""
    a, b = findings or ("Edema", "Mass")
    told = {"odds_ratio": 4.0, "odds_low": 2.0, "odds_high": 8.0, "both": 40, "expected": 12.5, "verdict": "together"}
    open_pair = {"odds_ratio": 0.9, "odds_low": 0.5, "odds_high": 1.6, "both": 3, "expected": 3.4, "verdict": ""}
    return pd.DataFrame(
        [{"finding_a": a, "finding_b": b, **told}, {"finding_a": b, "finding_b": "Hernia", **open_pair}]
    )


def drops(*findings: str) -> pd.DataFrame:
    """A drop of 10 points that is found, and one that is not."""
    names = list(findings or ("Edema", "Mass"))
    groups = {"level_a": "F", "level_b": "M", "patients_a": 50, "patients_b": 1, "drop": 0.1}
    found = {"detectable_drop": [0.05, 0.3][: len(names)], "power": [0.99, 0.2][: len(names)]}
    return pd.DataFrame({"finding": names, **found}).assign(**groups)


def noisy(*findings: str) -> pd.DataFrame:
    row: dict[str, Any] = {"perfect_sensitivity": 0.8, "measured_sensitivity": 0.74, "low": 0.7, "high": 0.8}
    row |= {"honest_low": 0.5, "honest_high": 0.9, "wrong": 0.2, "missed": 0.05}
    row |= dict.fromkeys(["wrong_source", "missed_source"], "assumed")
    return pd.DataFrame([{"finding": name, **row} for name in findings or ("Edema", "Mass")])


def widths(*findings: str) -> pd.DataFrame:
    row = {"assumed": 0.9, "low": 0.8, "high": 0.95, "cases": 60.0}
    return pd.DataFrame([{"finding": name, **row} for name in findings or ("Edema", "Mass")])


def differences(*attributes: str) -> pd.DataFrame:
    rows = [
        {"attribute": name, "split": "the given parts", "difference": 0.02 + 0.1 * at, "part": "train",
         "against": "test", "images": 700, "images_against": 200, "noise": 0.08}
        for at, name in enumerate(attributes or ("Edema", "age"))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def judged(*readers: str) -> pd.DataFrame:
    rows = [
        {"reader": name, "judged": 20, "correct": 12, "doubtful": 3, "wrong": 4, "unsure": 1, "unreadable": 0,
         "rate": 0.2, "low": 0.1, "high": 0.4, "rate_doubtful": 0.35}
        for name in readers or ("Ann", "panel")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def error_levels(*levels: str) -> pd.DataFrame:
    rows = [
        {"attribute": "view", "level": name, "wrong": 4, "judged": 20, "rate": 0.2, "low": 0.1, "high": 0.4,
         "others_rate": 0.05, "q": 0.04 if at else 0.5}
        for at, name in enumerate(levels or ("PA", "AP"))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def alike() -> pd.DataFrame:
    """How many pairs of films are how alike."""
    return pd.DataFrame({"low": [60.0, 100.0], "high": [64.0, 104.0], "pairs": [3, 900]})


@dataclass(frozen=True)
class Case:
    """One chart: its table for any findings, and how it is drawn."""

    table: Callable[..., pd.DataFrame]
    draw: Callable[[pd.DataFrame, Look], go.Figure]


CASES = {
    "dataset_dots": Case(compared, lambda frame, look: charts.dataset_dots(frame, look, ["nih", "demo"])),
    "attribute_bars": Case(attributes, lambda frame, look: charts.attribute_bars(frame, look, ["nih", "demo"])),
    "distance_matrix": Case(apart, lambda frame, look: charts.distance_matrix(frame, look, named_in(frame))),
    "state_bars": Case(states, charts.state_bars),
    "rate_intervals": Case(rates, charts.rate_intervals),
    "bound_bars": Case(
        lambda *f: rates(*f).rename(columns={"low": "lowest", "high": "highest"}).assign(open=7), charts.bound_bars
    ),
    "policy_dots": Case(lambda *f: rates(*f).assign(policy="U-Ones"), charts.policy_dots),
    "level_dots": Case(lambda *f: rates(*f).assign(level="PA"), charts.level_dots),
    "tier_bars": Case(tiers, charts.tier_bars),
    "subgroup_grid": Case(lambda *f: tiers(*f).assign(subgroup="women"), charts.subgroup_grid),
    "pair_matrix": Case(pairs, charts.pair_matrix),
    "combination_chart": Case(
        combinations,
        lambda frame, look: charts.combination_chart(
            frame, look, sorted({f for row in frame["findings"] for f in row})
        ),
    ),
    "opinion_bars": Case(opinions, lambda frame, look: charts.opinion_bars(frame, look, first="one", second="two")),
    "support_bars": Case(support, lambda frame, look: charts.support_bars(frame, look, readers=3)),
    "agreement_dots": Case(agreed, charts.agreement_dots),
    "reader_heat": Case(read, charts.reader_heat),
    "kept_dots": Case(
        lambda *f: pd.concat([rates(*f).assign(level=level) for level in ("with", "without")], ignore_index=True),
        lambda frame, look: charts.kept_dots(frame, look, threshold=0.7),
    ),
    "quality_steps": Case(
        lambda *_: pd.DataFrame({"low": [0.6, 0.8], "high": [0.62, 0.82], "images": [1, 9], "door": ["a", "b"]}),
        lambda frame, look: charts.quality_steps(frame, look, threshold=0.7),
    ),
    "ratio_steps": Case(
        lambda *_: pd.DataFrame(
            {
                "state": ["positive", "negative"],
                "low": [0.5, 0.4],
                "high": [0.525, 0.425],
                "images": [3, 7],
                "door": ["a", "b"],
            }
        ),
        lambda frame, look: charts.ratio_steps(frame, look, zones=(0.45, 0.55)),
    ),
    "heat_maps": Case(boxed, lambda frame, look: charts.heat_maps(frame, look, cells=4)),
    "overlap_bars": Case(
        lambda *f: pd.DataFrame(
            [
                {
                    "finding": name,
                    "comparisons": 10,
                    "at_half": 4,
                    "looser": 2,
                    "unmatched": 4,
                    "median_iou": 0.6,
                    "door": "a",
                }
                for name in f or ("Edema", "Mass")
            ]
        ),
        charts.overlap_bars,
    ),
    "timeline_chart": Case(films, charts.timeline_chart),
    "verdict_bars": Case(judged, charts.verdict_bars),
    "error_strata": Case(error_levels, charts.error_strata),
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
    "effective_ranges": Case(worths, charts.effective_ranges),
    "images_and_patients": Case(worths, charts.images_and_patients),
    "odds_forest": Case(odds, charts.odds_forest),
    "drop_bars": Case(drops, charts.drop_bars),
    "noise_ranges": Case(noisy, charts.noise_ranges),
    "measure_widths": Case(widths, charts.measure_widths),
    "hierarchy_tree": Case(children, charts.hierarchy_tree),
    "rule_bars": Case(rules, charts.rule_bars),
    "recipe_waterfall": Case(recipe_steps, charts.recipe_waterfall),
    "label_changes": Case(became, charts.label_changes),
    "redundancy_bars": Case(repeats, charts.redundancy_bars),
    "images_per_patient_chart": Case(lambda *_: spread(), charts.images_per_patient_chart),
    "strata_dots": Case(apart_strata, charts.strata_dots),
    "probe_dots": Case(guessed, charts.probe_dots),
    "balance_dots": Case(differences, lambda frame, look: charts.balance_dots(frame, look, ["the given parts"])),
    "ecdf_chart": Case(lambda *_: spread(), charts.ecdf_chart),
    "likeness_histogram": Case(
        lambda *_: alike(),
        lambda frame, look: charts.likeness_histogram(frame, look, title="Bits", threshold=40, found=(12.0,)),
    ),
}
UNNAMED = {"likeness_histogram", "images_per_patient_chart", "ecdf_chart", "quality_steps", "ratio_steps"}


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
        opinions=opinions,
        support=support,
        agreed=agreed,
        read=read,
        children=children,
        rules=rules,
        recipe_steps=recipe_steps,
        became=became,
        repeats=repeats,
        worths=worths,
        odds=odds,
        drops=drops,
        noisy=noisy,
        widths=widths,
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
