"""A second opinion: any table that names the dataset's images and says something about their findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrdash.errors import CxrdashError, shown
from cxrdash.labels.findings import Finding
from cxrdash.sources.base import Source
from cxrdash.sources.headers import matching_key
from cxrdash.sources.local_profile import ROLE_OF
from cxrdash.sources.matching import match_images
from cxrdash.sources.sql import quote_identifier
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

NUMBERS = {
    "1": "positive",
    "1.0": "positive",
    "0": "negative",
    "0.0": "negative",
    "-1": "uncertain",
    "-1.0": "uncertain",
}
WORDS = {
    **dict.fromkeys(("yes", "true", "positive"), "positive"),
    **dict.fromkeys(("no", "false", "negative"), "negative"),
    "uncertain": "uncertain",
}
SPELLINGS = {**NUMBERS, **WORDS}
MARKS = ("0", "1", "0.0", "1.0")
KNOWN = "1, 0, -1, yes, no, positive, negative, uncertain and blank"
SEPARATORS = "|;,"
NO_FINDING = "nofinding"  # in a list: nothing was found, also where the dataset has no such label
SAMPLE = 5000  # distinct values looked at to see what a column is
SHOWN_COLUMNS = 10

WORD_COUNTS = """
SELECT count(*) FILTER (WHERE list_contains($words::VARCHAR[], lower(trim({field})))),
       count(*) FILTER (WHERE trim({field}) <> '') FROM opinion
"""
DISTINCT = "SELECT DISTINCT {field} FROM opinion WHERE trim({field}) <> '' ORDER BY ALL LIMIT {limit}"
# One row per record and label column; `state` is NULL for blank and for what is not understood.
CELLS = """
CREATE OR REPLACE TEMP TABLE opinion_cells AS
WITH told AS (
    SELECT record, unnest($columns::VARCHAR[]) AS column_name, unnest($findings::VARCHAR[]) AS finding,
           unnest([{cells}]) AS cell
    FROM opinion JOIN matched USING (record)),
spelled AS (SELECT unnest($spellings::VARCHAR[]) AS spelling, unnest($states::VARCHAR[]) AS state)
SELECT record, column_name, finding, cell, state, trim(cell) <> '' AND state IS NULL AS odd
FROM told LEFT JOIN spelled ON spelling = lower(trim(cell))
"""
# In a list the findings that the column ever names are judged: named is positive, not named negative.
TOKENS = """
CREATE OR REPLACE TEMP TABLE opinion_tokens AS
SELECT record, cell, {token} AS token FROM (
    SELECT record, {field} AS cell, unnest(string_split({field}, $separator)) AS piece
    FROM opinion JOIN matched USING (record) WHERE trim({field}) <> '')
WHERE token <> ''
"""
TOKEN = r"""trim(regexp_replace(piece, '[\[\]''"]', '', 'g'))"""
LIST_CELLS = """
CREATE OR REPLACE TEMP TABLE opinion_cells AS
WITH known AS (SELECT unnest($tokens::VARCHAR[]) AS token, unnest($findings::VARCHAR[]) AS finding),
named AS (SELECT DISTINCT record, finding FROM opinion_tokens JOIN known USING (token) WHERE finding IS NOT NULL),
odd AS (SELECT record, $column AS column_name, NULL::VARCHAR AS finding, token AS cell, NULL::VARCHAR AS state,
               true AS odd FROM opinion_tokens ANTI JOIN known USING (token))
SELECT record, $column AS column_name, vocabulary.finding, NULL::VARCHAR AS cell,
       CASE WHEN named.record IS NULL THEN 'negative' ELSE 'positive' END AS state, false AS odd
FROM (SELECT DISTINCT record FROM opinion_tokens) CROSS JOIN (SELECT DISTINCT finding FROM named) AS vocabulary
LEFT JOIN named USING (record, finding)
UNION ALL FROM odd
"""
ROW_FAULTS = """
CREATE OR REPLACE TEMP TABLE opinion_row_faults AS
WITH bad AS (
    SELECT record, first({{'column_name': column_name, 'value': cell, 'reason': $reason}} ORDER BY column_name, cell)
        AS fault
    FROM opinion_cells WHERE odd GROUP BY record),
said AS (
    SELECT matched.record, image_id,
           list((finding, state) ORDER BY finding) FILTER (WHERE state IS NOT NULL) AS states
    FROM matched LEFT JOIN opinion_cells USING (record) GROUP BY ALL),
repeated AS (
    SELECT image_id, count(DISTINCT coalesce(states::VARCHAR, '')) AS versions, min(record) AS first_record
    FROM said GROUP BY image_id HAVING count(*) > 1)
