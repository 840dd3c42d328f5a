"""From a folder to a published index: recognise, import, check, publish."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index import assemble, generations, scan_merge, scan_parts, schema
from cxrdash.index.lock import build_lock
from cxrdash.sources import chexmask
from cxrdash.sources.attachments import Attachments, attach, check_attachments, without_named
from cxrdash.sources.base import STAGING_TABLES, Claim, Inventory, Source, Staged
from cxrdash.sources.card import card_facts, is_ours
from cxrdash.sources.film_headers import join_headers
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.local import find_mapping
from cxrdash.sources.registry import recognise

Progress = Callable[[float, str], None]
WORKSPACE = ".building-"
# Columns of an index are short: blocks of 64 kB leave less of the last one empty than the usual 256 kB.
BUILDING: dict[str, Any] = {"autoinstall_known_extensions": False, "default_block_size": 2**16}


def silent(_share: float, _step: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Request:
    """What the user asked to be indexed."""

    folder: Path
    name: str | None = None  # of the dataset; the source's own name unless given
    source: str | None = None  # one source by name instead of recognising
    images: tuple[Path, ...] = ()  # further folders that hold the films
    masks: tuple[Path, ...] = ()  # CheXmask tables from elsewhere
    second_opinions: tuple[tuple[str, Path], ...] = ()  # (reader, table of labels)
    mapping: Path | None = None  # a cxrdash.toml that does not lie in the folder
    allow_bad_rows: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class LoadAudit:
    """What a build read, indexed and set aside; printed, and kept in the index."""

    dataset: str
    source: str
    title: str
    generation: str
    published: bool
    files: list[dict[str, Any]]
    counts: dict[str, int]
    set_aside: list[dict[str, Any]]
    set_aside_total: int
    values_replaced: int
    checks: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    path: Path | None = None


def build_index(request: Request, cache: Cache, *, progress: Progress = silent) -> LoadAudit:
    """Index a dataset's folder and publish a new generation.

    Raises CxrdashError naming file, line and fix; nothing is published then and the previous
    generation stays. With ``dry_run`` the build is done and checked, then thrown away.
    """
    progress(0.02, "Looking through the folder")
    named = Attachments(masks=request.masks, second_opinions=request.second_opinions)
    check_attachments(named)
    mapping = None if request.source else find_mapping(request.folder, request.mapping)
    inventory = take_inventory(request.folder, request.images, unnamed=mapping is not None)
    inventory = without_named(inventory, named)
    source, claim = recognise(inventory, request.source, mapping)
    attached = replace(named, found_masks=claim.roles.get(chexmask.ROLE, ()))
    dataset = request.name or (mapping and mapping.dataset.name) or source.name
    folder = generations.dataset_folder(cache, dataset)
    with readable_faults(cache.root):
        folder.mkdir(parents=True, exist_ok=True)
        with build_lock(folder), workspace(folder) as beside:
            parts = scan_parts.parts_folder(cache, dataset)
            task = _Task(request, source, claim, attached, inventory, dataset, beside, parts)
            audit = _build(task, progress)
            progress(0.97, "Publishing")
            if request.dry_run:
                return audit
            path = generations.publish(cache, dataset, audit.generation, beside / "index.duckdb").path
    progress(1.0, "Done")
    return LoadAudit(**{**audit.__dict__, "published": True, "path": path})


@dataclass(frozen=True)
class _Task:
    request: Request
    source: Source
    claim: Claim
    attached: Attachments
    inventory: Inventory
    dataset: str
    workspace: Path
    parts: Path  # of the dataset's pixel scan, if there was one


def _build(task: _Task, progress: Progress) -> LoadAudit:
    generation = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    con = duckdb.connect(str(task.workspace / "index.duckdb"), config=BUILDING)
    try:
        con.execute(f"SET temp_directory = '{_escaped(task.workspace / 'spill')}'")
        con.execute(STAGING_TABLES.replace("CREATE TABLE", "CREATE TEMP TABLE"))
        progress(0.10, f"Reading {task.source.card.title}")
        staged = task.source.stage(con, task.claim, task.workspace, allow_bad_rows=task.request.allow_bad_rows)
        progress(0.30, "Reading film headers")
        join_headers(con, task.source, staged, task.inventory)
        attach(con, task.source, staged, task.attached, task.workspace, allow_bad_rows=task.request.allow_bad_rows)
        progress(0.45, "Matching image files")
        notes = [
            *task.claim.notes,
            *task.inventory.notes,
            *staged.notes,
            *_file_notes(assemble.stage_found(con, task.source, task.inventory)),
        ]
        notes += [
            f"A link leads out of the folder and was not followed: {link}" for link in task.inventory.skipped_links
        ]
        progress(0.60, "Building the index")
        with assemble.one_commit(con):
            assemble.create_tables(con, staged.findings)
        assemble.assemble(con, task.source, staged)
        with assemble.one_commit(con):
            assemble.write_checks(con, task.source, staged)
            assemble.write_meta(con, _facts(con, task, staged, generation, notes))
        if scan_parts.parts_of(task.parts):
            progress(0.85, "Carrying the pixel scan over")
            assemble.write_meta(con, {"scan": scan_merge.fill_measures(con, task.parts, task.inventory.roots)})
        progress(0.90, "Checking")
        audit = read_audit(con, published=False)
        con.execute("CHECKPOINT")
        return audit
    finally:
        con.close()


def _file_notes(doubled: int) -> list[str]:
    return [f"{doubled:,} image files share their name with another; the first by path is used."] if doubled else []


def _facts(
    con: duckdb.DuckDBPyConnection, task: _Task, staged: Staged, generation: str, notes: Sequence[str]
) -> dict[str, Any]:
    counts = con.execute(assemble.SUMMARY).fetchdf().iloc[0]
    ((unequal,),) = con.execute("SELECT count(*) FROM studies WHERE patterns > 1").fetchall()
    card = task.source.card
    return {
        "schema_version": schema.SCHEMA_VERSION,
        "cxrdash_version": version_of_cxrdash(),
        "duckdb_version": version("duckdb"),
        "dataset": task.dataset,
        "source": task.source.name,
        "title": card.title,
        "variant": staged.variant,
        "generation": generation,
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "label_unit": card.label_unit,
        "study_labels_constant": int(unequal) == 0,
        "roots": [str(root) for root in task.inventory.roots],
        "image_files_seen": len(task.inventory.images),
        "partial": task.request.allow_bad_rows,
        "notes": list(notes),
        "counts": {name: int(value) for name, value in counts.items()},
        # Findings and published counts have tables of their own.
        **({} if is_ours(task.source.name) else {"card": card_facts(replace(card, findings=(), published=()))}),
    }


def version_of_cxrdash() -> str:
    """Return the version of this package, also when it runs from a checkout."""
    from cxrdash import __version__

    return __version__


def read_audit(con: duckdb.DuckDBPyConnection, *, published: bool, examples: int = 20) -> LoadAudit:
    """Read the load audit back out of an index."""
    import json

    meta = {key: json.loads(value) for key, value in con.execute("SELECT key, value FROM meta").fetchall()}
    totals = dict(con.execute("SELECT what, count(*) FROM set_aside GROUP BY what").fetchall())
    aside = con.execute("SELECT * FROM set_aside ORDER BY what, file, line, column_name LIMIT ?", [examples]).fetchdf()
    return LoadAudit(
        dataset=meta["dataset"],
        source=meta["source"],
        title=meta["title"],
        generation=meta["generation"],
        published=published,
        files=_records(con.execute("SELECT * FROM sources").fetchdf()),
        counts=meta["counts"],
        set_aside=_records(aside),
        set_aside_total=totals.get("row", 0),
        values_replaced=totals.get("value", 0),
        checks=_records(con.execute("SELECT * FROM checks").fetchdf()),
        notes=meta["notes"],
    )


def _records(table: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return records


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Yield a fresh folder for a build's files; leftovers of killed builds go first (we hold the lock)."""
    for leftover in folder.glob(f"{WORKSPACE}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    made = folder / f"{WORKSPACE}{datetime.now(UTC).strftime('%H%M%S%f')}"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def readable_faults(root: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a message that says what was needed and where."""
    try:
        yield
    except duckdb.OutOfMemoryException as fault:
        raise CxrdashError(f"The build ran out of memory: {fault}", "Close other programs and try again.") from fault
    except (OSError, duckdb.Error) as fault:
        full = getattr(fault, "errno", None) == errno.ENOSPC or "No space left" in str(fault)
        if full:
            free = shutil.disk_usage(root).free // 2**20 if root.exists() else 0
            raise CxrdashError(
                f"The disk of {root} is full ({free:,} MB free); nothing was published.",
                "Free some space, or move the cache with --cache DIR or CXRDASH_CACHE. The previous index is kept.",
            ) from fault
        if isinstance(fault, OSError) and fault.filename and _belongs(Path(fault.filename), root):
            raise CxrdashError(
                f"cxrdash cannot write to its cache: {fault.filename} ({fault.strerror})",
                "Make it writable, or choose another folder with --cache DIR or CXRDASH_CACHE.",
            ) from fault
        raise


def _belongs(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) or root.is_relative_to(path)


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
