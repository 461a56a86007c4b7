"""Image each cell through the microscope: defocus, diffraction, scatter, attenuation, collection, vessels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.patches import Patches
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.overlap import ImageProducts, image_products
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Bools, Floats, Ints
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.scatter import Skirt
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.cell_images import plant_and_image
from pytest_calsim.steps.cells.defocus import Defocus, image_blur
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.step import Context, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["CellImages", "CellOptics", "GaussianSpots", "around_the_core"]

_WIDEST_UM = 200.0
"""A core that is blurred more widely than this σ is painted as a Gaussian on a coarse grid, not as an image."""


class GaussianSpots(NamedTuple):
    """Light that cells spread as Gaussians; a cell has several, of different widths.

    Attributes
    ----------
    source
        The cell of each spot, int64 ``(spot,)``.
    y_um, x_um
        Its centre from the optical axis, in view or not, float64 ``(spot,)``.
    sigma_um
        Its standard deviation along each axis, float64 ``(spot,)``.
    flux
        Its light at brightness 1, summed over all pixels of an infinite plane, float64 ``(spot,)``, ≥ 0.
    """

    source: Ints
    y_um: Floats
    x_um: Floats
    sigma_um: Floats
    flux: Floats

    @classmethod
    def none(cls) -> GaussianSpots:
        """Return no spots at all."""
        nothing = np.zeros(0)
        return cls(source=np.zeros(0, np.int64), y_um=nothing, x_um=nothing, sigma_um=nothing, flux=nothing)


def around_the_core(acquisition: Acquisition, depth_um: Floats, blur: Defocus, soma_um: Floats) -> Skirt:
    """Return the Gaussians around the cores of cells' images: near, middle, diffuse, and cores too blurred to be any.

    Parameters
    ----------
    acquisition
        The instrument and the tissue.
    depth_um
        Depth of each cell, float64 ``(n,)``.
    blur
        Blur of each cell.
    soma_um
        Standard deviation of each one's own extent, float64 ``(n,)``.

    Returns
    -------
    Skirt
        Shares of the cells' light and widths, each ``(4, n)``.
    """
    # A uniform disk of radius r has a variance of r²/4 along each axis.
    disk_um = blur.disk_radius_um / 2
    around = np.hypot(np.hypot(disk_um, acquisition.optics.diffraction_sigma_um), soma_um)
    share, sigma_um = acquisition.tissue.skirt(depth_um)
    lost = np.where(blur.narrower_than(_WIDEST_UM), 0.0, acquisition.tissue.core_fraction(depth_um))
    return Skirt(
        np.concatenate([share, [lost]]),
        np.concatenate([np.hypot(sigma_um, around), [np.hypot(disk_um, blur.sigma_um)]]),
    )


@dataclass(frozen=True, eq=False)
class CellImages(Artifact):
    """Every cell as the sensor sees it at brightness 1: patches on the canvas.

    Attributes
    ----------
    canvas
        The grid of the patches.
    planted
        Shapes in focus and unblurred, averaged over each pixel, on the sensor; a bead is its one pixel.
    patches
        Images behind optics, tissue and vessels, cut at the canvas' border.
    flux
        Planted light on an infinite plane, the shape's area in pixels; float64 ``(n,)``.
    core_fraction
        Share of the light that stays in the core of the image; float64 ``(n,)``.
    spots
        Light that scattered out of the cores, as Gaussians, at brightness 1; and all light of cells without a patch.
    defocus_um
        Distance below the curved focal surface, z + shift(r) − focal depth; float64 ``(n,)``.
    in_focus
        Whether |defocus| is within half the depth of field; a point's criterion.
    soma_in_focus
        Whether the disk of confusion is no larger than the soma.
    fov_fraction
        Share of the image's core within the sensor's window at zero shift, vessels apart; float64 ``(n,)``.
    focal_depth_um
        Depth in focus on the optical axis.
    vessel_overlap_fraction
        Share of the light of each image's core that vessels above the cell take; float64 ``(n,)``; ``None`` without
        vessels.
    """

    canvas: Canvas
    planted: SparseFootprints
    patches: Patches
    flux: Floats
    core_fraction: Floats
    spots: GaussianSpots
    defocus_um: Floats
    in_focus: Bools
    soma_in_focus: Bools
    fov_fraction: Floats
    focal_depth_um: float
    vessel_overlap_fraction: Floats | None = None

    def __len__(self) -> int:
        return len(self.flux)

    @cached_property
    def observed(self) -> SparseFootprints:
        """Footprints on the sensor at zero shift, ``(n, height, width)``."""
        return SparseFootprints.from_patches(self.patches, self.canvas.window)

    @cached_property
    def products(self) -> ImageProducts:
        """Sums of the products of every two observed footprints that meet, and of each with itself."""
        return image_products(*self.patches, self.canvas.window)

    def sums(self, weight: Floats, *, squared: bool = False) -> Floats:
        """Sum v·w, or v²·w, over the sensor at zero shift for each cell.

        Parameters
        ----------
        weight
            Weight w of each pixel, float64 ``(height, width)``.
        squared
            Whether the cell's light v is squared.

        Returns
        -------
        float64 ``(n,)``.
        """
        return self.observed.sums(weight, squared=squared)

    def choices(self) -> Mapping[str, float]:
        """Return the depth in focus."""
        return {"acquisition.focal_depth_um": self.focal_depth_um}

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``A_planted``, ``A_observed``, ``focal_depth_um`` and columns of the cells' table."""

        def column(values: Bools | Floats, units: str = "1") -> TruthArray:
            return TruthArray(("unit_id",), values, units)

        overlap = self.vessel_overlap_fraction
        under_vessels = {} if overlap is None else {"vessel_overlap_fraction": column(overlap)}
        return {
            **under_vessels,
            "A_planted": self.planted,
            "A_observed": self.observed,
            "focal_depth_um": TruthArray((), np.array(self.focal_depth_um), "um"),
            "defocus_um": column(self.defocus_um, "um"),
            "in_focus": column(self.in_focus),
            "soma_in_focus": column(self.soma_in_focus),
            "fov_fraction": column(self.fov_fraction),
            "core_fraction": column(self.core_fraction),
        }


