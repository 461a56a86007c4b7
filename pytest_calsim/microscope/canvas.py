"""Describe the canvas on which tissue is painted: the sensor, and the margin that motion brings into view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Bools, Floats

__all__ = ["Canvas"]

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class Canvas:
    """Grid on which tissue is painted. The optical axis is at its middle, at (0, 0) µm.

    Attributes
    ----------
    sensor_height_px, sensor_width_px
        Size of the sensor's window.
    margin_px
        Pixels that are painted beyond each side of the window.
    pixel_size_um
        Side of a pixel in tissue.
    """

    sensor_height_px: int
    sensor_width_px: int
    margin_px: int
    pixel_size_um: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width with the margin, px."""
        return self.sensor_height_px + 2 * self.margin_px, self.sensor_width_px + 2 * self.margin_px

    @property
    def sensor_shape(self) -> tuple[int, int]:
        """Height and width of the sensor, px."""
        return self.sensor_height_px, self.sensor_width_px

    @property
    def half_um(self) -> tuple[float, float]:
        """Half the height and half the width, µm: where the border lies from the optical axis."""
        height, width = self.shape
        return height * self.pixel_size_um / 2, width * self.pixel_size_um / 2

    @property
    def sensor_half_um(self) -> tuple[float, float]:
        """Half the height and half the width of the field of view, µm."""
        return self.sensor_height_px * self.pixel_size_um / 2, self.sensor_width_px * self.pixel_size_um / 2

    @property
    def window(self) -> Rect:
        """Place of the sensor on the canvas at zero shift."""
        return Rect(self.margin_px, self.margin_px, self.sensor_height_px, self.sensor_width_px)

    @property
    def y_um(self) -> Floats:
        """Centres of the canvas rows, µm."""
        return (np.arange(self.shape[0], dtype=np.float64) - (self.shape[0] - 1) / 2) * self.pixel_size_um

    @property
    def x_um(self) -> Floats:
        """Centres of the canvas columns, µm."""
        return (np.arange(self.shape[1], dtype=np.float64) - (self.shape[1] - 1) / 2) * self.pixel_size_um

    # Both functions go by the sensor, whose middle is the canvas' middle: a margin adds a whole number, and may change
    # the last digit by rounding. Where that counts, take a canvas without a margin.

    def rows(self, y_um: Floats) -> Floats:
        """Return the canvas rows of some positions, px; whole numbers are pixels' centres."""
        return y_um / self.pixel_size_um + (self.sensor_height_px - 1) / 2 + self.margin_px

    def columns(self, x_um: Floats) -> Floats:
        """Return the canvas columns of some positions, px; whole numbers are pixels' centres."""
        return x_um / self.pixel_size_um + (self.sensor_width_px - 1) / 2 + self.margin_px

    def crop(self, images: NDArray[_T]) -> NDArray[_T]:
        """Cut the sensor's window out of images of the canvas ``(..., height, width)``; the result is contiguous.

        Images of the sensor's size are returned as they are.
        """
        if images.shape[-2:] == self.sensor_shape:
            return images
        return np.ascontiguousarray(images[..., *self.window.slices])

    def in_view(self, y_um: Floats, x_um: Floats) -> Bools:
        """Tell which positions lie inside the sensor's window at zero shift.

        Parameters
        ----------
        y_um, x_um
            Positions from the optical axis; any shape.
        """
        half_y, half_x = self.sensor_half_um
        return (np.abs(y_um) <= half_y) & (np.abs(x_um) <= half_x)

    def beyond_um(self, y_um: Floats, x_um: Floats) -> Floats:
        """Return how far positions lie beyond the border, along the axis on which that is more; negative inside, µm.

        Parameters
        ----------
        y_um, x_um
            Positions from the optical axis; any shape.
        """
        half_y, half_x = self.half_um
        return np.maximum(np.abs(y_um) - half_y, np.abs(x_um) - half_x)
