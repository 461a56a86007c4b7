"""Radial falloff of a field fixed to the instrument."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels import elementary
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Fraction, Frozen, Um

__all__ = ["FalloffField", "radial_falloff"]


class FalloffField(Frozen):
    """Where a field is centred and how it falls off.

    Attributes
    ----------
    corner_fraction
        Value at the reference radius, the centre being 1. Farther out the field falls on, to 0 at least.
    reference_radius_um
        Distance from the field's centre at which that is; ``None``: that of the sensor's farthest corner, so that
        another sensor changes the field.
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


def radial_falloff(field: FalloffField, canvas: Canvas) -> NDArray[np.float32]:
    """Sample 1 − (1 − f)·(r/R)^p on the sensor, at least 0, with R the reference radius, r from the field's centre."""
    rows, columns = canvas.window.slices
    y = canvas.y_um[rows] - field.center_y_um
    x = canvas.x_um[columns] - field.center_x_um
    reference = field.reference_radius_um
    if reference is None:
        half = canvas.pixel_size_um / 2
        reference = np.hypot(max(abs(y[0]), abs(y[-1])) + half, max(abs(x[0]), abs(x[-1])) + half)
    ratio = np.sqrt(np.square(y)[:, None] + np.square(x)) / reference
    fallen = 1 - (1 - field.corner_fraction) * elementary.power(ratio, field.exponent)
    return read_only(np.maximum(fallen, 0).astype(np.float32))
