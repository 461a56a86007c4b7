"""Modules stay short, and import at their top."""

import ast
from pathlib import Path

import pytest
from test_layers import LAYERS

from pytest_calsim.steps.registry import step_classes

PACKAGE = Path(__file__).parents[1] / "pytest_calsim"
MODULES = sorted(PACKAGE.rglob("*.py"))

MAX_LINES = 450
MAX_LATE_IMPORTS = 10
"""Own imports inside functions, the plugin's apart."""

# Nothing heavy may be imported before a test uses the plugin, so most of its imports stand inside functions.
LATE_BY_PURPOSE = ("plugin", "__main__.py")


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def late_imports(path):
    """Own imports inside functions as (imported module, line number)."""
    functions = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.FunctionDef)]
    found = {}
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pytest_calsim":
            found[node.lineno] = node.module
    return [(module, line) for line, module in sorted(found.items())]


def has_reason(path, line):
    """Whether a comment stands in an import's line, or above it and its neighbours."""
    lines = path.read_text("utf-8").splitlines()
    at = line - 1
    if "#" in lines[at]:
        return True
    while lines[at].strip().startswith(("from ", "import ")):
        at -= 1
    return lines[at].strip().startswith("#")


def points_up(path, module):
    """Whether an import points to a higher layer: such a one cannot stand at the top (see test_layers.py)."""
    return LAYERS.index(module.split(".")[1]) < LAYERS.index(name_of(path).split("/")[0].removesuffix(".py"))


FEW = [path for path in MODULES if not name_of(path).startswith(LATE_BY_PURPOSE)]
WITH_REASONS = [path for path in MODULES if name_of(path) != "__main__.py"]  # which gives one reason for all of them


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_long(path):
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES, "split it by what its parts are about"


def test_few_imports_stand_inside_functions():
    late = [(name_of(path), line) for path in FEW for _, line in late_imports(path)]
    assert len(late) <= MAX_LATE_IMPORTS, late


@pytest.mark.parametrize("path", [path for path in WITH_REASONS if late_imports(path)], ids=name_of)
def test_an_import_inside_a_function_has_its_reason(path):
    late = late_imports(path)
    told = {module for module, line in late if has_reason(path, line) or points_up(path, module)}
    assert told == {module for module, _ in late}, "say why in a comment above it, once for each module"


def test_a_steps_module_has_the_name_of_its_kind():
    own = {kind: step for kind, step in step_classes().items() if step.__module__.startswith("pytest_calsim.")}
    assert len(own) >= 12
    for kind, step in own.items():
        assert step.__module__.rpartition(".")[2] == kind
