"""Match estimates with planted cells, in the estimate's own frame of reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.frame_of_reference import FootprintShift, FrameOfReference, find_frame
from pytest_calsim.testing.planted_cells import PlantedCells
from pytest_calsim.testing.scoring.footprints import FootprintScores, score_footprints
from pytest_calsim.testing.scoring.masks import centroids, energy_masks
from pytest_calsim.testing.scoring.shared_offset import align

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["MatchedCells", "Residual", "match_cells", "matched_rows"]


_MEDIAN_ERROR = 1.858
"""Standard error of a median of n normal deviates, in units of their median absolute deviation, times the root of n:
√(π/2) = 1.2533 (Kenney and Keeping 1962, 13.3) × 1.4826."""


class Residual(NamedTuple):
    """An offset that all cells found share: the median over the cells, so that a few that fit badly do not count.

    Attributes
    ----------
    dy_px, dx_px
        Rows and columns; + toward higher ones.
    error_px
        Standard error along its own direction.
    """

    dy_px: float
    dx_px: float
    error_px: float

    @property
    def length_px(self) -> float:
        """Length of the offset, px."""
        return math.hypot(self.dy_px, self.dx_px)

    @classmethod
    def of(cls, offsets: NDArray[np.float64]) -> Residual:
        """Compute it from each cell's offset ``(cell, 2)``, px; the error is infinite for a single cell."""
        dy, dx = np.median(offsets, axis=0).tolist()
        length = math.hypot(dy, dx)
        # Along its own direction, as a cell's error across it hardly changes the length.
        along = offsets @ ((dy / length, dx / length) if length else (0.0, 1.0))
        spread = float(np.median(np.abs(along - np.median(along))))
        error = _MEDIAN_ERROR * spread / math.sqrt(len(offsets)) if len(offsets) > 1 else math.inf
        return cls(dy, dx, error)


@dataclass(frozen=True, eq=False)
class MatchedCells:
    """An estimate's footprints matched with all planted cells.

    Attributes
    ----------
    given
        The estimate's footprints where they were.
    A_est, A_true
        Both in one place.
    scores
        Matching in that place.
    at_zero
        Matching with the estimate left where it was.
    frame
        Offset of the estimate.
    """

    given: SparseFootprints
    A_est: SparseFootprints
    A_true: SparseFootprints
    scores: FootprintScores
    at_zero: FootprintScores
    frame: FrameOfReference

    @cached_property
    def residual(self) -> Residual:
        """Offset that the counted cells found share, as a whole, in the frame of reference."""
        found = self.scores.found
        if not len(found):
            return Residual(math.nan, math.nan, math.nan)
        est = centroids(energy_masks(self.A_est[self.scores.estimate_of[found]]))
        true = centroids(energy_masks(self.A_true[found]))
        return Residual.of(est - true)

    def notes(self) -> list[str]:
        """Say which frame of reference was used, and how many cells each one finds."""
        if not self.frame.source:
            return []
        dy, dx = self.frame.offset_px
        n_counted = int(self.scores.counted.sum())
        there = f"recall {len(self.scores.found)}/{n_counted} there"
        zero = f"{len(self.at_zero.found)}/{n_counted} at zero shift"
        lie = f"footprints lie ({dy:+.2f}, {dx:+.2f}) px from zero shift, {self.frame.source}"
        return [f"frame of reference: {lie}: {there}, {zero}"]

    def facts(self) -> dict[str, float]:
        """Return the offset used, and the recall at zero shift."""
        dy, dx = self.frame.offset_px
        return {
            "footprint_shift_height_px": dy,
            "footprint_shift_width_px": dx,
            "recall_at_zero_shift": self.at_zero.recall,
        }


def match_cells(
    found: Estimate, recording: Recording, cells: PlantedCells, *, min_iou: float, footprint_shift: FootprintShift
) -> MatchedCells:
    """Match an estimate's footprints with all planted cells of a recording.

    Raises
    ------
    EstimateError
        When there are no footprints, they do not fit, or their frame of reference cannot be known.
    """
    _, height, width = recording.frames.shape
    A = found.footprints_on((height, width))
    frame = find_frame(footprint_shift, found, A, recording)
    at_zero = score_footprints(A, cells.A, cells.counted, min_iou=min_iou, cut=cells.cut)
    unmoved = MatchedCells(given=A, A_est=A, A_true=cells.A, scores=at_zero, at_zero=at_zero, frame=frame)
    if frame.is_zero:
        return unmoved
    A_est, A_true = align(A, cells.A, frame.offset_px)
    scores = score_footprints(A_est, A_true, cells.counted, min_iou=min_iou, cut=cells.cut)
    # A fit may end in a worse place than none, with few cells or wrong ones: then the estimate stays where it was.
    if frame.is_fitted and scores.total_iou <= at_zero.total_iou:
        return replace(unmoved, frame=replace(frame, offset_px=(0.0, 0.0)))
    return replace(unmoved, A_est=A_est, A_true=A_true, scores=scores)


def matched_rows(
    found: Estimate, cells: PlantedCells, matched: MatchedCells | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of an estimate, and the counted cells that they stand for.

    Without footprints the rows stand for ``Estimate.cells``, or for all planted cells in their order.

    Raises
    ------
    EstimateError
        When it is not said which cells the rows stand for.
    """
    if matched is not None:
        return matched.scores.estimate_of[matched.scores.found], matched.scores.found
    ids = np.arange(found.n_units) if found.cells is None else found.cells
    if found.cells is None and found.n_units != len(cells):
        raise EstimateError(
            f"the estimate has {found.n_units} rows for {len(cells)} planted cells: "
            "give its footprints, Estimate(A=..., C=...), or name the cells, Estimate(C=..., cells=...)"
        )
    if found.cells is None and not np.array_equal(found.labels, ids):
        raise EstimateError(
            f"the rows have unit_id labels {found.labels[0]} to {found.labels[-1]}, not the planted cells' 0 to "
            f"{len(cells) - 1} in order: give the footprints too, or name the cells, Estimate(C=..., cells=...)"
        )
    if ids.size and not (ids.min() >= 0 and ids.max() < len(cells)):
        raise EstimateError(
            f"cells reaches from {ids.min()} to {ids.max()}; the planted cells are 0 to {len(cells) - 1}"
        )
    rows = np.flatnonzero(cells.counted[ids])
    return rows, ids[rows]
