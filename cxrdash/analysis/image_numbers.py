"""Numbers that somebody else made for the images of a dataset (a model's scores, places on a map), from a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cxrdash.errors import CxrdashError, shown
from cxrdash.index.selection import counted, select
from cxrdash.index.store import Index
from cxrdash.sources.claims import film_stem
from cxrdash.sources.folder import IMAGE_ENDS
from cxrdash.sources.matching import RULES
from cxrdash.sources.registry import SOURCES, source_named

if TYPE_CHECKING:
    import pandas as pd

BLANK = ("", "nan", "none", "null", "na")
SEPARATORS = ",;\t"
TRIED = 500  # rows by which the column of identifiers and the rule that reads it are found
FIRST_ROW = 2  # as a spreadsheet counts: the header is row 1


@dataclass(frozen=True)
class ImageNumbers:
    """``table`` has one row per image of the dataset that the file names (index: image_id) and one column of
    numbers per score, NaN where the file has none. ``rows`` is the length of the file; its identifiers stand
    in ``column`` and name images as ``rule`` says (sources.matching.RULES).
    """

    table: pd.DataFrame
    rows: int
    column: str
    rule: str


def read_image_numbers(index: Index, content: bytes, name: str) -> ImageNumbers:
    """Read a table (CSV or Parquet) of one row per image: every column that holds nothing but numbers and blanks.

    The column of identifiers is the one that names the most images. CxrdashError where nothing in the file
    names an image, where no column holds numbers only, or where an image has two rows.
    """
    table = _read(content, name)
    if not len(table):
        raise CxrdashError(f"{name} has no rows.", "It needs one row per image.")
    column, rule = _identifiers(index, table, name)
    images = _named(index, table[column], rule)
    numbers = _numbers(table.drop(columns=column), name)
    known = images.notna()
    _one_row_each(images[known], name)
    return ImageNumbers(numbers[known].set_axis(images[known], axis=0), len(table), column, rule)


def _read(content: bytes, name: str) -> pd.DataFrame:
    """Every cell as text: identifiers keep their zeros."""
    import pandas as pd

    hint = "It must be a CSV file in UTF-8 or a Parquet file, with one row per image."
    try:
        if content.startswith(b"PAR1"):
            read = pd.read_parquet(BytesIO(content))
            return read.reset_index(drop=read.index.name is None).astype("string").fillna("").astype(str)
        header = content.decode("utf-8-sig").split("\n", 1)[0]
        separator = max(SEPARATORS, key=header.count)
        return pd.read_csv(
            BytesIO(content), sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
        )
    except UnicodeDecodeError as fault:
        raise CxrdashError(f"{name} is not UTF-8 text (byte {fault.start:,}).", hint) from fault
    except (ValueError, OSError) as fault:
        raise CxrdashError(f"{name} cannot be read as a table: {shown(fault, 200)}", hint) from fault


def _rules(index: Index) -> dict[str, Callable[[str], str]]:
    """How an identifier may be written, each as a function that makes both sides equal."""
    source = str(index.meta["source"])
    rules: dict[str, Callable[[str], str]] = {
        "exact": str.strip,
        "stem": lambda text: _without_ending(text.strip()),
        "name": lambda text: film_stem(text.strip().replace("\\", "/")),
    }
    if source in SOURCES:
        rules["film"] = lambda text: source_named(source).image_key(text.strip().replace("\\", "/"))
    return rules


def _without_ending(text: str) -> str:
    ending = PurePosixPath(text).suffix
    return text.removesuffix(ending) if ending.lower() in IMAGE_ENDS else text


def _keys(index: Index, rule: str) -> pd.Series:
    """The images by their key; a key of several images names none of them."""
    import pandas as pd

    images = select(index).image_ids()
    keys = pd.Series(images, index=[_rules(index)[rule](str(image)) for image in images])
    return keys[~keys.index.duplicated(keep=False)]


def _identifiers(index: Index, table: pd.DataFrame, name: str) -> tuple[str, str]:
    """The column that names the most images among the first rows (then among all), and the rule that reads it."""
    for rows in (table.head(TRIED), table):
        best = (0, "", "")
        for rule, key in _rules(index).items():
            keys = _keys(index, rule).index
            for column in table.columns:
                found = int(keys.isin({key(text) for text in rows[column]}).sum())
                best = max(best, (found, column, rule), key=lambda one: one[0])
            if best[0] == len(rows):
                break
        if best[0]:
            return best[1:]
    first = ", ".join(f"{shown(column, 30)}: {shown(table[column].iloc[0], 40)}" for column in table.columns[:6])
    raise CxrdashError(
        f"No column of {name} names images of {index.dataset}.",
        f"One must hold identifiers such as {shown(select(index).image_ids()[0])}.",
        details=(f"Its first row: {first}",),
    )


def _named(index: Index, column: pd.Series, rule: str) -> pd.Series:
    """The image_id that each row means, missing where it is none of this dataset."""
    return column.map(_rules(index)[rule]).map(_keys(index, rule))


def _numbers(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The columns that hold nothing but numbers and blanks, as numbers."""
    import numpy as np
    import pandas as pd

    kept, odd = {}, []
    for column, text in table.items():
        told = ~text.str.strip().str.lower().isin(BLANK)
        values = pd.to_numeric(text.where(told), errors="coerce").astype(float)
        wrong = told & ~np.isfinite(values)
        if told.any() and not wrong.any():
            kept[str(column)] = values
        elif (told & ~wrong).any():
            row = int(wrong.to_numpy().argmax())
            odd.append(f"{shown(column, 40)}: row {row + FIRST_ROW:,} holds '{shown(text.iloc[row], 40)}'")
    if kept:
        return pd.DataFrame(kept)
    raise CxrdashError(
        f"{name} has no column of numbers.", "Such a column holds a number in every row, or nothing.", details=odd
    )


def _one_row_each(images: pd.Series, name: str) -> None:
    twice = images[images.duplicated(keep=False)]
    if len(twice):
        image = twice.iloc[0]
        rows = ", ".join(f"{row + FIRST_ROW:,}" for row in twice.index[twice == image][:5])
        raise CxrdashError(
            f"{name} has several rows for {counted(twice.nunique(), 'image')}: {shown(image)} in rows {rows}.",
            "Give each image one row, for example the mean of its scores.",
        )


def match_words(found: ImageNumbers) -> str:
    """Say how many images were found: 'read from the column image: 208 of 208 rows name an image, ...'."""
    return (
        f"{len(found.table):,} of {counted(found.rows, 'row')} name an image of this dataset "
        f"(column {found.column}, {RULES[found.rule]})"
    )
