"""Render the cells: each one's image times its trace, and a halo of the light that scattered out of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pytest_calsim.kernels.tissue import RowRuns
from pytest_calsim.kernels.types import Floats32, Image
from pytest_calsim.steps.cells.bleaching import BleachingCurve
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.tissue_beyond import spots_beyond
from pytest_calsim.steps.pixels import CellSources, GaussianSpots, LightOrder
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
        What scattered out of them; the last source is the tissue beyond the cells.
    transmission
        Of the vessels above the cells' median depth; ``None``: none.
    activity
        The traces C.
    bleaching
        Share of fluorophore that is left; ``None`` if nothing bleaches.
    """

    runs: RowRuns
    spots: GaussianSpots
    transmission: Image | None
    activity: Activity
    bleaching: BleachingCurve | None
    light_order: ClassVar[float] = LightOrder.CELLS

    def gains(self, start: int, stop: int) -> Floats32:
        """Return each cell's light in frames ``start`` to ``stop``, float32 ``(unit, frame)``; the tissue's is last."""
        light = np.ones((self.spots.n_sources, stop - start), np.float32)
        light[:-1] = self.activity.traces.fluorescence(start, stop)
        if self.bleaching is not None and len(light) > 1:
            remaining = self.bleaching.cells.remaining(start, stop)
            light[:-1] *= remaining
            light[-1] = [remaining[:, i].mean(dtype=np.float64) for i in range(stop - start)]
        return light

    def expected_gains(self) -> Floats32:
        """Return the light of each cell at rest, unbleached, float32 ``(unit, 1)``; the tissue's is last."""
        resting = self.activity.baseline.sum() / max(self.activity.expected_C.sum(), 1e-300)
        return np.append(self.activity.baseline, resting).astype(np.float32)[:, np.newaxis]


class Render(Step):
    """Paint the cells: each one's image times its trace, and the light that scattered out of the images.

    Scattered light has its cell's own time course. Around the tissue in which cells were placed it is continued by what
    the same layer gives on average, at a constant level but for bleaching.
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
        """Sort the images by rows, and continue what scattered out of them beyond the cells."""
        beyond = GaussianSpots.none(1)
        if cells.tissue_um is not None and len(cells):
            beyond = spots_beyond(images.spots, activity.expected_C, cells.tissue_um)
        return CellLight(
            images.patches.row_runs(ctx.canvas.shape),
            GaussianSpots.joined([images.spots, beyond]),
            None if vessels is None else vessels.transmission(cells.middle_um),
            activity,
            bleaching,
        )
