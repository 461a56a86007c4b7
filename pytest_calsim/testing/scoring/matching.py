"""Which estimate is which cell: the one-to-one matching of highest total score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError, hide_refusals
from pytest_calsim.testing.scoring.bounds import check_bound
from pytest_calsim.testing.scoring.inputs import FootprintInput, Unit, footprint_units
from pytest_calsim.testing.scoring.masks import Overlaps, energy_masks

__all__ = ["Match", "assign", "hungarian_match", "overlaps"]

__tracebackhide__ = hide_refusals


@dataclass(frozen=True, eq=False)
class Match:
    """Pairs of an estimate and a cell, in the order of the estimates.

    Attributes
    ----------
    est, true
        Row of the estimate and of the cell, one entry a pair.
    score
        The pair's score, between 0 and 1.
    """

    est: NDArray[np.intp]
    true: NDArray[np.intp]
    score: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.est)


def assign(scores: NDArray[np.float64], *, min_score: float = 0.0, preferred: NDArray[np.bool_] | None = None) -> Match:
    """The one-to-one matching of highest total score (Hungarian).

    Pairs below ``min_score`` are no candidates: they are dropped before, not after, so that a good pair is never
    given up for two bad ones.

    Parameters
    ----------
    scores
        Score of every pair (estimates, cells), between 0 and 1; 0 never matches.
    min_score
        Lowest score of a pair.
    preferred
        Cells (boolean) of which as many as possible are matched, before the total counts.
    """
    optimize: Any = import_module("scipy.optimize")
    valid = (scores > 0) & (scores >= min_score)
    bonus = 0.0 if preferred is None else preferred * float(min(scores.shape) + 1)
    est, true = cast(
        "tuple[_Indices, _Indices]", optimize.linear_sum_assignment(np.where(valid, scores + bonus, 0.0), maximize=True)
    )
    kept = valid[est, true]
    return Match(est[kept], true[kept], scores[est, true][kept])


def overlaps(A_est: FootprintInput, A_true: FootprintInput, *, energy_frac: float = 0.9) -> Overlaps:
    """Overlaps of the energy masks of two sets of footprints on the same picture; read unit by unit."""
    (est, est_shape), (true, true_shape) = _read_both(A_est, A_true)
    return Overlaps.of(energy_masks(est, est_shape, energy_frac), energy_masks(true, true_shape, energy_frac))


_Indices = NDArray[np.intp]
_Read = tuple[Iterator[Unit], tuple[int, int, int]]


def _read_both(A_est: FootprintInput, A_true: FootprintInput) -> tuple[_Read, _Read]:
    # scipy.sparse does not know its picture: the other one says it.
    if hasattr(A_true, "tocsr"):
        est = footprint_units(A_est, name="A_est")
        return est, footprint_units(A_true, est[1][1:], name="A_true")
    true = footprint_units(A_true, name="A_true")
    return footprint_units(A_est, true[1][1:], name="A_est"), true


def hungarian_match(
    A_est: FootprintInput,
    A_true: FootprintInput,
    *,
    metric: Literal["iou", "cosine"] = "iou",
    energy_frac: float = 0.9,
    min_score: float = 0.0,
) -> Match:
    """Match estimated to true footprints one to one, so that the total score is highest.

    Parameters
    ----------
    A_est, A_true
        Footprints ``(unit_id, height, width)``, dense or sparse; dense ones are read a few units at a time.
    metric
        ``"iou"``: intersection over union of energy masks; ``"cosine"``: of the footprints themselves.
    energy_frac
        Share of the sum of squares that a mask holds (``"iou"`` only).
    min_score
        Pairs below it are never matched.

    Returns
    -------
    Match
        Pairs with a score above 0.

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
    if metric == "iou":
        return assign(overlaps(A_est, A_true, energy_frac=energy_frac).iou, min_score=min_score)
    if metric != "cosine":
        raise EstimateError(f"metric must be 'iou' or 'cosine', not {metric!r}")
    est, true = (_directions(units, shape) for units, shape in _read_both(A_est, A_true))
    return assign((est @ true.T).toarray(), min_score=min_score)


def _directions(units: Iterator[Unit], shape: tuple[int, int, int]) -> Any:
    """Footprints of length 1, as a scipy ``csr_array`` (units, pixels)."""
    lengthened = ((pixels, values.astype(np.float64)) for pixels, values in units)
    return SparseFootprints.from_units([(p, v / np.sqrt(np.square(v).sum())) for p, v in lengthened], shape[1:]).csr
