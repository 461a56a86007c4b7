"""Turn standard normal numbers into lognormal ones of mean 1."""

from __future__ import annotations

import math

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats

__all__ = ["lognormal", "lognormal_of_spread"]


def lognormal(z: Floats, sd: float) -> Floats:
    """Return lognormal numbers of mean 1 and some standard deviation: exp(σz − σ²/2), σ² = ln(1 + sd²).

    Parameters
    ----------
    z
        Standard normal numbers, any shape.
    sd
        Standard deviation of the result; it is also its coefficient of variation.
    """
    variance = math.log1p(sd**2)
    return elementary.exp(math.sqrt(variance) * z - variance / 2)


def lognormal_of_spread(z: Floats, spread: float) -> Floats:
    """Return lognormal numbers of mean 1 whose logarithm has some standard deviation σ: exp(σz − σ²/2).

    Parameters
    ----------
    z
        Standard normal numbers, any shape.
    spread
        σ.
    """
    return elementary.exp(spread * z - spread**2 / 2)
