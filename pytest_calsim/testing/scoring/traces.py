"""Score traces: correlation with the true fluorescence, and gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.testing.inputs.types import MatrixLike, Pairing
from pytest_calsim.testing.scoring.pairing import paired_rows
from pytest_calsim.testing.short_traceback import short_traceback

__all__ = ["correlations", "trace_gain", "trace_pearson"]


@short_traceback
def trace_pearson(C_est: MatrixLike, C_true: MatrixLike, pairing: Pairing | None = None) -> NDArray[np.float64]:
    """Compute the Pearson correlation of each estimated with its true trace.

    Parameters
    ----------
    C_est, C_true
        ``(unit_id, frame)``; scale and offset do not matter.
    pairing
        Pairs (row of the estimate, row of the truth), e.g. ``Match.pairing``; ``None``: row i is row i.

    Returns
    -------
    ndarray
        One value a pair, float64, in [-1, 1]: 0 where the estimate is constant, NaN where the truth is.

    Raises
    ------
    EstimateError
        When shapes do not fit, a value is not finite, or a pair names a row that is not there.

    Examples
    --------
    >>> trace_pearson([[0, 2, 4], [3, 2, 1]], [[1, 2, 3]], pairing=[(0, 0), (1, 0)]).round(6).tolist()
    [1.0, -1.0]
    """
    est, true = paired_rows(C_est, C_true, pairing, name="C")
    silent = ~_standardised(true).any(axis=1)
    # Clipped, as rounding may leave the sum a little beyond ±1.
    return np.where(silent, np.nan, np.clip((_standardised(est) * _standardised(true)).sum(axis=1), -1.0, 1.0))


@short_traceback
def trace_gain(C_est: MatrixLike, C_true: MatrixLike, pairing: Pairing | None = None) -> NDArray[np.float64]:
    """Compute by how much each estimated trace changes when the true one changes by 1: the slope of least squares.

    Parameters, and what is refused, as :func:`trace_pearson`.

    Returns
    -------
    ndarray
        One value a pair, float64, NaN where the truth is constant.

    Examples
    --------
    >>> trace_gain([[5, 7, 9]], [[1, 2, 3]]).tolist()
    [2.0]
    """
    est, true = paired_rows(C_est, C_true, pairing, name="C")
    if not true.size:
        return np.full(len(true), np.nan)
    # The slope of estimated on true, not the other way round: noise in the estimate then does not lower it.
    est = est - est.mean(axis=1, keepdims=True)
    true = true - true.mean(axis=1, keepdims=True)
    power = np.square(true).sum(axis=1)
    return np.where(power > 0, (est * true).sum(axis=1) / np.where(power > 0, power, 1.0), np.nan)


def correlations(est: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the Pearson correlation of every row with every row (est, true); 0 where either is constant."""
    return _standardised(est) @ _standardised(true).T


def _standardised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows of mean 0 and length 1; a constant row becomes 0."""
    # By comparison, not by a variance of 0, which rounding would hide.
    constant = (rows == rows[:, :1]).all(axis=1, keepdims=True) if rows.shape[1] else np.ones((len(rows), 1), np.bool_)
    # Scaled first, so that squares of very large or small values neither overflow nor vanish.
    scale = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    centred = rows / np.where(constant, 1.0, scale)
    centred -= centred.mean(axis=1, keepdims=True) if rows.shape[1] else 0.0
    length = np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))
