"""What is wrong with a run-length code, said in SQL before anything is drawn from it."""

from __future__ import annotations

import duckdb

# An odd count, a run of length 0 and a run past the last pixel are errors, never drawn. The last is known
# only where gaps are relative: then all numbers together may not exceed the picture. Numbers are
# added as floating point, so that an absurd one is too large rather than an overflow.
MACROS = r"""
CREATE OR REPLACE TEMP MACRO run_numbers(code) AS
    list_transform(regexp_extract_all(code, '[0-9]+'), lambda number:
        coalesce(try_cast(number AS DOUBLE), 'inf'::DOUBLE));

CREATE OR REPLACE TEMP MACRO run_fault(code) AS CASE
    WHEN code IS NULL THEN 'no mask is given, not even -1'
    WHEN NOT regexp_full_match(code, '[0-9]+(\s+[0-9]+)*') THEN 'is neither -1 nor a list of whole numbers'
    WHEN len(run_numbers(code)) % 2 = 1 THEN 'the run-length code has an odd count of numbers'
    WHEN regexp_matches(code, '^([0-9]+\s+[0-9]+\s+)*[0-9]+\s+0+(\s|$)')
    THEN 'the run-length code has a run of length 0'
    END;

CREATE OR REPLACE TEMP MACRO relative_run_fault(code, pixels) AS coalesce(run_fault(code), CASE
    WHEN list_sum(run_numbers(code)) > pixels THEN 'the run-length code runs past the last pixel'
    END);

CREATE OR REPLACE TEMP MACRO fits_relative(code, pixels) AS list_sum(run_numbers(code)) <= pixels;

-- starts and lengths in turn: each run begins after the end of the one before it
CREATE OR REPLACE TEMP MACRO fits_absolute(code, pixels) AS
    list_bool_and(list_transform(range(1, len(run_numbers(code)) // 2), lambda pair:
        run_numbers(code)[2 * pair + 1] >= run_numbers(code)[2 * pair - 1] + run_numbers(code)[2 * pair])
        || [run_numbers(code)[-2] + run_numbers(code)[-1] - 1 <= pixels]);

CREATE OR REPLACE TEMP MACRO run_shown(code) AS CASE WHEN length(code) > 80 THEN code[:79] || '…' ELSE code END;
"""


def define_run_checks(con: duckdb.DuckDBPyConnection) -> None:
    """Define run_fault(code), relative_run_fault(code, pixels) and their kin on a connection.

    A fault is a text, NULL where there is none; the code must be trimmed and is not '-1'.
    """
    con.execute(MACROS)
