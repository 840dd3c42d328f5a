"""Looks at a folder and decides what its tables and columns probably are; a person then checks the draft."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from cxrdash.errors import CxrdashError
from cxrdash.sources.base import Inventory
from cxrdash.sources.claims import film_stem
from cxrdash.sources.film_headers import RASTERS
from cxrdash.sources.headers import collision_key
from cxrdash.sources.local_profile import ROLES, Column, Profile, distinct_values, profile, value_rows
from cxrdash.sources.local_tables import film_key
from cxrdash.sources.local_words import LIST_NAME, STATES, VIEWS, part_in_name
from cxrdash.sources.mapping import spelling_key

MATCHES = ("path", "name", "stem", "last 3", "last 2")
TEMPLATES = ("{study}/{image}", "{patient}/{study}/{image}", "{patient}/{image}")
SAMPLE = 5000  # values compared with the films on disk
SURE = 0.5  # of the values that must name a film, or an id, for a column to be taken for it
KNOWN_SHARE = 0.8  # of filled cells that must be words of a state for a column to be taken for a label
STRANGE_VALUES = 3
DELIMITERS = ("|", ";", ",")
MOST_TOKENS = 300
LONGEST_TOKEN = 60
FEW_TEXTS = 50


@dataclass(frozen=True)
class ImageChoice:
    """The column that names the images of a table and how its values find their films."""

    column: str
    match: str
    template: str = ""
    found: int = 0
    of: int = 0


@dataclass(frozen=True)
class JoinChoice:
    """A table joined by a key, and which of its columns say what."""

    table: Profile
    by: str
    column: str
    attributes: dict[str, str]


@dataclass
class Draft:
    """What a folder was taken for."""

    folder: Path
    source: str = "tables"
    tables: list[Profile] = field(default_factory=list)
    image: ImageChoice | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    pattern: str = ""
    stem_views: Counter[str] = field(default_factory=Counter)  # films by stem, where stems are views
    headers: bool = False
    joined: list[JoinChoice] = field(default_factory=list)
    labels: Profile | None = None
    labels_by: str = ""
    labels_column: str = ""
    label_columns: list[Column] = field(default_factory=list)
    list_column: Column | None = None
    delimiter: str = ""
    tokens: Counter[str] = field(default_factory=Counter)
    films: int = 0
    dicom: int = 0
    unused: list[str] = field(default_factory=list)  # tables, each with a reason


def draft(inventory: Inventory, workspace: Path) -> Draft:
    """Return what the tables and films of a folder probably are."""
    root = inventory.roots[0]
    made = Draft(root, films=len(inventory.images))
    made.dicom = sum(not image.path.lower().endswith(RASTERS) for image in inventory.images)
    with duckdb.connect() as con:
        profiles = []
        for number, path in enumerate(inventory.tables):
            name = path.relative_to(root).as_posix()
            try:
                profiles.append(profile(con, path, name, number, workspace))
            except CxrdashError as fault:
                made.unused.append(f"{name}: {fault.message}")
        _Drafting(con, inventory, made).run(profiles)
    return made


class _Drafting:
    """One look at one folder."""

    def __init__(self, con: duckdb.DuckDBPyConnection, inventory: Inventory, made: Draft) -> None:
        self.con = con
        self.made = made
        self.paths = [image.path for image in inventory.images]
        self.keys = {match: Counter(film_key(path, match) for path in self.paths) for match in MATCHES}

    def run(self, profiles: Sequence[Profile]) -> None:
        chosen = self._image_tables(profiles)
        if chosen:
            self._take_image_tables(chosen)
        else:
            self.made.source = "dicom" if self.made.dicom * 2 > self.made.films else "files"
        rest = [table for table in profiles if table not in self.made.tables]
        for table in sorted(rest, key=lambda table: -table.records):
            self._join(table)
        if self.made.source == "files":
            self.made.pattern = self._pattern()
        if self.made.labels is None and self.made.tables:
            self._find_labels(self.made.tables[0], self.made.tables)
        self.made.headers = self.made.source == "tables" and self.made.dicom * 2 > max(self.made.films, 1)

    def _image_tables(self, profiles: Sequence[Profile]) -> tuple[list[Profile], ImageChoice] | None:
        """Return the tables of one header whose rows are images: those that name the most films, then the largest."""
        choices = {table.name: choice for table in profiles if (choice := self._image_column(table))}
        groups: dict[tuple[str, ...], list[Profile]] = {}
        for table in profiles:
            if table.name in choices:
                header = tuple(collision_key(column.name) for column in table.columns)
                groups.setdefault((*header, choices[table.name].column), []).append(table)
        if not groups:
            return None
        best = max(
            groups.values(),
            key=lambda group: (
                sum(choices[table.name].found for table in group),
                sum(len(_attributes(table)) for table in group[:1]),
                sum(table.records for table in group),
            ),
        )
        return best, choices[max(best, key=lambda table: choices[table.name].of).name]

    def _image_column(self, table: Profile) -> ImageChoice | None:
        candidates = table.having("image") or [
            column for column in table.columns if not column.role and column.distinct == table.records > 1
        ]
        choices = [choice for column in candidates if (choice := self._matching(table, column))]
        return max(choices, key=lambda choice: choice.found, default=None)

    def _matching(self, table: Profile, column: Column) -> ImageChoice | None:
        """Return by which rule a column's values name films, None where it is no image column."""
        values = distinct_values(self.con, table.rows, column.name, SAMPLE)
        best = self._best_rule(values)
        choice = ImageChoice(column.name, best[0], found=best[1], of=len(values))
        repeated = column.distinct < table.records
        other = self._template(table, column) if best[1] < len(values) or repeated else None
        if other and (repeated or other.found * len(values) > best[1] * other.of):
            return other
        if best[1] >= SURE * len(values):
            return choice
        # Without films on disk only the name of the column can tell.
        named = column.role == "image" and column.distinct >= SURE * table.records
        return ImageChoice(column.name, _rule_by_look(values), of=len(values)) if named else None

    def _best_rule(self, values: Sequence[str]) -> tuple[str, int]:
        """Return the rule under which most values name exactly one film; of equals the strictest."""
        found = {match: sum(self.keys[match][film_key(value, match)] == 1 for value in values) for match in MATCHES}
        best = max(MATCHES, key=lambda match: (found[match], -MATCHES.index(match)))
        return best, found[best]

    def _template(self, table: Profile, column: Column) -> ImageChoice | None:
        """Return the layout of folders under which most rows name exactly one film."""
        endings = sorted({_ending(path) for path in self.paths})
        roles = {role: table.having(role)[0].name for role in ("patient", "study") if table.having(role)}
        choices = []
        for template in TEMPLATES:
            needed = re.findall(r"\{(\w+)\}", template)
            if any(role not in roles for role in needed if role != "image"):
                continue
            names = {**roles, "image": column.name}
            rows = value_rows(self.con, table.rows, [names[role] for role in needed], SAMPLE)
            match = f"last {len(needed)}"
            for ending in ("", *endings):
                made = [(template + ending).format(**dict(zip(needed, row, strict=True))) for row in rows]
                found = sum(self.keys.get(match, Counter())[film_key(value, match)] == 1 for value in made)
                choices.append(ImageChoice(column.name, match, template + ending, found, len(made)))
        best = max(choices, key=lambda choice: choice.found, default=None)
        return best if best and best.found >= SURE * max(best.of, 1) else None

    def _take_image_tables(self, chosen: tuple[list[Profile], ImageChoice]) -> None:
        made = self.made
        made.tables, made.image = sorted(chosen[0], key=lambda table: table.name), chosen[1]
        made.attributes = {
            role: column for role, column in _attributes(made.tables[0]).items() if column != made.image.column
        }
        parts = {table.name: part for table in made.tables if (part := part_in_name(table.name.rsplit("/", 1)[-1]))}
        if len(made.tables) > 1 and "split" not in made.attributes:
            made.splits = parts

    def _join(self, table: Profile) -> None:
        """Take a table for labels or facts joined by an id, or say why it is left out."""
        key = self._key(table)
        if key is None:
            self.made.unused.append(f"{table.name}: no column holds ids of images, studies or patients known here")
            return
        by, column = key
        known = {*self.made.attributes, *(name for join in self.made.joined for name in join.attributes)}
        told = {role: name for role, name in _attributes(table).items() if name != column and role not in known}
        if self.made.labels is None and self._find_labels(table, [table], but=column):
            self.made.labels, self.made.labels_by, self.made.labels_column = table, by, column
        elif not told:
            self.made.unused.append(f"{table.name}: says nothing that another table does not say already")
        if told:
            self.made.joined.append(JoinChoice(table, by, column, told))

    def _key(self, table: Profile) -> tuple[str, str] | None:
        for by in ("image", "study", "patient"):
            for column in table.having(by):
                values = distinct_values(self.con, table.rows, column.name, SAMPLE)
                if values and self._known(by, values) >= SURE * len(values):
                    return by, column.name
        return None

    def _known(self, by: str, values: Sequence[str]) -> float:
        """Return how many values are ids of this kind that the images have."""
        made = self.made
        if made.source == "dicom":
            return len(values)  # only the headers know; the names of the columns must do
        if made.source == "files":
            if by == "image":
                return self._best_rule(values)[1]
            return max(sum(value in parts for value in values) for parts in self._components().values())
        column = made.image.column if made.image and by == "image" else made.attributes.get(by)
        if column is None:
            return 0
        ids = {value for one in made.tables for value in distinct_values(self.con, one.rows, column)}
        if by == "image" and made.image:
            ids = {film_key(value, made.image.match) for value in ids}
            return sum(film_key(value, made.image.match) in ids for value in values)
        return sum(value in ids for value in values)

    def _components(self) -> dict[int, set[str]]:
        """Return the names at each height of the films' paths: 0 the stem, 1 the folder, 2 the one above."""
        split = [[film_stem(path), *reversed(path.split("/")[:-1])] for path in self.paths]
        return {height: {parts[height] for parts in split if len(parts) > height} for height in range(4)}

    def _pattern(self) -> str:
        """Return a regular expression that takes study and patient from the folders, where tables name them."""
        components = self._components()
        heights: dict[int, str] = {}
        stems = Counter(film_stem(path) for path in self.paths)
        if len(stems) < len(self.paths) and all(spelling_key(stem) in VIEWS for stem in stems):
            heights[0], self.made.stem_views = "view", stems
        joins = [(join.by, join.table, join.column) for join in self.made.joined]
        if self.made.labels:
            joins.append((self.made.labels_by, self.made.labels, self.made.labels_column))
        for by, table, column in joins:
            values = set(distinct_values(self.con, table.rows, column, SAMPLE))
            height = max(components, key=lambda height: len(values & components[height]))
            if by != "image" and values & components[height]:
                heights[height] = by
        if not heights:
            return ""
        parts = [
            f"(?P<{heights[height]}>[^/]+)" if height in heights else "[^/]+" for height in range(max(heights), 0, -1)
        ]
        stem = rf"(?P<{heights[0]}>[^/]+?)(\.[^./]+)?$" if 0 in heights else "[^/]+$"
        return "/".join([*parts, stem])

    def _find_labels(self, table: Profile, tables: Sequence[Profile], but: str = "") -> bool:
        """Find the label columns, or else the column that lists labels; say whether there are any."""
        used = {*self.made.attributes.values(), but, self.made.image.column if self.made.image else ""}
        free = [
            column for column in table.columns if column.name not in used and column.role not in ROLES and column.filled
        ]
        self.made.label_columns = [column for column in free if _is_label(values_over(tables, column.name))]
        lists = [(column, found) for column in free if (found := self._list_of(tables, column))]
        if len(self.made.label_columns) > 1 or not lists:
            return bool(self.made.label_columns)
        named = [one for one in lists if LIST_NAME.search(one[0].name)] or lists
        self.made.list_column, (self.made.delimiter, self.made.tokens) = named[0]
        self.made.label_columns = []
        return True

    def _list_of(self, tables: Sequence[Profile], column: Column) -> tuple[str, Counter[str]] | None:
        """Return delimiter and tokens of a column that lists labels, or holds one each."""
        texts: Counter[str] = Counter()
        for table in tables:
            rows = value_rows(self.con, table.rows, [column.name], 10**9)
            texts.update(value for (value,) in rows)
        split = {delimiter: _tokens(texts, delimiter) for delimiter in DELIMITERS}
        held = {delimiter: sum(times for text, times in texts.items() if delimiter in text) for delimiter in DELIMITERS}
        delimiter = max(DELIMITERS, key=lambda one: held[one])
        if held[delimiter] and _is_vocabulary(split[delimiter]):
            return delimiter, split[delimiter]
        single = _tokens(texts, "")
        if LIST_NAME.search(column.name) and len(single) <= FEW_TEXTS and _is_vocabulary(single):
            return "", single
        return None


