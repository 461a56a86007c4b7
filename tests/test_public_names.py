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


def test_the_public_surface_is_what_we_mean_it_to_be():
    assert set(pytest_calsim.__all__) >= {
        "Spec",
        "assert_footprints_recovered",
        "assert_shifts_recovered",
        "assert_spikes_recovered",
        "assert_traces_recovered",
        "hungarian_match",
        "load_preset",
        "simulate",
        "sweep",
    }


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


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, pytest_calsim; print([m for m in ('numpy', 'pydantic', 'zarr', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
