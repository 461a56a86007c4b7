"""Which cells were found: recall, precision and overlap, with a reason for every cell missed or made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.testing.scoring.masks import Overlaps
from pytest_calsim.testing.scoring.matching import Match, assign, overlaps

__all__ = ["FootprintScores", "score_footprints"]

# Below it, pipelines find less than four in five cells (docs/physics.md).
_SMALL_PEAK = 6.0
# Below it, fewer than half: the cell is not detectable.
_TOO_SMALL_PEAK = 4.5
# A mask lies in another when at least half of it does.
_HALF = 0.5
# An estimate fits a cell, and no more, when this share of it lies in that cell.
_WITHIN = 0.8
# Below this overlap two masks have nothing to do with one another.
_TOUCHING = 0.1


@dataclass(frozen=True, eq=False)
class FootprintScores:
    """Matching of estimates with all planted cells, and what follows for the cells that count.

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
        """Estimates without any pixel in the picture: neither right nor wrong."""
        return int((self.overlaps.est_area == 0).sum())

    @property
    def recall(self) -> float:
        """Share of the counted cells that were found; NaN when none count."""
        return len(self.found) / n if (n := int(self.counted.sum())) else float("nan")

    @property
    def precision(self) -> float:
        """Share of estimates that match a counted cell, among those that match it or none; NaN without any."""
        return len(self.found) / n if (n := len(self.found) + len(self.spurious)) else float("nan")

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the counted cells that were found; 0 when none was."""
        found = self.found
        return float(self.overlaps.iou[self.estimate_of[found], found].mean()) if len(found) else 0.0

    @property
    def total_iou(self) -> float:
        """Sum of the IoU of all matched pairs: how well the whole fits."""
        return float(self.match.score.sum())

    def why_missed(
        self, cell: int, cells: Mapping[str, NDArray[Any]], labels: NDArray[Any], louder: int | None = None
    ) -> str:
        """Why a counted cell was not found, in a few words; ``louder`` is a neighbour that outshines it."""
        iou, of_est, of_true = (
            share[:, cell] for share in (self.overlaps.iou, self.overlaps.of_est, self.overlaps.of_true)
        )
        facts = ", ".join(_facts(cell, cells, louder))
        if self.overlaps.true_area[cell] == 0:
            return "outside the estimate's picture, or without an image of its own"
        below = ""
        for e in np.flatnonzero(of_true >= _HALF)[np.argsort(-of_true[of_true >= _HALF], kind="stable")]:
            other = self._other_in(int(e), cell)
            if other is not None and self.overlaps.of_est[e, other] < _WITHIN:
                return f"merged with unit {other} in estimate {labels[e]}"
            if other is not None:
                below = below or f"lies with unit {other} under estimate {labels[e]}, which fits that one"
        own = np.flatnonzero((self.cell_of < 0) & (iou >= _TOUCHING) & (iou == self.overlaps.iou.max(axis=1)))
        pieces = [labels[e] for e in own if of_est[e] >= _HALF]
        if len(pieces) > 1:
            return f"split into estimates {', '.join(map(str, pieces[:-1]))} and {pieces[-1]}"
        if len(own):
            best = own[iou[own].argmax()]
            size = self.overlaps.est_area[best] / self.overlaps.true_area[cell]
            fit = f"estimate {labels[best]} fits badly: IoU {iou[best]:.2f}, {size:.1f} times its area"
            return f"{fit}; {facts}" if facts else fit
        return below or (f"no estimate there: {facts}" if facts else "no estimate there")

    def _other_in(self, est: int, cell: int) -> int | None:
        """The other cell that an estimate stands for, or holds at least half of."""
        if self.cell_of[est] >= 0:
            return int(self.cell_of[est])
        held = np.where(self.counted, self.overlaps.of_true[est], 0.0)
        held[cell] = 0.0
        return int(held.argmax()) if held.max() >= _HALF else None

    def why_spurious(self, est: int, labels: NDArray[Any]) -> str:
        """Why an estimate matches no planted cell, in a few words."""
        iou = self.overlaps.iou[est]
        of_est = self.overlaps.of_est[est]
        of_true = self.overlaps.of_true[est]
        if not iou.size or iou.max() == 0:
            return "no planted cell there"
        held = np.flatnonzero(self.counted & (of_true >= _HALF))
        if len(held) > 1:
            return f"merges units {', '.join(map(str, held[:-1]))} and {held[-1]}"
        best = int(iou.argmax())
        twin = self.estimate_of[best]
        if twin >= 0 and of_est[best] >= _HALF:
            return f"duplicate of estimate {labels[twin]} on unit {best} (IoU {iou[best]:.2f})"
        if iou[best] < _TOUCHING:
            return f"hardly touches a planted cell (best IoU {iou[best]:.2f}, unit {best})"
        size = self.overlaps.est_area[est] / self.overlaps.true_area[best]
        return f"fits unit {best} badly: IoU {iou[best]:.2f}, {size:.1f} times its area"


def _facts(cell: int, cells: Mapping[str, NDArray[Any]], louder: int | None) -> list[str]:
    """What makes a cell hard to see."""
    facts: list[str] = []
    if "n_spikes" in cells and cells["n_spikes"][cell] == 0:
        facts.append("never fired")
    if "snr_peak" in cells and (peak := cells["snr_peak"][cell]) < _SMALL_PEAK:
        facts.append(f"largest transient {'too ' if peak < _TOO_SMALL_PEAK else ''}small: snr_peak {peak:.1f}")
    if "unsaturated_fraction" in cells and cells["unsaturated_fraction"][cell] <= _HALF:
        facts.append(f"saturated ({100 * (1 - cells['unsaturated_fraction'][cell]):.0f} % of its image)")
    if louder is not None:
        facts.append(f"under a louder neighbour, unit {louder}")
    if "soma_in_focus" in cells and "defocus_um" in cells and not cells["soma_in_focus"][cell]:
        facts.append(f"out of focus (by {abs(cells['defocus_um'][cell]):.0f} µm)")
    if "fov_fraction" in cells and cells["fov_fraction"][cell] < 0.9:
        facts.append(f"at the edge ({100 * cells['fov_fraction'][cell]:.0f} % in view)")
    return facts


def score_footprints(
    A_est: SparseFootprints, A_true: SparseFootprints, counted: NDArray[np.bool_], *, min_iou: float
) -> FootprintScores:
    """Match estimates with all planted cells, so that the total IoU is highest; a close call goes to a counted cell.

    A cell that counts is thereby not lost to a dim one right below it, and an estimate that is another cell's exact
    image stays that cell's.
    """
    overlap = overlaps(A_est, A_true)
    return FootprintScores(overlap, assign(overlap.iou, min_score=min_iou, preferred=counted), counted)
