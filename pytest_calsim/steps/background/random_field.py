"""Draw smooth random functions of position, whose value at a point does not depend on the grid."""

from __future__ import annotations

import math

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.random_field import sum_cosines
from pytest_calsim.kernels.types import Floats

__all__ = ["lognormal_field"]


# With 96 modes the field's excess kurtosis is −1.5/96: Gaussian to the eye of any test on a single field.
_MODES = 96


def lognormal_field(rng: np.random.Generator, y_um: Floats, x_um: Floats, correlation_um: float, sd: float) -> Floats:
    """Return exp(σ·g) over its exact expectation, g a sum of random cosines of variance 1 and covariance exp(−r²/2ℓ²).

    Random Fourier features (Rahimi & Recht 2007): wave vectors drawn from the covariance's spectrum, a Gaussian of
    standard deviation 1/ℓ, and uniform phases.

    Parameters
    ----------
    rng
        The field's own stream.
    y_um, x_um
        Positions along rows and columns, µm.
    correlation_um
        ℓ.
    sd
        Standard deviation of the lognormal field, its mean being 1: σ² = ln(1 + sd²).

    Returns
    -------
    ndarray
        Positive, float64 ``(len(y_um), len(x_um))``.
    """
    wave_y, wave_x = rng.standard_normal((2, _MODES, 1)) / correlation_um
    phase = rng.uniform(0, 2 * math.pi, (_MODES, 1))
    along_y = wave_y * y_um + phase
    along_x = wave_x * x_um
    field = sum_cosines(
        elementary.cos(along_y), elementary.sin(along_y), elementary.cos(along_x), elementary.sin(along_x)
    )
    amplitude = math.sqrt(math.log1p(sd**2) * 2 / _MODES)
    # Over its random phase a cosine has E exp(a·cos) = I0(a), so the expectation of the whole is I0(a)^modes.
    field *= amplitude
    field -= _MODES * math.log(float(np.i0(amplitude)))
    return elementary.exp(field)
