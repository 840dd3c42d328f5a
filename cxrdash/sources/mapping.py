"""cxrdash.toml: what a dataset's own columns mean, declared by its owner and read strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping as Keyed
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

from cxrdash.errors import CxrdashError, shown

FILE_NAME = "cxrdash.toml"
LARGEST = 4 * 2**20  # bytes
STATES = ("positive", "negative", "uncertain", "blank")
VIEWS = (*("PA", "AP", "AP_SUPINE", "FRONTAL_UNKNOWN", "LATERAL", "LATERAL_DECUBITUS", "OBLIQUE", "OTHER", "UNKNOWN"),)
SEXES = ("F", "M", "other", "unknown")
SPLITS = ("train", "valid", "test", "train_valid")
KINDS = ("finding", "normal", "device")
MATCH = re.compile(r"path|name|stem|last [1-9]")
SALT = re.compile(r"[0-9a-f]{32,128}")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
GROUPS = ("image", "patient", "study", "view", "split")
LONGEST_NAME = 120  # of a finding
ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,39}")
# They have entries of their own, or are columns of the tables that are split by an attribute.
TAKEN = frozenset((
    *("image", "image_id", "images", "patient", "patients", "study", "studies", "view", "sex", "age", "age_band"),
    *("split", "part", "order", "follow_up", "finding", "unit", "label", "labels", "level", "positive", "uncertain"),
    *("negative", "blank", "not_assessed", "counted", "of", "rate", "low", "high", "method", "low_independent"),
    *("high_independent", "design_effect", "effective_n", "positive_patients", "policy", "grouped", "pattern"),
    *("quality", "cluster", "known", "person", "units"),
))  # fmt: skip
Texts = Keyed[str, str]


@dataclass(frozen=True)
class Dataset:
    """What is said of the dataset as a whole; it becomes its card."""

    name: str = ""
    title: str = ""
    label_provenance: str = "Not stated in cxrdash.toml."
    label_unit: str = "image"
    negative_means: str = "Not stated in cxrdash.toml."
    blank_means: str = "Not stated in cxrdash.toml."
    order_source: str = "Not stated in cxrdash.toml."
    licence: str = "Not stated in cxrdash.toml."
    terms: str = "Not stated: treat the films as confidential."
    citation: str = "Not stated in cxrdash.toml."


@dataclass(frozen=True)
class Images:
    """Where the images stand: in tables, in a folder of files, or in DICOM headers."""

    source: str = "tables"  # `from` in the file
    tables: tuple[str, ...] = ()
    separator: str = ","
    image: str = ""
    file: str = ""
    match: str = "path"
    patient: str = ""
    study: str = ""
    view: str = ""
    sex: str = ""
    age: str = ""
    split: str = ""
    order: str = ""
    attributes: Texts = field(default_factory=dict)
    splits: Texts = field(default_factory=dict)
    pattern: str = ""
    modalities: tuple[str, ...] = ("CR", "DX")
    headers: bool = False


@dataclass(frozen=True)
class Joined:
    """A table that says more about images, studies or patients of the images."""

    table: str = ""
    by: str = "image"
    column: str = ""
    separator: str = ","
    patient: str = ""
    study: str = ""
    view: str = ""
    sex: str = ""
    age: str = ""
    split: str = ""
    order: str = ""
    attributes: Texts = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """Which columns are labels, or which column lists them, and how states are spelled."""

    table: str = ""
    by: str = "image"
    column: str = ""
    separator: str = ","
    columns: tuple[str, ...] = ()
    list: str = ""
    delimiter: str = ""
    findings: tuple[str, ...] = ()
    unlisted: str = "blank"
    empty: str = "blank"
    states: Keyed[str, tuple[str, ...]] = field(default_factory=dict)
    kind: Texts = field(default_factory=dict)
    parent: Texts = field(default_factory=dict)
    harmonised: Texts = field(default_factory=dict)
    names: Texts = field(default_factory=dict)


@dataclass(frozen=True)
class Values:
    """How views, sexes and parts are spelled in the tables; canonical spellings need no entry."""

    view: Texts = field(default_factory=dict)
    sex: Texts = field(default_factory=dict)
    split: Texts = field(default_factory=dict)


@dataclass(frozen=True)
class Privacy:
    """What becomes of patient and image ids on their way into the index."""

    patient_ids: str = ""  # "as is" in tables, a pseudonym for PatientID of DICOM headers
    image_ids: str = "as is"
    salt: str = ""


@dataclass(frozen=True)
class Mapping:
    """The whole of a cxrdash.toml."""

    path: Path
    dataset: Dataset = field(default_factory=Dataset)
    images: Images = field(default_factory=Images)
    joined: tuple[Joined, ...] = ()
    labels: Labels = field(default_factory=Labels)
    values: Values = field(default_factory=Values)
    privacy: Privacy = field(default_factory=Privacy)

    @property
    def hides_patients(self) -> bool:
        """Whether patient ids become pseudonyms: where it is asked for, and unasked where headers name them."""
        rule = self.privacy.patient_ids
        return rule == "pseudonym" or (not rule and (self.images.source == "dicom" or self.takes_patients))

    @property
    def takes_patients(self) -> bool:
        """Whether PatientID of the headers is asked for because no table names patients."""
        named = self.images.patient or any(one.patient for one in self.joined)
        return self.images.source == "tables" and self.images.headers and not named

    def refuse(self, where: str, what: str, hint: str) -> NoReturn:
        """Raise the error of one entry: ``where`` is its table and key."""
        raise CxrdashError(f"{self.path.name}, {where}: {what}.", hint)


SECTIONS: dict[str, type] = {
    "dataset": Dataset,
    "images": Images,
    "joined": Joined,
    "labels": Labels,
    "values": Values,
    "privacy": Privacy,
}
CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("dataset", "label_unit"): ("image", "study"),
    ("images", "from"): ("tables", "files", "dicom"),
    ("joined", "by"): ("image", "study", "patient"),
    ("labels", "by"): ("image", "study", "patient"),
    ("labels", "unlisted"): ("blank", "negative"),
    ("labels", "empty"): ("blank", "negative", "not_assessed"),
    ("privacy", "patient_ids"): ("as is", "pseudonym", "none"),
    ("privacy", "image_ids"): ("as is", "hash"),
}


def read_mapping(path: Path) -> Mapping:
    """Return a cxrdash.toml after checking every key, type and choice in it.

    Raises CxrdashError naming the file, the key and what it may hold; an unknown key is answered with
    the nearest known one.
    """
    held = _toml(path)
    for name in held:
        if name not in SECTIONS:
            raise _unknown(path, "", name, SECTIONS)
    joined = held.pop("joined", [])
    if not isinstance(joined, list):
        raise CxrdashError(f"{path.name}, joined: must be written [[joined]].", "A table each, in double brackets.")
    sections = {name: _section(path, name, content) for name, content in held.items()}
    mapping = Mapping(path=path, joined=tuple(_section(path, "joined", one) for one in joined), **sections)
    _check(mapping)
    return mapping


def _toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise CxrdashError(f"{path.name} is larger than {LARGEST // 2**20} MB.", "Draft it again with init.")
        return tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as fault:
        line = path.read_bytes()[: fault.start].count(b"\n") + 1
        raise CxrdashError(f"{path.name}, line {line}: the text is not UTF-8.", "Save it as UTF-8.") from fault
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as fault:
        raise CxrdashError(
            f"{path.name} is not valid TOML: {shown(fault, 200)}.", "Mend that line, or draft it again with init."
        ) from fault
    except OSError as fault:
        raise CxrdashError(
            f"{path} cannot be read: {fault.strerror}.", "Check the path and its permissions."
        ) from fault


def _section(path: Path, name: str, content: object) -> Any:
    if not isinstance(content, dict):
        raise CxrdashError(f"{path.name}, {name}: must be a table.", f"Write [{name}] and its keys below.")
    made = SECTIONS[name]
    types = get_type_hints(made)
    known = {("from" if key == "source" else key): key for key in types}
    values = {}
    for key, value in content.items():
        if key not in known:
            raise _unknown(path, name, key, known)
        where = f"[{name}] {key}"
        values[known[key]] = _typed(path, where, value, types[known[key]])
        choices = CHOICES.get((name, key))
        if choices and value not in choices:
            listed = " or ".join(f'"{choice}"' for choice in choices)
            raise CxrdashError(f"{path.name}, {where}: '{shown(value)}' is not understood.", f"Write {listed}.")
    return made(**values)


def _unknown(path: Path, section: str, key: str, known: Keyed[str, object]) -> CxrdashError:
    near = get_close_matches(key, known, 1, cutoff=0.5)
    place = f"[{section}] " if section else ""
    listed = ", ".join(known)
    hint = f"Did you mean '{near[0]}'?" if near else f"Known: {listed}."
    return CxrdashError(f"{path.name}: there is no key {place}'{shown(key)}'.", hint)


def _typed(path: Path, where: str, value: Any, wanted: Any) -> Any:
    """Return a value in the type of its field: text, yes or no, a list of texts, or a table of either."""
    if wanted in (str, bool):
        if type(value) is wanted and (wanted is bool or "\0" not in value):
            return value
        words = "text in quotes" if wanted is str else "true or false"
    elif wanted == tuple[str, ...]:
        if isinstance(value, list) and all(type(one) is str and "\0" not in one for one in value):
            return tuple(value)
        words = 'a list of texts, such as ["a", "b"]'
    else:
        inner = get_args(wanted)[1]
        if isinstance(value, dict):
            return {key: _typed(path, f"{where}, {shown(key)}", one, inner) for key, one in value.items()}
        words = "a table of keys and values"
    raise CxrdashError(f"{path.name}, {where}: {shown(value)} is not {words}.", f"Write {words}.")


def _check(mapping: Mapping) -> None:
    """Check what a single key cannot say: that entries go together."""
    _check_images(mapping)
    _check_attributes(mapping, "[images] attributes", mapping.images.attributes)
    _check_labels(mapping)
    for at, joined in enumerate(mapping.joined, start=1):
        if not joined.table or not joined.column:
            mapping.refuse(f"[[joined]] number {at}", "table and column are both needed", "Name the file and its key.")
        _check_attributes(mapping, f"[[joined]] number {at}, attributes", joined.attributes)
    for name, allowed in (("view", VIEWS), ("sex", SEXES), ("split", SPLITS)):
        for spelled, meant in getattr(mapping.values, name).items():
            if meant not in allowed:
                what = f"'{shown(meant)}' for '{shown(spelled)}' is none of {', '.join(allowed)}"
                mapping.refuse(f"[values.{name}]", what, "Write one of these on the right.")
    salted = mapping.hides_patients or mapping.privacy.image_ids == "hash"
    if salted and not SALT.fullmatch(mapping.privacy.salt):
        hint = "init writes one; any 32 or more hexadecimal digits will do. Keep it: other digits, other pseudonyms."
        mapping.refuse("[privacy] salt", "is missing or is not 32 to 128 hexadecimal digits", hint)


def _check_attributes(mapping: Mapping, where: str, attributes: Texts) -> None:
    if attributes and where.startswith("[images]") and mapping.images.source != "tables":
        mapping.refuse(where, "needs tables of images", "Name the columns in a [[joined]] table instead.")
    for name, column in attributes.items():
        if not ATTRIBUTE.fullmatch(name):
            hint = "Up to 40 small letters, digits and _, a letter first, such as site."
            mapping.refuse(where, f"'{shown(name)}' is no name of an attribute", hint)
        if name in TAKEN:
            mapping.refuse(where, f"the name '{name}' is taken", "Choose another, such as " + f"{name}_of_film.")
        if not column.strip():
            mapping.refuse(where, f"'{name}' names no column", "Write the column's name.")


def _check_images(mapping: Mapping) -> None:
    images = mapping.images
    if images.source == "tables" and not images.tables:
        mapping.refuse("[images] tables", "names no table", 'Write tables = ["FILE.csv"], or from = "files".')
    if images.source == "tables" and not images.image and not images.file:
        mapping.refuse("[images] image", "names no column", "Name the column that holds the image's id or file.")
    if not MATCH.fullmatch(images.match):
        mapping.refuse("[images] match", f"'{shown(images.match)}' is not understood", "path, name, stem or last 2.")
    for part in images.splits.values():
        if part not in SPLITS:
            mapping.refuse("[images.splits]", f"'{shown(part)}' is no part", f"Write one of {', '.join(SPLITS)}.")
    for placed in PLACEHOLDER.findall(images.file):
        if placed not in ("image", "patient", "study") or not getattr(images, placed):
            known = "Known: {image}, {patient} and {study}, where their columns are named."
            mapping.refuse("[images] file", f"{{{shown(placed)}}} stands for nothing", known)
    _check_pattern(mapping)


def _check_pattern(mapping: Mapping) -> None:
    try:
        groups = re.compile(mapping.images.pattern).groupindex
    except (re.error, RecursionError, OverflowError) as fault:
        mapping.refuse("[images] pattern", f"is no regular expression ({shown(fault)})", "Mend or remove it.")
    for group in groups:
        if group not in GROUPS:
            mapping.refuse("[images] pattern", f"the group '{shown(group)}' is unknown", f"Known: {', '.join(GROUPS)}.")


def _check_labels(mapping: Mapping) -> None:
    labels = mapping.labels
    if labels.columns and labels.list:
        mapping.refuse("[labels]", "names columns and a list", "Keep one of the two.")
    if labels.table and not labels.column:
        mapping.refuse("[labels] column", "is missing", "Name the column of that table that holds the ids.")
    if (labels.columns or labels.list) and not labels.table and mapping.images.source != "tables":
        mapping.refuse("[labels] table", "is missing", "Name the table that the labels stand in.")
    for name in labels.states:
        if name not in STATES:
            mapping.refuse("[labels.states]", f"there is no state '{shown(name)}'", f"Known: {', '.join(STATES)}.")
    for kind in labels.kind.values():
        if kind not in KINDS:
            mapping.refuse("[labels.kind]", f"there is no kind '{shown(kind)}'", f"Known: {', '.join(KINDS)}.")
    _check_spellings(mapping)


def _check_spellings(mapping: Mapping) -> None:
    labels = mapping.labels
    spelled: dict[str, str] = {}
    for state, spellings in labels.states.items():
        for one in spellings:
            key = spelling_key(one)
            if spelled.setdefault(key, state) != state:
                what = f"'{shown(one)}' means both {spelled[key]} and {state}"
                mapping.refuse("[labels.states]", what, "Keep it in one of the two.")
    if labels.columns and "" not in spelled:
        hint = 'Add "" to one of the lists, usually blank.'
        mapping.refuse("[labels.states]", "nothing says what an empty cell means", hint)


def spelling_key(text: str) -> str:
    """Return the form in which two spellings of a value count as the same: no outer blanks, no case."""
    return text.strip().casefold()


def texts_of(section: Any, names: Sequence[str]) -> dict[str, str]:
    """Return the entries of a section that name a column, by the attribute they are for."""
    known = {one.name for one in fields(section)}
    return {name: getattr(section, name) for name in names if name in known and getattr(section, name)}
