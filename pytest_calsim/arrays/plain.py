"""Convert NumPy's values to Python's, without importing NumPy."""

from __future__ import annotations

from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Return an array as nested lists and a NumPy number as Python's; return anything else unchanged."""
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value
