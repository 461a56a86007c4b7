"""List the listeners to scorecards, apart from the scorecards, as every run of pytest imports this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["LISTENERS"]

LISTENERS: list[Callable[[Any], None]] = []
"""Called with every :class:`~pytest_calsim.testing.scorecard.Scorecard` that is published."""
