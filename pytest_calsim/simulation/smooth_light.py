"""Paint smooth light of many sources, as Gaussians or as pictures, on shared grids as coarse as each allows.

Gaussians of four widths to an octave are blurred on nodes, and any other width is the mixture of its two neighbours
that has its variance: the peak is then at most 3 % too high. Nodes lie at powers of two of a pixel, 0.4 to 0.8 of σ
apart. Each grid is added to the next finer one, and the finest is evaluated at the canvas' pixels. All is sums of
positive terms: light is never negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.halo import Sources, spread_sources
from pytest_calsim.kernels.tissue import HaloRows, RowRuns, add_tissue
from pytest_calsim.kernels.types import Floats, Image, Ints
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.pixels import GaussianSpots, NodePictures
from pytest_calsim.steps.smooth_grid import NodeGrid, spline_taps

__all__ = ["SmoothLight"]


_WIDTHS_PER_OCTAVE = 4
"""From one pixel on."""
_REACH = 4
"""Where a Gaussian ends, in σ: 3·10⁻⁴ of its peak."""
_LEAST_VARIANCE = 1.0
"""Of a spot along an axis with its pixel, px²: a narrower one is as wide."""
_PIXEL_VARIANCE = 1 / 12
"""Of a pixel's area along an axis, px²."""
_SPLINES_VARIANCE = 2 / 3
"""Of the B-spline by which a source is shared among nodes, and that of a node, in squares of the step."""


@dataclass(frozen=True, eq=False)
class _Width:
    """Spots of one width.

    Attributes
    ----------
    source
        The source of each spot, int64 ``(spot,)``.
    sources
        Where the spots are among the nodes.
    gaussian
        By distance in nodes, per pixel.
    offset
        Node of the spots' grid at which the level's grid begins.
    """

    source: Ints
    sources: Sources
    gaussian: NDArray[np.float32]
    offset: tuple[int, int]

    @classmethod
    def of(cls, spots: GaussianSpots, flux: Floats, sigma_px: float, grid: NodeGrid, pixel_um: float) -> _Width | None:
        """Those of some spots, all of one width, that reach a grid; ``None`` where none does."""
        variance = (sigma_px / grid.step_px) ** 2 - _SPLINES_VARIANCE
        reach = int(np.ceil(_REACH * np.sqrt(variance)))
        half = elementary.exp(-(np.arange(reach + 1) ** 2) / (2 * variance))
        half /= 2 * half.sum() - half[0]
        gaussian = np.concatenate([half[:0:-1], half]) / grid.step_px
        row, row_weight = spline_taps(spots.y_um / pixel_um / grid.step_px)
        column, column_weight = spline_taps(spots.x_um / pixel_um / grid.step_px)
        near = flux > 0
        for node, first, n in ((row, grid.first[0], grid.shape[0]), (column, grid.first[1], grid.shape[1])):
            near &= (node + 3 >= first - reach) & (node <= first + n - 1 + reach)
        if not near.any():
            return None
        first = int(row[near].min()), int(column[near].min())
        sources = Sources(
            flux[near].astype(np.float32),
            row[near] - first[0],
            row_weight[near],
            column[near] - first[1],
            column_weight[near],
            (int(row[near].max()) + 4 - first[0], int(column[near].max()) + 4 - first[1]),
        )
        offset = grid.first[0] - first[0], grid.first[1] - first[1]
        return cls(spots.source[near], sources, gaussian.astype(np.float32), offset)

    def spread(self, gains: Image, shape: tuple[int, int]) -> Image:
        """Return their light at a grid's nodes, float32 ``(frame, *shape)``, for sources' gains ``(source, frame)``."""
        return spread_sources(gains[self.source], self.sources, self.gaussian, self.offset, shape)


def _runs_of(pictures: NodePictures, grid: NodeGrid) -> RowRuns:
    """Lay out pictures on their grid; what lies beyond it reaches no pixel."""
    first_row, first_column = grid.first
    runs = pictures.patches.moved(-first_row, -first_column).cropped(grid.shape).row_runs(grid.shape)
    return runs._replace(unit=pictures.source[runs.unit].astype(np.int32))


