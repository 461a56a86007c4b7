"""Scatter cells far out of focus, above and below the layer in focus: dim disks, each with its own course."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.types import Bools, Floats, Keys
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Fraction, Frozen
from pytest_calsim.steps.background.slab import draw_slab
from pytest_calsim.steps.cells.bleaching import BleachingCurve, Fading
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_courses import CellCourses
from pytest_calsim.steps.cells.defocus import focal_depth_um
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.lognormal import lognormal
from pytest_calsim.steps.pixels import Image, LightOrder, SmoothSources, SplineImages
from pytest_calsim.steps.spline_images import GAUSSIAN_REACH, RIM_REACH, disk_images, gaussian_images
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["BackgroundCellLight", "BackgroundCells", "BackgroundPopulation"]


_MAX_CELLS = 100_000
"""A bound on time and memory; more come mostly of a mistake in a density."""
_WIDEST_UM = 80.0
"""Light that spreads wider than this σ has no place any more: it is part of the neuropil's level."""
_REACH_UM = GAUSSIAN_REACH * _WIDEST_UM
"""No cell farther from the canvas is seen there."""


class BackgroundPopulation(Frozen):
    """Cells of one kind in one slab of tissue.

    Attributes
    ----------
    density_per_mm3
        Cells per volume, labelled or not.
    labelled_fraction
        Share of them that carries the indicator; only these are simulated.
    depth_um
        Middle of the slab, below the tissue's surface.
    thickness_um
        Thickness of the slab, in which the cells' centres lie.
    soma_radius_um
        Mean radius of a soma.
    soma_radius_cv
        Standard deviation of the radius over its mean; the distribution is triangular.
    brightness
        Mean brightness of a cell at rest, in the same unit as that of cells in focus.
    brightness_cv
        Standard deviation of the brightness over its mean, across cells; lognormal.
    """

    density_per_mm3: Annotated[float, Field(ge=0, le=1e6)] = 3.2e4
    labelled_fraction: Fraction = 1.0
    depth_um: Annotated[float, Field(ge=1, le=2000)] = 200.0
    thickness_um: Annotated[float, Field(ge=1, le=2000)] = 100.0
    soma_radius_um: Annotated[float, Field(ge=1, le=15)] = 5.5
    soma_radius_cv: Annotated[float, Field(ge=0, le=0.25)] = 0.1
    brightness: Annotated[float, Field(ge=0, le=1000)] = 1.0
    brightness_cv: Annotated[float, Field(ge=0, le=2)] = 0.4

    @model_validator(mode="after")
    def _below_the_surface(self) -> Self:
        if self.thickness_um > 2 * self.depth_um:
            raise ValueError(
                f"a slab of thickness_um = {self.thickness_um:g} around depth_um = {self.depth_um:g} reaches above the "
                f"tissue's surface; lower thickness_um to {2 * self.depth_um:.4g} or raise depth_um to "
                f"{self.thickness_um / 2:.4g}"
            )
        return self

    @property
    def per_um2(self) -> float:
        """Expected labelled cells for each µm² of the plane."""
        return self.density_per_mm3 * self.labelled_fraction * self.thickness_um * 1e-9

    def with_count(self, count: float, canvas: Canvas) -> Self:
        """Return the slab with the density that gives ``count`` cells in and around a canvas, or the highest one."""
        density = count / (_area_um2(canvas) * self.thickness_um * 1e-9)
        return self.model_copy(update={"density_per_mm3": min(density, 1e6), "labelled_fraction": 1.0})


