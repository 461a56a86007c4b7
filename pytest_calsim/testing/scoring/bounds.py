"""Check a test's demands: a bound that nothing can break, such as NaN, is refused and never passes."""

from __future__ import annotations

import math

from pytest_calsim.arrays.plain import is_number, is_whole_number
from pytest_calsim.errors import EstimateError

__all__ = ["check_bound", "check_finite", "check_tolerance"]


def check_bound(name: str, value: object, low: float = 0, high: float = 1) -> None:
    """Refuse a bound that is no finite number from ``low`` to ``high``; by default a share."""
    # NaN lies between no two numbers.
    if is_number(value) and low <= value <= high and math.isfinite(value):
        return
    span = f"lie between {low} and {high}" if math.isfinite(high) else f"be a finite number of at least {low}"
    raise EstimateError(f"{name} must {span}, not {value!r}")


def check_finite(name: str, value: object) -> None:
    """Refuse what is no finite number."""
    if not is_number(value) or not math.isfinite(value):
        raise EstimateError(f"{name} must be a finite number, not {value!r}")


def check_tolerance(tol_frames: object) -> None:
    """Refuse a tolerance that is no whole number of frames."""
    if not is_whole_number(tol_frames) or tol_frames < 0:
        raise EstimateError(f"tol_frames must be a whole number of frames, 0 or more, not {tol_frames!r}")
