"""How a defocused, scattering microscope images a shape: disk of confusion, Gaussian, pixel area.

All lengths here are in pixels. Every image sums to the flux of what it shows.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.steps.base import Image

__all__ = ["LONGEST_SIDE", "image_of_point", "image_of_shape", "odd_at_least", "reach_px"]

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex64]

LONGEST_SIDE = 1024
"""Samples along the side of an image and what surrounds it, beyond which it should be made of larger pixels."""
_REACH = 4.3
"""Where the Gaussian is cut, in σ: 10⁻⁴ of its peak."""
_FAINT = 1e-4
"""What is fainter than this share of the peak is cut; the rest is scaled up to the same flux."""
_FASTEST = math.sqrt(math.log(1e7) / 2) / math.pi
"""Cycles per σ beyond which the Gaussian leaves nothing of a wave that float32 would notice."""
_BESSEL_STEP = 0.02
_BESSEL_FAR = 25.0
"""Where the asymptotic expansion takes over; its error there is 3·10⁻⁹."""


def odd_at_least(value: float) -> int:
    """The smallest odd whole number ≥ 3 that is not below a value (odd: one sample lies at the pixel's centre)."""
    return max(3, 2 * math.ceil((value - 1) / 2) + 1)


def reach_px(radius: float, sigma: float) -> int:
    """How far beyond its source light is painted, px."""
    return math.ceil(radius + _REACH * sigma) + 1


def image_of_shape(fine: Image, samples: int, radius: float, sigma: float, flux: float) -> tuple[Image, int]:
    """Area-sampled image of a shape behind a disk of ``radius`` and a Gaussian of ``sigma``.

    Parameters
    ----------
    fine
        The shape at the centres of ``samples`` × ``samples`` parts of each pixel, float32, values 0..1.
    samples
        Odd.
    radius, sigma
        Of the disk and the Gaussian, px.
    flux
        The image's sum.

    Returns
    -------
    image
        float32, non-negative, summing to ``flux``.
    pad
        Pixels by which the image begins before the shape on either axis.
    """
    pad = reach_px(radius, sigma)
    first = pad - 0.5 + 0.5 / samples
    shape = fine.shape[0] // samples + 2 * pad, fine.shape[1] // samples + 2 * pad
    # Parts cannot show waves that are faster than half of them.
    return _image(fine, samples, (first, first), shape, radius, sigma, (max(shape) * samples - 1) // 2, flux), pad


def image_of_point(y: float, x: float, radius: float, sigma: float, flux: float) -> tuple[Image, int]:
    """Area-sampled image of a point behind a disk of ``radius`` and a Gaussian of ``sigma``.

    Parameters
    ----------
    y, x
        Position from the upper left corner of its pixel, px, 0..1.
    radius, sigma
        Of the disk and the Gaussian, px.
    flux
        The image's sum.

    Returns
    -------
    image
        float32, non-negative, summing to ``flux``.
    pad
        Pixels by which the image begins before the point's pixel on either axis.
    """
    pad = reach_px(radius, sigma)
    at, side = (y - 0.5 + pad, x - 0.5 + pad), 1 + 2 * pad
    return _image(np.ones((1, 1), np.float32), 1, at, (side, side), radius, sigma, LONGEST_SIDE // 2, flux), pad


def _image(
    fine: Image,
    samples: int,
    first: tuple[float, float],
    shape: tuple[int, int],
    radius: float,
    sigma: float,
    most: int,
    flux: float,
) -> Image:
    """An image of some shape, its periodic repetition one image away.

    ``first`` is where the first part's centre lies in it; ``most`` is the highest frequency worth asking for.
    """
    from pytest_calsim.compiled.imaging import Workspace, image_of

    n = max(shape)
    waves = min(int(_FASTEST * n / sigma), most) + 1
    lanes, low = 2 * (-(-waves // 8) * 8), 2 * min(waves, n // 2 + 1)
    work = Workspace(
        at_parts=np.empty((max(fine.shape), lanes), np.float32),
        at_pixels=np.empty((low, n), np.float32),
        transfer=np.empty((2, waves), np.complex64),
        rows=np.empty((fine.shape[0], lanes), np.float32),
        waves=np.empty((lanes, lanes), np.float32),
        folded=np.empty((low, low), np.float32),
        columns=np.empty((low, shape[1]), np.float32),
        lanes=np.empty(shape[1]),
    )
    image = np.empty(shape, np.float32)
    image_of(fine, *first, sigma, radius, _bessel(), _BESSEL_STEP, _circle(n * samples), _FAINT, flux, work, image)
    return image


@lru_cache(maxsize=256)
def _circle(parts: int) -> Spectrum:
    """Equal parts of a turn, as complex numbers."""
    return np.exp(2j * np.pi * np.arange(parts) / parts).astype(np.complex64)


@cache
def _bessel() -> NDArray[np.float32]:
    """2·J₁(q)/q on a fine regular grid, as far as the fastest wave can ask."""
    q = np.arange(0, np.pi * LONGEST_SIDE / np.sqrt(2), _BESSEL_STEP)
    near, far = np.split(q, [np.searchsorted(q, _BESSEL_FAR)])
    # Bessel's integral: the rule of equal steps is exact for a periodic integrand, but for J of order 63.
    turn = (np.arange(32) + 0.5) * np.pi / 32
    j1 = np.cos(turn - near[:, None] * np.sin(turn)).mean(axis=1)
    # Hankel's expansion (Abramowitz & Stegun 9.2.5, 9.2.9 and 9.2.10).
    z, chi = 1 / (8 * far) ** 2, far - 3 * np.pi / 4
    p = 1 + z * (7.5 - z * 590.625)
    q_ = (3 - z * (52.5 - z * 9095.625)) / (8 * far)
    j1 = np.concatenate([j1, np.sqrt(2 / (np.pi * far)) * (p * np.cos(chi) - q_ * np.sin(chi))])
    table = np.ones(len(q), np.float32)
    table[1:] = 2 * j1[1:] / q[1:]
    return table
