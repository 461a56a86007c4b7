"""Uneven excitation light: scales cells, neuropil and the bleaching that light drives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.microscope.units import Fraction
from pytest_calsim.steps.light.falloff import Falloff, FalloffField
from pytest_calsim.steps.pixels import FixedField, LightOrder
from pytest_calsim.steps.step import Context, Step

__all__ = ["Illumination", "IlluminationField"]


@dataclass(frozen=True, eq=False)
class IlluminationField(FixedField):
    """Relative excitation at each sensor pixel, 1 at the field's centre; float32 ``(height, width)``.

    Attributes
    ----------
    falloff
        The same field as a function of position, beyond the sensor too.
    """

    falloff: Falloff
    light_order: ClassVar[float] = LightOrder.ILLUMINATION

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``illumination``."""
        return {"illumination": TruthArray(("height", "width"), self.field)}


class Illumination(FalloffField, Step):
    """Uneven excitation light: scales cells, neuropil and the bleaching that light drives.

    The default corner value is of low confidence: raw images constrain only illumination x vignette.
    """

    corner_fraction: Fraction = 0.7

    def plan(self, ctx: Context) -> IlluminationField:
        """Sample the falloff on the sensor's pixels."""
        falloff = Falloff.of(self, ctx.canvas)
        return IlluminationField(falloff.on_sensor(ctx.canvas), falloff)
