"""Sub-pixel displacement of a picture by separable cubic interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["displaced_row", "keys_weights"]


@compiled
def keys_weights(fraction: float, out: NDArray[np.float32]) -> None:
    """Weights of the four pixels around a point, Keys' cubic convolution with a = −0.5 (Keys 1981).

    Parameters
    ----------
    fraction
        Where the point lies between the second and the third pixel, 0 to 1.
    out
        The four weights; they sum to 1, and are exactly (0, 1, 0, 0) at 0.
    """
    t = fraction
    out[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    out[1] = (1.5 * t - 2.5) * t * t + 1.0
    out[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    out[3] = (0.5 * t - 0.5) * t * t


@compiled
def displaced_row(
    canvas: NDArray[np.float32],
    r: int,
    row: int,
    column: int,
    row_weights: NDArray[np.float32],
    column_weights: NDArray[np.float32],
    ring: NDArray[np.float32],
    line: NDArray[np.float32],
) -> None:
    """Write row ``r`` of a window: four rows by four columns of a canvas weighed around every pixel.

    Parameters
    ----------
    canvas
        Source, C order.
    r
        Which row; they are asked for one after the other from 0 on, as each canvas row is filtered once.
    row, column
        Canvas pixel under the second weight of the window's pixel (0, 0).
    row_weights, column_weights
        Four weights each, the same for every pixel.
    ring
        The last four filtered rows ``(4, width)``, kept from row to row.
    line
        ``(width,)``; one more row and column of the canvas is read before the window, and two behind it.
    """
    width = line.shape[0]
    a, b, c, d = column_weights[0], column_weights[1], column_weights[2], column_weights[3]
    for i in range(r + 3 if r > 0 else 0, r + 4):
        source, filtered = canvas[row - 1 + i, column - 1 : column + width + 2], ring[i & 3]
        for j in range(width):
            filtered[j] = a * source[j] + b * source[j + 1] + c * source[j + 2] + d * source[j + 3]
    p, q, s, t = row_weights[0], row_weights[1], row_weights[2], row_weights[3]
    above, upper, lower, below = ring[r & 3], ring[(r + 1) & 3], ring[(r + 2) & 3], ring[(r + 3) & 3]
    for j in range(width):
        line[j] = p * above[j] + q * upper[j] + s * lower[j] + t * below[j]
