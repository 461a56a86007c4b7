"""A population: cells of one kind in one layer, and the distributions of their properties."""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.units import Fraction, Frozen
from pytest_calsim.steps.cells.morphology import Morphology
from pytest_calsim.steps.cells.packing import TRIES, Zone

__all__ = ["Population"]


class Population(Frozen):
    """Describe cells of one kind in one layer.

    Attributes
    ----------
    density_per_mm3
        Cells per volume, labelled or not. CA1's pyramidal layer holds a few 10⁵ /mm³; 3·10⁴-8·10⁴ are usual for
        labelled cells.
    labelled_fraction
        Share of them that carries the indicator. Only these are simulated.
    depth_um
        Middle of the layer, below the tissue's surface.
    thickness_um
        Thickness of the layer, in which the cells' centres lie.
    soma_radius_um
        Mean radius of a soma.
    soma_radius_cv
        Standard deviation of the radius over its mean. The distribution is triangular, so it has no long tails.
    brightness
        Mean brightness of a cell at rest; 1 is the unit of light.
    brightness_cv
        Standard deviation of the brightness over its mean, across cells; lognormal.
    snr
        Peak signal-to-noise ratio of each cell's typical transient (``snr`` in the truth), in place of ``brightness``.
        A cell in the field of view is then as bright as the light under it demands. Cells outside, and cells that no
        brightness up to 1000 brings there, are as bright as the median cell, with ``brightness_cv``.
    morphology
        ``"soma"``, ``"cytosolic"`` (soma with proximal dendrites), or ``"bead"``: a point source. A bead keeps the
        soma's radius as its distance from others.
    """

    density_per_mm3: Annotated[float, Field(ge=0, le=1e6)] = 3.2e4
    labelled_fraction: Fraction = 1.0
    depth_um: Annotated[float, Field(ge=0, le=2000)] = 100.0
    thickness_um: Annotated[float, Field(ge=0, le=2000)] = 30.0
    soma_radius_um: Annotated[float, Field(ge=1, le=15)] = 5.5
    soma_radius_cv: Annotated[float, Field(ge=0, le=0.25)] = 0.1
    brightness: Annotated[float, Field(ge=0, le=1000)] = 1.0
    brightness_cv: Annotated[float, Field(ge=0, le=2)] = 0.3
    snr: Annotated[float, Field(ge=0.1, le=1000)] | None = None
    morphology: Morphology = "soma"

    @model_validator(mode="after")
    def _below_the_surface(self) -> Self:
        above = self.thickness_um / 2 - self.depth_um
        if above > 0:
            raise ValueError(
                f"a layer of thickness_um = {self.thickness_um} around depth_um = {self.depth_um} reaches {above:.4g} "
                f"um above the tissue's surface; lower thickness_um to {2 * self.depth_um:.4g} or raise depth_um to "
                f"{self.thickness_um / 2:.4g}"
            )
        return self

    @property
    def largest_radius_um(self) -> float:
        """Radius of the largest soma that can be drawn, µm."""
        return self.soma_radius_um * (1 + math.sqrt(6) * self.soma_radius_cv)

    def check_size(self, field_size_um: tuple[float, float]) -> None:
        """Refuse a soma that is wider than the field of view in both directions. A bead has no width.

        Parameters
        ----------
        field_size_um
            Height and width of the field of view.

        Raises
        ------
        ValueError
            With both sizes and the way out.
        """
        height_um, width_um = field_size_um
        diameter_um = 2 * self.soma_radius_um
        if self.morphology != "bead" and diameter_um > max(height_um, width_um):
            raise ValueError(
                f"soma_radius_um = {self.soma_radius_um:g}: a soma of {diameter_um:g} um is larger than the field of "
                f"view, {height_um:.4g} x {width_um:.4g} um; lower soma_radius_um, or give the sensor more or larger "
                "pixels"
            )

    def count(self, area_um2: float) -> int:
        """Return the expected number of labelled cells in an area, rounded to the nearest whole number.

        It is density x area x max(thickness, one soma diameter) x labelled fraction.
        """
        volume_mm3 = area_um2 * max(self.thickness_um, 2 * self.soma_radius_um) * 1e-9
        return math.floor(self.density_per_mm3 * self.labelled_fraction * volume_mm3 + 0.5)

    def tries_um(self, rng: np.random.Generator, zone: Zone, count: int) -> Floats:
        """Draw candidate centres (z, y, x), µm, uniform in the zone's part of the layer; ``(count, TRIES, 3)``."""
        w, u, v = np.moveaxis(rng.random((count, TRIES, 3)), 2, 0)
        y, x = zone.spread(u, v)
        return np.stack([self.depth_um + (w - 0.5) * self.thickness_um, y, x], axis=2)

    def draw_radius_um(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw radii of somata ``(count,)``, µm, from a triangular distribution of the declared mean and deviation.

        The sum of two uniform numbers is triangular with variance 1/6; hence the factor √6.
        """
        u = rng.random((count, 2)).sum(axis=1) - 1
        return self.soma_radius_um * (1 + math.sqrt(6) * self.soma_radius_cv * u)

    def draw_brightness(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw the brightness at rest ``(count,)``, lognormal with the declared mean and deviation.

        Its mean is 1 where the population declares an ``snr``, which then decides the brightness.
        """
        variance = math.log1p(self.brightness_cv**2)
        mean = self.brightness if self.snr is None else 1.0
        return mean * elementary.exp(math.sqrt(variance) * rng.standard_normal(count) - variance / 2)
