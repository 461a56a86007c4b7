"""Take NumPy's values as Python's, without importing NumPy."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, TypeGuard

__all__ = ["is_number", "is_whole_number", "plain"]


def plain(value: Any) -> Any:
    """Return an array as nested lists and a NumPy number as Python's; return anything else unchanged."""
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value


def is_number(value: object) -> TypeGuard[float]:
    """Tell a real number, Python's or NumPy's, NaN included; a truth value is none."""
    return not isinstance(value, bool) and isinstance(value, Real)


def is_whole_number(value: object) -> TypeGuard[int]:
    """Tell a whole number, Python's or NumPy's; a truth value is none."""
    return not isinstance(value, bool) and isinstance(value, Integral)
