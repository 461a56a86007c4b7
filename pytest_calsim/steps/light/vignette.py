"""Light lost towards the rim of the objective: scales what is collected, never the leakage."""

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

__all__ = ["Vignette", "VignetteField"]


@dataclass(frozen=True, eq=False)
class VignetteField(FixedField):
    """Relative collection at each sensor pixel, 1 at the field's centre; float32 ``(height, width)``."""

    light_order: ClassVar[float] = LightOrder.VIGNETTE

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``vignette``."""
        return {"vignette": TruthArray(("height", "width"), self.field)}


class Vignette(FalloffField, Step):
    """Light lost towards the rim of the objective: scales what is collected, never the leakage.

    The default corner value is of low confidence: raw images constrain only illumination x vignette.
    """

    corner_fraction: Fraction = 0.6

    def plan(self, ctx: Context) -> VignetteField:
        """Sample the falloff on the sensor's pixels."""
        return VignetteField(Falloff.of(self, ctx.canvas).on_sensor(ctx.canvas))
