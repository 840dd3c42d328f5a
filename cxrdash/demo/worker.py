"""One process that draws films: tasks come pickled on stdin, a line of JSON per film goes to stdout.

Not ``multiprocessing``: its children run the parent's main module again, which inside a Streamlit
server is the app.
"""

from __future__ import annotations

import gc
import json
import pickle
import sys
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from cxrdash.demo.formats import write_film
from cxrdash.demo.masks import run_lengths
from cxrdash.demo.people import SEED, Person
from cxrdash.demo.plan import Job
from cxrdash.demo.shots import Shot, take

_WITHOUT_MARKS = ("rotated", "upside down", "blank", "no image")


def main(tasks: BinaryIO, report: TextIO) -> None:
    """Draw every task's film under the folder it names and report the boxes and masks drawn."""
    gc.disable()  # a short life, and nothing here refers to itself
    folder, films, poor_masks = pickle.load(tasks)
    for person, job in films:
        print(
            json.dumps(draw_film(Path(folder), person, job, poor=job.image_id in poor_masks)),
            file=report,
            flush=True,
        )


def draw_film(folder: Path, person: Person, job: Job, *, poor: bool) -> dict[str, Any]:
    """Draw and write one film; return its image_id, boxes and masks ready for JSON."""
    shot = take(person, job)
    write_film(folder, job, shot.grey)
    kept = job.fault not in _WITHOUT_MARKS
    return {
        "image_id": job.image_id,
        "boxes": shot.boxes if kept else [],
        "masks": _coded(shot, job, poor) if kept else [],
    }


def _coded(shot: Shot, job: Job, poor: bool) -> list[tuple[str, str, str]]:
    """Return (structure, quality, code) for each mask; a poor one slides over the film."""
    rng = np.random.default_rng([SEED, 6, job.person, job.study.number])
    shift = (rng.integers(30, 60, 2) * rng.choice((-1, 1), 2)).tolist() if poor else [0, 0]
    coded = []
    for structure, mask in shot.masks.items():
        quality = rng.uniform(0.25, 0.55) if poor else rng.uniform(0.80, 0.97)
        coded.append((structure, f"{quality:.3f}", run_lengths(np.roll(mask, shift, axis=(0, 1)))))
    return coded


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout)
