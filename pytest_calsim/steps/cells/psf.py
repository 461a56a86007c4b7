"""How a defocused, scattering microscope images a shape: disk of confusion, Gaussian, pixel area.

All lengths here are in pixels. Every image sums to the flux of what it shows.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Bools, Floats, Floats32, Ints

__all__ = ["BESSEL_STEP", "FAINT", "LONGEST_SIDE", "bessel", "odd_at_least", "reach_px", "turns", "waves"]

LONGEST_SIDE = 1024
"""Samples along the side of an image and what surrounds it, beyond which it should be made of larger pixels."""
_REACH = 4.3
"""Where the Gaussian is cut, in σ: 10⁻⁴ of its peak."""
FAINT = 1e-4
"""What is fainter than this share of the peak is cut; the rest is scaled up to the same flux."""
_FASTEST = math.sqrt(math.log(1e7) / 2) / math.pi
"""Cycles per σ beyond which the Gaussian leaves nothing of a wave that float32 would notice."""
BESSEL_STEP = 0.02
"""Of the table that :func:`bessel` gives."""
_BESSEL_FAR = 25.0
"""Where the asymptotic expansion takes over; its error there is 3·10⁻⁹."""


def odd_at_least(value: Floats) -> Ints:
    """The smallest odd whole numbers ≥ 3 that are not below some values (odd: a sample lies at a pixel's centre)."""
    return np.maximum(3, 2 * np.ceil((value - 1) / 2).astype(np.int64) + 1)


def reach_px(radius: Floats, sigma: Floats) -> Ints:
    """How far beyond its source light is painted, px."""
    return np.ceil(radius + _REACH * sigma).astype(np.int64) + 1


def waves(side: Ints, samples: Ints, sigma: Floats, is_point: Bools) -> Ints:
    """How many waves show all of images ``side`` pixels wide."""
    # Parts cannot show waves that are faster than half of them.
    most = np.where(is_point, LONGEST_SIDE // 2, (side * samples - 1) // 2)
    return np.minimum((_FASTEST * side / sigma).astype(np.int64), most) + 1


def turns(parts: Ints) -> tuple[NDArray[np.complex64], Ints]:
    """Equal parts of a turn as complex numbers, for each number of them, and where each one's begin."""
    found: tuple[Ints, Ints] = np.unique(parts, return_inverse=True)
    different, which = found
    sizes: list[int] = different.tolist()
    angles = [2 * np.pi * np.arange(n) / n for n in sizes]
    circles = [(elementary.cos(angle) + 1j * elementary.sin(angle)).astype(np.complex64) for angle in angles]
    start = np.cumsum(different) - different
    return np.concatenate([np.zeros(0, np.complex64), *circles]), start[which]


@cache
def bessel() -> Floats32:
    """2·J₁(q)/q on a fine regular grid, as far as the fastest wave can ask."""
    q = np.arange(0, np.pi * LONGEST_SIDE / np.sqrt(2), BESSEL_STEP)
    near, far = np.split(q, [np.searchsorted(q, _BESSEL_FAR)])
    # Bessel's integral: the rule of equal steps is exact for a periodic integrand, but for J of order 63.
    turn = (np.arange(32) + 0.5) * np.pi / 32
    j1 = elementary.cos(turn - near[:, None] * elementary.sin(turn)).mean(axis=1)
    # Hankel's expansion (Abramowitz & Stegun 9.2.5, 9.2.9 and 9.2.10).
    z, chi = 1 / (8 * far) ** 2, far - 3 * np.pi / 4
    p = 1 + z * (7.5 - z * 590.625)
    q_ = (3 - z * (52.5 - z * 9095.625)) / (8 * far)
    j1 = np.concatenate([j1, np.sqrt(2 / (np.pi * far)) * (p * elementary.cos(chi) - q_ * elementary.sin(chi))])
    table = np.ones(len(q), np.float32)
    table[1:] = 2 * j1[1:] / q[1:]
    return table
