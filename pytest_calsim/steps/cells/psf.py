"""How a defocused, scattering microscope images a shape: disk of confusion, Gaussian, pixel area.

All lengths here are in pixels. Every image sums to the flux of what it shows.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.steps.base import Image

__all__ = ["LONGEST_SIDE", "image_of_point", "image_of_shape", "odd_at_least", "reach_px"]

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex64]

LONGEST_SIDE = 1024
"""Samples along the side of a Fourier grid beyond which an image should be made of larger pixels."""
_REACH = 4.3
"""Where the Gaussian is cut, in σ: 10⁻⁴ of its peak."""
_FAINT = 1e-4
"""What is fainter than this share of the peak is cut; the rest is scaled up to the same flux."""
_BESSEL_STEP = 0.02


def odd_at_least(value: float) -> int:
    """The smallest odd whole number ≥ 3 that is not below a value (odd: one sample lies at the pixel's centre)."""
    return max(3, 2 * math.ceil((value - 1) / 2) + 1)


def reach_px(radius: float, sigma: float) -> int:
    """How far beyond its source light is painted, px."""
    return math.ceil(radius + _REACH * sigma) + 1


def image_of_shape(fine: Image, samples: int, radius: float, sigma: float) -> tuple[Image, int]:
    """Area-sampled image of a shape behind a disk of ``radius`` and a Gaussian of ``sigma``.

    The shape's spectrum is multiplied by those of disk, Gaussian and pixel, then folded onto the pixel grid.

    Parameters
    ----------
    fine
        The shape at the centres of ``samples`` × ``samples`` parts of each pixel, float32, values 0..1.
    samples
        Odd.
    radius, sigma
        Of the disk and the Gaussian, px.

    Returns
    -------
    image
        float32, non-negative, summing to ``fine.sum() / samples²``.
    pad
        Pixels by which the image begins before the shape on either axis.
    """
    fft = _fft()
    pad = reach_px(radius, sigma)
    height, width = fine.shape[0] // samples + 2 * pad, fine.shape[1] // samples + 2 * pad
    n = int(fft.next_fast_len(max(height, width), real=True))
    along = _gaussian(n, samples, sigma) * _to_centre(n, samples, pad)
    lines = fft.rfft(fine, n * samples, axis=1)[:, : _alive(along)]
    spectrum = fft.fft(lines, n * samples, axis=0, overwrite_x=True)
    image = _to_pixels(spectrum, along, samples, radius)[:height, :width]
    return _clean(image, float(fine.sum(dtype=np.float64)) / samples**2), pad


def image_of_point(y: float, x: float, radius: float, sigma: float) -> tuple[Image, int]:
    """Area-sampled image of a point of flux 1 behind a disk of ``radius`` and a Gaussian of ``sigma``.

    Parameters
    ----------
    y, x
        Position from the upper left corner of its pixel, px, 0..1.
    radius, sigma
        Of the disk and the Gaussian, px.

    Returns
    -------
    image
        float32, non-negative, summing to 1.
    pad
        Pixels by which the image begins before the point's pixel on either axis.
    """
    fft = _fft()
    pad = reach_px(radius, sigma)
    n = int(fft.next_fast_len(1 + 2 * pad, real=True))
    # Fine enough for the Gaussian to have died out (10⁻⁴) at the highest frequency.
    samples = min(odd_at_least(1.4 / sigma), odd_at_least(LONGEST_SIDE / n))
    f = _frequencies(n, samples)
    along = (_gaussian(n, samples, sigma) * np.sinc(f) * samples).astype(np.complex64)
    rows = np.exp(-2j * np.pi * f * (y - 0.5 + pad))
    columns = np.exp(-2j * np.pi * f[: _alive(along)] * (x - 0.5 + pad))
    spectrum = (rows[:, None] * columns).astype(np.complex64)
    return _clean(_to_pixels(spectrum, along, samples, radius)[: 1 + 2 * pad, : 1 + 2 * pad], 1.0), pad


def _fft() -> Any:
    """The transforms of scipy: float32 stays float32; the module is imported when first used, and is not typed."""
    from scipy import fft

    return fft


def _frequencies(n: int, samples: int) -> Floats:
    """Cycles per pixel of a Fourier grid of n pixels with some samples each."""
    count = n * samples
    return ((np.arange(count) + count // 2) % count - count // 2) / float(n)


def _gaussian(n: int, samples: int, sigma: float) -> NDArray[np.float32]:
    """The Gaussian's transfer along one axis."""
    return np.exp(-2 * (np.pi * sigma * _frequencies(n, samples)) ** 2).astype(np.float32)


@lru_cache(maxsize=512)
def _to_centre(n: int, samples: int, pad: int) -> Spectrum:
    """The pixel's own transfer, from the first sample in it to its centre, and ``pad`` whole pixels further on."""
    f = _frequencies(n, samples)
    shift = (samples - 1) / (2 * samples) - pad
    return (np.sinc(f) * np.exp(2j * np.pi * f * shift)).astype(np.complex64)


def _alive(along: Spectrum) -> int:
    """How many of the lowest frequencies carry anything that float32 would notice."""
    half = np.abs(along[: len(along) // 2 + 1])
    return int(np.flatnonzero(half > 1e-7 * half[0])[-1]) + 1


@cache
def _bessel() -> NDArray[np.float32]:
    """2·J₁(x)/x on a fine regular grid, as far as the longest Fourier grid can ask."""
    from scipy.special import j1

    x = np.arange(0, np.pi * LONGEST_SIDE, _BESSEL_STEP)
    table = np.ones(len(x), np.float32)
    table[1:] = 2 * j1(x[1:]) / x[1:]
    return table


def _to_pixels(spectrum: Spectrum, along: Spectrum, samples: int, radius: float) -> Image:
    """Apply the transfer, return to space and keep each pixel's centre."""
    from pytest_calsim.compiled.patches import fold_transfer

    fft = _fft()
    n = len(along) // samples
    folded = fold_transfer(spectrum, along, samples, 2 * math.pi * radius / (n * _BESSEL_STEP), _bessel())
    lines = fft.ifft(folded, axis=0, overwrite_x=True)
    return fft.irfft(lines, n * samples, axis=1)[:, ::samples]


def _clean(image: Image, flux: float) -> Image:
    """Cut ringing and faint tails; give the rest the whole flux."""
    kept = np.where(image < _FAINT * image.max(), np.float32(0), image)
    return kept * np.float32(flux / kept.sum(dtype=np.float64))