@dataclass(frozen=True, eq=False)
class BackgroundCellLight(SmoothSources):
    """Light of cells out of focus.

    Attributes
    ----------
    center_um
        (z, y, x) of each, float64 ``(source, 3)``.
    defocus_um
        Distance below the curved focal surface, float64 ``(source,)``.
    transmission
        Share of the light that the vessels above the layer in focus let through; ``None``: there are none.
    courses
        Their fluorescence, brightness · (1 + ΔF/F).
    fading
        Share of fluorophore left; ``None``: all of it.
    spline_images
        Disks of confusion, and the scattered light around them.
    """

    center_um: Floats
    defocus_um: Floats
    transmission: Image | None
    courses: CellCourses
    fading: Fading | None
    spline_images: tuple[SplineImages, ...]
    light_order: ClassVar[float] = (LightOrder.CELLS + LightOrder.BACKGROUND) / 2

    @property
    def n_sources(self) -> int:
        """Number of cells."""
        return len(self.center_um)

    def gains(self, start: int, stop: int) -> Image:
        """Return each cell's light in frames ``start`` to ``stop``, bleaching included, float32 ``(source, frame)``."""
        light = self.courses.fluorescence(start, stop)
        return light if self.fading is None else light * self.fading.remaining(start, stop)

    def expected_gains(self) -> Image:
        """Return each cell's long-run mean, unbleached, float32 ``(source, 1)``: thousands are never all at rest."""
        return self.courses.expected.astype(np.float32)[:, np.newaxis]

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return position, defocus and brightness at rest of cells ``(background_cell,)``; courses: :meth:`gains`."""
        dims = ("background_cell",)
        z, y, x = self.center_um.T
        return {
            "background_cell_depth_um": TruthArray(dims, z, "um"),
            "background_cell_y_um": TruthArray(dims, y, "um"),
            "background_cell_x_um": TruthArray(dims, x, "um"),
            "background_cell_defocus_um": TruthArray(dims, self.defocus_um, "um"),
            "background_cell_amplitude": TruthArray(dims, self.courses.baseline),
        }


class BackgroundCells(Step):
    """Thousands of cells out of focus, above and below the layer of interest.

    They are active as the cells of ``cell_activity`` are, may belong to the same ``assemblies``, and bleach by their
    local illumination.
    Each is a disk of confusion of radius |Δz|·NA/√(n² − NA²), its rim softened by diffraction, scatter and the soma's
    own extent; its scattered light is spread as that of cells in focus. They are no units of the truth, and no
    assertion counts them: a cell that is sharp enough to be found belongs into ``place_neurons``.

    Attributes
    ----------
    populations
        Slabs of cells. Take densities from histology, and let the look of the background follow.
    least_disk_um
        Cells whose disk of confusion has a smaller radius are left out, as a pipeline might rightly find them. Of what
        a plain one found on ``static``, 25 % matched no planted cell with 10 µm, 10 % with 13, 4 % with 16, 0 with 20.
    """

    populations: Annotated[tuple[BackgroundPopulation, ...], Field(min_length=1, max_length=8)] = (
        BackgroundPopulation(),
    )
    least_disk_um: Annotated[float, Field(ge=2, le=200)] = 10.0

    def check(self, context: SpecContext) -> list[str]:
        """Refuse more cells than are simulated."""
        count = self._expected_cells(context)
        if count > _MAX_CELLS:
            raise ValueError(
                f"populations ask for some {count:.0f} cells in and around the field of view, and at most {_MAX_CELLS} "
                "are simulated; lower density_per_mm3, labelled_fraction or thickness_um, or the sensor"
            )
        return []

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of places and images, and of courses for some seconds."""
        return Cost(fixed_bytes=4000.0 * self._expected_cells(context))

    def _expected_cells(self, context: SpecContext) -> float:
        return _area_um2(context.canvas) * sum(population.per_um2 for population in self.populations)

    def plan(
        self,
        ctx: Context,
        cells: Cells,
        activity: Activity,
        vessels: Vessels | None = None,
        bleaching: BleachingCurve | None = None,
    ) -> BackgroundCellLight:
        """Scatter the cells and lay out their images; courses are computed when frames are painted."""
        drawn = _Drawn.joined([self._draw(ctx, i) for i in range(len(self.populations))])
        focus_um = focal_depth_um(ctx.acquisition, cells)
        z, y, x = drawn.center_um.T
        defocus_um = z + ctx.acquisition.curvature_shift_um(np.hypot(y, x)) - focus_um
        blurred = _Blurred.of(ctx.acquisition, drawn.center_um, defocus_um, drawn.radius_um)
        # Drawn first and chosen then: the choice changes no cell's draws.
        seen = (blurred.disk_um >= self.least_disk_um) & blurred.reaches(ctx.canvas)
        drawn = drawn.of(seen)
        spline_images = blurred.of_cells(seen).spline_images(ctx.acquisition.pixel_size_um)
        assemblies = activity.assemblies
        if assemblies is not None and not assemblies.background_members:
            assemblies = None
        return BackgroundCellLight(
            center_um=drawn.center_um,
            defocus_um=defocus_um[seen],
            transmission=None if vessels is None else vessels.transmission(cells.middle_um),
            courses=activity.model.courses_of(
                ctx=ctx, keys=drawn.keys, z_rate=drawn.z_rate, baseline=drawn.brightness, assemblies=assemblies
            ),
            fading=None if bleaching is None else bleaching.at(drawn.center_um[:, 1], drawn.center_um[:, 2]),
            spline_images=tuple(spline_images),
        )

    def _draw(self, ctx: Context, index: int) -> _Drawn:
        """Draw the cells of one population."""
        population = self.populations[index]
        drawn = draw_slab(ctx, index, population.per_um2, _REACH_UM)
        depth_um = population.depth_um + (drawn.place[:, 0] - 0.5) * population.thickness_um
        spread = math.sqrt(6) * population.soma_radius_cv
        radius_um = population.soma_radius_um * (1 + spread * drawn.triangular)
        return _Drawn(
            center_um=np.column_stack([depth_um, drawn.place[:, 1:]]),
            radius_um=radius_um,
            brightness=population.brightness * lognormal(drawn.normal[:, 0], population.brightness_cv),
            z_rate=drawn.normal[:, 1],
            keys=drawn.key,
        )


