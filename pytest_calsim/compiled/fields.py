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


@compiled
def gaussian_from_sources(
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
    """Spread point sources by a Gaussian onto a coarse grid; sums run in one fixed order.

    Parameters
    ----------
    light
        Of each source.
    row_node, row_weight, column_node, column_weight
        Each source is shared among four by four nodes of the sources' grid: the first ones, and the weights ``(n, 4)``.
    offset
        Node of that grid at which ``values`` begins.
    kernel
        The Gaussian by distance in nodes, from one end to the other.
    source, blurred
        Scratch: the sources' grid, and the rows of ``values`` by its columns.
    values
        What is written.
    """
    source[:] = 0
    blurred[:] = 0
    values[:] = 0
    for i in range(light.shape[0]):
        for a in range(4):
            share = light[i] * row_weight[i, a]
            line = source[row_node[i] + a]
            for b in range(4):
                line[column_node[i] + b] += share * column_weight[i, b]
    height, width = values.shape
    rows, columns = source.shape
    reach = kernel.shape[0] // 2
    for r in range(height):
        line = blurred[r]
        at = r + offset[0]
        for s in range(max(0, at - reach), min(rows, at + reach + 1)):
            weight = kernel[reach + s - at]
            other = source[s]
            for c in range(columns):
                line[c] += weight * other[c]
    # Source by source, so that nodes are summed side by side; at each node the order is that of the sources.
    for r in range(height):
        line, out = blurred[r], values[r]
        for s in range(columns):
            at, value = s - offset[1], line[s]
            first, stop = max(0, at - reach), min(width, at + reach + 1)
            reached, weights = out[first:stop], kernel[reach + first - at : reach + stop - at]
            for c in range(reached.shape[0]):
                reached[c] += weights[c] * value