SELECT opinion.record, CASE
    WHEN coalesce(trim({id}), '') = ''
    THEN {{'column_name': $column, 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}}
    WHEN matched.record IS NULL
    THEN {{'column_name': $column, 'value': {id}, 'reason': 'the image is not in this dataset'}}
    WHEN bad.record IS NOT NULL THEN bad.fault
    WHEN versions > 1
    THEN {{'column_name': $column, 'value': {id},
          'reason': 'the same image stands in rows that differ; none was chosen'}}
    WHEN opinion.record > first_record
    THEN {{'column_name': $column, 'value': {id}, 'reason': 'repeats an earlier row; the first was kept'}}
    END AS fault
FROM opinion LEFT JOIN matched USING (record) LEFT JOIN bad USING (record) LEFT JOIN repeated USING (image_id)
"""
READINGS = """
INSERT INTO staged_readings
SELECT image_id, $reader, finding, state FROM opinion_cells JOIN matched USING (record)
WHERE state IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
READ_IMAGES = "SELECT count(DISTINCT image_id) FROM staged_readings WHERE reader = $reader"


@dataclass(frozen=True)
class LabelColumn:
    """A column that judges one finding: its field in the view, its name in the file, and the finding."""

    field: str
    name: str
    finding: str


def stage_opinion(intake: Intake, source: Source, path: Path, *, reader: str) -> None:
    """Stage a table of labels as readings by ``reader``.

    The image id's column is the one whose values are the dataset's images. Columns named as a finding are
    labels, and others that say yes and no in words; without any, one column may list findings. Raises
    CxrdashError where no column names the dataset's images, or none says anything about findings.
    """
    names = {f"cell {at}": name for at, name in enumerate(peek_header(path), start=1) if matching_key(name)}
    fields = {field: (name,) for field, name in names.items()}
    file = intake.read(
        path, name="opinion", fields=fields, recognised_as=f"second opinion ({reader})", counts_images=False
    )
    match = match_images(intake, source, "opinion", list(fields))
    if match is None:
        raise CxrdashError(
            f"{path.name}: no column holds the image ids of this dataset.",
            f"One column must name the images, as {_example(intake)} does.",
        )
    intake.note(
        f"{path.name}: the column '{shown(names[match.field])}' names {match.images:,} images of this dataset, "
        f"matched {match.words}."
    )
    others = {field: name for field, name in names.items() if field != match.field}
    reason = _read_cells(intake, path, others)
    statement = ROW_FAULTS.format(id=quote_identifier(match.field))
    intake.con.execute(statement, {"reason": reason, "column": names[match.field]})
    intake.set_aside_rows(file, "opinion_row_faults")
    added = intake.count(READINGS, file=file, reader=reader)
    images = intake.count(READ_IMAGES, reader=reader)
    intake.note(f"{path.name}: {added:,} second opinions (reader {reader}) on {images:,} images.")


def _example(intake: Intake) -> str:
    rows = intake.con.execute("SELECT min(image_id) FROM staged_images").fetchall()
    return f"'{shown(rows[0][0])}'"


def _read_cells(intake: Intake, path: Path, names: Mapping[str, str]) -> str:
    """Make the table opinion_cells; return what is wrong with the cells that are marked odd."""
    known = spellings_of(intake.staged.findings)
    columns = _label_columns(intake, names, known) or _marked_columns(intake, names)
    if not columns:
        return _read_list(intake, path, names, known)
    cells = ", ".join(quote_identifier(column.field) for column in columns)
    values = {
        "columns": [column.name for column in columns],
        "findings": [column.finding for column in columns],
        "spellings": list(SPELLINGS),
        "states": list(SPELLINGS.values()),
    }
    intake.con.execute(CELLS.format(cells=cells), values)
    _note_columns(intake, path, names, columns)
    return f"not one of {KNOWN}"


def spellings_of(findings: Sequence[Finding]) -> dict[str, str]:
    """Return the finding that a column or token stands for, by ``matching_key``.

    The dataset's own names go before the shared vocabulary's, which counts where one finding alone has it.
    """
    shared = [finding.harmonised for finding in findings if finding.harmonised]
    known = {
        matching_key(finding.harmonised): finding.name
        for finding in findings
        if finding.harmonised and shared.count(finding.harmonised) == 1
    }
    known |= {matching_key(finding.source_name): finding.name for finding in findings}
    return known | {matching_key(finding.name): finding.name for finding in findings}


