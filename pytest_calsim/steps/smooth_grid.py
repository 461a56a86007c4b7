"""A coarse grid for what is smooth: few nodes in the loop over frames, interpolated to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_calsim.kernels.halo import upsample_columns
from pytest_calsim.kernels.types import Floats, Floats32, Image, Ints
from pytest_calsim.microscope.canvas import Canvas

__all__ = ["CoarseGrid", "cubic_taps"]


def cubic_taps(nodes: Floats) -> tuple[Ints, Floats32]:
    """The four nodes around each position and their weights (Keys cubic convolution, a = −1/2).

    Parameters
    ----------
    nodes
        Positions in units of the step; whole numbers are nodes.

    Returns
    -------
    first
        The first of each position's four consecutive nodes.
    weights
        ``(position, 4)``; they sum to 1 and reproduce quadratic functions.
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
class CoarseGrid:
    """Nodes at whole multiples of a step from the optical axis, covering the canvas and what interpolation reaches.

    Where the nodes lie does not depend on the canvas, so a wider margin only adds nodes around the same ones.

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
    def for_scale(cls, canvas: Canvas, sigma_um: float) -> CoarseGrid:
        """A grid fine enough for fields no rougher than a Gaussian of this σ: σ/4, but between 1 and 16 pixels."""
        pixel = canvas.pixel_size_um
        return cls(canvas, min(max(sigma_um / 4, pixel), 16 * pixel))

    @cached_property
    def _rows(self) -> tuple[Ints, Floats32]:
        return cubic_taps(self.canvas.y_um / self.step_um)

    @cached_property
    def _columns(self) -> tuple[Ints, Floats32]:
        return cubic_taps(self.canvas.x_um / self.step_um)

    @property
    def first(self) -> tuple[int, int]:
        """Number of the first node along rows and columns; the node on the optical axis is 0, so this is negative."""
        return int(self._rows[0][0]), int(self._columns[0][0])

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes along rows and columns."""
        rows, columns = self._rows[0], self._columns[0]
        return int(rows[-1] - rows[0]) + 4, int(columns[-1] - columns[0]) + 4

    @property
    def y_um(self) -> Floats:
        """Positions of the nodes' rows, µm."""
        return np.arange(self.first[0], self.first[0] + self.shape[0], dtype=np.float64) * self.step_um

    @property
    def x_um(self) -> Floats:
        """Positions of the nodes' columns, µm."""
        return np.arange(self.first[1], self.first[1] + self.shape[1], dtype=np.float64) * self.step_um

    @property
    def pixels_per_node(self) -> float:
        """Pixels in the area of one node."""
        return (self.step_um / self.canvas.pixel_size_um) ** 2

    def widen(self, values: Image) -> Image:
        """Interpolate fields at the nodes ``(..., *shape)``, float32, to the canvas' columns."""
        return upsample_columns(values, *self._column_taps)

    @cached_property
    def row_taps(self) -> tuple[Ints, Floats32]:
        """The first of the four nodes' rows around each canvas row, counted from the grid's first; their weights."""
        return self._rows[0] - self._rows[0][0], self._rows[1]

    @cached_property
    def _column_taps(self) -> tuple[Ints, Floats32]:
        return self._columns[0] - self._columns[0][0], self._columns[1]
