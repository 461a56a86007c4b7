"""Interpolate smooth light from nodes that are coarser than pixels."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.types import Floats32, Ints

__all__ = ["upsample_columns"]


_upsample_columns = Kernel(
    "upsample_columns",
    rows=int,
    coarse=int,
    width=int,
    period=int,
    values=array(np.float32, "rows", "coarse"),
    node=array(np.int64, "width"),
    weight=array(np.float32, "width", 4),
    wide=output(np.float32, "rows", "width"),
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
        Number of columns after which the weights repeat, with all nodes one further; 2, 4 and 8 are fast.

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
        raise ValueError(f"nodes {node} must be one further after each period of {period} columns")
    if node.size and not (int(node.min()) >= 0 and int(node.max()) <= coarse - 4):
        raise ValueError(f"nodes {node.min()}..{node.max() + 3} are not all among the field's 0..{coarse - 1}")
    wide = np.empty((*values.shape[:-1], node.size), np.float32)
    rows = values.size // coarse
    _upsample_columns(
        period=period,
        values=values.reshape(rows, coarse),
        node=node,
        weight=weight,
        wide=wide.reshape(rows, node.size),
    )
    return wide
