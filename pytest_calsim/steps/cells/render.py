"""Render the cells: each one's image times its trace, and a halo of the light that scattered out of the images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pytest_calsim.kernels.tissue import RowRuns
from pytest_calsim.kernels.types import Floats32, Image
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.cells.bleaching import BleachingCurve, Fading
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages, GaussianSpots
from pytest_calsim.steps.cells.place_neurons import TISSUE_REACH_UM, Cells
from pytest_calsim.steps.cells.tissue_beyond import even_light, expected_far_light
from pytest_calsim.steps.pixels import CellSources, LightOrder, SplineImages
from pytest_calsim.steps.spline_images import gaussian_images
from pytest_calsim.steps.step import Context, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["CellLight", "Render"]

_PIXEL_VARIANCE = 1 / 12
"""Variance of a pixel's area along an axis, px²."""


@dataclass(frozen=True, eq=False)
class CellLight(CellSources):
    """Light of all cells: Σ patch · C · bleaching, in the units' order, and what scattered out of the patches.

    Attributes
    ----------
    runs
        The cells' images.
    spline_images
        Light that scattered out of the images; behind the cells' sources follow those of far cells' even light.
    n_far
        Number of the latter sources.
    far_light
        Expected light per pixel of cells farther away than a cell's light is followed, unbleached.
    transmission
        Share that the vessels above the cells' middle depth let through; ``None``: there are none.
    activity
        The traces C.
    bleaching
        Share of fluorophore that is left to cells; ``None`` if nothing bleaches.
    fading
        Share of fluorophore that is left to the sources of far cells' light.
    """

    runs: RowRuns
    spline_images: tuple[SplineImages, ...]
    n_far: int
    far_light: float
    transmission: Image | None
    activity: Activity
    bleaching: BleachingCurve | None
    fading: Fading | None
    light_order: ClassVar[float] = LightOrder.CELLS

    @property
    def n_sources(self) -> int:
        """Number of cells and of sources of even light."""
        return len(self.activity.baseline) + self.n_far

    def gains(self, start: int, stop: int) -> Floats32:
        """Return the light of each cell, then of each source of even light, in frames ``start`` to ``stop``; float32
        ``(source, frame)``.
        """
        n = len(self.activity.baseline)
        light = np.ones((self.n_sources, stop - start), np.float32)
        light[:n] = self.activity.traces.fluorescence(start, stop)
        if self.bleaching is not None and self.fading is not None:
            light[:n] *= self.bleaching.cells.remaining(start, stop)
            light[n:] = self.fading.remaining(start, stop)
        return light

    def expected_gains(self) -> Floats32:
        """Return the light of each cell at rest, and even light at its long-run mean, float32 ``(source, 1)``."""
        light = np.ones((self.n_sources, 1), np.float32)
        light[: len(self.activity.baseline), 0] = self.activity.baseline
        return light


class Render(Step):
    """Paint the cells: each one's image times its trace, and the light that scattered out of the images.

    Scattered light has its cell's own time course within 100 µm of the cell. What comes to a point from farther away is
    even light, what the same layers give on average, and bleaches as the tissue does there. Cells at given positions
    are all there is; their light is followed as far as it goes.
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
        """Sort the images by rows, and sample what scattered out of them."""
        far_light = expected_far_light(ctx, cells, images, activity)
        far = even_light(ctx.canvas, far_light, first_source=len(cells))
        end_um = TISSUE_REACH_UM if cells.tissue else math.inf
        return CellLight(
            runs=images.patches.row_runs(ctx.canvas.shape),
            spline_images=(*_images(images.spots, ctx.canvas, end_um), far.spline_images),
            n_far=len(far.y_um),
            far_light=far_light,
            transmission=None if vessels is None else vessels.transmission(cells.middle_um),
            activity=activity,
            bleaching=bleaching,
            fading=None if bleaching is None else bleaching.at(far.y_um, far.x_um),
        )


def _images(spots: GaussianSpots, canvas: Canvas, end_um: float) -> list[SplineImages]:
    """Sample what scattered, as far as it is followed; sources are the cells."""
    pixel_um = canvas.pixel_size_um
    sigma_px = np.sqrt((spots.sigma_um / pixel_um) ** 2 + _PIXEL_VARIANCE)
    found = gaussian_images(
        y_px=spots.y_um / pixel_um,
        x_px=spots.x_um / pixel_um,
        sigma_px=sigma_px,
        flux=spots.flux,
        end_px=end_um / pixel_um,
    )
    return [some._replace(source=spots.source[some.source]) for some in found]
