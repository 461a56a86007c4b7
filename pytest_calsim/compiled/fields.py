"""Smooth fields: from a coarse grid to pixels, and from scattered sources to a coarse grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["gaussian_from_sources", "upsample_add"]

Floats32 = NDArray[np.float32]


def upsample_add(
    values: Floats32,
    row_node: NDArray[np.int64],
    row_weight: Floats32,
    column_node: NDArray[np.int64],
    column_weight: Floats32,
    transmission: Floats32,
    image: Floats32,
) -> None:
    """Add a coarse field to an image, interpolated by four taps along each axis.

    ``row_node[i]`` is the first of the four coarse rows of image row ``i``, ``row_weight[i]`` their weights; the same
    for columns. A ``transmission`` of the image's shape multiplies the field; an empty one is absent.
    """
    wide = np.empty((values.shape[0], image.shape[1]), np.float32)
    _upsample_add(values, row_node, row_weight, column_node, column_weight, transmission, wide, image)


@compiled
def _upsample_add(
    values: Floats32,
    row_node: NDArray[np.int64],
    row_weight: Floats32,
    column_node: NDArray[np.int64],
    column_weight: Floats32,
    transmission: Floats32,
    wide: Floats32,
    image: Floats32,
) -> None:
    height, width = image.shape
    for r in range(values.shape[0]):
        for c in range(width):
            k = column_node[c]
            wide[r, c] = (
                column_weight[c, 0] * values[r, k]
                + column_weight[c, 1] * values[r, k + 1]
                + column_weight[c, 2] * values[r, k + 2]
                + column_weight[c, 3] * values[r, k + 3]
            )
    clear = transmission.size == 0
    for r in range(height):
        k = row_node[r]
        w0, w1, w2, w3 = row_weight[r, 0], row_weight[r, 1], row_weight[r, 2], row_weight[r, 3]
        a, b, c4, d = wide[k], wide[k + 1], wide[k + 2], wide[k + 3]
        line = image[r]
        if clear:
            for c in range(width):
                line[c] += w0 * a[c] + w1 * b[c] + w2 * c4[c] + w3 * d[c]
        else:
            through = transmission[r]
            for c in range(width):
                line[c] += through[c] * (w0 * a[c] + w1 * b[c] + w2 * c4[c] + w3 * d[c])


def gaussian_from_sources(
    light: Floats32,
    row_node: NDArray[np.int64],
    row_weight: Floats32,
    column_node: NDArray[np.int64],
    column_weight: Floats32,
    source_shape: tuple[int, int],
    offset: tuple[int, int],
    kernel: Floats32,
    values: Floats32,
) -> None:
    """Spread point sources by a Gaussian onto a coarse grid; sums run in one fixed order.

    Each source is shared among four by four nodes of a source grid of ``source_shape``, which is then blurred along
    rows and columns by the half kernel ``kernel[distance in nodes]``. Node (0, 0) of ``values`` (overwritten) is node
    ``offset`` of the source grid.
    """
    source = np.zeros(source_shape, np.float32)
    blurred = np.zeros((len(values), source_shape[1]), np.float32)
    _gaussian_from_sources(
        light, row_node, row_weight, column_node, column_weight, offset, kernel, source, blurred, values
    )


@compiled
def _gaussian_from_sources(
    light: Floats32,
    row_node: NDArray[np.int64],
    row_weight: Floats32,
    column_node: NDArray[np.int64],
    column_weight: Floats32,
    offset: tuple[int, int],
    kernel: Floats32,
    source: Floats32,
    blurred: Floats32,
    values: Floats32,
) -> None:
    for i in range(light.shape[0]):
        for a in range(4):
            share = light[i] * row_weight[i, a]
            line = source[row_node[i] + a]
            for b in range(4):
                line[column_node[i] + b] += share * column_weight[i, b]
    height, width = values.shape
    rows, columns = source.shape
    reach = kernel.shape[0] - 1
    for r in range(height):
        line = blurred[r]
        at = r + offset[0]
        for s in range(max(0, at - reach), min(rows, at + reach + 1)):
            weight = kernel[abs(s - at)]
            other = source[s]
            for c in range(columns):
                line[c] += weight * other[c]
    for r in range(height):
        line = blurred[r]
        for c in range(width):
            at = c + offset[1]
            total = np.float32(0)
            for s in range(max(0, at - reach), min(columns, at + reach + 1)):
                total += kernel[abs(s - at)] * line[s]
            values[r, c] = total
