"""Fields: correlation of images such as vignettes and backgrounds."""

from __future__ import annotations

import numpy as np

from pytest_calsim.testing.inputs.matrices import as_matrix
from pytest_calsim.testing.inputs.types import MatrixLike
from pytest_calsim.testing.scoring.traces import trace_pearson
from pytest_calsim.testing.short_traceback import short_traceback

__all__ = ["field_pearson"]


@short_traceback
def field_pearson(estimate: MatrixLike, truth: MatrixLike) -> float:
    """Compute the Pearson correlation of two images over all pixels; scale and offset do not matter.

    Parameters
    ----------
    estimate, truth
        ``(height, width)``, in any form.

    Returns
    -------
    float
        In [-1, 1]: 0 where the estimate is constant, NaN where the truth is.

    Raises
    ------
    EstimateError
        When shapes or labels do not fit, or a value is not finite.

    Examples
    --------
    >>> round(field_pearson([[1, 2], [3, 4]], [[10, 20], [30, 40]]), 6)
    1.0
    """
    dims = ("height", "width")
    true = as_matrix(truth, dims=dims, shape=(None, None), name="true field")
    est = as_matrix(estimate, dims=dims, shape=true.shape, name="field")
    return float(trace_pearson(np.reshape(est, (1, -1)), np.reshape(true, (1, -1)))[0])