class CellOptics(Step):
    """Image every cell through the optics and the tissue that the acquisition declares. The step has no fields.

    :func:`~pytest_calsim.steps.cells.defocus.image_blur` says how widely a cell is blurred; its image is averaged over
    each pixel's area. That is the core of its image and its ``A_observed``; of its light exp(−z/M_ex − 1.2 z/M_em)
    stays there. Three Gaussians around it hold what tissue scattered (:mod:`pytest_calsim.microscope.scatter`), widened
    by the blur and by the soma's own size. A cell whose blur is wider than 200 µm has no core: that light is one more
    Gaussian, and its ``A_observed`` is empty. Tails fainter than 10⁻⁴ of a core's peak are cut, and what they held is
    given back to the rest; so the flux is that of the planted shape at every focus. Given footprints are taken as they
    are.

    Rays of an isotropic source crowd towards the middle of the disk; a uniform disk leaves that out. Its centre is 4 %
    too dim at NA 0.3 and 10 % at 0.5, its width 0.6 % and 1.9 % too large.
    """

    def plan(self, ctx: Context, cells: Cells, vessels: Vessels | None = None) -> CellImages:
        """Image every cell, in the order of the units."""
        if cells.footprints is not None:
            return _as_given(ctx, cells, cells.footprints)
        acq = ctx.acquisition
        z, y, x = cells.center_um.T
        blur = image_blur(acq, cells)
        core = acq.tissue.core_fraction(z)
        has_image = blur.narrower_than(_WIDEST_UM)
        # Coordinates on the sensor do not depend on the canvas' margin, to the last bit.
        sensor = replace(ctx.canvas, margin_px=0)
        center_px = sensor.rows(y), sensor.columns(x)
        imaged = plant_and_image(
            cells=cells,
            canvas=ctx.canvas,
            center_px=center_px,
            disk_radius_um=blur.disk_radius_um,
            sigma_um=blur.sigma_um,
            has_image=has_image,
        )
        light = acq.optics.collection * imaged.flux
        around = around_the_core(acq, z, blur, np.where(cells.is_bead, 0.0, cells.radius_um / 2))
        part, unit = np.nonzero(around.share)
        patches, taken = _attenuated(imaged.images, core * acq.optics.collection, z, vessels)
        return CellImages(
            canvas=ctx.canvas,
            planted=SparseFootprints.from_patches(imaged.planted, Rect(0, 0, *ctx.canvas.sensor_shape)),
            patches=patches,
            flux=imaged.flux,
            core_fraction=core,
            spots=GaussianSpots(
                source=unit,
                y_um=y[unit],
                x_um=x[unit],
                sigma_um=around.sigma_um[part, unit],
                flux=light[unit] * around.share[part, unit],
            ),
            defocus_um=blur.defocus_um,
            in_focus=blur.in_focus(acq.depth_of_field_um),
            soma_in_focus=blur.disk_radius_um <= cells.radius_um,
            fov_fraction=imaged.fov_fraction,
            focal_depth_um=blur.focal_depth_um,
            vessel_overlap_fraction=None if vessels is None else taken,
        )


def _as_given(ctx: Context, cells: Cells, footprints: Patches) -> CellImages:
    """Take given footprints as what the sensor sees; their depth changes no light."""
    n = len(cells)
    everywhere = np.ones(n, np.bool_)
    margin = ctx.canvas.margin_px
    return CellImages(
        canvas=ctx.canvas,
        planted=SparseFootprints.from_patches(footprints, Rect(0, 0, *ctx.canvas.sensor_shape)),
        patches=footprints.moved(margin, margin),
        flux=np.add.reduceat(footprints.values, footprints.start[:-1], dtype=np.float64) if n else np.zeros(0),
        core_fraction=np.ones(n),
        spots=GaussianSpots.none(),
        defocus_um=np.zeros(n),
        in_focus=everywhere,
        soma_in_focus=everywhere,
        fov_fraction=np.ones(n),
        focal_depth_um=image_blur(ctx.acquisition, cells).focal_depth_um,
    )


def _attenuated(images: Patches, gain: Floats, depth_um: Floats, vessels: Vessels | None) -> tuple[Patches, Floats]:
    """Scale each image by the share of its light that is collected, and let vessels shade it.

    Returns
    -------
    The images, and the share of each one's light that vessels take, float64 ``(n,)``.
    """
    values = images.values * np.repeat(gain.astype(np.float32), np.diff(images.start))
    taken = np.zeros(len(depth_um))
    if vessels is None:
        return images._replace(values=read_only(values)), taken
    for units, transmission in vessels.by_plane(depth_um):
        for unit in units.tolist():
            rect = Rect(*images.box[unit].tolist())
            own = values[images.start[unit] : images.start[unit + 1]].reshape(rect.shape)
            before = float(own.sum(dtype=np.float64))
            own *= transmission[rect.slices]
            if before > 0:
                taken[unit] = 1 - float(own.sum(dtype=np.float64)) / before
    return images._replace(values=read_only(values)), taken
