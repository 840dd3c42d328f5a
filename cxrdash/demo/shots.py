"""Taking one film: the body, its disease and devices, the exposure, and what stands written on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from cxrdash.demo import devices, film, findings, lateral
from cxrdash.demo.anatomy import Body, make_body
from cxrdash.demo.frontal import Scene, Stance, density, draw_frontal
from cxrdash.demo.people import SEED, Person
from cxrdash.demo.plan import Job
from cxrdash.demo.shapes import Field


@dataclass
class Shot:
    """A finished film: grey values 0 (black) to 1, boxes in pixels, masks by structure."""

    grey: Field
    boxes: list[tuple[str, int, int, int, int]] = field(default_factory=list)  # finding, x, y, width, height
    masks: dict[str, np.ndarray] = field(default_factory=dict)


@lru_cache(maxsize=4)
def body_of(number: int, female: bool, age: int) -> Body:
    """The body of a patient; the films of one patient follow each other, so a few are kept."""
    return make_body(np.random.default_rng([SEED, number, 1]), female=female, age=age)


def take(person: Person, job: Job) -> Shot:
    """Draw the film of a job."""
    body = body_of(person.number, person.sex == "F", person.age)
    key = [SEED, person.number, job.study.number, len(job.kind)]
    # The exposure has a stream of its own: the same film with another finding keeps its grain.
    rng, exposure = np.random.default_rng([*key, 4]), np.random.default_rng([*key, 7])
    if job.kind == "lateral":
        return _lateral(body, job, rng, exposure)
    return _frontal(body, job, rng, exposure)


def _frontal(body: Body, job: Job, rng: np.random.Generator, exposure: np.random.Generator) -> Shot:
    study, portable = job.study, job.study.view == "AP"
    stance = Stance(
        job.pose,
        depth=float(rng.normal(-11 if portable else 2, 6)),
        turn=float(rng.normal(0, 8 if portable else 2.5)),
        supine=portable and bool(rng.random() < 0.7),
        arms=float(rng.uniform(0.4, 1.0) if portable else rng.uniform(0, 0.8)),
    )
    large = study.shown.get("Cardiomegaly", 0.0)
    heart_size = (1.06 if portable else 1.0) + (0.17 + 0.28 * large if large else float(rng.normal(0, 0.02)))
    swollen = study.shown.get("Enlarged Cardiomediastinum", 0.0)
    wider = 6 + 9 * swollen if swollen else (2.0 if portable else 0.0)
    scene = draw_frontal(body, stance, rng, heart_size=heart_size, wider=wider)
    masks = _masks(scene) if job.masked else {}
    if large:
        scene.boxes.append(findings.heart_box(scene, heart_size))
    if swollen:
        scene.boxes.append(findings.mediastinum_box(scene, wider))
    for finding, draw in findings.DRAW.items():
        if finding in study.shown:
            draw(scene, rng, study.sides[finding], study.shown[finding])
    for device in study.devices:
        side = study.sides["Pneumothorax" if device == "chest drain" else "Support Devices"]
        devices.DRAW[device](scene, rng, side)
    grey = _exposed(scene, exposure, portable)
    _annotate(grey, body, exposure, portable)
    return Shot(grey, _boxes(scene, grey), masks)


def _exposed(scene: Scene, rng: np.random.Generator, portable: bool) -> Field:
    lung = scene.air * (1 - scene.heart)
    return film.expose(
        density(scene),
        lung,
        rng,
        noise=float(rng.uniform(0.6, 1.0) if portable else rng.uniform(0.35, 0.6)),
        gain=float(rng.uniform(0.84, 0.98) if portable else rng.uniform(0.94, 1.06)),
        offset=float(rng.uniform(-0.02, 0.09) if portable else rng.uniform(-0.05, 0.03)),
    )


def _annotate(grey: Field, body: Body, rng: np.random.Generator, portable: bool) -> None:
    """Shutters, the side marker on its proper side, and the stamp."""
    width = grey.shape[1]
    left = top = right = bottom = 0
    if rng.random() < 0.35:
        left, top, right, bottom = (int(rng.integers(0, 20)) for _ in range(4))
    film.collimate(grey, (left, top, right, bottom))
    x = width - right - 40 if body.marker == "L" else left + 18
    y = top + 14 + int(50 * body.marker_place)
    film.write_word(grey, body.marker, x=x, y=y, size=24)
    if portable:
        film.write_word(grey, "AP", x=x - 2, y=y + 30, size=12)
    film.stamp(grey)


def _boxes(scene: Scene, grey: Field) -> list[tuple[str, int, int, int, int]]:
    """Boxes in whole pixels, cut at the film's edges; what fell off the film has none."""
    height, width = grey.shape
    boxes = []
    for box in scene.boxes:
        corners = scene.pose.px(box.points)
        x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (width - 1, height - 1)).tolist()
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, (width, height)).tolist()
        if x1 - x0 >= 4 and y1 - y0 >= 4:
            boxes.append((box.finding, x0, y0, x1 - x0, y1 - y0))
    return boxes


def _masks(scene: Scene) -> dict[str, np.ndarray]:
    """Lungs and heart as drawn, before disease hides them; left and right are the patient's."""
    heart = scene.heart > 0.6
    lungs = (scene.air > 0.5) & ~heart
    rows = np.arange(lungs.shape[0])[:, None]
    middle = scene.pose.centre_x - np.sin(scene.pose.angle) * (rows - scene.pose.centre_y)
    viewer_left = np.arange(lungs.shape[1])[None, :] < middle
    cor = _heart_mask(scene)
    return {"right_lung": lungs & viewer_left, "left_lung": lungs & ~viewer_left, "heart": cor}


def _heart_mask(scene: Scene) -> np.ndarray:
    """The heart without the great vessels: what is dense below the level of the hila."""
    rows = np.arange(scene.heart.shape[0])[:, None]
    below: np.ndarray = (scene.heart > 0.88) & (rows > scene.pose.centre_y - 10 * scene.pose.px_per_mm)
    return below


def _lateral(body: Body, job: Job, rng: np.random.Generator, exposure: np.random.Generator) -> Shot:
    shown = job.study.shown
    stance = Stance(job.pose, depth=float(rng.normal(2, 6)), turn=0.0)
    heart_size = 1.0 + 0.4 * shown.get("Cardiomegaly", 0.0)
    scene = lateral.draw_lateral(body, stance, rng, heart_size=heart_size)
    if "Edema" in shown:
        lateral.cloud(scene, rng, shown["Edema"] * 0.7, radius=34, spread=26)
    for finding in ("Consolidation", "Pneumonia", "Lung Opacity"):
        if finding in shown:
            lateral.cloud(scene, rng, shown[finding], radius=20, spread=12)
    if "Lung Lesion" in shown:
        lateral.nodule(scene, rng, shown["Lung Lesion"])
    if "Pleural Effusion" in shown:
        lateral.effusion(scene, shown["Pleural Effusion"])
    if "pacemaker" in job.study.devices:
        lateral.pacemaker(scene)
    grey = _exposed(scene, exposure, portable=False)
    if body.marker_place < 0.5:
        grey = np.ascontiguousarray(grey[:, ::-1])
    film.write_word(grey, "L", x=18 if body.marker_place < 0.5 else grey.shape[1] - 40, y=20, size=24)
    film.stamp(grey)
    return Shot(grey)
