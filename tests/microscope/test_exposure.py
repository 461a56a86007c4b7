import numpy as np
import pytest
from scipy.integrate import quad

from pytest_calsim.microscope.exposure import mean_of_lines
from pytest_calsim.steps.background.component_courses import lognormal_walk


def test_averages_are_those_of_the_straight_lines():
    values = np.random.default_rng(0).uniform(0, 2, 12)
    starts_s = np.arange(7) * 0.31
    ticks_s = np.arange(12) * 0.2
    got = mean_of_lines(ticks_s, values[np.newaxis], starts_s, 0.31)[0]
    for start, average in zip(starts_s, got, strict=True):
        inside = ticks_s[(ticks_s > start) & (ticks_s < start + 0.31)]
        area, _ = quad(lambda t: np.interp(t, ticks_s, values), start, start + 0.31, points=inside)
        assert average == pytest.approx(area / 0.31, rel=1e-9)


def test_averages_at_another_frame_rate_sample_the_same_course():
    time_s, values = lognormal_walk(np.random.default_rng(2), 0.7, 0.3, duration_s=10)
    fine = mean_of_lines(time_s, values[np.newaxis], np.arange(400) / 40, 1 / 40)
    coarse = mean_of_lines(time_s, values[np.newaxis], np.arange(100) / 10, 1 / 10)[0]
    assert fine.reshape(100, 4).mean(1) == pytest.approx(coarse, rel=1e-9)


def test_mean_of_lines_over_long_times_keeps_its_digits():
    times = np.arange(200_001) * 0.002
    values = np.full((1, len(times)), 7.3)
    starts = np.arange(0, 399, 0.05)
    assert mean_of_lines(times, values, starts, 1e-4) == pytest.approx(np.full((1, len(starts)), 7.3), abs=1e-6)
