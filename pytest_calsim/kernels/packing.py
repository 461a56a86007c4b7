"""Place spheres at random, none inside another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import array, check_shape, kernel, output

__all__ = ["PlacedSpheres", "place_spheres"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_place_spheres = kernel(
    "place_spheres",
    *(int, int, array(np.float64, 3), array(np.float64, 1), float),
    *(output(np.float64, 2), output(np.float64, 1), int, int, int, output(np.int64, 2), output(np.int64, 1)),
    *(float, float, float, output(np.int64, 1)),
    returns=int,
)


@dataclass(eq=False)
class PlacedSpheres:
    """Spheres that are placed already, in square bins of the plane so that neighbours are found quickly.

    Attributes
    ----------
    center_um, radius_um
        Centres (z, y, x) and radii; of float64 ``(capacity, 3)`` and ``(capacity,)`` the first ``count`` rows.
    newest
        The sphere that came last in each bin, −1 for none; int64 ``(rows, columns)``.
    older
        The sphere that came before each one in its bin, −1 for none; int64 ``(capacity,)``.
    origin_um
        Corner (y, x) of the bins; what lies outside them belongs to the nearest.
    bin_um
        Their side, at least the largest distance at which two spheres can meet.
    count
        How many there are.
    """

    center_um: Floats
    radius_um: Floats
    newest: Ints
    older: Ints
    origin_um: tuple[float, float]
    bin_um: float
    count: int = 0

    @classmethod
    def none_yet(
        cls, capacity: int, bins: tuple[int, int], origin_um: tuple[float, float], bin_um: float
    ) -> PlacedSpheres:
        """Make room for spheres in so many rows and columns of bins.

        Raises
        ------
        ValueError
            If there is no bin.
        """
        if min(bins) < 1 or not bin_um > 0:
            raise ValueError(f"{bins} bins of {bin_um} um hold nothing")
        return cls(
            np.empty((capacity, 3)),
            np.empty(capacity),
            np.full(bins, -1, np.int64),
            np.empty(capacity, np.int64),
            origin_um,
            bin_um,
        )


def place_spheres(tries_um: Floats, radius_um: Floats, min_distance_um: float | None, placed: PlacedSpheres) -> Ints:
    """Give each sphere the first of its tries that no earlier sphere refuses, and append it to those placed.

    Parameters
    ----------
    tries_um
        Candidate centres (z, y, x) of each new sphere; float64 ``(n, tries, 3)``.
    radius_um
        Their radii; float64 ``(n,)``.
    min_distance_um
        Least distance of two centres; ``None``: the sum of the two radii.
    placed
        The earlier spheres; filled on.

    Returns
    -------
    Which try each sphere took, −1 where all were refused; int64 ``(n,)``.

    Raises
    ------
    ValueError
        If shapes do not agree, or ``placed`` has no room for all of them.
    """
    n, tries = tries_um.shape[:2]
    capacity = len(placed.center_um)
    check_shape("tries_um", tries_um, n, tries, 3)
    check_shape("radius_um", radius_um, n)
    check_shape("placed.center_um", placed.center_um, capacity, 3)
    check_shape("placed.radius_um", placed.radius_um, capacity)
    check_shape("placed.older", placed.older, capacity)
    if placed.count + n > capacity:
        raise ValueError(f"{placed.count} spheres are placed and {n} come, but there is room for {capacity}")
    taken = np.empty(n, np.int64)
    placed.count = _place_spheres(
        *(n, tries, tries_um, radius_um, -1.0 if min_distance_um is None else min_distance_um),
        *(placed.center_um, placed.radius_um, placed.count, *placed.newest.shape, placed.newest, placed.older),
        *(*placed.origin_um, placed.bin_um, taken),
    )
    return taken
