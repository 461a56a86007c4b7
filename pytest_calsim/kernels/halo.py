"""Spread the light of point sources by a broad Gaussian, on a grid coarser than pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import array, check_shape, kernel, output

__all__ = ["Sources", "spread_sources", "upsample_columns"]

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]

_spread_sources = kernel(
    "spread_sources",
    int,
    int,
    int,
    int,
    int,
    int,
    int,
    array(np.float32, 2),
    array(np.float32, 1),
    array(np.int64, 1),
    array(np.float32, 2),
    array(np.int64, 1),
    array(np.float32, 2),
    int,
    int,
    array(np.float32, 1),
    output(np.float32, 2),
    output(np.float32, 1),
    output(np.float32, 3),
)
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


class Sources(NamedTuple):
    """Point sources on a grid of nodes.

    Attributes
    ----------
    flux
        Share of its light that each spreads, float32 ``(source,)``.
    row_node, row_weight
        The first of each source's four rows of nodes, int64 ``(source,)``, and their weights, float32 ``(source, 4)``.
    column_node, column_weight
        The same along columns.
    shape
        Size of the grid.
    """

    flux: Floats32
    row_node: Ints
    row_weight: Floats32
    column_node: Ints
    column_weight: Floats32
    shape: tuple[int, int]


def spread_sources(
    light: Floats32, sources: Sources, gaussian: Floats32, offset: tuple[int, int], shape: tuple[int, int]
) -> Floats32:
    """Spread the sources' light in each image by a Gaussian; sums run in one fixed order.

    Parameters
    ----------
    light
        Of each source in each image, float32 ``(source, image)``.
    sources
        Where they are.
    gaussian
        By distance in nodes, from one end to the other, float32 of odd size.
    offset
        Node of the sources' grid at which the result begins; negative: before it.
    shape
        Nodes of the result.

    Returns
    -------
    ndarray
        float32 ``(image, *shape)``.

    Raises
    ------
    ValueError
        If shapes disagree, or nodes lie outside the grid.
    """
    n = sources.flux.size
    images = light.shape[-1]
    check_shape("light", light, n, images)
    _check_taps("row", sources.row_node, sources.row_weight, n, sources.shape[0])
    _check_taps("column", sources.column_node, sources.column_weight, n, sources.shape[1])
    if gaussian.size % 2 == 0:
        raise ValueError(f"gaussian has shape {gaussian.shape}: its size must be odd")
    values = np.empty((images, *shape), np.float32)
    nodes = np.empty(sources.shape, np.float32)
    blurred = np.empty(shape[1] + gaussian.size - 1, np.float32)
    sizes = images, n, *sources.shape, *shape, gaussian.size // 2
    _spread_sources(*sizes, light, *sources[:-1], *offset, gaussian, nodes, blurred, values)
    return values


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
