"""Energy masks of footprints, and how far they overlap, without ever holding a dense picture per unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError, hide_refusals
from pytest_calsim.testing.scoring.inputs import Unit

__all__ = ["Masks", "Overlaps", "energy_mask", "energy_masks"]

__tracebackhide__ = hide_refusals

# Energy that rounding alone may lack: it must not pull another level of pixels in.
_ROUNDING = 1e-12


def energy_mask(values: NDArray[np.floating], energy_frac: float) -> NDArray[np.bool_]:
    """The smallest set of brightest pixels that holds ``energy_frac`` of the sum of squares; ties stay together.

    So a binary footprint is its own mask, and the order and scale of the values do not matter.
    """
    if values.size == 0:
        return np.zeros(0, np.bool_)
    energy = np.square(values.astype(np.float64) / float(values.max()))
    falling = np.sort(energy)[::-1]
    held = np.cumsum(falling)
    return energy >= falling[np.searchsorted(held, energy_frac * held[-1] * (1 - _ROUNDING))]


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks of many units: the flat pixels of one after the other.

    Attributes
    ----------
    pixels
        Flat pixel indices (C order), int32.
    start
        Where each unit begins in ``pixels``; one more than there are units.
    n_pixels
        Pixels of the picture.
    """

    pixels: NDArray[np.int32]
    start: NDArray[np.int64]
    n_pixels: int

    @property
    def area(self) -> NDArray[np.int64]:
        """Pixels of each mask."""
        return np.diff(self.start)

    @property
    def csr(self) -> Any:
        """The same as a binary scipy ``csr_array`` (units, pixels)."""
        from scipy.sparse import csr_array

        ones = np.ones(len(self.pixels), np.int32)
        return csr_array((ones, self.pixels, self.start), shape=(len(self.start) - 1, self.n_pixels))


def energy_masks(units: Iterable[Unit], shape: tuple[int, int, int], energy_frac: float = 0.9) -> Masks:
    """Energy masks of all units, made one by one.

    Parameters
    ----------
    units
        Each unit's flat pixels and values.
    shape
        Units, height, width.
    energy_frac
        Share of the sum of squares that a mask holds, above 0 and at most 1.
    """
    if not 0 < energy_frac <= 1:
        raise EstimateError(f"energy_frac must lie above 0 and at most at 1, not {energy_frac}")
    masks = [pixels[energy_mask(values, energy_frac)].astype(np.int32) for pixels, values in units]
    start = np.zeros(len(masks) + 1, np.int64)
    start[1:] = np.cumsum([len(mask) for mask in masks])
    return Masks(np.concatenate([*masks, np.zeros(0, np.int32)]), start, shape[1] * shape[2])


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How far every estimated overlaps every true mask.

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
    def of(cls, est: Masks, true: Masks) -> Overlaps:
        """Overlaps of two sets of masks on the same picture, by a sparse product."""
        return cls(est.area, true.area, (est.csr @ true.csr.T).toarray())

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
