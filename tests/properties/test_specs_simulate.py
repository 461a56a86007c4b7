"""Every drawn spec simulates: finite, never negative, in range; and no health check of Hypothesis complains."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings

from pytest_calsim import simulate
from pytest_calsim import strategies as sims
from pytest_calsim.errors import CalsimWarning


def simulates(spec):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        frames = simulate(spec).observed.values
    sensor = spec.acquisition.image_sensor
    assert frames.shape == (spec.acquisition.n_frames, sensor.height_px, sensor.width_px)
    assert np.isfinite(frames).all()
    assert frames.min() >= 0
    assert frames.dtype == (sensor.dtype if "sensor" in spec.kinds else np.float32)
    if "sensor" in spec.kinds:
        assert frames.max() < 2**sensor.bit_depth


@settings(max_examples=200, database=None)
@given(sims.specs())
def test_200_specs_simulate(spec):
    simulates(spec)


@pytest.mark.slow
@settings(max_examples=2000, database=None)
@given(sims.specs())
def test_2000_specs_simulate(spec):
    simulates(spec)
