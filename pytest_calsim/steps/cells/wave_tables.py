"""Tables and sizes from which blurred images are made, wave by wave.

An image is the Fourier sum of a shape, each wave times the transfer functions of a disk, a Gaussian and a pixel. All
lengths here are in pixels.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Bools, Floats, Floats32, Ints

__all__ = ["BESSEL_STEP", "FAINT", "LONGEST_SIDE", "bessel_table", "count_waves", "reach_px", "roots_of_unity"]

LONGEST_SIDE = 1024
"""Most samples along an image's side. A wider image is made of larger pixels."""
FAINT = 1e-4
"""Share of an image's peak below which light is cut. The rest is scaled up to the same flux."""
BESSEL_STEP = 0.02
"""Distance between the entries of :func:`bessel_table`."""

# The Gaussian is cut at this many σ, where it is 10⁻⁴ of its peak.
_REACH_SIGMAS = 4.3
# Cycles per σ above which the Gaussian leaves less of a wave than float32 resolves (10⁻⁷).
_FASTEST_CYCLES = math.sqrt(math.log(1e7) / 2) / math.pi
# Hankel's expansion takes over here. Its error is 3·10⁻⁹ at this argument and falls beyond it.
_BESSEL_FAR = 25.0


def reach_px(radius: Floats, sigma: Floats) -> Ints:
    """Return how far beyond its source light is painted, px.

    Parameters
    ----------
    radius, sigma
        Radius of the disk and σ of the Gaussian, px; any shape.
    """
    return np.ceil(radius + _REACH_SIGMAS * sigma).astype(np.int64) + 1


def count_waves(side: Ints, samples: Ints, sigma: Floats, is_point: Bools) -> Ints:
    """Count the waves along an axis that the Gaussian does not extinguish, so that the image lacks nothing.

    Parameters
    ----------
    side
        Side of each image, px; all arrays are ``(n,)``.
    samples
        Samples of the shape along a pixel's side.
    sigma
        σ of each Gaussian, px.
    is_point
        Which shapes are points: a point has waves of any length.
    """
    # Samples cannot show a wave shorter than two of them.
    most = np.where(is_point, LONGEST_SIDE // 2, (side * samples - 1) // 2)
    return np.minimum((_FASTEST_CYCLES * side / sigma).astype(np.int64), most) + 1


def roots_of_unity(orders: Ints) -> tuple[NDArray[np.complex64], Ints]:
    """Tabulate exp(2πi j/N), j < N, once for each different order N.

    Parameters
    ----------
    orders
        N of each image, int64 ``(n,)``.

    Returns
    -------
    roots
        The roots of all different orders, one order after the other; complex64.
    start
        Where the roots of each image's order begin, int64 ``(n,)``.
    """
    found: tuple[Ints, Ints] = np.unique(orders, return_inverse=True)
    different, which = found
    sizes: list[int] = different.tolist()
    angles = [2 * np.pi * np.arange(n) / n for n in sizes]
    circles = [(elementary.cos(angle) + 1j * elementary.sin(angle)).astype(np.complex64) for angle in angles]
    start = np.cumsum(different) - different
    return np.concatenate([np.zeros(0, np.complex64), *circles]), start[which]


@cache
def bessel_table() -> Floats32:
    """Tabulate 2·J₁(q)/q, what a disk leaves of a wave, at multiples of :data:`BESSEL_STEP`.

    The table ends at the largest q that an image of :data:`LONGEST_SIDE` samples can ask for. It rests on the
    package's own sines, because SciPy's ``j1`` need not give the same bits on every platform.
    """
    q = np.arange(0, np.pi * LONGEST_SIDE / np.sqrt(2), BESSEL_STEP)
    near, far = np.split(q, [np.searchsorted(q, _BESSEL_FAR)])
    # Bessel's integral. The rule of equal steps is exact here up to a term of order J₆₃, which vanishes for q < 25.
    theta = (np.arange(32) + 0.5) * np.pi / 32
    j1_near = elementary.cos(theta - near[:, None] * elementary.sin(theta)).mean(axis=1)
    # Hankel's expansion (Abramowitz & Stegun 9.2.5, 9.2.9 and 9.2.10).
    z = 1 / (8 * far) ** 2
    phase = far - 3 * np.pi / 4
    in_phase = 1 + z * (7.5 - z * 590.625)
    quadrature = (3 - z * (52.5 - z * 9095.625)) / (8 * far)
    wave = in_phase * elementary.cos(phase) - quadrature * elementary.sin(phase)
    j1 = np.concatenate([j1_near, np.sqrt(2 / (np.pi * far)) * wave])
    table = np.ones(len(q), np.float32)
    table[1:] = 2 * j1[1:] / q[1:]
    return table
