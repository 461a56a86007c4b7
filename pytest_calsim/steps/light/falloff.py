"""Let a field that is fixed to the instrument fall off radially."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats, Image
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Fraction, Frozen, Um

__all__ = ["Falloff", "FalloffField"]


class FalloffField(Frozen):
    """Centre of a field, and its falloff.

    Attributes
    ----------
    corner_fraction
        Value at the reference radius, the centre being 1. Farther out the field falls on, to 0 at least.
    reference_radius_um
        Distance from the field's centre at which it has that value; ``None``: the distance of the sensor's farthest
        corner, so that another sensor changes the field.
    exponent
        Power of the distance; 2 is a gentle bowl, more is flat inside and steep at the rim.
    center_y_um, center_x_um
        Centre of the field, µm from the optical axis.
    """

    corner_fraction: Fraction = 0.7
    reference_radius_um: Annotated[float, Field(ge=1, le=1e5)] | None = None
    exponent: Annotated[float, Field(ge=0.5, le=16)] = 2.0
    center_y_um: Um = 0.0
    center_x_um: Um = 0.0


@dataclass(frozen=True)
class Falloff:
    """A falloff as a function of position: 1 − (1 − f)·(r/R)^p, at least 0, r from the field's centre.

    Attributes
    ----------
    field
        Its centre and its falloff.
    radius_um
        The reference radius R.
    """

    field: FalloffField
    radius_um: float

    @classmethod
    def of(cls, field: FalloffField, canvas: Canvas) -> Falloff:
        """Return the falloff with its own reference radius, or that of the sensor's farthest corner."""
        if field.reference_radius_um is not None:
            return cls(field, field.reference_radius_um)
        half_y, half_x = canvas.sensor_half_um
        return cls(field, math.hypot(half_y + abs(field.center_y_um), half_x + abs(field.center_x_um)))

    def at(self, y_um: Floats, x_um: Floats) -> Floats:
        """Return the field at positions from the optical axis, broadcast against each other."""
        y = y_um - self.field.center_y_um
        x = x_um - self.field.center_x_um
        # sqrt and square round alike on every machine; hypot need not.
        ratio = np.sqrt(np.square(y) + np.square(x)) / self.radius_um
        return np.maximum(1 - (1 - self.field.corner_fraction) * elementary.power(ratio, self.field.exponent), 0)

    def on_sensor(self, canvas: Canvas) -> Image:
        """Return the field at the centres of the sensor's pixels, float32 ``(height, width)``."""
        rows, columns = canvas.window.slices
        return self.at(canvas.y_um[rows, np.newaxis], canvas.x_um[columns]).astype(np.float32)
