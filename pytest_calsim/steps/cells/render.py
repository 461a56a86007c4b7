"""The cells' light: every cell's image times its trace, and the halo of what scattered out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pytest_calsim.kernels.tissue import RowRuns
from pytest_calsim.steps.cells.bleaching import BleachingCurve
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.pixels import CellSources, GaussianSpots, Image, LightOrder
from pytest_calsim.steps.step import Context, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["CellLight", "Render"]


@dataclass(frozen=True, eq=False)
class CellLight(CellSources):
    """Light of all cells: Σ patch · C · bleaching, in the units' order, and what scattered out of the patches.

    Attributes
    ----------
    runs
        The cells' images.
    spots
        What scattered out of them.
    transmission
        Of the vessels above the cells' median depth; ``None``: none.
    activity
        The traces C.
    bleaching
        Share of fluorophore left; ``None``: all of it.
    """

    runs: RowRuns
    spots: GaussianSpots
    transmission: Image | None
    activity: Activity
    bleaching: BleachingCurve | None
    light_order: ClassVar[float] = LightOrder.CELLS

    def gains(self, start: int, stop: int) -> Image:
        """Return each cell's light in frames ``start`` to ``stop``, float32 ``(unit, frame)``."""
        light = self.activity.C[:, start:stop].copy()
        if self.bleaching is not None:
            light *= self.bleaching.cells.remaining(start, stop)
        return light

    def expected_gains(self) -> Image:
        """Return the light of each cell at rest, unbleached, float32 ``(unit, 1)``."""
        return self.activity.baseline.astype(np.float32)[:, np.newaxis]


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
        """Lay out the images and the halo for painting."""
        z, y, x = cells.center_um.T
        sigma = np.full(len(cells), ctx.acquisition.tissue.halo_sigma_um)
        return CellLight(
            images.patches.row_runs(ctx.canvas.shape),
            GaussianSpots.one_each(y, x, sigma, images.halo_flux),
            vessels.transmission(float(np.median(z))) if vessels is not None and len(z) else None,
            activity,
            bleaching,
        )
