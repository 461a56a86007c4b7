"""A population: cells of one kind in one layer, and how each one's properties are drawn."""

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
    """Cells of one kind in one layer.

    Attributes
    ----------
    density_per_mm3
        Cells per volume, labelled or not. CA1's pyramidal layer holds a few 10⁵ /mm³; 3·10⁴-8·10⁴ are usual for
        labelled cells.
    labelled_fraction
        Share of them that carries the indicator; only these are simulated.
    depth_um
        Middle of the layer, below the tissue's surface.
    thickness_um
        Thickness of the layer, in which the cells' centres lie.
    soma_radius_um
        Mean radius of a soma.
    soma_radius_cv
        Standard deviation of the radius over its mean; the distribution is triangular, so never far out.
    brightness
        Mean brightness of a cell at rest; 1 is the unit of light.
    brightness_cv
        Standard deviation of the brightness over its mean, across cells; lognormal.
    snr
        Peak signal-to-noise ratio that the typical transient of each cell shall have (``snr`` in the truth), in place
        of ``brightness``: what lies under a cell in the field of view then decides how bright it is. Cells outside,
        and those that no brightness up to 1000 brings there, are as bright as the median cell, with ``brightness_cv``.
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
        """No soma is larger than this."""
        return self.soma_radius_um * (1 + math.sqrt(6) * self.soma_radius_cv)

    def count(self, area_um2: float) -> int:
        """Cells in an area: density x area x max(thickness, one soma diameter) x labelled fraction, rounded."""
        volume_mm3 = area_um2 * max(self.thickness_um, 2 * self.soma_radius_um) * 1e-9
        return math.floor(self.density_per_mm3 * self.labelled_fraction * volume_mm3 + 0.5)

    def tries_um(self, rng: np.random.Generator, zone: Zone, count: int) -> Floats:
        """Candidate centres (z, y, x), uniform in the zone's part of the layer, ``(count, TRIES, 3)``."""
        w, u, v = np.moveaxis(rng.random((count, TRIES, 3)), 2, 0)
        y, x = zone.spread(u, v)
        return np.stack([self.depth_um + (w - 0.5) * self.thickness_um, y, x], axis=2)

    def draw_radius_um(self, rng: np.random.Generator, count: int) -> Floats:
        """Radii of somata: triangular about the mean, of the declared deviation (the sum of two uniforms)."""
        u = rng.random((count, 2)).sum(axis=1) - 1
        return self.soma_radius_um * (1 + math.sqrt(6) * self.soma_radius_cv * u)

    def draw_brightness(self, rng: np.random.Generator, count: int) -> Floats:
        """Brightness at rest: lognormal of the declared mean and deviation; of mean 1 where an ``snr`` decides."""
        variance = math.log1p(self.brightness_cv**2)
        mean = self.brightness if self.snr is None else 1.0
        return mean * elementary.exp(math.sqrt(variance) * rng.standard_normal(count) - variance / 2)
