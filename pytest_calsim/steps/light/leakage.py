"""Excitation light that leaks past the filters onto the sensor: static, additive, neither vignetted nor moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.microscope.units import Fraction
from pytest_calsim.steps.light.falloff import Falloff, FalloffField
from pytest_calsim.steps.pixels import FixedField, LightOrder
from pytest_calsim.steps.step import Context, Step

__all__ = ["Leakage", "LeakageField"]


@dataclass(frozen=True, eq=False)
class LeakageField(FixedField):
    """Leaked light at each sensor pixel, in units of a resting cell's in-focus brightness; ``(height, width)``."""

    light_order: ClassVar[float] = LightOrder.LEAKAGE
    adds: ClassVar[bool] = True

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``leakage``."""
        return {"leakage": TruthArray(("height", "width"), self.field)}


class Leakage(FalloffField, Step):
    """A smooth glow of stray excitation light, brightest at its centre.

    Attributes
    ----------
    level
        Leaked light at the centre, in units of a resting cell's in-focus brightness.
    """

    corner_fraction: Fraction = 0.8
    level: Annotated[float, Field(ge=0, le=1000)] = 0.5

    def plan(self, ctx: Context) -> LeakageField:
        """Sample the glow on the sensor's pixels."""
        return LeakageField(np.float32(self.level) * Falloff.of(self, ctx.canvas).on_sensor(ctx.canvas))
