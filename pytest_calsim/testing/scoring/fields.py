"""Fields: correlation of pictures such as vignettes and backgrounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_calsim.errors import hide_refusals
from pytest_calsim.testing.scoring.inputs import as_matrix
from pytest_calsim.testing.scoring.traces import trace_pearson

__all__ = ["field_pearson"]

__tracebackhide__ = hide_refusals


def field_pearson(estimate: Any, truth: Any) -> float:
    """Pearson correlation over all pixels of two pictures ``(height, width)``; scale and offset do not matter.

    0 where the estimate is constant, NaN where the truth is.
    """
    dims = ("height", "width")
    true = as_matrix(truth, dims=dims, shape=(None, None), name="true field")
    est = as_matrix(estimate, dims=dims, shape=true.shape, name="field")
    return float(trace_pearson(np.reshape(est, (1, -1)), np.reshape(true, (1, -1)))[0])
