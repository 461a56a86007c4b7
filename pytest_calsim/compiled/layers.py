"""Smooth random fields as sums of cosines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["cosine_sum"]

Floats = NDArray[np.float64]


def cosine_sum(row_cos: Floats, row_sin: Floats, column_cos: Floats, column_sin: Floats) -> Floats:
    """Σ_m cos(a_m(row) + b_m(column)) from the cosines and sines of both, each ``(mode, position)``.

    Modes, a multiple of four of them, are summed in one order at every position: a value depends on that alone.
    """
    out = np.zeros((row_cos.shape[1], column_cos.shape[1]))
    _add_cosines(row_cos, row_sin, column_cos, column_sin, out)
    return out


@compiled
def _add_cosines(row_cos: Floats, row_sin: Floats, column_cos: Floats, column_sin: Floats, out: Floats) -> None:
    modes, height = row_cos.shape
    width = column_cos.shape[1]
    for r in range(height):
        line = out[r]
        for m in range(0, modes, 4):
            c0, c1, c2, c3 = row_cos[m, r], row_cos[m + 1, r], row_cos[m + 2, r], row_cos[m + 3, r]
            s0, s1, s2, s3 = row_sin[m, r], row_sin[m + 1, r], row_sin[m + 2, r], row_sin[m + 3, r]
            cos0, cos1, cos2, cos3 = column_cos[m], column_cos[m + 1], column_cos[m + 2], column_cos[m + 3]
            sin0, sin1, sin2, sin3 = column_sin[m], column_sin[m + 1], column_sin[m + 2], column_sin[m + 3]
            for i in range(width):
                first = (c0 * cos0[i] - s0 * sin0[i]) + (c1 * cos1[i] - s1 * sin1[i])
                line[i] += first + ((c2 * cos2[i] - s2 * sin2[i]) + (c3 * cos3[i] - s3 * sin3[i]))
