"""Render the cells: each one's image times its trace, and a halo of the light that scattered out of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pytest_calsim.kernels.tissue import HaloRows, RowRuns
from pytest_calsim.kernels.types import Floats32
from pytest_calsim.steps.cells.bleaching import BleachingCurve
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.halo import Halo
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.pixels import CellSources, LightOrder
from pytest_calsim.steps.step import Context, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["CellLight", "Render"]


@dataclass(frozen=True, eq=False)
class CellLight(CellSources):
    """Light of all cells: the sum of image · C · bleaching in the order of the units, and their halo.

    Attributes
    ----------
    runs
        The cells' images, row by row of the canvas.
    halo
        Where the light that scattered out of the images goes.
    activity
        The traces C.
    bleaching
        Share of fluorophore that is left; ``None`` if nothing bleaches.
    """

    runs: RowRuns
    halo: Halo
    activity: Activity
    bleaching: BleachingCurve | None
    light_order: ClassVar[float] = LightOrder.CELLS

    def gains(self, start: int, stop: int) -> Floats32:
        """Return each cell's light in frames ``start`` to ``stop``, float32 ``(unit, frame)``."""
        light = self.activity.C[:, start:stop].copy()
        if self.bleaching is not None:
            for i in range(stop - start):
                light[:, i] *= self.bleaching.remaining(start + i)
        return light

    def expected_gains(self) -> Floats32:
        """Return the light of each cell at rest, unbleached, float32 ``(unit, 1)``."""
        return self.activity.baseline.astype(np.float32)[:, np.newaxis]

    def halo_rows(self, gains: Floats32) -> HaloRows:
        """Return the halo of cells of given light ``(unit, frame)``."""
        return self.halo.rows(gains)


class Render(Step):
    """Paint the cells: each one's image times its trace, and a halo of the light that scattered out of the images.

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
        """Sort the images by rows, and place the halo's sources."""
        return CellLight(
            images.patches.row_runs(ctx.canvas.shape), Halo.of(ctx, cells, images, vessels), activity, bleaching
        )
