"""Where cells may lie: the field of view, the rings around it, and the room that earlier cells left."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.packing import PlacedSpheres, place_spheres
from pytest_calsim.microscope.canvas import Canvas

__all__ = ["RING_UM", "TRIES", "Packing", "Zone"]

Floats = NDArray[np.float64]

RING_UM = 25.0
"""Width of the rings that are filled, whole, one after the other, around the field of view."""

TRIES = 64
"""Positions tried for a cell before it is given up."""


@dataclass(frozen=True)
class Zone:
    """A part of the plane that is filled on its own: the field of view (ring 0), or a ring around it.

    Attributes
    ----------
    half_height_um, half_width_um
        Half the sides of the field of view.
    ring
        0: the field of view; k: from (k − 1) to k ring widths outside it.
    """

    half_height_um: float
    half_width_um: float
    ring: int

    @classmethod
    def of(cls, canvas: Canvas, ring: int) -> Zone:
        """The zone of a canvas's field of view."""
        height, width = canvas.sensor_shape
        return cls(height * canvas.pixel_size_um / 2, width * canvas.pixel_size_um / 2, ring)

    @staticmethod
    def rings(canvas: Canvas) -> int:
        """How many whole rings cover the margin of a canvas."""
        return math.ceil(canvas.margin_px * canvas.pixel_size_um / RING_UM)

    @property
    def outer_um(self) -> tuple[float, float]:
        """Half height and half width of the zone's outer border."""
        return self.half_height_um + self.ring * RING_UM, self.half_width_um + self.ring * RING_UM

    @property
    def area_um2(self) -> float:
        """Area of the zone."""
        y, x = self.outer_um
        hole = 4 * (y - RING_UM) * (x - RING_UM) if self.ring else 0.0
        return 4 * y * x - hole

    def spread(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Map uniform numbers in [0, 1) to positions (y, x) that are uniform in the zone, µm."""
        y, x = self.outer_um
        if not self.ring:
            return (2 * u - 1) * y, (2 * v - 1) * x
        # A ring is four strips laid out as a pinwheel, each beginning at a corner: top, right, bottom, left.
        across, along = 2 * x - RING_UM, 2 * y - RING_UM
        walk = u * 2 * (across + along)
        side = np.searchsorted([across, across + along, 2 * across + along], walk, side="right")
        walk = walk - np.array([0.0, across, across + along, 2 * across + along])[side]
        depth = v * RING_UM
        return (
            np.choose(side, [depth - y, walk - y, y - depth, y - walk]),
            np.choose(side, [walk - x, x - depth, x - walk, depth - x]),
        )


class Packing:
    """Cells placed so far, as spheres; each new one takes the first of its tries that no earlier one refuses."""

    def __init__(self, capacity: int, outer_um: tuple[float, float], reach_um: float, min_distance_um: float | None):
        # At least the reach, so that only neighbouring bins matter; else about one bin a cell, however large the plane.
        bin_um = max(reach_um, math.sqrt(4 * outer_um[0] * outer_um[1] / (capacity + 1)))
        rows, columns = (math.ceil(2 * half / bin_um) for half in outer_um)
        self._placed = PlacedSpheres.none_yet(capacity, (rows, columns), (-outer_um[0], -outer_um[1]), bin_um)
        self._min_distance_um = min_distance_um

    def place(self, tries_um: Floats, radius_um: Floats) -> NDArray[np.int64]:
        """Which try ``(cells, tries, 3)`` each cell took, −1 where all were refused."""
        return place_spheres(tries_um, radius_um, self._min_distance_um, self._placed)
