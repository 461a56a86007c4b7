"""Score motion: how far estimated shifts are from the applied ones, apart from a constant offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.matrices import as_shifts
from pytest_calsim.testing.inputs.types import MatrixLike
from pytest_calsim.testing.short_traceback import short_traceback

__all__ = ["Convention", "Origin", "ShiftErrors", "check_convention", "check_origin", "compare_shifts", "shift_rmse"]

Convention = Literal["correction", "displacement"]
"""Meaning of an estimate's sign: the displacement of the tissue, or the correction that undoes it (its negative)."""

Origin = Literal["truth", "mean", "first"]
"""Place of zero shifts: where the truth has them, in the mean of all frames, or in the first frame."""


def check_convention(convention: object) -> Convention:
    """Return the convention; refuse one that is missing or unknown."""
    if convention not in get_args(Convention):
        said = "is missing" if convention is None else f"cannot be {convention!r}"
        raise EstimateError(
            f"convention {said}: say convention='correction' (what undoes the motion, as motion correctors "
            "give it) or convention='displacement' (the motion itself, + toward higher rows and columns)"
        )
    return convention  # pyright: ignore[reportReturnType]


def check_origin(origin: object) -> None:
    """Refuse an unknown origin."""
    if origin not in get_args(Origin):
        raise EstimateError(f"origin must be one of {', '.join(map(repr, get_args(Origin)))}, not {origin!r}")


@dataclass(frozen=True, eq=False)
class ShiftErrors:
    """Differences of estimated from applied displacements.

    Attributes
    ----------
    error_px
        Estimate minus truth, as displacements, after subtracting ``offset_px`` ``(frame, 2)``.
    offset_px
        Mean difference per axis (height, width), px.
    zero_px
        The truth's displacement at each origin, per axis (height, width), px.
    """

    error_px: NDArray[np.float64]
    offset_px: NDArray[np.float64]
    zero_px: dict[Origin, NDArray[np.float64]]

    @property
    def rmse_px(self) -> float:
        """Root mean square of ``error_px`` over frames × 2 entries."""
        return float(np.sqrt(np.mean(np.square(self.error_px)))) if self.error_px.size else 0.0

    def offset_from(self, origin: Origin) -> NDArray[np.float64]:
        """Compute the mean difference from the truth with its zero at an origin, per axis (height, width), px."""
        return self.offset_px + self.zero_px[origin]


def compare_shifts(estimate: MatrixLike, truth: MatrixLike, *, convention: Convention) -> ShiftErrors:
    """Compare estimated shifts ``(frame, 2)`` with the applied displacement ``(frame, 2)``, px."""
    true = as_shifts(truth, name="true shifts")
    est = as_shifts(estimate, n_frames=len(true))
    # A constant is no error: every corrector has its own template, and so its own zero.
    difference = (est if check_convention(convention) == "displacement" else -est) - true
    nowhere = np.zeros(2)
    offset = difference.mean(axis=0) if len(difference) else nowhere
    zeros: dict[Origin, NDArray[np.float64]] = {
        "truth": nowhere,
        "mean": true.mean(axis=0) if len(true) else nowhere,
        "first": true[0] if len(true) else nowhere,
    }
    return ShiftErrors(difference - offset, offset, zeros)


@short_traceback
def shift_rmse(estimate: MatrixLike, truth: MatrixLike, *, convention: Convention) -> float:
    """Compute the RMSE of shifts over frames × 2 entries, px, after subtracting each axis's mean difference.

    Parameters
    ----------
    estimate
        Estimated shifts ``(frame, shift_dim)``, px, columns (height, width).
    truth
        Applied displacement of the tissue, likewise; + toward higher rows and columns.
    convention
        ``"correction"``: the estimate is the negative displacement; ``"displacement"``: the displacement itself.

    Raises
    ------
    EstimateError
        When the shapes, labels or values do not fit, or the convention is missing.

    Examples
    --------
    >>> shift_rmse([[1, 0], [-1, 2]], [[-1, 0], [1, -2]], convention="correction")
    0.0
    """
    return compare_shifts(estimate, truth, convention=convention).rmse_px
