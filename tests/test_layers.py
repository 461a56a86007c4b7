"""The layers of the package: imports point down, and never in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pytest_calsim"

LAYERS = [
    "plugin",
    "testing",
    "recording",
    "store",
    "simulation",
    "spec",
    "steps",
    "microscope",
    "arrays",
    "kernels",
    "errors",
]
"""From the top down; a module may import from its own layer and from those below."""

STEP_LAYERS = [
    "registry",
    "background",
    "cells",
    "tissue light motion sensor",
    "spline_images slow_courses smooth_grid step tiles",
    "pixels",
    "artifact lognormal",
]


# The public names and the command line are above all layers.
ABOVE = {"__init__", "__main__"}

# What pytest imports in every run.
LIGHT = ["announcements", "fixtures", "hooks", "item_data", "options", "reports", "session"]


def imports():
    """Every import within the package as (importer, imported, whether it is inside a function)."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name in ABOVE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        # What a card says is the type of an error's attribute: only type checkers follow that arrow.
        typing_only = _under_type_checking(path.with_suffix("")) if name == "errors" else set()
        inside = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_calsim."):
                module = node.module.removeprefix("pytest_calsim.")
                if module in typing_only:
                    continue
                for alias in node.names:
                    whole = f"{module}.{alias.name}"
                    yield name, whole if _is_module(whole) else module, id(node) in inside


def _is_module(name):
    path = PACKAGE.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def layer(module):
    return LAYERS.index(module.split(".")[0])


def step_layer(module):
    part = module.split(".")[1]
    return next(i for i, names in enumerate(STEP_LAYERS) if part in names.split())


def test_every_room_is_a_layer():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - ABOVE == set(LAYERS)


def test_imports_point_down():
    assert not {(a, b) for a, b, _ in imports() if layer(b) < layer(a)}


def test_imports_between_steps_point_down():
    steps = {(a, b) for a, b, _ in imports() if a.startswith("steps.") and b.startswith("steps.")}
    assert not {(a, b) for a, b in steps if step_layer(b) < step_layer(a)}


def test_no_circle():
    graph = {}
    for importer, imported, _ in imports():
        if importer != imported:
            graph.setdefault(importer, set()).add(imported)
    list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("module", ["plugin", *(f"plugin.{name}" for name in LIGHT)])
def test_the_plugin_imports_nothing_heavy(module):
    heavy = {b for a, b, inside in imports() if a == module and not inside and layer(b) < layer("errors")}
    typing_only = _under_type_checking(PACKAGE.joinpath(*module.split(".")))
    light = {"testing.listeners", *(f"plugin.{name}" for name in LIGHT)}
    assert not heavy - typing_only - light


def _under_type_checking(path):
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    guards = [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.If)]
    names = {n.module for g in guards for n in ast.walk(g) if isinstance(n, ast.ImportFrom) and n.module}
    return {name.removeprefix("pytest_calsim.") for name in names}
