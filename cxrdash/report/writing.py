"""Files written whole or not at all, and never over another file unasked."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from cxrdash.errors import CxrdashError

Content = bytes | Iterable[bytes]


def refuse_existing(paths: Iterable[Path], *, force: bool) -> None:
    """Raise CxrdashError where a file is there already, unless ``force``."""
    present = [path for path in paths if path.exists()]
    if present and not force:
        more = f" and {len(present) - 1:,} more" if len(present) > 1 else ""
        raise CxrdashError(f"{present[0]}{more} is there already.", "Give another name, or --force to replace it.")


def write_file(path: Path, content: Content, *, force: bool = False) -> None:
    """Write one file through a neighbour that is renamed when complete. Raises CxrdashError where it cannot be."""
    write_files(path.parent, {path.name: content}, force=force, make_folder=False)


def write_files(
    folder: Path, contents: Mapping[str, Content], *, force: bool = False, make_folder: bool = True
) -> None:
    """Write files into a folder: all are complete beside their places before the first is renamed."""
    targets = {name: folder / name for name in contents}
    refuse_existing(targets.values(), force=force)
    beside: dict[Path, Path] = {}
    try:
        if make_folder:
            folder.mkdir(parents=True, exist_ok=True)
        for name, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
            beside[part] = target
            _write(part, contents[name])
        for part, target in beside.items():
            part.replace(target)  # atomic, also over a file that is there
    except OSError as fault:
        raise CxrdashError(
            f"Cannot write to {folder}: {fault.strerror or fault}.", "Choose a folder that exists and may be written."
        ) from fault
    finally:
        for part in beside:
            part.unlink(missing_ok=True)


def _write(path: Path, content: Content) -> None:
    with path.open("wb") as file:
        for block in (content,) if isinstance(content, bytes) else content:
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
