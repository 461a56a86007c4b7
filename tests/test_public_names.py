"""The public names are there, sorted, and shown to type checkers."""

import ast
import inspect
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest_calsim


def test_every_public_name_is_there():
    for name in pytest_calsim.__all__:
        assert getattr(pytest_calsim, name).__name__ == name
    assert set(pytest_calsim.__all__) <= set(dir(pytest_calsim))
    assert pytest_calsim.__all__ == sorted(pytest_calsim.__all__)


def test_strategies_are_at_hand_and_imported_when_first_used():
    code = "import sys, pytest_calsim as p; print('hypothesis' in sys.modules, p.strategies.specs(), dir(p))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False")
    assert "'strategies'" in done.stdout


def test_every_public_name_is_in_the_example_that_pyright_checks():
    example = Path(__file__).parents[1] / "docs" / "examples" / "test_typed.py"
    tree = ast.parse(example.read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(pytest_calsim.__all__) <= used


def test_the_site_tears_no_property_in_two():
    """The site's generator takes what stands before a colon in a property's first line for its type."""
    torn = [
        f"{name}.{member}"
        for name in pytest_calsim.__all__
        for member, value in vars(getattr(pytest_calsim, name)).items()
        if isinstance(value, property | cached_property) and not member.startswith("_")
        if ": " in (inspect.getdoc(value) or "").partition("\n")[0]
    ]
    # Models of a spec have no members on the site, only their fields.
    shown = [name for name in torn if not hasattr(getattr(pytest_calsim, name.partition(".")[0]), "model_fields")]
    assert shown == []
