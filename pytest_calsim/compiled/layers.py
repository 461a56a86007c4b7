"""Background layers: random fields as sums of cosines, and their weighted sum onto an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["add_layers", "cosine_sum"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


def cosine_sum(row_cos: Floats, row_sin: Floats, column_cos: Floats, column_sin: Floats) -> Floats:
    """Σ_m cos(a_m(row) + b_m(column)) from the cosines and sines of both, each ``(mode, position)``.

    Modes are summed in their order at every position, so a value depends on its position alone.
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
        for m in range(modes):
            c, s = row_cos[m, r], row_sin[m, r]
            cosines, sines = column_cos[m], column_sin[m]
            for i in range(width):
                line[i] += c * cosines[i] - s * sines[i]


@compiled
def add_layers(image: Floats32, layers: Floats32, weights: Floats32) -> None:
    """Add Σ_k weights[k] · layers[k] to an image in place, layer after layer."""
    for r in range(image.shape[0]):
        line = image[r]
        for k in range(layers.shape[0]):
            weight, layer = weights[k], layers[k, r]
            for i in range(line.shape[0]):
                line[i] += weight * layer[i]
