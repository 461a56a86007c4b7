"""Score which cells were found: recall, precision and overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.testing.scoring.masks import Overlaps
from pytest_calsim.testing.scoring.matching import Match, assign, overlaps

__all__ = ["FootprintScores", "score_footprints"]


@dataclass(frozen=True, eq=False)
class FootprintScores:
    """Matching of estimates with all planted cells, and the scores of the cells that count.

    Attributes
    ----------
    overlaps
        Overlaps of the energy masks.
    match
        Pairs of estimate and planted cell.
    counted
        Cells that recall counts (boolean, per planted cell).
    background_cell_of
        Each estimate's background cell, −1 for none; ``None``: not looked for.
    """

    overlaps: Overlaps
    match: Match
    counted: NDArray[np.bool_]
    background_cell_of: NDArray[np.intp] | None = None

    @cached_property
    def cell_of(self) -> NDArray[np.intp]:
        """Each estimate's cell, −1 for none."""
        cells = np.full(self.overlaps.iou.shape[0], -1, np.intp)
        cells[self.match.est] = self.match.true
        return cells

    @cached_property
    def estimate_of(self) -> NDArray[np.intp]:
        """Each cell's estimate, −1 for none."""
        estimates = np.full(self.overlaps.iou.shape[1], -1, np.intp)
        estimates[self.match.true] = self.match.est
        return estimates

    @cached_property
    def found(self) -> NDArray[np.intp]:
        """Counted cells that were found."""
        return np.flatnonzero(self.counted & (self.estimate_of >= 0))

    @cached_property
    def missed(self) -> NDArray[np.intp]:
        """Counted cells that were not found."""
        return np.flatnonzero(self.counted & (self.estimate_of < 0))

    @cached_property
    def spurious(self) -> NDArray[np.intp]:
        """Estimates that match no planted cell and lie on no background cell, of those that have pixels at all."""
        return np.flatnonzero((self.cell_of < 0) & ~self.on_background & (self.overlaps.est_area > 0))

    @property
    def on_background(self) -> NDArray[np.bool_]:
        """Estimates that lie on a background cell, out of focus: neither right nor wrong."""
        if self.background_cell_of is None:
            return np.zeros(len(self.overlaps.est_area), np.bool_)
        return self.background_cell_of >= 0

    @property
    def n_ignored(self) -> int:
        """Estimates that match a planted cell which does not count: neither right nor wrong."""
        return len(self.match) - len(self.found)

    @property
    def n_empty(self) -> int:
        """Estimates without any pixel in the image: neither right nor wrong."""
        return int((self.overlaps.est_area == 0).sum())

    @property
    def recall(self) -> float:
        """Share of the counted cells that were found; NaN when none count."""
        return _share(len(self.found), int(self.counted.sum()))

    @property
    def precision(self) -> float:
        """Share of estimates that match a counted cell, among those that match it or none; NaN without any."""
        return _share(len(self.found), len(self.found) + len(self.spurious))

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the counted cells that were found; 0 when none was."""
        found = self.found
        return float(self.overlaps.iou[self.estimate_of[found], found].mean()) if len(found) else 0.0

    @property
    def total_iou(self) -> float:
        """Sum of the IoU of all matched pairs: how well the whole fits."""
        return float(self.overlaps.iou[self.match.est, self.match.true].sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def score_footprints(
    A_est: SparseFootprints,
    A_true: SparseFootprints,
    counted: NDArray[np.bool_],
    *,
    min_iou: float,
    cut: NDArray[np.bool_] | None = None,
) -> FootprintScores:
    """Match estimates with all planted cells, so that the total IoU is highest; a close call goes to a counted cell.

    A cell that counts is thereby not lost to a dim one right below it, and an estimate that is another cell's exact
    image stays that cell's. Of cells that are ``cut``, which do not count, a pipeline can show no more than a part: an
    estimate of no other cell fits as well as it lies within one, whatever share of the cell it is.
    """
    overlap = overlaps(A_est, A_true)
    match = assign(overlap.iou, min_score=min_iou, preferred=counted)
    if cut is not None:
        free = overlap.of_est * (cut & ~counted)
        free[match.est] = 0
        free[:, match.true] = 0
        parts = assign(free, min_score=min_iou)
        match = match.joined(parts)
    return FootprintScores(overlap, match, counted)
