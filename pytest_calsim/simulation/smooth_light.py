"""Paint smooth light of many sources, as B-spline images on shared grids as coarse as each allows.

Nodes lie at powers of two of a pixel. Each grid is added to the next finer one, and the finest is evaluated at the
canvas' pixels. All is sums of positive terms: light is never negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_calsim.kernels.tissue import RowRuns, SmoothRows, add_tissue
from pytest_calsim.kernels.types import Image
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.pixels import SplineImages
from pytest_calsim.steps.smooth_grid import NodeGrid

__all__ = ["SmoothLight"]


def _runs_of(spline_images: SplineImages, grid: NodeGrid) -> RowRuns:
    """Lay out images on their grid; what lies beyond it reaches no pixel."""
    first_row, first_column = grid.first
    runs = spline_images.patches.moved(-first_row, -first_column).cropped(grid.shape).row_runs(grid.shape)
    return runs._replace(unit=spline_images.source[runs.unit].astype(np.int32))


@dataclass(frozen=True, eq=False)
class _Level:
    """The light that is painted on one grid.

    Attributes
    ----------
    grid
        Nodes of the grid.
    spline_images
        Images that are added there, as runs of nodes.
    """

    grid: NodeGrid
    spline_images: tuple[RowRuns, ...]

    def add(self, values: Image | None, gains: Image) -> Image:
        """Add its light, at gains ``(source, frame)``, to fields ``(frame, *shape)`` at its nodes; ``None``: dark."""
        n = gains.shape[1]
        rows, columns = self.grid.shape
        for runs in self.spline_images:
            # The first images write over new memory, so that it need not be cleared.
            dark = values is None
            values = np.empty((n, rows, columns), np.float32) if values is None else values
            add_tissue(values, runs, gains, dark=dark)
        return np.zeros((n, rows, columns), np.float32) if values is None else values


@dataclass(frozen=True, eq=False)
class SmoothLight:
    """The smooth light of one or several artifacts, ready to be painted.

    Attributes
    ----------
    levels
        From the coarsest to the finest.
    transmission
        Factor on the light on the canvas, float32 ``(height, width)``; ``None``: 1 everywhere.
    """

    levels: tuple[_Level, ...]
    transmission: Image | None

    @classmethod
    def of(
        cls, spline_images: Sequence[SplineImages], canvas: Canvas, transmission: Image | None
    ) -> SmoothLight | None:
        """Lay out images of sources that are numbered through; ``None`` where there is nothing to paint."""
        used = {some.level for some in spline_images if len(some.source)}
        if not used:
            return None
        grid = NodeGrid.of_canvas(canvas, min(used))
        levels: list[_Level] = []
        for level in range(min(used), max(used) + 1):
            if levels:
                grid = grid.coarser()
            levels.append(_Level(grid, tuple(_runs_of(some, grid) for some in spline_images if some.level == level)))
        return cls(tuple(levels[::-1]), transmission)

    def rows(self, gains: Image) -> SmoothRows:
        """Return the light of sources of given gain ``(source, frame)``, interpolated to the canvas' columns."""
        coarsest, *others = self.levels
        values = coarsest.add(None, gains)
        grid = coarsest.grid
        for level in others:
            values = level.add(grid.evaluate(values), gains)
            grid = level.grid
        return SmoothRows(grid.widen(values), *grid.row_taps, self.transmission)
