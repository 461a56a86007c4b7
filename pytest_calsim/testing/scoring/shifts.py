"""Motion: how far estimated shifts are from the applied ones, apart from a constant offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError, hide_refusals
from pytest_calsim.testing.scoring.inputs import as_shifts

__all__ = ["Convention", "ShiftErrors", "check_convention", "compare_shifts", "shift_rmse"]

__tracebackhide__ = hide_refusals

Convention = Literal["correction", "displacement"]
"""What an estimate's sign means: the displacement of the tissue, or the correction that undoes it (its negative)."""


def check_convention(convention: object) -> Convention:
    """The convention, or a clear refusal when it is missing or unknown."""
    if convention not in get_args(Convention):
        said = "is missing" if convention is None else f"cannot be {convention!r}"
        raise EstimateError(
            f"convention {said}: say convention='correction' (what undoes the motion, as motion correctors "
            "give it) or convention='displacement' (the motion itself, + toward higher rows and columns)"
        )
    return convention  # pyright: ignore[reportReturnType]


@dataclass(frozen=True, eq=False)
class ShiftErrors:
    """How estimated differ from applied displacements.

    Attributes
    ----------
    error_px
        Estimate minus truth, as displacements, after subtracting ``offset_px`` ``(frame, 2)``.
    offset_px
        Mean difference per axis (height, width), px.
    """

    error_px: NDArray[np.float64]
    offset_px: NDArray[np.float64]

    @property
    def rmse_px(self) -> float:
        """Root mean square of ``error_px`` over frames × 2 entries."""
        return float(np.sqrt(np.mean(np.square(self.error_px)))) if self.error_px.size else 0.0


def compare_shifts(estimate: Any, truth: Any, *, convention: Convention) -> ShiftErrors:
    """Errors of estimated shifts ``(frame, 2)`` against the applied displacement ``(frame, 2)``, px."""
    true = as_shifts(truth, name="true shifts")
    est = as_shifts(estimate, n_frames=len(true))
    difference = (est if check_convention(convention) == "displacement" else -est) - true
    offset = difference.mean(axis=0) if len(difference) else np.zeros(2)
    return ShiftErrors(difference - offset, offset)


def shift_rmse(estimate: Any, truth: Any, *, convention: Convention) -> float:
    """RMSE of shifts over frames × 2 entries, px, after subtracting each axis's mean difference.

    Parameters
    ----------
    estimate
        Estimated shifts ``(frame, shift_dim)``, px, columns (height, width).
    truth
        Applied displacement of the tissue, likewise; + toward higher rows and columns.
    convention
        ``"correction"``: the estimate is the negative displacement; ``"displacement"``: the displacement itself.

    Examples
    --------
    >>> shift_rmse([[1, 0], [-1, 2]], [[-1, 0], [1, -2]], convention="correction")
    0.0
    """
    return compare_shifts(estimate, truth, convention=convention).rmse_px