def _label_columns(intake: Intake, names: Mapping[str, str], known: Mapping[str, str]) -> list[LabelColumn]:
    """Return the columns named as findings, then those that say yes and no in words; no finding twice."""
    columns: dict[str, LabelColumn] = {}
    own = {matching_key(finding) for finding in known.values()}
    by_name = sorted(names, key=lambda field: matching_key(names[field]) not in own)
    for field in by_name:
        finding = known.get(matching_key(names[field]))
        if finding:
            columns.setdefault(finding, LabelColumn(field, names[field], finding))
    for field, name in names.items():
        if matching_key(name) not in known and name not in columns and _speaks(intake, field):
            columns[name] = LabelColumn(field, name, name.strip())
    return list(columns.values())


def _speaks(intake: Intake, field: str) -> bool:
    """Say whether most cells of a column are words such as yes and no; numbers alone could be anything."""
    statement = WORD_COUNTS.format(field=quote_identifier(field))
    ((words, filled),) = intake.con.execute(statement, {"words": list(WORDS)}).fetchall()
    return 2 * int(words) > int(filled)


def _marked_columns(intake: Intake, names: Mapping[str, str]) -> list[LabelColumn]:
    """Return the columns of a table of subtypes, such as chest drains: nothing but 0 and 1, and both of them.

    Only asked where no column is named as a finding: beside one, numbers could be anything.
    """
    marked = [field for field, name in names.items() if matching_key(name) not in ROLE_OF and _marks(intake, field)]
    return [LabelColumn(field, names[field], names[field].strip()) for field in marked]


def _marks(intake: Intake, field: str) -> bool:
    statement = DISTINCT.format(field=quote_identifier(field), limit=len(MARKS) + 1)
    found = {value.strip() for (value,) in intake.con.execute(statement).fetchall()}
    return found <= set(MARKS) and {NUMBERS[value] for value in found} == {"positive", "negative"}


def _note_columns(intake: Intake, path: Path, names: Mapping[str, str], columns: Sequence[LabelColumn]) -> None:
    renamed = [f"'{shown(column.name)}' as {column.finding}" for column in columns if column.name != column.finding]
    if renamed:
        intake.note(f"{path.name}: read {', '.join(renamed)}.")
    read = {column.field for column in columns}
    left = [shown(name) for field, name in names.items() if field not in read]
    if left:
        more = f" and {len(left) - SHOWN_COLUMNS:,} more" if len(left) > SHOWN_COLUMNS else ""
        intake.note(
            f"{path.name}: columns that are no labels of this dataset: {', '.join(left[:SHOWN_COLUMNS])}{more}."
        )


def _read_list(intake: Intake, path: Path, names: Mapping[str, str], known: Mapping[str, str]) -> str:
    known = {NO_FINDING: "", **known}
    shares = {field: _share_of_findings(intake, field, known) for field in names}
    field = max(shares, key=lambda name: shares[name][0], default="")
    if not field or shares[field][0] <= 0.5:
        findings = ", ".join(finding.name for finding in intake.staged.findings)
        raise CxrdashError(
            f"{path.name}: no column is named as a finding of this dataset, and none lists findings.",
            f"Name the columns as the findings: {shown(findings, 600)}.",
        )
    statement = TOKENS.format(field=quote_identifier(field), token=TOKEN)
    intake.con.execute(statement, {"separator": shares[field][1]})
    tokens = [token for (token,) in intake.con.execute("SELECT DISTINCT token FROM opinion_tokens").fetchall()]
    found = {token: known[matching_key(token)] for token in tokens if matching_key(token) in known}
    findings_of = [finding or None for finding in found.values()]
    intake.con.execute(LIST_CELLS, {"tokens": list(found), "findings": findings_of, "column": names[field]})
    judged = len({finding for finding in findings_of if finding})
    intake.note(
        f"{path.name}: '{shown(names[field])}' lists findings; of the {judged} that it ever names, those it does "
        "not name for an image are negative."
    )
    return "not a finding of this dataset"


def _share_of_findings(intake: Intake, field: str, known: Mapping[str, str]) -> tuple[float, str]:
    """Return which share of a column's tokens are findings, and the separator that gives the most."""
    statement = DISTINCT.format(field=quote_identifier(field), limit=SAMPLE)
    cells = [cell for (cell,) in intake.con.execute(statement).fetchall()]
    shares = []
    for separator in SEPARATORS:
        tokens = [matching_key(token) for cell in cells for token in cell.split(separator) if matching_key(token)]
        shares.append((sum(token in known for token in tokens) / max(len(tokens), 1), separator))
    return max(shares, key=lambda share: share[0])
