"""A drafted mapping as the text of a cxrdash.toml: every guess with what it was seen in, every doubt marked."""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cxrdash.errors import shown
from cxrdash.labels.vocabulary import shared_labels
from cxrdash.sources.headers import matching_key
from cxrdash.sources.local_draft import Draft, JoinChoice, values_over
from cxrdash.sources.local_profile import Column, Profile
from cxrdash.sources.local_words import KIND, SEXES, SPLITS, STATES, VIEWS
from cxrdash.sources.mapping import spelling_key

WORDS = {"view": VIEWS, "sex": SEXES, "split": SPLITS}
ORDER = ("positive", "negative", "uncertain", "blank")
MOST_SHOWN = 50  # values of a column in a comment
WRAPPED = 8  # values a comment line holds
CHECK = "# CHECK"


def toml_text(draft: Draft) -> str:
    """Return the file's text. It says nothing of the machine it was drafted on but the folder's name."""
    parts = [_head(draft), _dataset(draft), _images(draft), *map(_joined, draft.joined)]
    parts += [_labels(draft), _values(draft), _privacy(draft), _unused(draft)]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def quoted(text: str) -> str:
    """Return a text as a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def remark(text: str) -> str:
    """Return a text as it may stand in a comment: one line without control characters."""
    return shown(text, 300)


def _listed(texts: Iterable[str]) -> str:
    return "[" + ", ".join(map(quoted, texts)) + "]"


def _head(draft: Draft) -> Iterator[str]:
    yield "# How cxrdash reads this dataset. Drafted by `python -m cxrdash init`, which changed nothing else."
    yield f"# Every guess is yours to correct; lines that begin with '{CHECK}' are questions only you can answer."
    yield "# A value that no spelling covers is never guessed: it is set aside with its file, line and column."
    yield f"# Seen: {draft.films:,} image files, {draft.dicom:,} of them DICOM."


def _dataset(draft: Draft) -> Iterator[str]:
    name = re.sub(r"[^a-z0-9._-]+", "-", draft.folder.name.lower()).strip("-._")[:40] or "local"
    unit = "study" if draft.labels_by == "study" else "image"
    yield "[dataset]"
    yield f"name = {quoted(name)}"
    yield f"title = {quoted(shown(draft.folder.name))}"
    yield f'label_unit = "{unit}"  # what was labelled: image or study'
    yield f"{CHECK} What follows stands on the Overview and in every report; nobody but you knows it."
    yield 'label_provenance = "Not stated."  # who or what made the labels: radiologists, words of reports, a model'
    yield 'negative_means = "Not stated."'
    yield 'blank_means = "Not stated."'
    yield 'licence = "Not stated."'
    yield 'citation = "Not stated."'


def _images(draft: Draft) -> Iterator[str]:
    yield "[images]"
    yield f'from = "{draft.source}"  # tables (a row each), files (a file each) or dicom (a header each)'
    if draft.source == "tables":
        yield from _image_tables(draft)
    elif draft.source == "files":
        yield 'match = "name"  # how tables name a file: path, name, stem (no ending) or "last 2" parts of its path'
        if draft.pattern:
            yield "# Groups of this regular expression on the path of a file: image, patient, study, view, split."
            yield f"pattern = {quoted(draft.pattern)}"
        else:
            yield f"{CHECK} Patients may stand in the path of a file, for example:"
            yield "# pattern = '(?P<patient>[^/_]+)_[^/]*$'"
    else:
        yield 'modalities = ["CR", "DX"]  # other films are set aside'
        yield 'match = "stem"  # how tables name a film, beside its SOPInstanceUID'


def _image_tables(draft: Draft) -> Iterator[str]:
    first, image = draft.tables[0], draft.image
    assert image is not None
    yield f"tables = {_listed(table.name for table in draft.tables)}  # {_rows(draft.tables)}"
    yield from _separator(first)
    yield f"image = {quoted(image.column)}  # {_kinds(draft.tables, image.column)}"
    if image.template:
        yield f"file = {quoted(image.template)}"
    doubt = f"{CHECK} " if image.found < image.of else "# "
    found = f"{image.found:,} of {image.of:,} values looked at name a film in this folder"
    yield f"match = {quoted(image.match)}  # how a value names its film: path, name, stem or the last N parts"
    yield f"{doubt}{found}."
    yield from _attribute_lines(draft.attributes, draft.tables)
    yield '# attributes = { site = "Hospital" }  # further columns to split and narrow by: site, scanner, year'
    if "patient" not in draft.attributes and not any("patient" in join.attributes for join in draft.joined):
        yield f"{CHECK} No column of patients was found. Without one, every image counts as a patient of its own."
        yield '# patient = "..."'
    if draft.headers:
        yield "headers = true  # view, sex, age, size (and patients, if no table names them) from DICOM headers"
    if draft.splits:
        inside = ", ".join(f"{quoted(name)} = {quoted(part)}" for name, part in draft.splits.items())
        yield f"splits = {{ {inside} }}  # the part of each table, by its name"


def _rows(tables: Sequence[Profile]) -> str:
    return ", ".join(f"{table.records:,} rows" for table in tables)


def _separator(table: Profile) -> Iterator[str]:
    if table.separator != ",":
        yield f"separator = {quoted(table.separator)}"


def _kinds(tables: Sequence[Profile], name: str) -> str:
    columns = [column for table in tables for column in table.columns if column.name == name]
    return " + ".join(f"{column.distinct:,} different values" for column in columns)


def _attribute_lines(attributes: Mapping[str, str], tables: Sequence[Profile]) -> Iterator[str]:
    remarks = {
        "age": "years; 045Y, 018M, 003W and 012D are understood; 0 is a placeholder",
        "order": "only the order of a patient's images is kept of it",
    }
    for role, column in attributes.items():
        yield f"{role} = {quoted(column)}  # {remarks.get(role) or _kinds(tables, column)}"


def _joined(join: JoinChoice) -> Iterator[str]:
    yield f"[[joined]]  # {join.table.records:,} rows that say more"
    yield f"table = {quoted(join.table.name)}"
    yield from _separator(join.table)
    yield f'by = "{join.by}"  # whose id its column holds: image, study or patient'
    yield f"column = {quoted(join.column)}"
    yield from _attribute_lines(join.attributes, [join.table])


def _labels(draft: Draft) -> Iterator[str]:
    tables = [draft.labels] if draft.labels else draft.tables
    yield "[labels]"
    if not draft.label_columns and draft.list_column is None:
        yield f"{CHECK} No labels were found. Columns of yes and no: columns = [...]; a column that lists them: list ="
        yield "# Findings named here can be reviewed although nobody has labelled them yet:"
        yield '# findings = ["Pneumothorax"]'
        return
    if draft.labels:
        yield f"table = {quoted(draft.labels.name)}  # {draft.labels.records:,} rows"
        yield from _separator(draft.labels)
        yield f'by = "{draft.labels_by}"  # its rows are about an image, a study or a patient; images inherit them'
        yield f"column = {quoted(draft.labels_column)}"
    if draft.list_column is not None:
        yield from _list(draft, draft.list_column)
    else:
        yield from _columns(draft, tables)


def _list(draft: Draft, column: Column) -> Iterator[str]:
    names = _once(draft.tokens)
    yield f"list = {quoted(column.name)}"
    yield f"delimiter = {quoted(draft.delimiter)}" + ("" if draft.delimiter else "  # one label in each cell")
    yield f"{CHECK} What is a finding that a row does not list: negative, or blank (nobody said anything of it)?"
    yield 'unlisted = "blank"'
    yield 'empty = "blank"  # the same for a row that lists nothing; or not_assessed'
    yield "# Every name seen, and in how many rows. Take out what is no finding: its cells are then set aside."
    yield "findings = ["
    yield from (f"    {quoted(name)},  # {draft.tokens[name]:,}" for name in names)
    yield "]"
    yield from _meanings(names)


def _once(tokens: Counter[str]) -> list[str]:
    """Return the tokens by frequency, those that differ only in case once."""
    kept: dict[str, str] = {}
    for token, _ in sorted(tokens.items(), key=lambda one: (-one[1], one[0])):
        kept.setdefault(spelling_key(token), token)
    return list(kept.values())


def _columns(draft: Draft, tables: Sequence[Profile]) -> Iterator[str]:
    yield "# Take out what is no finding."
    yield "columns = ["
    yield from (f"    {quoted(column.name)}," for column in draft.label_columns)
    yield "]"
    yield from _meanings([column.name for column in draft.label_columns])
    yield ""
    yield from _states(draft, tables)


def _states(draft: Draft, tables: Sequence[Profile]) -> Iterator[str]:
    held = {column.name: values_over(tables, column.name) for column in draft.label_columns}
    spelled: dict[str, dict[str, None]] = {state: {} for state in ORDER}
    strange: list[tuple[str, str, int]] = []
    for name, values in held.items():
        for value, times in values.items():
            state = STATES.get(spelling_key(value))
            if state:
                spelled[state].setdefault(value.strip().lower())
            else:
                strange.append((value, name, times))
    spelled["blank"] = {"": None, **spelled["blank"]}
    yield "[labels.states]  # how the cells spell each state; capitals and outer blanks make no difference"
    yield from (f"{state} = {_listed(spelled[state])}" for state in ORDER)
    if not spelled["negative"]:
        yield f'{CHECK} Nothing spells negative. If an empty cell means negative, move "" from blank to negative.'
    if spelled["uncertain"]:
        yield f"{CHECK} Does {', '.join(spelled['uncertain'])} mean uncertain here, or that nothing was said (blank)?"
    for value, name, times in strange:
        yield f"{CHECK} {remark(quoted(value))} ({times:,} rows of {remark(name)}) is in no list and set aside."
    total = sum(table.records for table in tables)
    for name, values in held.items():
        yield from _counts(name, values, total)


def _counts(name: str, values: Counter[str], total: int) -> Iterator[str]:
    common = values.most_common(MOST_SHOWN)
    empty = total - values.total()
    told = [f"{quoted(value)} {times:,}" for value, times in common]
    told += [f"empty {empty:,}"] if empty > 0 and len(values) <= MOST_SHOWN else []
    told += [f"and {len(values) - MOST_SHOWN:,} more"] if len(values) > MOST_SHOWN else []
    for at in range(0, len(told), WRAPPED):
        lead = f"# {remark(name)}: " if not at else "#     "
        yield lead + remark(", ".join(told[at : at + WRAPPED]))


def _meanings(names: Sequence[str]) -> Iterator[str]:
    """The kinds and shared words of findings whose whole name is one."""
    kinds = {name: KIND[matching_key(name)] for name in names if matching_key(name) in KIND}
    shared = {matching_key(word.name): word.name for word in shared_labels()}
    harmonised = {name: shared[matching_key(name)] for name in names if matching_key(name) in shared}
    if kinds:
        yield ""
        yield "[labels.kind]  # finding unless it is normal (nothing found) or device"
        yield from (f"{quoted(name)} = {quoted(kind)}" for name, kind in kinds.items())
    if harmonised:
        yield ""
        yield "[labels.harmonised]  # the shared vocabulary, to compare datasets: whole names that agree"
        yield from (f"{quoted(name)} = {quoted(word)}" for name, word in harmonised.items())
    yield ""
    yield "# [labels.parent]  # a finding that is a kind of another"
    yield '# "Pneumonia" = "Consolidation"'


def _values(draft: Draft) -> Iterator[str]:
    sources = [(draft.attributes, draft.tables)] if draft.tables else []
    sources += [(join.attributes, [join.table]) for join in draft.joined]
    for attribute, words in WORDS.items():
        values = Counter(draft.stem_views if attribute == "view" else ())
        for attributes, tables in sources:
            if attribute in attributes:
                values += values_over(tables, attributes[attribute])
        if values:
            yield f"[values.{attribute}]  # every spelling seen, with its number of rows"
            yield from _spellings(values, words)
            yield ""


def _spellings(values: Counter[str], words: Mapping[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    for value, times in values.most_common():
        key = spelling_key(value)
        if key in seen:
            continue
        seen.add(key)
        meaning = words.get(key)
        if meaning:
            yield f"{quoted(value)} = {quoted(meaning)}  # {times:,}"
        else:
            yield f'{CHECK} {remark(quoted(value))} = "?"  # {times:,} rows; set aside until you say what it means'


def _privacy(draft: Draft) -> Iterator[str]:
    yield "[privacy]"
    if draft.source == "dicom" or (draft.headers and "patient" not in draft.attributes):
        yield "# PatientID of a header identifies a person. The index holds a pseudonym made with this salt: keep the"
        yield "# salt with the films, tell nobody, and the pseudonyms stay the same. Other choices: as is, none."
        yield 'patient_ids = "pseudonym"'
    else:
        yield 'patient_ids = "as is"  # or pseudonym (made with the salt), or none'
    yield 'image_ids = "as is"  # or hash'
    yield f"salt = {quoted(secrets.token_hex(32))}"


def _unused(draft: Draft) -> Iterator[str]:
    if draft.unused:
        yield "# Tables that are not read:"
        yield from (f"#   {remark(sentence)}" for sentence in draft.unused)
