"""A film shows what its study has, where it has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxrdash.demo.anatomy import LEFT, RIGHT
from cxrdash.demo.film import STAMP, _word
from cxrdash.demo.findings import DRAW
from cxrdash.demo.plan import Job, Plan
from cxrdash.demo.shots import Shot, take


@pytest.fixture
def healthy(plan: Plan) -> Job:
    """An upright frontal film of a patient with nothing."""
    return next(
        job
        for job in plan.jobs.values()
        if job.kind == "frontal"
        and job.study.view == "PA"
        and not job.study.shown
        and not job.study.devices
        and not job.fault
    )


def taken(plan: Plan, job: Job, *, finding: str = "", side: int = RIGHT, masked: bool = False) -> Shot:
    shown = {finding: 0.8} if finding else {}
    study = replace(job.study, shown=shown, sides=dict.fromkeys(job.study.sides, side))
    return take(plan.people[job.person - 1], replace(job, study=study, masked=masked))


def test_a_film_is_the_same_every_time_and_never_another(plan: Plan) -> None:
    first, second = list(plan.jobs.values())[:2]
    films = [take(plan.people[job.person - 1], job).grey for job in (first, second, first)]
    assert np.array_equal(films[0], films[2])
    assert films[0].shape != films[1].shape or not np.array_equal(films[0], films[1])


def test_every_film_says_that_it_is_synthetic(plan: Plan) -> None:
    word = _word(STAMP, 11)
    for job in list(plan.jobs.values())[:12]:
        grey = take(plan.people[job.person - 1], job).grey
        assert grey.min() >= 0 and grey.max() <= 1
        corner = grey[-word.shape[0] - 2 : -2, 6 : 6 + word.shape[1]]
        assert np.corrcoef(corner.ravel(), word.ravel())[0, 1] > 0.95


def test_lungs_are_dark_between_bright_heart_and_soft_tissue(plan: Plan, healthy: Job) -> None:
    shot = taken(plan, healthy, masked=True)
    lungs = shot.masks["left_lung"] | shot.masks["right_lung"]
    assert shot.grey[lungs].mean() < shot.grey[shot.masks["heart"]].mean() - 0.25


def test_the_patients_right_is_on_the_pictures_left(plan: Plan, healthy: Job) -> None:
    masks = taken(plan, healthy, masked=True).masks
    middles = {name: np.flatnonzero(mask.any(axis=0)).mean() for name, mask in masks.items()}
    assert middles["right_lung"] < middles["heart"] < middles["left_lung"]


@pytest.mark.parametrize("finding", DRAW)
def test_a_finding_changes_the_film_inside_its_box_most(plan: Plan, healthy: Job, finding: str) -> None:
    change = np.abs(taken(plan, healthy, finding=finding).grey - taken(plan, healthy).grey)
    boxes = taken(plan, healthy, finding=finding).boxes
    inside = np.zeros(change.shape, bool)
    for name, x, y, width, height in boxes:
        assert name == finding
        inside[y : y + height, x : x + width] = True
    assert change[inside].mean() > 4 * change[~inside].mean()


@pytest.mark.parametrize("finding", ["Pleural Effusion", "Pneumothorax", "Lung Lesion"])
def test_a_finding_lies_on_its_side(plan: Plan, healthy: Job, finding: str) -> None:
    for side in (RIGHT, LEFT):
        ((_, x, _, width, _),) = taken(plan, healthy, finding=finding, side=side).boxes
        assert (x + width / 2 > healthy.pose.centre_x) == (side == LEFT)


def test_a_large_heart_is_wide_in_the_mask(plan: Plan, healthy: Job) -> None:
    def ratio(shot: Shot) -> float:
        heart = np.flatnonzero(shot.masks["heart"].any(axis=0))
        chest = np.flatnonzero((shot.masks["left_lung"] | shot.masks["right_lung"]).any(axis=0))
        return float(np.ptp(heart) / np.ptp(chest))

    assert ratio(taken(plan, healthy, masked=True)) < 0.53
    assert ratio(taken(plan, healthy, finding="Cardiomegaly", masked=True)) > 0.55


def test_pneumothorax_is_darker_than_lung(plan: Plan, healthy: Job) -> None:
    with_air = taken(plan, healthy, finding="Pneumothorax", side=LEFT)
    ((_, x, y, width, height),) = with_air.boxes
    edge = np.s_[y + height // 3 : y + height // 2, x + width * 2 // 3 : x + width * 9 // 10]
    assert with_air.grey[edge].mean() < taken(plan, healthy).grey[edge].mean()