@dataclass(frozen=True, eq=False)
class _Level:
    """What is painted on one grid.

    Attributes
    ----------
    grid
        Its nodes.
    widths
        Spots that are blurred there, by width.
    pictures
        Pictures that are added there, as runs of nodes.
    """

    grid: NodeGrid
    widths: tuple[_Width, ...]
    pictures: tuple[RowRuns, ...]

    def add(self, values: Image | None, gains: Image) -> Image | None:
        """Add its light, at gains ``(source, frame)``, to fields ``(frame, *shape)`` at its nodes."""
        for width in self.widths:
            light = width.spread(gains, self.grid.shape)
            if values is None:
                values = light
            else:
                values += light
        for runs in self.pictures:
            n, rows, columns = gains.shape[1], *self.grid.shape
            dark = values is None
            values = np.empty((n, rows, columns), np.float32) if values is None else values
            layers = np.empty((0, rows, columns), np.float32)
            weights = np.empty((n, 0), np.float32)
            add_tissue(values, runs, gains, HaloRows.none(n, rows, columns), layers, weights, dark=dark)
        return values


@dataclass(frozen=True, eq=False)
class SmoothLight:
    """The smooth light of one or several artifacts, ready to be painted.

    Attributes
    ----------
    levels
        From the coarsest to the finest.
    transmission
        What multiplies the light on the canvas, float32 ``(height, width)``; ``None``: nothing.
    """

    levels: tuple[_Level, ...]
    transmission: Image | None

    @classmethod
    def of(
        cls,
        spots: Sequence[GaussianSpots],
        canvas: Canvas,
        transmission: Image | None,
        pictures: Sequence[NodePictures] = (),
    ) -> SmoothLight | None:
        """Lay out spots, and pictures; ``None`` where there is nothing to paint.

        The sources of spots are numbered through, and the pictures are of sources by these numbers.
        """
        together = GaussianSpots.joined(spots)
        pixel_um = canvas.pixel_size_um
        variance = np.maximum((together.sigma_um / pixel_um) ** 2 + _PIXEL_VARIANCE, _LEAST_VARIANCE)
        sigmas = _widths_px(variance.max(initial=_LEAST_VARIANCE))
        below = np.searchsorted(sigmas**2, variance, side="right") - 1
        # Of two widths, so much of the larger that the variance is the spot's.
        larger = (variance - sigmas[below] ** 2) / (sigmas[below + 1] ** 2 - sigmas[below] ** 2)
        by_level: dict[int, list[tuple[float, NDArray[np.bool_]]]] = {}
        for i in np.unique(np.concatenate([below, below + 1])).tolist():
            share = np.where(below == i, 1 - larger, np.where(below + 1 == i, larger, 0.0))
            if share.any():
                by_level.setdefault(_level(i), []).append((float(sigmas[i]), share))
        used = {*by_level, *(some.level for some in pictures if len(some.source))}
        if not used:
            return None
        grid = NodeGrid.of_canvas(canvas, min(used))
        levels: list[_Level] = []
        for level in range(min(used), max(used) + 1):
            if levels:
                grid = grid.coarser()
            found = [
                _Width.of(together, together.flux * share, sigma, grid, pixel_um)
                for sigma, share in by_level.get(level, [])
            ]
            shown = [_runs_of(some, grid) for some in pictures if some.level == level]
            levels.append(_Level(grid, tuple(width for width in found if width is not None), tuple(shown)))
        return cls(tuple(levels[::-1]), transmission)

    def rows(self, gains: Image) -> HaloRows:
        """Return the light of sources of given gain ``(source, frame)``, interpolated to the canvas' columns."""
        values: Image | None = None
        coarser: NodeGrid | None = None
        for level in self.levels:
            if values is not None and coarser is not None:
                values = coarser.evaluate(values)
            values = level.add(values, gains)
            coarser = level.grid
        finest = self.levels[-1].grid
        if values is None:
            values = np.zeros((gains.shape[1], *finest.shape), np.float32)
        return HaloRows(finest.widen(values), *finest.row_taps, self.transmission)


def _level(width: int) -> int:
    """The grid for one of the widths: σ is 1.2 to 2 steps, so a sum of splines is within 2 % of the Gaussian's peak.

    The least, of a pixel, is on the grid of pixels too, to 7 %.
    """
    return max(0, (width - 1) // _WIDTHS_PER_OCTAVE)


def _widths_px(largest: float) -> Floats:
    """The widths that are blurred, from one pixel to beyond the root of a variance, px."""
    octaves = int(np.ceil(0.5 * np.log2(largest))) + 1
    parts = elementary.exp(np.arange(_WIDTHS_PER_OCTAVE) * (np.log(2) / _WIDTHS_PER_OCTAVE))
    return np.concatenate([np.ldexp(parts, octave) for octave in range(octaves)] + [[2.0**octaves]])
