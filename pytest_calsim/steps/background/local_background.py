"""Make background that differs from place to place: patches of neuropil, each with its own course."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from pytest_calsim.arrays.streams import numbered_keys
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.steps.pixels import SplineImages
from pytest_calsim.steps.slow_courses import SlowCourses
from pytest_calsim.steps.spline_images import GAUSSIAN_REACH, gaussian_images
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tiles import tiles_within

__all__ = ["LocalBackground", "LocalPatches"]


_TILE = 8
"""Cells of the lattice along a tile's side: each tile has a stream."""
_ENDS = 1.25 * GAUSSIAN_REACH
"""Distance at which a patch ends, in σ: its image's last nodes, and the reach of their splines."""


class LocalBackground(Frozen):
    """Patches of neuropil that carry a part of its level, each with its own slow course.

    They make the background local and not of low rank, as it is in one-photon recordings (Zhou et al. 2018 made CNMF-E
    for that). A patch is a Gaussian of σ = ℓ/√2, so that fluctuations at two points have a covariance of exp(−r²/2ℓ²).
    One lies in every cell of a square lattice about the optical axis, at random within it.

    Attributes
    ----------
    fluctuation
        Standard deviation of the patches' light at a point over time, relative to the neuropil's level.
    least_um, largest_um
        Correlation length ℓ; each patch has its own, uniform in between.
    density_per_mm2
        Patches per area.
    time_constant_s
        Correlation time τ of each course: exp(−t/τ) of its logarithm.
    share
        Share of the neuropil's level that the patches carry; its components share the rest.
    """

    fluctuation: Annotated[float, Field(ge=0, le=0.3)] = 0.03
    least_um: Annotated[float, Field(ge=20, le=200)] = 40.0
    largest_um: Annotated[float, Field(ge=20, le=200)] = 80.0
    density_per_mm2: Annotated[float, Field(ge=10, le=3000)] = 1500.0
    time_constant_s: Annotated[float, Field(ge=0.5, le=1e4)] = 3.0
    share: Annotated[float, Field(ge=0.01, le=1)] = 0.3

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Self:
        if self.least_um > self.largest_um:
            raise ValueError(
                f"least_um = {self.least_um:g} exceeds largest_um = {self.largest_um:g}; lower it, or raise the other"
            )
        if self.course_sd > 2:
            raise ValueError(
                f"fluctuation = {self.fluctuation:g} of {self._overlapping:.3g} patches that overlap at a point, with "
                f"share = {self.share:g}, asks each course for a deviation of {self.course_sd:.3g} times its mean, and "
                "at most 2 can be had; lower fluctuation or density_per_mm2, or raise share"
            )
        return self

    @property
    def _overlapping(self) -> float:
        """Number of equal patches that make up the light at a point: n/E[1/(4πσ²)], σ² = ℓ²/2."""
        return 2 * math.pi * self.least_um * self.largest_um * self.density_per_mm2 * 1e-6

    @property
    def _side_um(self) -> float:
        """Side of a cell of the lattice."""
        return 1000 / math.sqrt(self.density_per_mm2)

    def count(self, canvas: Canvas) -> int:
        """Return how many patches light a canvas, roughly."""
        reach_um = 2 * _ENDS * self.largest_um / math.sqrt(2)
        area_um2 = math.prod(n * canvas.pixel_size_um + reach_um for n in canvas.shape)
        return int(area_um2 * self.density_per_mm2 * 1e-6)

    @property
    def course_sd(self) -> float:
        """Standard deviation of a patch's course, its mean being 1."""
        return self.fluctuation * math.sqrt(self._overlapping) / self.share

    def draw(self, ctx: Context, level: float) -> LocalPatches:
        """Draw the patches that light the canvas, for a neuropil of some level."""
        pixel_um = ctx.canvas.pixel_size_um
        reach_um = _ENDS * self.largest_um / math.sqrt(2)
        half_y, half_x = ctx.canvas.half_um
        tiles = tiles_within((half_y + reach_um, half_x + reach_um), _TILE * self._side_um)
        # For each patch: where it lies within its cell of the lattice, and its size. Then the cell's row and column.
        drawn = np.concatenate([ctx.stream("patches", *tile).random((_TILE**2, 3)) for tile in tiles])
        within_tile = np.stack(np.divmod(np.arange(_TILE**2), _TILE), axis=1)
        cell = np.concatenate([np.multiply(tile, _TILE) + within_tile for tile in tiles])
        keys = np.concatenate([numbered_keys(ctx.stream_key("course", *tile), _TILE**2) for tile in tiles])
        y_um, x_um = ((cell + drawn[:, :2]) * self._side_um).T
        sigma_um = (self.least_um + (self.largest_um - self.least_um) * drawn[:, 2]) / math.sqrt(2)
        near = np.flatnonzero(ctx.canvas.beyond_um(y_um, x_um) <= _ENDS * sigma_um)
        y_um = y_um[near]
        x_um = x_um[near]
        sigma_um = sigma_um[near]
        flux = np.full(len(near), self.share * level * (self._side_um / pixel_um) ** 2)
        return LocalPatches(
            y_um=y_um,
            x_um=x_um,
            sigma_um=sigma_um,
            flux=flux,
            spline_images=tuple(gaussian_images(y_um / pixel_um, x_um / pixel_um, sigma_um / pixel_um, flux)),
            courses=SlowCourses(keys[near], self.time_constant_s, self.course_sd, ctx.acquisition.exposure_s),
            deviation=self.fluctuation * level,
        )


class LocalPatches(NamedTuple):
    """Patches of neuropil.

    Attributes
    ----------
    y_um, x_um, sigma_um
        Position and σ of each, float64 ``(patch,)``.
    flux
        Its expected light, summed over all pixels of an infinite plane, float64 ``(patch,)``.
    spline_images
        Their images.
    courses
        Their courses of mean 1.
    deviation
        Expected standard deviation of their light at a point, over time.
    """

    y_um: Floats
    x_um: Floats
    sigma_um: Floats
    flux: Floats
    spline_images: tuple[SplineImages, ...]
    courses: SlowCourses
    deviation: float
