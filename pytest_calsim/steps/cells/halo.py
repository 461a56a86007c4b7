"""The halo of light that scattered out of the cells' images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.halo import Sources, spread_sources
from pytest_calsim.kernels.tissue import HaloRows
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.pixels import Image
from pytest_calsim.steps.smooth_grid import SmoothGrid, cubic_taps
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["Halo"]

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

    grid: SmoothGrid
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
        grid = SmoothGrid.for_scale(ctx.canvas, sigma)
        z, y, x = cells.center_um.T
        row, row_weight = cubic_taps(y / grid.step_um)
        column, column_weight = cubic_taps(x / grid.step_um)
        first = (int(row.min(initial=grid.first[0])), int(column.min(initial=grid.first[1])))
        last = (int(row.max(initial=grid.first[0])) + 4, int(column.max(initial=grid.first[1])) + 4)
        # Interpolated, a narrower Gaussian would dip below zero; only pixels over σ/3 ask for one.
        width = max(sigma / grid.step_um, 3.0)
        half = elementary.exp(-(np.arange(int(_HALO_REACH * width) + 1) ** 2) / (2 * width**2))
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

    def rows(self, light: NDArray[np.float32]) -> HaloRows:
        """Return the halo of cells of given light ``(unit, frame)``, interpolated to the canvas' columns."""
        sources = Sources(self.flux, *self.row, *self.column, self.source_shape)
        nodes = spread_sources(light, sources, self.kernel, self.offset, self.grid.shape)
        return HaloRows(self.grid.upsample_columns(nodes), *self.grid.row_taps, self.transmission)
