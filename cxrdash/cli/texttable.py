"""Tables as aligned text for a terminal: separators, rounding, hostile values made printable."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from cxrdash.errors import shown

if TYPE_CHECKING:
    import pandas as pd

UNDEFINED = "-"
GAP = "  "
DECIMALS = 4
CELL = 120  # characters of a text; CSV and JSON hold all of it
ONE_LINE = 100  # characters; a single row that is longer is written downwards


@dataclass(frozen=True)
class _Column:
    title: str
    cells: list[str]
    number: bool

    @property
    def width(self) -> int:
        return max(map(len, (self.title, *self.cells)))

    def lines(self) -> Iterator[str]:
        for text in (self.title, "-" * self.width, *self.cells):
            yield text.rjust(self.width) if self.number else text.ljust(self.width)


def text_table(table: pd.DataFrame, width: int | None = None) -> str:
    """Return a table as text; a single long row is written downwards, column by column.

    Counts carry thousands separators, fractions four decimals, what is undefined is '-'. Where
    ``width`` characters are not enough, the columns follow below each other in blocks that repeat the
    text columns in front.
    """
    columns = [_column(str(name), table.iloc[:, at].tolist()) for at, name in enumerate(table.columns)]
    if len(table) == 1 and _width(columns) > (width or ONE_LINE):
        longest = max(len(column.title) for column in columns)
        return "\n".join(f"{column.title.ljust(longest)}{GAP}{column.cells[0]}" for column in columns)
    return "\n\n".join(_block(block) for block in _blocks(columns, width))


def _block(columns: Sequence[_Column]) -> str:
    rows = zip(*(column.lines() for column in columns), strict=True)
    return "\n".join(GAP.join(row).rstrip() for row in rows)


def _blocks(columns: list[_Column], width: int | None) -> Iterator[list[_Column]]:
    if width is None or _width(columns) <= width:
        yield columns
        return
    first_number = next((at for at, column in enumerate(columns) if column.number), 1)
    keys = columns[:first_number] if _width(columns[:first_number]) <= width / 2 else columns[:1]
    block = list(keys)
    for column in columns[len(keys) :]:
        if len(block) > len(keys) and _width([*block, column]) > width:
            yield block
            block = list(keys)
        block.append(column)
    yield block


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width + len(GAP) for column in columns) - len(GAP)


def _column(title: str, values: list[Any]) -> _Column:
    known = [value for value in values if not _missing(value)]
    number = bool(known) and all(isinstance(v, Real) and not isinstance(v, bool) for v in known)
    decimals = DECIMALS if number and any(_fraction(value) for value in known) else 0
    return _Column(shown(title), [_cell(value, decimals) for value in values], number)


def _fraction(value: Any) -> bool:
    return not isinstance(value, Integral) and math.isfinite(value) and value != int(value)


def _cell(value: Any, decimals: int) -> str:
    if _missing(value):
        return UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Real):
        return f"{value:,.{decimals}f}" if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return shown(", ".join(map(str, value)), CELL)
    return shown(value, CELL)


def _missing(value: Any) -> bool:
    import pandas as pd

    return value is None or (
        not isinstance(value, list | tuple | dict) and pd.api.types.is_scalar(value) and bool(pd.isna(value))
    )
