"""The public names are there, sorted, and shown to type checkers."""

import ast
import subprocess
import sys
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
