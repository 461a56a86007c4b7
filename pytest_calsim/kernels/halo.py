"""Evaluate smooth light, given at nodes coarser than pixels, at finer positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import array, check_shape, kernel, output

__all__ = ["upsample_columns"]

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]

_upsample_columns = kernel(
    "upsample_columns",
    int,
    int,
    int,
    int,
    array(np.float32, 2),
    array(np.int64, 1),
    array(np.float32, 2),
    output(np.float32, 2),
)


def upsample_columns(values: Floats32, node: Ints, weight: Floats32, period: int) -> Floats32:
    """Interpolate coarse fields along their rows, by four taps.

    Parameters
    ----------
    values
        The fields, float32 ``(..., coarse column)``.
    node, weight
        The first of the four coarse columns of each column, int64 ``(column,)``, and their weights, float32
        ``(column, 4)``.
    period
        After so many columns the same weights follow, with all nodes one further; 2, 4 and 8 are fast.

    Returns
    -------
    ndarray
        float32 ``(..., column)``.

    Raises
    ------
    ValueError
        If shapes disagree, nodes lie outside the field, or they are not periodic.
    """
    coarse = values.shape[-1]
    if period < 1 or not np.array_equal(node[period:], node[:-period] + 1):
        raise ValueError(f"nodes {node} are not one further after each {period} columns")
    _check_taps("column", node, weight, node.size, coarse)
    wide = np.empty((*values.shape[:-1], node.size), np.float32)
    rows = values.size // coarse
    _upsample_columns(
        rows, coarse, node.size, period, values.reshape(rows, coarse), node, weight, wide.reshape(rows, node.size)
    )
    return wide


def _check_taps(axis: str, node: Ints, weight: Floats32, n: int, nodes: int) -> None:
    """Refuse taps of other shapes, or beyond the nodes that there are."""
    check_shape(f"{axis} node", node, n)
    check_shape(f"{axis} weight", weight, n, 4)
    if n and not (int(node.min()) >= 0 and int(node.max()) <= nodes - 4):
        raise ValueError(f"{axis} nodes {node.min()}..{node.max() + 3} are not all among the grid's 0..{nodes - 1}")
