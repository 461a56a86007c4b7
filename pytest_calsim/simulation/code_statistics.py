"""Compute the mean and variance of a pixel's code from its mean electrons, all in electrons.

Shot noise, full well, read noise, row noise, the converter's range and its steps count. Noise is taken as Gaussian
before every limit: with a full well of 100 electrons or more, mean and variance are right within 2 %. Steps add
their width squared over 12, which holds from about half a step of other noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.sensor import Chip
from pytest_calsim.kernels.types import Bools, Floats

__all__ = ["PixelCodes", "SensorNoise", "clipped"]

_ALL = slice(None)
_FAR = 8.0
"""A limit that is this many standard deviations away clips nothing."""


class PixelCodes(NamedTuple):
    """Codes of pixels, in electrons.

    Attributes
    ----------
    mean
        Mean over frames.
    variance
        Variance over frames, without the noise that all pixels of a row share.
    row_share
        Rise of the code per electron that is added to the pixel's row: 1, or less where the converter clips.
    """

    mean: Floats
    variance: Floats
    row_share: Floats


@dataclass(frozen=True, eq=False)
class SensorNoise:
    """A chip's noise, with each pixel's limits.

    Attributes
    ----------
    full_well_e, read_noise_e
        As in :class:`~pytest_calsim.microscope.acquisition.ImageSensor`.
    row_noise_e
        Standard deviation of the noise that all pixels of a row share, electrons.
    step_variance_e2
        Variance of rounding, electrons².
    shot_noise
        Whether electrons are random counts.
    lowest_e, highest_e
        Electrons whose code is the converter's lowest, and its highest; float64 ``(height, width)``.
    """

    full_well_e: float
    read_noise_e: float
    row_noise_e: float
    step_variance_e2: float
    shot_noise: bool
    lowest_e: Floats
    highest_e: Floats

    @classmethod
    def of(cls, chip: Chip, shape: tuple[int, int]) -> Self:
        """Take the noise from a chip of a height and width, px."""
        gain = chip.gain_adu_per_e
        offset = np.broadcast_to(chip.offset_adu.astype(np.float64), shape)
        return cls(
            full_well_e=chip.full_well_e,
            read_noise_e=chip.read_noise_e,
            row_noise_e=chip.row_noise_adu / gain,
            step_variance_e2=4.0**chip.drop_bits / 12 / gain**2,
            shot_noise=chip.shot_noise,
            lowest_e=-offset / gain,
            highest_e=(chip.top_code - offset) / gain,
        )

    def codes(self, electrons: Floats, pixels: slice | NDArray[np.integer] = _ALL) -> PixelCodes:
        """Compute the codes of some mean electrons, dark ones included.

        Parameters
        ----------
        electrons
            Mean electrons before the full well clips them, float64 ``(n,)``.
        pixels
            Their pixels: positions in the sensor's flat image, all of them by default.
        """
        lowest = self.lowest_e.ravel()[pixels]
        highest = self.highest_e.ravel()[pixels]
        counts = electrons if self.shot_noise else np.zeros_like(electrons)
        mean, variance, _ = clipped(electrons, counts, self.full_well_e)
        shared = self.row_noise_e**2
        mean, variance, below = clipped(mean, variance + self.read_noise_e**2 + shared, highest)
        # The lower limit is an upper one with all signs turned.
        mean, variance, above = clipped(-mean, variance, -lowest)
        share = below * above
        own = np.maximum(variance - share**2 * shared, 0.0)
        return PixelCodes(-mean, own + self.step_variance_e2, share)

    def full(self, electrons: Floats) -> Bools:
        """Tell which pixels of an image are full on average, bool ``(height, width)``: they show no change."""
        return electrons >= np.minimum(self.full_well_e, self.highest_e)


def clipped(mean: Floats, variance: Floats, limit: Floats | float) -> tuple[Floats, Floats, Floats]:
    """Compute mean and variance of Gaussian numbers that a limit clips, and the share of them below it.

    With z = (limit − mean)/σ, φ and Φ the normal density and distribution, y = φ(z) + z·Φ(z) is the mean distance
    below the limit in σ, and (1 + z²)·Φ(z) + z·φ(z) − y² its variance in σ².

    Parameters
    ----------
    mean, variance
        Of the numbers, float64 of one shape.
    limit
        The highest number, broadcast to that shape.
    """
    limits = np.broadcast_to(np.asarray(limit, np.float64), mean.shape)
    sigma = np.sqrt(variance)
    near = limits - mean < _FAR * sigma
    share = np.ones_like(mean)
    if not near.any():
        return mean, variance, share
    mean = mean.copy()
    variance = variance.copy()
    sd = sigma[near]
    room = limits[near] - mean[near]
    # Without noise, a number beyond the limit is at the limit. 37 σ beyond it, so is every noisy one.
    z = np.maximum(np.divide(room, sd, out=np.full_like(sd, -37.0), where=sd > 0), -37.0)
    density = elementary.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    tail = _upper_tail(np.abs(z), density)
    below = np.where(z > 0, 1 - tail, tail)
    distance = density + z * below
    # Distances and their variance are small differences where nearly all is clipped: rounding may make them negative.
    mean[near] = limits[near] - sd * np.maximum(distance, 0.0)
    variance[near] = sd**2 * np.maximum((1 + z * z) * below + z * density - distance**2, 0.0)
    share[near] = below
    return mean, variance, share


def _upper_tail(z: Floats, density: Floats) -> Floats:
    """Return 1 − Φ(z) for z ≥ 0, within 8·10⁻⁸ (Abramowitz & Stegun 1964, 26.2.17)."""
    t = 1 / (1 + 0.2316419 * z)
    series = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    total = np.zeros_like(z)
    for factor in reversed(series):
        total = (total + factor) * t
    return density * total
