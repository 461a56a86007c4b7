"""Compute energy masks of footprints and their overlaps, without a dense image per unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError

__all__ = ["Overlaps", "centroids", "energy_mask", "energy_masks", "shared_pixels"]

# Share of the energy that rounding may lose: without it one more level of pixels might be taken in.
_ROUNDING = 1e-12


def energy_mask(values: NDArray[np.floating], energy_frac: float) -> NDArray[np.bool_]:
    """Find the smallest set of brightest pixels that holds ``energy_frac`` of the sum of squares; ties stay together.

    So a binary footprint is its own mask, and the order and scale of the values do not matter.
    """
    if values.size == 0:
        return np.zeros(0, np.bool_)
    # Scaled first, so that squares of tiny or huge values neither vanish nor overflow.
    energy = np.square(values.astype(np.float64) / float(values.max()))
    falling = np.sort(energy)[::-1]
    held = np.cumsum(falling)
    return energy >= falling[np.searchsorted(held, energy_frac * held[-1] * (1 - _ROUNDING))]


def energy_masks(A: SparseFootprints, energy_frac: float = 0.9) -> SparseFootprints:
    """Compute the energy masks of all units, one by one, as footprints of ones.

    Parameters
    ----------
    A
        Footprints, none negative.
    energy_frac
        Share of the sum of squares that a mask holds, in (0, 1].
    """
    if not 0 < energy_frac <= 1:
        raise EstimateError(f"energy_frac must be in (0, 1], not {energy_frac}")
    kept = np.zeros(len(A.data), np.bool_)
    for start, stop in zip(A.indptr[:-1], A.indptr[1:], strict=True):
        kept[start:stop] = energy_mask(A.data[start:stop], energy_frac)
    return replace(
        A,
        data=np.ones(int(kept.sum()), np.float32),
        indices=A.indices[kept],
        indptr=np.concatenate([[0], np.cumsum(kept)])[A.indptr],
    )


def centroids(masks: SparseFootprints) -> NDArray[np.float64]:
    """Compute the mean row and column of each unit's pixels ``(unit_id, 2)``, px; NaN for a unit without any."""
    row, column = np.divmod(masks.indices, masks.shape[2])
    unit = np.repeat(np.arange(len(masks)), np.diff(masks.indptr))
    area = np.bincount(unit, minlength=len(masks))
    sums = [np.bincount(unit, of, len(masks)) for of in (row, column)]
    return np.stack(sums, axis=1) / np.where(area > 0, area, np.nan)[:, np.newaxis]


def shared_pixels(est: SparseFootprints, true: SparseFootprints) -> Any:
    """Count the pixels that every two masks share, as a scipy ``csr_array`` (estimates, cells)."""
    # A product of ones: whole numbers, exact in float32.
    return cast("Any", est.csr) @ cast("Any", true.csr).T


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Overlaps of every estimated mask with every true one.

    Attributes
    ----------
    est_area, true_area
        Pixels of each mask.
    shared
        Pixels in common (estimates, cells).
    """

    est_area: NDArray[np.int64]
    true_area: NDArray[np.int64]
    shared: NDArray[np.int32]

    @classmethod
    def of(cls, est: SparseFootprints, true: SparseFootprints) -> Overlaps:
        """Compute the overlaps of two sets of masks on the same image, by a sparse product."""
        return cls(np.diff(est.indptr), np.diff(true.indptr), shared_pixels(est, true).toarray().astype(np.int32))

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union (estimates, cells)."""
        return self.shared / np.maximum(self.est_area[:, None] + self.true_area - self.shared, 1)

    @cached_property
    def of_est(self) -> NDArray[np.float64]:
        """Share of the estimate that lies in the cell (estimates, cells)."""
        return self.shared / np.maximum(self.est_area[:, None], 1)

    @cached_property
    def of_true(self) -> NDArray[np.float64]:
        """Share of the cell that lies in the estimate (estimates, cells)."""
        return self.shared / np.maximum(self.true_area, 1)
