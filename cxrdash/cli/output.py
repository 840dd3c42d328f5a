"""What is printed: data on stdout, prose and progress on stderr."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from cxrdash.cli.texttable import text_table

if TYPE_CHECKING:
    import pandas as pd

    from cxrdash.index.build import Progress

BAR = 30  # characters
LINE_EVERY = 0.05  # of the work, where progress is written as lines


def say(*lines: str) -> None:
    """Write lines of prose to stderr, after the data printed so far."""
    sys.stdout.flush()
    for line in lines:
        print(line, file=sys.stderr)


def write_table(table: pd.DataFrame, form: str) -> None:
    """Print a table to stdout as aligned text, CSV or a JSON list of row objects.

    CSV and JSON hold the numbers unrounded; undefined and infinite ones are null in JSON.
    """
    if form == "json":
        rows = table.astype(object).to_dict("records")
        write_json([plain(row) for row in rows])
    elif form == "csv":
        sys.stdout.write(table.to_csv(index=False, lineterminator="\n"))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print(text_table(table, width))


def write_json(value: Any) -> None:
    """Print a value as JSON, a list with one element a line."""
    if isinstance(value, list):
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in value]
        print("[" + ",".join(f"\n{line}" for line in lines) + "\n]")
    else:
        print(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1))


def plain(value: Any) -> Any:
    """Return a value in the types of JSON; what is undefined, missing or infinite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    import pandas as pd

    if isinstance(value, PurePath):
        return str(value)
    if pd.isna(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield a function that shows a share of work done: a bar on a terminal, else a line per step."""
    shown = _Bar() if sys.stderr.isatty() else _Lines()
    try:
        yield shown
    finally:
        shown.close()


class _Bar:
    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, share: float, step: str) -> None:
        full = round(min(max(share, 0.0), 1.0) * BAR)
        text = f"[{'#' * full}{'.' * (BAR - full)}] {share:4.0%} {step}"[: shutil.get_terminal_size().columns - 1]
        print("\r" + text.ljust(self.drawn), end="", file=sys.stderr, flush=True)
        self.drawn = len(text)

    def close(self) -> None:
        print("\r" + " " * self.drawn + "\r", end="", file=sys.stderr, flush=True)


class _Lines:
    def __init__(self) -> None:
        self.step, self.share = "", -1.0

    def __call__(self, share: float, step: str) -> None:
        if step != self.step and (share - self.share >= LINE_EVERY or share >= 1):
            say(f"[{share:4.0%}] {step}")
            self.step, self.share = step, share

    def close(self) -> None:
        """Lines need no ending."""


def listed(lines: Sequence[str], most: int) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - most
    return [*lines[:most], *([f"and {more:,} more"] if more > 0 else [])]
