"""Merge the ``sim`` marks of a test, the nearest winning key by key.

Nearest first: its parameters, its function, its class, the bases of its class, its module, its package.
"""

from __future__ import annotations

import math
import unittest
from collections.abc import Iterable, Mapping
from typing import cast

import pytest

from pytest_calsim.errors import SpecError
from pytest_calsim.plugin.item_data import CASE, REFUSED, RESOLVED
from pytest_calsim.plugin.options import DEFAULT_PRESET, settings_of
from pytest_calsim.plugin.requests import Case, PresetSource, SimRequest

__all__ = ["case_of", "preset_source", "request_by_marks", "resolve"]

_RECORDING_FIXTURES = ("sim_spec", "sim_recording")
"""The fixtures that a mark is about; both take indirect parameters, and the second of the two is the nearer."""


_SEVERAL = "sim mark: several presets, a sweep or seeds"
"""How messages begin about marks that make several tests of one."""


def resolve(item: pytest.Item) -> None:
    """Put the spec that a test asks for, or why it cannot be had, on the test."""
    try:
        item.stash[RESOLVED] = _request_for_item(item).resolve(preset_source(item.config))
    except SpecError as error:
        item.stash[REFUSED] = str(error)
    except Exception as error:  # a fault in one test's mark, or in the user's step, must not stop the other tests
        item.stash[REFUSED] = f"sim mark: {type(error).__name__}: {error}"


def preset_source(config: pytest.Config) -> PresetSource:
    """Say where a project's presets come from."""
    settings = settings_of(config)
    origin = ""
    if settings.sim_preset is not None:
        origin = f"{settings.origins['sim_preset']} = {settings.sim_preset!r}"
    return PresetSource(settings.sim_preset or DEFAULT_PRESET, origin, settings.sim_preset_dir, config.rootpath)


def request_by_marks(item: pytest.Item) -> SimRequest:
    """Merge the ``sim`` marks of a test's function, classes and module; raise ``SpecError`` for a wrong one."""
    request = SimRequest()
    for where, mark in _farthest_first(item):
        request = request.under(SimRequest.of(mark.args, mark.kwargs).found_at(where))
    return request


def _request_for_item(item: pytest.Item) -> SimRequest:
    """Say what one collected test asks for: its marks, its case of them, and its parameters.

    Raises
    ------
    SpecError
        For a wrong mark, and for cases that could not be made into tests.
    """
    request = request_by_marks(item)
    parameters = _parameters(item)
    case = case_of(item)
    if case is not None:
        if case.axes != request.axes:
            raise SpecError(f"{_SEVERAL} came too late: a hook changed this test's marks after it was collected")
        request = request.as_case(case.request)
    elif request.makes_several:
        raise SpecError(f"{_SEVERAL} {_why_one_test(item)}")
    for mark in _parameter_marks(item):
        nearer = SimRequest.of(mark.args, mark.kwargs)
        if nearer.makes_several:
            raise SpecError(f"{_SEVERAL} on one parameter cannot make more tests of it; parametrize further")
        request = request.under(nearer)
    for name in _RECORDING_FIXTURES:
        if name in parameters:
            request = request.under(SimRequest.of_parameter(parameters[name]))
    return request


def case_of(item: pytest.Item) -> Case | None:
    """Say which of its marks' cases a test is."""
    case = _parameters(item).get(CASE)
    return case if isinstance(case, Case) else None


def _why_one_test(item: pytest.Item) -> str:
    """Say why the marks of a test were not made into several tests."""
    if isinstance(item, pytest.Function) and item.cls is not None and issubclass(item.cls, unittest.TestCase):
        return "cannot make several tests of a unittest.TestCase's method; use a plain class, or loop over seeds"
    if CASE in getattr(item, "fixturenames", ()):
        return (
            "came too late: a hook added them after the test was collected; "
            "give them to a mark on the function, class or module"
        )
    if "sim_spec" in getattr(item, "fixturenames", ()):
        return (
            "cannot make several tests here: this test's own sim_spec stands before the plugin's, and this version of "
            "pytest does not look behind it (newer ones do)"
        )
    return "make several tests only of a test that takes sim_recording or sim_spec as an argument"


def _farthest_first(item: pytest.Item) -> list[tuple[str, pytest.Mark]]:
    """List the ``sim`` marks around a test, those of its parameters left out, and where each is; empty: on the test.

    pytest lists a class's marks from its bases to itself, so that there the nearer one comes last; elsewhere it comes
    first.
    """
    of_parameters = _parameter_marks(item)  # pytest puts them among the test's own, too
    marks: list[tuple[str, pytest.Mark]] = []
    for node in item.listchain():
        where = "" if node is item else f"{type(node).__name__.lower()} {node.name}"
        own = [mark for mark in node.own_markers if mark.name == "sim"]
        if isinstance(node, pytest.Class):
            own = _by_class(own, node.obj)
        elif node is item:
            own = [mark for mark in own if not any(mark is other for other in of_parameters)]
        marks += [(where, mark) for mark in reversed(own)]
    return marks


def _by_class(marks: list[pytest.Mark], cls: type) -> list[pytest.Mark]:
    """Sort a class's marks nearest first, by how far up among its bases each was written.

    A hook may have added some, which no class holds: one before all of them stays the nearest, others the farthest.
    """
    depth_of: dict[int, float] = {}
    for depth, base in enumerate(cls.__mro__):
        for mark in _as_list(base.__dict__.get("pytestmark", ())):
            # A mark that several bases share counts for the nearest. `pytestmark = pytest.mark.sim` is a decorator.
            depth_of.setdefault(id(getattr(mark, "mark", mark)), depth)
    added: float = -1
    depths: list[float] = []
    for mark in marks:
        if id(mark) in depth_of:
            added = math.inf
        depths.append(depth_of.get(id(mark), added))
    order = sorted(range(len(marks)), key=depths.__getitem__)
    return [marks[i] for i in order]


def _as_list(given: object) -> Iterable[object]:
    return cast("Iterable[object]", given) if isinstance(given, list | tuple) else [given]


def _parameters(item: pytest.Item) -> Mapping[str, object]:
    return getattr(getattr(item, "callspec", None), "params", {})


def _parameter_marks(item: pytest.Item) -> list[pytest.Mark]:
    """List the ``sim`` marks on a test's parameters: ``pytest.param(..., marks=...)``; of two, the last one wins."""
    marks: Iterable[pytest.Mark] = getattr(getattr(item, "callspec", None), "marks", ())
    return [mark for mark in marks if mark.name == "sim"]
