"""Spikes: how many events were found, and how many of those found are true, within a tolerance in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import hide_refusals
from pytest_calsim.testing.scoring.bounds import check_tolerance
from pytest_calsim.testing.scoring.inputs import as_matrix

__all__ = ["SpikeScores", "spike_precision_recall"]

__tracebackhide__ = hide_refusals


@dataclass(frozen=True, eq=False)
class SpikeScores:
    """Events counted per unit; an event is a frame with activity.

    Attributes
    ----------
    n_hits, n_est, n_true
        Matched, estimated and true events of each unit.
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


def spike_precision_recall(S_est: Any, S_true: Any, *, tol_frames: int = 2) -> SpikeScores:
    """Match estimated with true events, one to one and as many as possible, within a tolerance.

    Parameters
    ----------
    S_est, S_true
        ``(unit_id, frame)``, rows paired already. A frame with a value above 0 is one event, whatever the value:
        put small values of a deconvolved trace to 0 first, e.g. ``S > threshold``.
    tol_frames
        Largest distance in time of a pair, frames.
    """
    check_tolerance(tol_frames)
    true = as_matrix(S_true, shape=(None, None), name="S_true") > 0
    est = as_matrix(S_est, shape=true.shape, name="S_est") > 0
    hits = [
        _hits(np.flatnonzero(e).tolist(), np.flatnonzero(t).tolist(), tol_frames)
        for e, t in zip(est, true, strict=True)
    ]
    return SpikeScores(np.array(hits, np.intp), est.sum(axis=1), true.sum(axis=1))


def _hits(est: list[int], true: list[int], tol_frames: int) -> int:
    """Size of the largest one-to-one matching: in time order, the earliest possible partner is never a mistake."""
    i = j = hits = 0
    while i < len(est) and j < len(true):
        if abs(est[i] - true[j]) <= tol_frames:
            hits, i, j = hits + 1, i + 1, j + 1
        elif est[i] < true[j]:
            i += 1
        else:
            j += 1
    return hits
