"""The cells' light: every cell's image times its trace, and the halo of what scattered out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.steps.artifact import BlockPainter, Image, Painter, paints_as
from pytest_calsim.steps.background.neuropil import NeuropilLight
from pytest_calsim.steps.cells.bleaching import BleachingCurve
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.smooth_grid import CoarseGrid, cubic_taps
from pytest_calsim.steps.step import Context, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["CellLight", "Halo", "LitSpans", "Render"]

_HALO_REACH = 6
"""Where the halo's Gaussian ends, in σ: beyond float32."""


@dataclass(frozen=True, eq=False)
class Halo:
    """Light scattered out of the cells' images, spread by one broad Gaussian.

    Attributes
    ----------
    grid
        Where it is computed.
    flux
        Each cell's share, float32 ``(n,)``.
    row, column
        Each cell's four nodes of the sources' grid along each axis (the first, and the weights of all).
    source_shape, offset
        Size of the sources' grid, and where ``grid`` begins on it (negative: before it).
    kernel
        The Gaussian by distance in nodes, from one end to the other, times √(nodes per pixel); float32.
    transmission
        Of the vessels above the cells' median depth; ``None``: none.
    """

    grid: CoarseGrid
    flux: NDArray[np.float32]
    row: tuple[NDArray[np.int64], NDArray[np.float32]]
    column: tuple[NDArray[np.int64], NDArray[np.float32]]
    source_shape: tuple[int, int]
    offset: tuple[int, int]
    kernel: NDArray[np.float32]
    transmission: Image | None

    @classmethod
    def of(cls, ctx: Context, cells: Cells, images: CellImages, vessels: Vessels | None) -> Halo:
        """The halo of these cells."""
        sigma = ctx.acquisition.tissue.halo_sigma_um
        grid = CoarseGrid.for_scale(ctx.canvas, sigma)
        z, y, x = cells.center_um.T
        row, row_weight = cubic_taps(y / grid.step_um)
        column, column_weight = cubic_taps(x / grid.step_um)
        first = (int(row.min(initial=grid.first[0])), int(column.min(initial=grid.first[1])))
        last = (int(row.max(initial=grid.first[0])) + 4, int(column.max(initial=grid.first[1])) + 4)
        # Interpolated, a narrower Gaussian would dip below zero; only pixels over σ/3 ask for one.
        width = max(sigma / grid.step_um, 3.0)
        half = np.exp(-(np.arange(int(_HALO_REACH * width) + 1) ** 2) / (2 * width**2))
        half /= 2 * half.sum() - half[0]
        kernel = np.concatenate([half[:0:-1], half])
        return cls(
            grid,
            images.halo_flux.astype(np.float32),
            (row - first[0], row_weight),
            (column - first[1], column_weight),
            (last[0] - first[0], last[1] - first[1]),
            (grid.first[0] - first[0], grid.first[1] - first[1]),
            (kernel / np.sqrt(grid.pixels_per_node)).astype(np.float32),
            vessels.transmission(float(np.median(z))) if vessels is not None and len(z) else None,
        )

    def along_columns(self, light: NDArray[np.float32]) -> Image:
        """The halo of cells of given brightness ``(unit, frame)`` at the grid's rows and the canvas' columns."""
        from pytest_calsim.compiled.fields import gaussian_from_sources

        wide = np.empty((light.shape[1], self.grid.shape[0], self.grid.canvas.shape[1]), np.float32)
        source, values = np.empty(self.source_shape, np.float32), np.empty(self.grid.shape, np.float32)
        scratch = source, np.empty((len(values), source.shape[1]), np.float32)
        for of_cells, rows in zip(light.T, wide, strict=True):
            sources = of_cells * self.flux, *self.row, *self.column
            gaussian_from_sources(*sources, self.offset, self.kernel, *scratch, values)
            self.grid.widen(values, rows)
        return wide


