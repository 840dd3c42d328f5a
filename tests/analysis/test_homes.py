"""The statistics are imported one module at a time, and every one is listed."""

from __future__ import annotations

import ast
import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cxrdash import analysis
from cxrdash.analysis.registry import HOME_OF, HOMES, STATISTICS

HEAVY = ("scipy", "sklearn", "pydicom", "plotly.express", "cxrdash.images.formats")
# What the frame and the Overview need of this package before their first numbers.
FIRST_PAGE = {"clusters", "concentration", "intervals", "overview", "part_sizes", "patients", "prevalence",
              "registry", "stacked", "tiers"}  # fmt: skip
MODULES = tuple(module.name for module in pkgutil.iter_modules(analysis.__path__))


def printed(code: str) -> list[str]:
    """What a fresh process prints as JSON after running this code."""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return list(json.loads(ran.stdout.splitlines()[-1]))


def test_every_registered_statistic_is_listed_in_its_module() -> None:
    for name in MODULES:
        import_module(f"cxrdash.analysis.{name}")
    homes = {name: STATISTICS[name].function.__module__.rpartition(".")[2] for name in STATISTICS}
    assert homes == HOME_OF


def test_the_list_names_what_is_imported_for_the_type_checker() -> None:
    tree = ast.parse(Path(str(analysis.__file__)).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        str(node.module).rpartition(".")[2]: {alias.name for alias in node.names}
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    }
    assert imported == {home: set(names) for home, names in HOMES.items()}
    assert set(HOME_OF) <= set(analysis.__all__)


@pytest.mark.parametrize("name", sorted(set(HOME_OF) & set(MODULES)))
def test_a_statistic_keeps_its_name_from_a_module_called_the_same(name: str) -> None:
    import_module(f"cxrdash.analysis.{name}")
    assert getattr(analysis, name) is STATISTICS[name].function


def test_a_name_that_is_no_statistic_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'prevalance'"):
        analysis.prevalance  # noqa: B018


def test_the_first_page_imports_its_own_statistics_and_nothing_heavy() -> None:
    code = f"""
import json, sys
from cxrdash.ui import frame, shell, show
from cxrdash.ui import overview as parts
from cxrdash import analysis
for name in ("overview", "ages"):
    analysis.named(name)
home = "cxrdash.analysis."
loaded = [name.removeprefix(home) for name in sys.modules if name.startswith(home)]
print(json.dumps(loaded + [name for name in {HEAVY} if name in sys.modules]))
"""
    assert set(printed(code)) <= FIRST_PAGE