def _area_um2(canvas: Canvas) -> float:
    """Return the area in which cells are scattered."""
    return math.prod(n * canvas.pixel_size_um + 2 * _REACH_UM for n in canvas.shape)


class _Drawn(NamedTuple):
    """Cells as they are drawn.

    Attributes
    ----------
    center_um
        (z, y, x) of each, float64 ``(source, 3)``.
    radius_um, brightness
        Radius, and fluorescence at rest, float64 ``(source,)``.
    z_rate
        Standard normal number that decides each one's rate, float64 ``(source,)``.
    keys
        Name of each one's streams, uint64 ``(source,)``.
    """

    center_um: Floats
    radius_um: Floats
    brightness: Floats
    z_rate: Floats
    keys: Keys

    @classmethod
    def joined(cls, parts: Sequence[_Drawn]) -> _Drawn:
        """Return the cells of all parts, in their order."""
        columns: Any = (np.concatenate(values) for values in zip(*parts, strict=True))
        return cls(*columns)

    def of(self, chosen: Bools) -> _Drawn:
        """Return some of the cells."""
        columns: Any = (values[chosen] for values in self)
        return _Drawn(*columns)


class _Blurred(NamedTuple):
    """Images of cells out of focus, each array ``(source,)``, widths in µm.

    Attributes
    ----------
    y_um, x_um
        Position of each cell.
    disk_um, rim_um
        Radius of the disk of confusion, and σ of its rim.
    disk_flux
        Light in the disk, px.
    skirt_um, skirt_flux
        σ and light of each Gaussian of scattered light ``(skirt, source)``.
    """

    y_um: Floats
    x_um: Floats
    disk_um: Floats
    rim_um: Floats
    disk_flux: Floats
    skirt_um: Floats
    skirt_flux: Floats

    @classmethod
    def of(cls, acquisition: Acquisition, center_um: Floats, defocus_um: Floats, radius_um: Floats) -> _Blurred:
        optics = acquisition.optics
        z, y, x = center_um.T
        # A sphere of dye: its image holds two thirds of its outline, with a variance of r²/5 along each axis.
        flux = optics.collection * (2 / 3) * np.pi * (radius_um / acquisition.pixel_size_um) ** 2
        disk_um = optics.defocus_radius_um(defocus_um)
        variance = optics.diffraction_sigma_um**2 + acquisition.tissue.scatter_sigma_um(z) ** 2 + radius_um**2 / 5
        shares, sigmas_um = acquisition.tissue.skirt(z)
        skirt_um = np.sqrt(sigmas_um**2 + disk_um**2 / 4 + variance)
        return cls(
            y_um=y,
            x_um=x,
            disk_um=disk_um,
            rim_um=np.sqrt(variance),
            disk_flux=np.where(
                np.sqrt(disk_um**2 / 4 + variance) <= _WIDEST_UM, flux * acquisition.tissue.core_fraction(z), 0.0
            ),
            skirt_um=skirt_um,
            skirt_flux=np.where(skirt_um <= _WIDEST_UM, flux * shares, 0.0),
        )

    def of_cells(self, chosen: Bools) -> _Blurred:
        """Return the images of some cells."""
        return _Blurred(*(values[..., chosen] for values in self))

    def reaches(self, canvas: Canvas) -> Bools:
        """Return whether any of a cell's light falls on a canvas."""
        ends_um = np.where(self.disk_flux > 0, self.disk_um + RIM_REACH * self.rim_um, 0.0)
        ends_um = np.maximum(ends_um, np.where(self.skirt_flux > 0, GAUSSIAN_REACH * self.skirt_um, 0.0).max(axis=0))
        # An image's last nodes, and what their splines reach.
        ends_um = np.where(ends_um > 0, 1.5 * ends_um, 0.0)
        return canvas.beyond_um(self.y_um, self.x_um) < ends_um

    def spline_images(self, pixel_um: float) -> list[SplineImages]:
        """Return disks of confusion, and the scattered light around them."""
        y = self.y_um / pixel_um
        x = self.x_um / pixel_um
        found = disk_images(
            y_px=y, x_px=x, radius_px=self.disk_um / pixel_um, rim_px=self.rim_um / pixel_um, flux=self.disk_flux
        )
        for sigma_um, flux in zip(self.skirt_um, self.skirt_flux, strict=True):
            found += gaussian_images(y, x, sigma_um / pixel_um, flux)
        return found
