"""Layers of smooth light: random fields as sums of cosines, and layers and fixed fields applied to images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["add_layers", "apply_fields", "cosine_sum"]

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
def add_layers(images: Floats32, layers: Floats32, weights: Floats32) -> None:
    """Add Σ_k weights[f, k] · layers[k] to each image f in place, layer after layer."""
    for r in range(images.shape[1]):
        for f in range(images.shape[0]):
            line = images[f, r]
            for k in range(layers.shape[0]):
                weight, layer = weights[f, k], layers[k, r]
                for i in range(line.shape[0]):
                    line[i] += weight * layer[i]


@compiled
def apply_fields(images: Floats32, fields: Floats32, adds: NDArray[np.bool_]) -> None:
    """Multiply each image by the fields ``(field, height, width)``, or add those marked by ``adds``, one by one."""
    for r in range(images.shape[1]):
        for f in range(images.shape[0]):
            line = images[f, r]
            for k in range(fields.shape[0]):
                field = fields[k, r]
                if adds[k]:
                    for i in range(line.shape[0]):
                        line[i] += field[i]
                else:
                    for i in range(line.shape[0]):
                        line[i] *= field[i]
