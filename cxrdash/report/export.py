"""A cohort as files for training code: each format in a folder of its own, and one manifest over all."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cxrdash import __version__
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

MANIFEST = "manifest.json"
FORMATS = ("csv", "parquet", "monai", "hf", "coco", "txrv")
WITHOUT_FILMS = ("csv", "parquet")  # formats that can do without identifiers


@dataclass(frozen=True)
class Export:
    """What is exported: the cohort, how uncertain and blank labels are written, and whether ids are replaced."""

    index: Index
    cohort: Cohort = field(default_factory=Cohort)
    policy: Policy = field(default_factory=Policy)
    shareable: bool = False

    @cached_property
    def selection(self) -> Selection:
        return select(self.index, self.cohort)

    @cached_property
    def targets(self) -> dict[State, int | None]:
        """What training code is given for each state: 1, 0, -1 (uncertain, as recorded) or None (left out)."""
        uncertain = {"as_is": -1, "U-Ones": 1, "U-Zeros": 0, "U-Ignore": None}[self.policy.uncertain]
        blank = 0 if self.policy.blank == "negative" else None
        return {
            State.POSITIVE: 1, State.UNCERTAIN: uncertain, State.NEGATIVE: 0, State.BLANK: blank,
            State.NOT_ASSESSED: None,
        }  # fmt: skip


Writer = Callable[[Export, Path], list[str]]


def _writer(name: str) -> Writer:
    from cxrdash.report import export_coco, export_lists, export_tables, originals

    writers: dict[str, Writer] = {
        "csv": export_tables.write_csv, "parquet": export_tables.write_parquet, "monai": export_lists.write_monai,
        "hf": export_lists.write_hugging_face, "coco": export_coco.write_coco, "txrv": originals.write_originals,
    }  # fmt: skip
    return writers[name]


def export(
    asked: Export, formats: Sequence[str], out: Path, *, force: bool = False, command: str = ""
) -> dict[str, Any]:
    """Write the cohort in each format and return the manifest (see ``manifest``), which is written too.

    Everything is written beside ``out`` and renamed when complete. Raises CxrdashError for an unknown format,
    an empty cohort, a folder that is not empty (``force`` replaces an export, and only that), and in a
    shareable export for formats that must name films and for licences that allow aggregates only.
    """
    check(asked, formats)
    out = out.absolute()
    _check_place(out, force=force)
    beside = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        beside.mkdir(parents=True)
        notes = {name: _written(name, asked, beside) for name in dict.fromkeys(formats)}
        made = manifest(asked, beside, notes, command or command_of(asked, formats, out))
        text = json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (beside / MANIFEST).write_text(text, encoding="utf-8")
        _put_in_place(beside, out)
    except OSError as fault:
        raise CxrdashError(
            f"The export cannot be written to {out}: {fault.strerror or fault}.", "Choose a folder that may be written."
        ) from fault
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return made


def check(asked: Export, formats: Sequence[str]) -> None:
    """Refuse what cannot be exported (see ``export``)."""
    for name in formats:
        if name not in FORMATS:
            raise CxrdashError(f"'{shown(name)}' is not a format.", f"Known: {', '.join(FORMATS)}.")
    if not asked.selection.counts["images"]:
        raise CxrdashError("No image is in this cohort, so there is nothing to export.", "Widen the cohort.")
    if not asked.shareable:
        return
    named = [name for name in formats if name not in WITHOUT_FILMS]
    if named:
        raise CxrdashError(
            f"The format {named[0]} names films, so it cannot leave without identifiers.",
            f"Shareable: {' and '.join(WITHOUT_FILMS)}.",
        )
    if not asked.index.card.share_freely and asked.index.meta["source"] != "local":
        raise CxrdashError(
            f"The licence of {asked.index.title} lets nothing leave that tells of single images.",
            "Share aggregates: python -m cxrdash report (small counts are left out).",
        )


def _written(name: str, asked: Export, beside: Path) -> list[str]:
    folder = beside / name
    folder.mkdir()
    return _writer(name)(asked, folder)


def manifest(asked: Export, folder: Path, notes: dict[str, list[str]], command: str) -> dict[str, Any]:
    """Return what a reader needs to trace and repeat an export: files with SHA-256, cohort, policy, counts, licence."""
    index, card = asked.index, asked.index.card
    names = {state.label: value for state, value in asked.targets.items()}
    cohort = replace(asked.cohort, images=(), patient="") if asked.shareable else asked.cohort
    return {
        "dataset": index.dataset,
        "title": index.title,
        "variant": index.meta["variant"],
        "generation": index.generation,
        "cxrdash": __version__,
        "command": command,
        "cohort": asked.selection.sentence(),
        "cohort_parameters": cohort.to_query(),
        "seed": asked.cohort.seed if asked.cohort.one_per_patient == "random" else None,
        "policy": str(asked.policy),
        "policy_in_words": asked.policy.sentence,
        "target_of_state": names,
        "counts": asked.selection.counts,
        "identifiers": "replaced" if asked.shareable else "kept: these files name images and patients",
        "citation": card.citation,
        "licence": card.licence,
        "terms": card.terms,
        "notes": {name: said for name, said in notes.items() if said},
        "files": [_described(path, folder) for path in sorted(folder.rglob("*")) if _is_own(path)],
        "links": sum(path.is_symlink() for path in folder.rglob("*")),
        "sources": [
            {"file": Path(file).name, "sha256": sha256}
            for file, sha256 in index.rows("SELECT file, sha256 FROM sources ORDER BY file")
        ],
    }  # fmt: skip


def _is_own(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _described(path: Path, folder: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": digest}


def command_of(asked: Export, formats: Sequence[str], out: Path | str) -> str:
    """Return the command that writes the same export."""
    words = ["python", "-m", "cxrdash", "export", asked.index.dataset, "--format", ",".join(formats), "-o", str(out)]
    words += ["--policy", str(asked.policy)] if str(asked.policy) != "as_is" else []
    words += ["--shareable"] if asked.shareable else []
    hidden = asked.shareable and (asked.cohort.images or asked.cohort.patient)
    cohort = replace(asked.cohort, images=(), patient="") if hidden else asked.cohort
    return shlex.join([*words, *cohort.arguments()])


def _check_place(out: Path, *, force: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise CxrdashError(f"{out} is a file.", "Give the name of a folder.")
    if not any(out.iterdir()):
        return
    if not force:
        raise CxrdashError(f"{out} is not empty.", "Give another folder, or --force to replace an export there.")
    strangers = _strangers(out)
    if strangers:
        raise CxrdashError(
            f"{out} holds what no export wrote: {shown(strangers[0])}.", "Give another folder; nothing was changed."
        )


def _strangers(out: Path) -> list[str]:
    """Return what in a folder is neither listed in its manifest nor a link beside listed files."""
    try:
        listed = {str(file["name"]) for file in json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return [MANIFEST + " is missing"]
    files = [path for path in out.rglob("*") if _is_own(path)]
    return sorted({path.relative_to(out).as_posix() for path in files} - listed - {MANIFEST})


def _put_in_place(beside: Path, out: Path) -> None:
    """Rename the finished folder; an earlier export is moved aside first and removed last."""
    earlier = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.old")
    if out.exists():
        out.replace(earlier)
    beside.replace(out)
    shutil.rmtree(earlier, ignore_errors=True)
