"""Score spikes: how many events were found, and how many of those found are true, within a tolerance in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.testing.inputs.types import MatrixLike, Pairing
from pytest_calsim.testing.scoring.bounds import check_finite, check_tolerance
from pytest_calsim.testing.scoring.pairing import paired_rows
from pytest_calsim.testing.short_traceback import short_traceback

__all__ = ["SpikeScores", "spike_precision_recall"]


@dataclass(frozen=True, eq=False)
class SpikeScores:
    """Events counted per pair; an event is a frame with activity.

    Attributes
    ----------
    n_hits, n_est, n_true
        Matched, estimated and true events of each pair.
    """

    n_hits: NDArray[np.intp]
    n_est: NDArray[np.intp]
    n_true: NDArray[np.intp]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of each unit's estimated events that are true; NaN without any."""
        return _share(self.n_hits, self.n_est)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of each unit's true events that were found; NaN without any."""
        return _share(self.n_hits, self.n_true)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of both; NaN where there is no event at all."""
        return _share(2 * self.n_hits, self.n_est + self.n_true)


def _share(part: NDArray[np.intp], whole: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


@short_traceback
def spike_precision_recall(
    S_est: MatrixLike,
    S_true: MatrixLike,
    pairing: Pairing | None = None,
    *,
    tol_frames: int = 2,
    spike_thresh: float = 0.0,
) -> SpikeScores:
    """Match estimated with true events, one to one and as many as possible, within a tolerance.

    Parameters
    ----------
    S_est, S_true
        ``(unit_id, frame)``. A frame of the truth with a value above 0 is one event, also with several spikes.
    pairing
        Pairs (row of the estimate, row of the truth), e.g. ``Match.pairing``; ``None``: row i is row i.
    tol_frames
        Largest distance in time of a pair, frames.
    spike_thresh
        A frame of the estimate is an event where its value is above this; for the small values of a deconvolved trace.

    Raises
    ------
    EstimateError
        When shapes do not fit, a value is not finite, or a pair names a row that is not there.

    Examples
    --------
    >>> scores = spike_precision_recall([[0, 0.9, 0, 0.1]], [[1, 0, 0, 0]], spike_thresh=0.5)
    >>> scores.precision.tolist(), scores.recall.tolist()
    ([1.0], [1.0])
    """
    check_tolerance(tol_frames)
    check_finite("spike_thresh", spike_thresh)
    est, true = paired_rows(S_est, S_true, pairing, name="S")
    est_events = est > spike_thresh
    true_events = true > 0
    hits = [
        _hits(np.flatnonzero(e).tolist(), np.flatnonzero(t).tolist(), tol_frames)
        for e, t in zip(est_events, true_events, strict=True)
    ]
    return SpikeScores(np.array(hits, np.intp), est_events.sum(axis=1), true_events.sum(axis=1))


def _hits(est: list[int], true: list[int], tol_frames: int) -> int:
    """Return the size of the largest one-to-one matching; in time order, taking the earliest partner is optimal."""
    i = 0
    j = 0
    hits = 0
    while i < len(est) and j < len(true):
        if abs(est[i] - true[j]) <= tol_frames:
            hits += 1
            i += 1
            j += 1
        elif est[i] < true[j]:  # too early for this true event, and so for all later ones
            i += 1
        else:
            j += 1
    return hits
