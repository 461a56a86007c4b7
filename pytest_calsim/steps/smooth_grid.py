"""Hold smooth light on grids of few nodes, and evaluate it at finer nodes and at pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_calsim.kernels.types import Floats, Floats32, Image, Ints
from pytest_calsim.kernels.upsampling import upsample_columns
from pytest_calsim.microscope.canvas import Canvas

__all__ = ["NodeGrid", "Taps", "spline_taps"]

Taps = tuple[Ints, Floats32]
"""The first of four consecutive nodes around each position, int64 ``(position,)``; their weights ``(position, 4)``."""


def spline_taps(nodes: Floats) -> Taps:
    """Return the four nodes around each position and the weights of their cubic B-splines there.

    Parameters
    ----------
    nodes
        Positions in units of the grid's step, float64 ``(position,)``; whole numbers are nodes.

    Returns
    -------
    first
        The first of each position's four consecutive nodes, int64 ``(position,)``.
    weights
        ``(position, 4)``; they are ≥ 0, sum to 1, and have the position as mean and a variance of 1/3.
    """
    below = np.floor(nodes)
    t = nodes - below
    weights = np.stack(
        [
            (1 - t) * (1 - t) * (1 - t) / 6,
            (t * t * (3 * t - 6) + 4) / 6,
            (t * (t * (3 - 3 * t) + 3) + 1) / 6,
            t * t * t / 6,
        ],
        axis=-1,
    )
    return below.astype(np.int64) - 1, weights.astype(np.float32)


def _halving_taps(first: int, n: int) -> Taps:
    """Return the nodes of twice the step, and their weights, that give the splines of ``n`` nodes from ``first`` on."""
    node = np.arange(first, first + n)
    odd = node % 2
    return node // 2 - 1, np.array([[0.125, 0.75, 0.125, 0], [0, 0.5, 0.5, 0]], np.float32)[odd]


@dataclass(frozen=True, eq=False)
class NodeGrid:
    """Nodes of cubic B-splines at whole multiples of a power of two of a pixel from the optical axis.

    A sum of B-splines is exactly a sum of B-splines of half the step, but for rounding. So the grid on which fields are
    added up does not change the light. The nodes' places do not depend on the canvas; a wider margin only adds nodes
    around the same ones.

    Attributes
    ----------
    level
        The step is 2^level pixels, level ≥ 0.
    rows, columns
        The nodes around each position to evaluate at: pixels of the canvas, or nodes of half the step. ``first`` counts
        from the node on the optical axis.
    period
        Positions to a step.
    """

    level: int
    rows: Taps
    columns: Taps
    period: int

    @classmethod
    def of_canvas(cls, canvas: Canvas, level: int) -> NodeGrid:
        """Return nodes around the pixels of a canvas."""
        step = 2.0**level
        rows, columns = (spline_taps(np.linspace((1 - n) / 2, (n - 1) / 2, n) / step) for n in canvas.shape)
        return cls(level, rows, columns, 2**level)

    def coarser(self) -> NodeGrid:
        """Return the nodes of twice the step around these."""
        rows, columns = (_halving_taps(first, n) for first, n in zip(self.first, self.shape, strict=True))
        return NodeGrid(self.level + 1, rows, columns, 2)

    @property
    def step_px(self) -> float:
        """Distance between nodes, px."""
        return 2.0**self.level

    @property
    def first(self) -> tuple[int, int]:
        """Number of the first node along rows and columns; the node on the optical axis is 0, so this is negative."""
        return int(self.rows[0][0]), int(self.columns[0][0])

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes along rows and columns."""
        rows = self.rows[0]
        columns = self.columns[0]
        return int(rows[-1] - rows[0]) + 4, int(columns[-1] - columns[0]) + 4

    @cached_property
    def row_taps(self) -> Taps:
        """The nodes' rows around each position, counted from the grid's first."""
        return self.rows[0] - self.rows[0][0], self.rows[1]

    @cached_property
    def column_taps(self) -> Taps:
        """The nodes' columns around each position, counted from the grid's first."""
        return self.columns[0] - self.columns[0][0], self.columns[1]

    def widen(self, values: Image) -> Image:
        """Evaluate splines at the nodes ``(..., *shape)``, float32, along rows alone: ``(..., rows of nodes, x)``."""
        return upsample_columns(values, *self.column_taps, self.period)

    def evaluate(self, values: Image) -> Image:
        """Evaluate splines at the nodes ``(..., *shape)``, float32, at all positions ``(..., y, x)``."""
        turned = upsample_columns(np.ascontiguousarray(values.swapaxes(-1, -2)), *self.row_taps, self.period)
        return self.widen(np.ascontiguousarray(turned.swapaxes(-1, -2)))
