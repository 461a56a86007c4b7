"""Name what the plugin keeps on each of pytest's tests. Every run of pytest imports this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_calsim.plugin.requests import ResolvedRequest

__all__ = ["CASE", "REFUSED", "RESOLVED"]

CASE = "_sim_case"
"""The private fixture that carries which of a mark's cases a test is."""

RESOLVED: pytest.StashKey[ResolvedRequest] = pytest.StashKey()
"""On a test: the spec that it asks for."""

REFUSED = pytest.StashKey[str]()
"""On a test: why what it asks for cannot be had."""
