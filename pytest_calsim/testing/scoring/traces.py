"""Traces: correlation with the true fluorescence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import hide_refusals
from pytest_calsim.testing.scoring.inputs import as_matrix

__all__ = ["trace_pearson"]

__tracebackhide__ = hide_refusals


def trace_pearson(C_est: Any, C_true: Any) -> NDArray[np.float64]:
    """Pearson correlation of each estimated with the true trace in the same row.

    Parameters
    ----------
    C_est, C_true
        ``(unit_id, frame)``, rows paired already; scale and offset do not matter.

    Returns
    -------
    ndarray
        One value a row, float64: 0 where the estimate is constant, NaN where the truth is.
    """
    true = as_matrix(C_true, shape=(None, None), name="C_true")
    est = as_matrix(C_est, shape=true.shape, name="C_est")
    est, true = _standardised(est), _standardised(true)
    silent = ~true.any(axis=1)
    return np.where(silent, np.nan, np.clip((est * true).sum(axis=1), -1.0, 1.0))


def _standardised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of mean 0 and length 1; a constant row becomes 0."""
    constant = (rows == rows[:, :1]).all(axis=1, keepdims=True) if rows.shape[1] else np.ones((len(rows), 1), np.bool_)
    scale = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    centred = rows / np.where(constant, 1.0, scale)
    centred -= centred.mean(axis=1, keepdims=True) if rows.shape[1] else 0.0
    length = np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))
