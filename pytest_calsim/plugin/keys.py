"""Define the keys under which the plugin stores data on pytest's tests. Every run of pytest imports this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_calsim.plugin.requests import ResolvedRequest

__all__ = ["CASE", "DESCRIPTION", "REFUSED", "RESOLVED"]

CASE = "_sim_case"
"""The private fixture that carries which of a mark's cases a test is."""

DESCRIPTION = (
    "sim(*presets, overrides=None, seed=None, add=(), drop=(), sweep=None, seeds=None): what sim_recording gives this "
    "test; marks on its class and module are merged, the nearest wins; several presets, a sweep or seeds make "
    "several tests"
)

RESOLVED: pytest.StashKey[ResolvedRequest] = pytest.StashKey()
"""On a test: the spec that it asks for."""

REFUSED = pytest.StashKey[str]()
"""On a test: why what it asks for cannot be had."""
