"""A grid for smooth fields: few nodes, interpolated to pixels.

A field that changes little from pixel to pixel is computed at nodes several pixels apart. The loop over frames handles
the nodes alone; interpolation is the last step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_calsim.kernels.halo import upsample_columns
from pytest_calsim.kernels.types import Floats, Floats32, Image, Ints
from pytest_calsim.microscope.canvas import Canvas

__all__ = ["SmoothGrid", "cubic_taps"]


def cubic_taps(nodes: Floats) -> tuple[Ints, Floats32]:
    """Return the four nodes around each position, and their weights, for Keys' cubic convolution (1981, a = −1/2).

    Parameters
    ----------
    nodes
        Positions in units of the grid's step, float64 ``(position,)``; whole numbers are nodes.

    Returns
    -------
    first
        The first of each position's four consecutive nodes, int64 ``(position,)``.
    weights
        Float32 ``(position, 4)``. They sum to 1 and reproduce quadratic functions.
    """
    below = np.floor(nodes)
    t = nodes - below
    weights = np.stack(
        [
            t * (-0.5 + t * (1 - 0.5 * t)),
            1 + t * t * (1.5 * t - 2.5),
            t * (0.5 + t * (2 - 1.5 * t)),
            t * t * (0.5 * t - 0.5),
        ],
        axis=-1,
    )
    return below.astype(np.int64) - 1, weights.astype(np.float32)


@dataclass(frozen=True)
class SmoothGrid:
    """Place nodes at whole multiples of a step from the optical axis; they cover the canvas and what its pixels need.

    The nodes' positions do not depend on the canvas: a wider margin adds nodes around the same ones.

    Attributes
    ----------
    canvas
        The pixels to interpolate to.
    step_um
        Distance between nodes. A Gaussian of σ ≥ 4 steps is interpolated to better than 10⁻³ of its peak.
    """

    canvas: Canvas
    step_um: float

    @classmethod
    def for_scale(cls, canvas: Canvas, sigma_um: float) -> SmoothGrid:
        """Return a grid that is fine enough for fields as smooth as a Gaussian.

        The step is σ/4, but no less than 1 and no more than 16 pixels.

        Parameters
        ----------
        canvas
            The pixels to interpolate to.
        sigma_um
            σ of the Gaussian.
        """
        pixel_um = canvas.pixel_size_um
        return cls(canvas, min(max(sigma_um / 4, pixel_um), 16 * pixel_um))

    @cached_property
    def _rows(self) -> tuple[Ints, Floats32]:
        return cubic_taps(self.canvas.y_um / self.step_um)

    @cached_property
    def _columns(self) -> tuple[Ints, Floats32]:
        return cubic_taps(self.canvas.x_um / self.step_um)

    @property
    def first(self) -> tuple[int, int]:
        """Number of the first node along rows and columns; the node on the optical axis has number 0."""
        return int(self._rows[0][0]), int(self._columns[0][0])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of nodes along rows and columns."""
        rows, _ = self._rows
        columns, _ = self._columns
        return int(rows[-1] - rows[0]) + 4, int(columns[-1] - columns[0]) + 4

    @property
    def y_um(self) -> Floats:
        """Positions of the nodes' rows from the optical axis, µm."""
        return np.arange(self.first[0], self.first[0] + self.shape[0], dtype=np.float64) * self.step_um

    @property
    def x_um(self) -> Floats:
        """Positions of the nodes' columns from the optical axis, µm."""
        return np.arange(self.first[1], self.first[1] + self.shape[1], dtype=np.float64) * self.step_um

    @property
    def pixels_per_node(self) -> float:
        """Number of pixels in the area of one node."""
        return (self.step_um / self.canvas.pixel_size_um) ** 2

    def upsample_columns(self, values: Image) -> Image:
        """Interpolate fields along their rows, from the nodes' columns to the canvas' columns.

        Parameters
        ----------
        values
            Fields at the nodes, float32 ``(..., *shape)``.

        Returns
        -------
        float32 ``(..., rows of nodes, columns of the canvas)``.
        """
        return upsample_columns(values, *self._column_taps)

    @cached_property
    def row_taps(self) -> tuple[Ints, Floats32]:
        """First of the four nodes' rows around each canvas row, counted from the grid's first, and their weights."""
        nodes, weights = self._rows
        return nodes - nodes[0], weights

    @cached_property
    def _column_taps(self) -> tuple[Ints, Floats32]:
        nodes, weights = self._columns
        return nodes - nodes[0], weights
