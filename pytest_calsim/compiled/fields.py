"""From scattered sources to a coarse grid, and from there to columns of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["gaussian_from_sources", "widen"]

Floats32 = NDArray[np.float32]


@compiled
def widen(values: Floats32, node: NDArray[np.int64], weight: Floats32, wide: Floats32) -> None:
    """Interpolate each row by four taps.

    Parameters
    ----------
    values
        ``(row, coarse column)``.
    node, weight
        The first of the four coarse columns of each column, and their weights ``(column, 4)``.
    wide
        Where it goes ``(row, column)``.
    """
    for r in range(values.shape[0]):
        for c in range(node.shape[0]):
            k = node[c]
            wide[r, c] = (
                weight[c, 0] * values[r, k]
                + weight[c, 1] * values[r, k + 1]
                + weight[c, 2] * values[r, k + 2]
                + weight[c, 3] * values[r, k + 3]
            )


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
    mirrored = np.concatenate([kernel[:0:-1], kernel])
    source = np.zeros(source_shape, np.float32)
    blurred = np.zeros((len(values), source_shape[1]), np.float32)
    _gaussian_from_sources(
        light, row_node, row_weight, column_node, column_weight, offset, mirrored, source, blurred, values
    )


@compiled
def _gaussian_from_sources(
    light: Floats32,
    row_node: NDArray[np.int64],
    row_weight: Floats32,
    column_node: NDArray[np.int64],
    column_weight: Floats32,
    offset: tuple[int, int],
    mirrored: Floats32,
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
    reach = mirrored.shape[0] // 2
    for r in range(height):
        line = blurred[r]
        at = r + offset[0]
        for s in range(max(0, at - reach), min(rows, at + reach + 1)):
            weight = mirrored[reach + s - at]
            other = source[s]
            for c in range(columns):
                line[c] += weight * other[c]
    for r in range(height):
        line = blurred[r]
        out = values[r]
        for c in range(width):
            out[c] = 0
        # Source by source, so that nodes are summed side by side; at each node the order is that of the sources.
        for s in range(columns):
            at, value = s - offset[1], line[s]
            first, stop = max(0, at - reach), min(width, at + reach + 1)
            reached, weights = out[first:stop], mirrored[reach + first - at : reach + stop - at]
            for c in range(reached.shape[0]):
                reached[c] += weights[c] * value
