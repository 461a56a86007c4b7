"""Moments of lognormal numbers, integrated over the normal density by Gauss and Hermite's rule."""

import numpy as np
import pytest

from pytest_calsim.steps.lognormal import lognormal, lognormal_of_spread

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


def mean(values):
    return (WEIGHTS * values).sum() / WEIGHTS.sum()


@pytest.mark.parametrize("sd", [0.0, 0.3, 1.0, 2.0])
def test_mean_is_one_and_deviation_as_asked(sd):
    values = lognormal(NODES, sd)
    assert mean(values) == pytest.approx(1)
    assert np.sqrt(mean((values - 1) ** 2)) == pytest.approx(sd, abs=1e-6)


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 2.0])
def test_mean_is_one_and_the_logarithm_spreads_as_asked(spread):
    values = lognormal_of_spread(NODES, spread)
    assert mean(values) == pytest.approx(1)
    logarithm = np.log(values)
    assert np.sqrt(mean(logarithm**2) - mean(logarithm) ** 2) == pytest.approx(spread, abs=1e-6)
