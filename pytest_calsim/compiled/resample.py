"""Sub-pixel displacement of a picture by separable cubic interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["displace", "keys_weights"]


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
def displace(
    canvas: NDArray[np.float32],
    row_weights: NDArray[np.float32],
    column_weights: NDArray[np.float32],
    first_row: int,
    first_column: int,
    buffer: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Weigh four rows by four columns around every pixel: rows are filtered once each, through a ring of four.

    Parameters
    ----------
    canvas
        Source, C order.
    row_weights, column_weights
        Four weights each, the same for every pixel.
    first_row, first_column
        Canvas pixel under the first weight of ``out[0, 0]``.
    buffer
        Scratch ``(4, out's width)``.
    out
        ``(height, width)``; three more rows and columns of the canvas are read.
    """
    height, width = out.shape
    a, b, c, d = column_weights[0], column_weights[1], column_weights[2], column_weights[3]
    p, q, r, s = row_weights[0], row_weights[1], row_weights[2], row_weights[3]
    for i in range(height + 3):
        source = canvas[first_row + i, first_column : first_column + width + 3]
        filtered = buffer[i & 3]
        for j in range(width):
            filtered[j] = a * source[j] + b * source[j + 1] + c * source[j + 2] + d * source[j + 3]
        if i >= 3:
            above, upper, lower = buffer[(i - 3) & 3], buffer[(i - 2) & 3], buffer[(i - 1) & 3]
            target = out[i - 3]
            for j in range(width):
                target[j] = p * above[j] + q * upper[j] + r * lower[j] + s * filtered[j]
