"""Match estimates with cells: the one-to-one matching of highest total score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import is_scipy_sparse
from pytest_calsim.testing.inputs.footprints import as_footprints
from pytest_calsim.testing.inputs.types import FootprintsLike
from pytest_calsim.testing.scoring.bounds import check_bound
from pytest_calsim.testing.scoring.masks import Overlaps, energy_masks
from pytest_calsim.testing.short_traceback import short_traceback

__all__ = ["Match", "assign", "hungarian_match", "overlaps"]

_Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Match:
    """Pairs of an estimate and a cell, in the order of the estimates.

    Attributes
    ----------
    est, true
        Row of the estimate and of the cell, one entry a pair.
    score
        The pair's score, in (0, 1].
    n_est, n_true
        Numbers of estimates and of cells that were there to be paired.

    Examples
    --------
    >>> import numpy as np
    >>> planted = np.zeros((2, 4, 4))
    >>> planted[0, :2, :2] = planted[1, 2:, 2:] = 1
    >>> match = hungarian_match(planted[:1], planted)
    >>> match.pairing, match.recall(0.5), match.precision(0.5), match.mean_iou
    (((0, 0),), 0.5, 1.0, 1.0)
    """

    est: _Indices
    true: _Indices
    score: NDArray[np.float64]
    n_est: int
    n_true: int

    def __len__(self) -> int:
        return len(self.est)

    def joined(self, other: Match) -> Match:
        """Return the pairs of both matches of the same estimates and cells."""
        return replace(
            self,
            est=np.concatenate([self.est, other.est]),
            true=np.concatenate([self.true, other.true]),
            score=np.concatenate([self.score, other.score]),
        )

    @property
    def pairing(self) -> tuple[tuple[int, int], ...]:
        """All pairs (estimate, cell), as the scores of traces and spikes take them."""
        return tuple(zip(self.est.tolist(), self.true.tolist(), strict=True))

    def matched_pairs(self, threshold: float = 0.5) -> tuple[tuple[int, int], ...]:
        """Return the pairs (estimate, cell) whose score is at least ``threshold``, in [0, 1]."""
        check_bound("threshold", threshold)
        return tuple(pair for pair, score in zip(self.pairing, self.score, strict=True) if score >= threshold)

    def recall(self, threshold: float = 0.5) -> float:
        """Compute the share of cells in a pair whose score is at least ``threshold``; 0 without cells."""
        return len(self.matched_pairs(threshold)) / self.n_true if self.n_true else 0.0

    def precision(self, threshold: float = 0.5) -> float:
        """Compute the share of estimates in a pair whose score is at least ``threshold``; 0 without estimates."""
        return len(self.matched_pairs(threshold)) / self.n_est if self.n_est else 0.0

    @property
    def mean_iou(self) -> float:
        """Mean score of all pairs (cosines with ``metric="cosine"``); 0 without pairs."""
        return float(self.score.mean()) if len(self.score) else 0.0


def assign(scores: NDArray[np.float64], *, min_score: float = 0.0, preferred: NDArray[np.bool_] | None = None) -> Match:
    """Find the one-to-one matching of highest total score (Hungarian).

    Pairs below ``min_score`` are no candidates: they are dropped before, not after, so that a good pair is never
    given up for two bad ones.

    Parameters
    ----------
    scores
        Score of every pair (estimates, cells), in [0, 1]; 0 never matches.
    min_score
        Lowest score of a pair.
    preferred
        Cells (boolean) that win a close call: the scores of all others compete by their squares. So of two cells that
        an estimate fits almost alike it is the preferred one's, and one that fits another perfectly is that other's.
        ``None``: all alike.
    """
    # Late, for start-up time: scipy.optimize is slow to import, and many tests match nothing.
    optimize: Any = import_module("scipy.optimize")
    valid = (scores > 0) & (scores >= min_score)
    # Squares of scores below 1 are smaller, and 1 stays 1.
    competing = scores if preferred is None else np.where(preferred, scores, np.square(scores))
    est, true = cast(
        "tuple[_Indices, _Indices]", optimize.linear_sum_assignment(np.where(valid, competing, 0.0), maximize=True)
    )
    kept = valid[est, true]
    return Match(est[kept], true[kept], scores[est, true][kept], *scores.shape)


def overlaps(A_est: SparseFootprints, A_true: SparseFootprints, *, energy_frac: float = 0.9) -> Overlaps:
    """Compute the overlaps of the energy masks of two sets of footprints on the same image."""
    return Overlaps.of(energy_masks(A_est, energy_frac), energy_masks(A_true, energy_frac))


@short_traceback
def hungarian_match(
    A_est: FootprintsLike,
    A_true: FootprintsLike,
    *,
    metric: Literal["iou", "cosine"] = "iou",
    energy_frac: float = 0.9,
    min_score: float = 0.0,
) -> Match:
    """Match estimated to true footprints one to one, so that the total score is highest.

    Parameters
    ----------
    A_est, A_true
        Footprints ``(unit_id, height, width)`` on the same image, in any form.
    metric
        ``"iou"``: intersection over union of energy masks; ``"cosine"``: of the footprints themselves.
    energy_frac
        Share of the sum of squares that a mask holds, in (0, 1] (``"iou"`` only).
    min_score
        Pairs below it are never matched, in [0, 1].

    Returns
    -------
    Match
        Pairs with a score above 0.

    Raises
    ------
    EstimateError
        When footprints cannot be read, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> planted = np.zeros((2, 4, 4))
    >>> planted[0, :2, :2] = planted[1, 2:, 2:] = 1
    >>> match = hungarian_match(planted[::-1], planted)
    >>> match.est.tolist(), match.true.tolist()
    ([0, 1], [1, 0])
    """
    check_bound("min_score", min_score)
    if metric not in ("iou", "cosine"):
        raise EstimateError(f"metric must be 'iou' or 'cosine', not {metric!r}")
    est, true = _read_both(A_est, A_true)
    if metric == "iou":
        return assign(overlaps(est, true, energy_frac=energy_frac).iou, min_score=min_score)
    return assign((_directions(est) @ _directions(true).T).toarray(), min_score=min_score)


def _read_both(A_est: FootprintsLike, A_true: FootprintsLike) -> tuple[SparseFootprints, SparseFootprints]:
    # scipy.sparse does not know its image: the other one says it.
    if is_scipy_sparse(A_true):
        est = as_footprints(A_est, name="A_est")
        return est, as_footprints(A_true, est.shape[1:], name="A_true")
    true = as_footprints(A_true, name="A_true")
    return as_footprints(A_est, true.shape[1:], name="A_est"), true


def _directions(A: SparseFootprints) -> Any:
    """Return footprints of length 1, as a scipy ``csr_array`` (units, pixels)."""
    values = A.data.astype(np.float64)
    starts = A.indptr[:-1]
    # The zero at the end: reduceat needs a place for the start of a last unit without pixels.
    lengths = np.sqrt(np.add.reduceat(np.append(np.square(values), 0.0), starts)) if len(A) else np.zeros(0)
    rows: Any = A.csr
    scaled: Any = rows.astype(np.float64)
    scaled.data = values / np.repeat(lengths, np.diff(A.indptr))
    return scaled
