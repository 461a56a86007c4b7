"""Cells as small pictures: their painting onto the canvas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["add_patches"]

Floats32 = NDArray[np.float32]


@compiled
def add_patches(
    values: Floats32,
    start: NDArray[np.int64],
    row: NDArray[np.int32],
    column: NDArray[np.int32],
    height: NDArray[np.int32],
    width: NDArray[np.int32],
    light: Floats32,
    image: Floats32,
) -> None:
    """Add every patch times its light to the image, in the patches' order."""
    for i in range(light.shape[0]):
        gain = light[i]
        if gain == 0:
            continue
        w = width[i]
        for r in range(height[i]):
            begin = start[i] + r * w
            line = image[row[i] + r, column[i] : column[i] + w]
            patch = values[begin : begin + w]
            for c in range(w):
                line[c] += gain * patch[c]