@dataclass(frozen=True, eq=False)
class LitSpans:
    """The cells' images as spans of lit pixels, by image row, then by unit.

    Attributes
    ----------
    row_start
        Where each canvas row's spans begin, int64 ``(row + 1,)``.
    unit, left
        Each span's unit and first canvas column, int32 ``(span,)``.
    begin
        Where its pixels begin, int64 ``(span + 1,)``.
    lit
        The pixels, float32.
    """

    row_start: NDArray[np.int64]
    unit: NDArray[np.int32]
    left: NDArray[np.int32]
    begin: NDArray[np.int64]
    lit: NDArray[np.float32]

    @classmethod
    def of(cls, images: CellImages) -> LitSpans:
        """The spans of these images."""
        from pytest_calsim.compiled.spans import count_spans, lay_spans

        height, width = images.canvas.shape
        spans, pixels = np.zeros((2, height + 1), np.int64)
        count_spans(images.values, images.start, images.row, images.height, images.width, width, spans[1:], pixels[1:])
        row_start, row_pixels = np.cumsum(spans), np.cumsum(pixels)
        unit, left = np.empty((2, row_start[-1]), np.int32)
        begin = np.full(row_start[-1] + 1, row_pixels[-1])
        lit = np.zeros(row_pixels[-1], np.float32)
        patches = images.values, images.start, images.row, images.column, images.height, images.width
        lay_spans(*patches, width, row_start.copy(), row_pixels.copy(), unit, left, begin, lit)
        return cls(row_start, unit, left, begin, lit)


@dataclass(frozen=True, eq=False)
class CellLight(BlockPainter):
    """Light of all cells: Σ patch · C · bleaching, in the units' order, and their halo.

    Attributes
    ----------
    spans
        The patches.
    halo
        What scattered out of them.
    activity
        The traces C.
    bleaching
        Share of fluorophore left; ``None``: all of it.
    background
        What is painted after them in the same pass, if anything.
    """

    spans: LitSpans
    halo: Halo
    activity: Activity
    bleaching: BleachingCurve | None
    background: NeuropilLight | None = None
    light_order: ClassVar[float] = 10

    def paint_block(self, images: Image, start: int) -> Image:
        """Add the frames' light, in place."""
        return self._paint(images, start, dark=False)

    def paint_dark(self, images: Image, start: int) -> Image:
        """Write the frames' light alone."""
        return (
            self._paint(images, start, dark=True) if paints_as(self, CellLight) else super().paint_dark(images, start)
        )

    def _paint(self, images: Image, start: int, *, dark: bool) -> Image:
        light = self.activity.C[:, start : start + len(images)].copy()
        if self.bleaching is not None:
            for i in range(len(images)):
                light[:, i] *= self.bleaching.remaining(start + i)
        if self.background is None:
            return self._add(light, images, _no_layers(images), np.zeros((len(images), 0), np.float32), dark)
        weights = self.background.temporal[start : start + len(images)]
        return self._add(light, images, self.background.spatial, weights, dark)

    def paint_at_rest(self, image: Image) -> Image:
        """Add the light of resting, unbleached cells, in place."""
        light = self.activity.baseline.astype(np.float32)[:, np.newaxis]
        images = image[np.newaxis]
        return self._add(light, images, _no_layers(images), np.zeros((1, 0), np.float32), False)[0]

    def then(self, following: Painter) -> Painter | None:
        """The background is added while a row is at hand."""
        ours = paints_as(self, CellLight) and paints_as(following, NeuropilLight)
        return replace(self, background=following) if ours else None

    def _add(self, light: NDArray[np.float32], images: Image, layers: Image, weights: Image, dark: bool) -> Image:
        from pytest_calsim.compiled.tissue import add_tissue

        spans, through = self.spans, self.halo.transmission
        add_tissue(
            spans.row_start,
            spans.unit,
            spans.left,
            spans.begin,
            spans.lit,
            light,
            self.halo.along_columns(light),
            *self.halo.grid.row_taps,
            read_only(_NO_VESSELS if through is None else through),
            read_only(layers),
            read_only(weights),
            dark,
            images,
        )
        return images


_NO_VESSELS = np.empty((0, 0), np.float32)


def _no_layers(images: Image) -> Image:
    return np.empty((0, *images.shape[1:]), np.float32)


class Render(Step):
    """Paints the cells: each one's image times its trace, and a halo of the light that scattered out of the images.

    The halo is a Gaussian of ``acquisition.tissue.halo_sigma_um`` about each cell, with the cell's own time course.
    """

    def plan(
        self,
        ctx: Context,
        cells: Cells,
        images: CellImages,
        activity: Activity,
        bleaching: BleachingCurve | None = None,
        vessels: Vessels | None = None,
    ) -> CellLight:
        """Lay out the images and the halo for painting."""
        return CellLight(LitSpans.of(images), Halo.of(ctx, cells, images, vessels), activity, bleaching)
