"""The labels of a local dataset: a column per finding, or one column that lists them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Keyed
from collections.abc import Sequence
from difflib import get_close_matches

from cxrdash.errors import shown
from cxrdash.labels.findings import Finding
from cxrdash.sources.film_headers import insert_rows
from cxrdash.sources.local_joins import join_table
from cxrdash.sources.local_tables import LocalTable, Reading
from cxrdash.sources.mapping import LONGEST_NAME, Mapping, spelling_key
from cxrdash.sources.vocabulary import UNASSESSED, folded

LETTERS = {"positive": "p", "negative": "n", "uncertain": "u", "blank": "b"}
STATES = {letter: state for state, letter in LETTERS.items()}
ODD = "?"
MOST_SPELLINGS = 5000  # of states; more is a wrong column
SHOWN_VALUES = 10
BRACKETS = re.compile(r"""[\[\]'"]""")
UNLABELLED = "Unlabelled"

CELLS = """
CREATE OR REPLACE TEMP TABLE local_cells AS
SELECT record, [{cells}] AS cells FROM query_table($rows)
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
CELL_VALUES = """
SELECT place, cell, count(*) FROM (
    SELECT unnest(range(len(cells))) AS place, unnest(cells) AS cell FROM local_cells)
GROUP BY ALL ORDER BY ALL
"""
LETTERED = """
CREATE OR REPLACE TEMP TABLE local_labelled AS
SELECT record, array_to_string(list_transform(cells, lambda cell: meaning[cell]), '') AS letters, cells,
    replace(letters, '?', 'b') AS labels
FROM local_cells, (SELECT map($raw::VARCHAR[], $letters::VARCHAR[]) AS meaning)
"""
ODD_CELLS = """
INSERT INTO staged_set_aside
SELECT $file, record, name, cell, $reason, 'value' FROM (
    SELECT record, unnest($names::VARCHAR[]) AS name, unnest(cells) AS cell,
        unnest(string_split(letters, '')) AS letter
    FROM local_labelled WHERE contains(letters, '?'))
WHERE letter = '?'
"""
LISTS = """
CREATE OR REPLACE TEMP TABLE local_cells AS
SELECT record, {field} AS cell FROM query_table($rows)
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
LISTED = """
CREATE OR REPLACE TEMP TABLE local_labelled AS
SELECT record, CASE WHEN cell IS NULL THEN '' ELSE local_texts.labels END AS labels
FROM local_cells LEFT JOIN local_texts ON raw = cell
"""
ODD_TOKENS = """
INSERT INTO staged_set_aside
SELECT $file, record, $name, token, 'not one of [labels] findings', 'value'
FROM (SELECT record, unnest(odd) AS token FROM local_cells JOIN local_texts ON raw = cell)
"""
ONTO_IMAGES = """
UPDATE local_images SET labels = told.labels FROM local_labelled AS told
WHERE local_images.file = $file AND local_images.record = told.record
"""


class Labels:
    """Reads label columns or lists wherever they stand; ``findings`` grow with lists that declare none."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.labels = reading.mapping.labels
        self.con = reading.intake.con
        declared = self.labels.columns or self.labels.findings
        self._names = {spelling_key(folded(name)): folded(name) for name in declared}
        self._staged: set[str] = set()
        self.con.execute("CREATE TEMP TABLE local_texts (raw VARCHAR, labels VARCHAR, odd VARCHAR[])")

    def read(self, table: LocalTable) -> None:
        """Make ``local_labelled`` (record, labels) of a table that holds the labels."""
        if self.labels.columns:
            self._read_columns(table)
        elif self.labels.list:
            self._read_lists(table)

    def onto_images(self, table: LocalTable) -> None:
        """Read the labels of an image table and give each image those of its row."""
        if "labels" in table.columns or "label 0" in table.columns:
            self.read(table)
            self.con.execute(ONTO_IMAGES, {"file": table.file})

    def from_table_apart(self) -> None:
        """Read the table of labels that stands apart and give its labels to the images it names."""
        labels = self.labels
        wanted = {"key": labels.column}
        wanted |= {"labels": labels.list} if labels.list else {f"label {at}": c for at, c in enumerate(labels.columns)}
        table = self.reading.table(
            labels.table, wanted, separator=labels.separator, where="[labels]", images=False, rows="local_label_rows"
        )
        self.read(table)
        join_table(self.reading, table, by=labels.by, told="local_labelled", columns=("labels",))

    def _read_columns(self, table: LocalTable) -> None:
        names = list(self.labels.columns)
        cells = ", ".join(f"coalesce({table.field(f'label {at}')}, '')" for at in range(len(names)))
        self.con.execute(CELLS.format(cells=cells), {"rows": table.rows, "file": table.file})
        found = self.con.execute(CELL_VALUES).fetchall()
        known = {spelling_key(one): LETTERS[state] for state, ones in self.labels.states.items() for one in ones}
        self._refuse_strange(found, known)
        raw = sorted({cell for _, cell, _ in found})
        values = {"raw": raw, "letters": [known.get(spelling_key(cell), ODD) for cell in raw]}
        self.con.execute(LETTERED, values)
        reason = "no spelling of a state in [labels.states]"
        self.con.execute(ODD_CELLS, {"file": table.file, "names": names, "reason": reason})

    def _refuse_strange(self, found: list[tuple[int, str, int]], known: Keyed[str, str]) -> None:
        """Refuse a column of which no value at all is a spelling: it is the wrong one, or the spellings are."""
        for place, name in enumerate(self.labels.columns):
            here = [(times, cell) for at, cell, times in found if at == place and cell]
            if len(here) > MOST_SPELLINGS or (here and all(spelling_key(cell) not in known for _, cell in here)):
                common = sorted(here, reverse=True)[:SHOWN_VALUES]
                listed = ", ".join(f"'{shown(cell, 30)}' ({times:,})" for times, cell in common)
                what = f"no value of the column '{shown(name)}' is a spelling of a state; it holds {listed}"
                hint = "Declare what they mean, or take the column out of [labels] columns."
                self.reading.mapping.refuse("[labels.states]", what, hint)

    def _read_lists(self, table: LocalTable) -> None:
        values = {"rows": table.rows, "file": table.file}
        self.con.execute(LISTS.format(field=table.field("labels")), values)
        texts = self.con.execute("SELECT DISTINCT cell FROM local_cells WHERE cell IS NOT NULL ORDER BY ALL").fetchall()
        rows = []
        for (text,) in texts:
            names, odd = self._tokens(text)
            rows.append((text, json.dumps(names, ensure_ascii=False), odd))
        self.con.execute("DELETE FROM local_texts")
        insert_rows(self.con, "local_texts", rows)
        self.con.execute(LISTED)
        self.con.execute(ODD_TOKENS, {"file": table.file, "name": self.labels.list})

    def _tokens(self, text: str) -> tuple[list[str], list[str]]:
        """Return the findings a text lists, sorted, and the tokens that are none of those declared."""
        plain = BRACKETS.sub("", text) if text.startswith("[") else text
        pieces = plain.split(self.labels.delimiter) if self.labels.delimiter else [plain]
        names, odd = set(), []
        for token in filter(None, map(folded, pieces)):
            key = spelling_key(token)
            if key not in self._names and not self.labels.findings:
                self._names[key] = token
            if key in self._names and len(token) <= LONGEST_NAME:
                names.add(self._names[key])
            else:
                odd.append(token)
        return sorted(names), odd

    def findings(self) -> list[Finding]:
        """Return the findings in the order declared, or by name where a list declared none.

        A dataset without labels has one placeholder that is assessed in no image.
        """
        names = list(self._names.values())
        if not self.labels.columns and not self.labels.findings:
            names.sort()
        return findings_of(self.reading.mapping, names or [UNLABELLED])

    def stage(self, findings: Sequence[Finding]) -> None:
        """Stage what every text of labels among the images means."""
        texts = self.con.execute("SELECT DISTINCT labels FROM local_images WHERE labels IS NOT NULL").fetchall()
        unlisted = {"blank": None, "negative": "negative"}[self.labels.unlisted]
        empty = {"blank": None}.get(self.labels.empty, self.labels.empty)
        rows: list[tuple[str, str, str]] = []
        for (text,) in texts:
            if self.labels.columns:
                states = [STATES[letter] if letter != "b" else None for letter in text]
            elif text:
                named = set(json.loads(text))
                states = ["positive" if one.source_name in named else unlisted for one in findings]
            else:
                states = [empty] * len(findings)
            rows += [(text, one.name, state) for one, state in zip(findings, states, strict=True) if state]
        insert_rows(self.con, "staged_labels", rows)
        without = "UPDATE local_images SET labels = $none WHERE labels IS NULL"
        self.con.execute(without, {"none": UNASSESSED})
        insert_rows(self.con, "staged_labels", [(UNASSESSED, one.name, "not_assessed") for one in findings])


def findings_of(mapping: Mapping, names: Sequence[str]) -> list[Finding]:
    """Return the findings of these source names with the name, kind, parent and shared word declared for them.

    Raises CxrdashError where two share a name, or an entry is about a finding that is not there.
    """
    labels = mapping.labels
    shown_names = {name: folded(labels.names.get(name, name)) for name in names}
    for section in ("names", "kind", "parent", "harmonised"):
        for entry in getattr(labels, section):
            if entry not in shown_names:
                near = get_close_matches(entry, names, 1, cutoff=0.5)
                hint = f"Did you mean '{shown(near[0])}'?" if near else "Write it as the column or the list does."
                mapping.refuse(f"[labels.{section}]", f"there is no finding '{shown(entry)}'", hint)
    seen: dict[str, str] = {}
    for source, name in shown_names.items():
        if not name or len(name) > LONGEST_NAME:
            mapping.refuse("[labels]", f"'{shown(source)}' cannot name a finding", "Give it a name in [labels.names].")
        if seen.setdefault(name.casefold(), source) != source:
            mapping.refuse("[labels]", f"two findings are called '{shown(name)}'", "Rename one in [labels.names].")
    parents = {child: shown_names.get(parent, parent) for child, parent in labels.parent.items()}
    for child, parent in parents.items():
        if parent not in shown_names.values() or parent == shown_names[child]:
            mapping.refuse("[labels.parent]", f"'{shown(parent)}' is no other finding", "Name a finding of this file.")
    return [
        Finding(
            name=shown_names[source],
            source_name=source,
            kind=labels.kind.get(source, "finding"),  # type: ignore[arg-type]  # checked when it was read
            parent=parents.get(source),
            harmonised=labels.harmonised.get(source),
        )
        for source in names
    ]