def _attributes(table: Profile) -> dict[str, str]:
    """Return the first filled column of each role but the image's."""
    found = {role: table.having(role) for role in ROLES if role != "image"}
    return {role: columns[0].name for role, columns in found.items() if columns}


def values_over(tables: Sequence[Profile], name: str) -> Counter[str]:
    """Return the values of a column over several tables of one header."""
    values: Counter[str] = Counter()
    for table in tables:
        for column in table.columns:
            if collision_key(column.name) == collision_key(name):
                values.update(dict(column.values))
    return values


def _is_label(values: Counter[str]) -> bool:
    """Say whether most cells of a column are words of a state, with few others among them."""
    filled = {value: times for value, times in values.items() if STATES.get(spelling_key(value)) != "blank"}
    known = sum(times for value, times in filled.items() if spelling_key(value) in STATES)
    strange = sum(spelling_key(value) not in STATES for value in filled)
    return known > 0 and strange <= STRANGE_VALUES and known >= KNOWN_SHARE * sum(filled.values())


def _tokens(texts: Counter[str], delimiter: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for text, times in texts.items():
        plain = re.sub(r"""[\[\]'"]""", "", text) if text.startswith("[") else text
        for token in plain.split(delimiter) if delimiter else [plain]:
            if cleaned := " ".join(token.split()):
                found[cleaned] += times
    return found


def _is_vocabulary(tokens: Counter[str]) -> bool:
    """Say whether tokens come from a list of names: few, short, repeated, and not numbers."""
    short = all(len(token) <= LONGEST_TOKEN for token in tokens)
    words = sum(times for token, times in tokens.items() if re.search(r"[^\W\d]", token))
    repeated = 2 * len(tokens) <= tokens.total() or len(tokens) <= 20
    return 0 < len(tokens) <= MOST_TOKENS and short and repeated and words >= KNOWN_SHARE * tokens.total()


def _rule_by_look(values: Iterable[str]) -> str:
    first = next(iter(values), "")
    if "/" in first or "\\" in first:
        return "path"
    return "name" if _ending(first) else "stem"


def _ending(path: str) -> str:
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return name[len(film_stem(name)) :]
