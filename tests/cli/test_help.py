"""Every verb explains itself, and misuse names what was wrong and what to do."""

from __future__ import annotations

import pytest

from cxrdash import __version__
from cxrdash.cli.verbs import VERBS

NAMES = [verb.name for verb in VERBS]


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_every_verb_has_help_with_an_example_and_the_exit_codes(verb, command):
    shown = command(verb.name, "--help")
    assert shown.code == 0 and shown.err == ""
    for example in verb.examples:
        assert f"  python -m cxrdash {example}" in shown.out and example.split()[0] == verb.name
    assert "Exit codes: 0 ok, 1 findings or failure, 2 misuse." in shown.out


def test_the_overall_help_lists_every_verb(command):
    shown = command("--help").out
    assert [name for name in NAMES if f"    {name} " not in shown] == []


def test_the_promised_verbs_are_there():
    promised = {"index", "datasets", "show", "stat", "sample", "query", "demo", "serve", "doctor"}
    assert promised <= set(NAMES)


def test_the_version_is_printed(command):
    assert command("--version").out == f"cxrdash {__version__}\n"


def test_no_verb_shows_the_help_on_stderr_and_is_misuse(command):
    shown = command()
    assert shown.code == 2 and shown.out == "" and "VERB" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["indx", "folder"], "invalid choice: 'indx' (choose from 'index', "),
        (["show"], "The following arguments are required: DATASET.\nSee: python -m cxrdash show --help"),
        (["stat", "prevalence", "nih", "--label", "Edema"], "does not take '--label'.\nDid you mean --labels?"),
        (["stat", "prevalence", "nih", "--age", "old"], "Argument --age: 'old' is no range; write it as 40-80"),
        (["stat", "prevalence", "nih", "--unit", "film"], "invalid choice: 'film' (choose from 'image', "),
        (["stat", "prevalence"], "Give a statistic and a dataset."),
        (["sample", "nih", "-n", "0"], "'0' is not a whole number above 0"),
        (["sample", "nih", "--per-patient", "2"], "invalid choice: 2 (choose from 0, 1)"),
        (["sample", "nih", "--contact-sheet", "out.gif"], "give a name that ends in .png"),
        (["query", "nih"], "Give one SELECT statement.\nOr list the tables with --schema."),
        (["query", "nih", "SELECT 1", "--seconds", "nan"], "'nan' is not a number above 0"),
        (["serve", "--port", "70000"], "a port is a number from 1 to 65535"),
        (["serve", "--share"], "does not take '--share'"),
    ],
)  # fmt: skip
def test_misuse_exits_with_2_and_says_what_and_how(words, said, command):
    shown = command(*words)
    assert shown.code == 2 and shown.out == ""
    assert said in shown.err and "Traceback" not in shown.err


def test_hostile_words_are_made_printable(command):
    shown = command("stat", "\x1b[31mred", "nih")
    assert shown.code == 2 and "\x1b" not in shown.err and r"\x1b[31mred'" in shown.err
