"""The kicked oscillator against a direct sum over all kicks, and against its equation of motion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_calsim.kernels.motion import damped_oscillator


def direct(decay, swing, times, kicks, at):
    age = at[:, np.newaxis] - times
    response = np.where(age >= 0, np.exp(-decay * np.maximum(age, 0)) * np.sin(swing * age) / swing, 0)
    return kicks @ response.T


@settings(max_examples=50)
@given(st.floats(0.01, 30), st.floats(0.5, 300), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_it_is_the_sum_over_all_earlier_kicks(decay, swing, n, seed):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(-3, 10, n))
    kicks = rng.standard_normal((2, n))
    at = np.arange(0, 8, 0.01)
    got = damped_oscillator(decay, swing, times, kicks, at)
    np.testing.assert_allclose(got, direct(decay, swing, times, kicks, at), rtol=0, atol=1e-12 * (1 + n))


def test_it_follows_its_equation_of_motion_between_kicks():
    decay = 4.0
    swing = 30.0
    at = np.arange(0.1, 0.3, 1e-4)
    x = damped_oscillator(decay, swing, np.array([0.0, 0.05]), np.array([[1.0, -3.0]]), at)[0]
    velocity = np.gradient(x, at)
    acceleration = np.gradient(np.gradient(x, at), at)
    left_over = acceleration + 2 * decay * velocity + (decay**2 + swing**2) * x
    assert abs(left_over[5:-5]).max() < 1e-3 * abs(acceleration).max()


def test_a_kick_moves_it_from_its_own_moment_on():
    x = damped_oscillator(1.0, 2.0, np.array([1.0]), np.array([[5.0]]), np.array([0.0, 1.0, 1.0 + 1e-9, 2.0]))[0]
    assert x[:2].tolist() == [0, 0]
    assert x[2] == pytest.approx(5e-9, rel=1e-6)
    assert x[3] == pytest.approx(5 * np.exp(-1) * np.sin(2) / 2)


def test_kicks_of_long_ago_are_forgotten():
    times = np.array([-1e9, 0.0, 3e8])
    kicks = np.array([[1e300, 1.0, 1.0]])
    at = np.array([0.0, 0.001, 1e8, 3e8 + 0.001])
    x = damped_oscillator(0.006, 300.0, times, kicks, at)[0]
    assert x[0] == 0
    assert x[2] == 0
    assert x[1] == pytest.approx(np.exp(-6e-6) * np.sin(0.3) / 300)
    assert x[3] == pytest.approx(x[1], rel=1e-3)


@pytest.mark.parametrize(("axes", "n_kicks", "n_times"), [(2, 0, 5), (1, 3, 0), (0, 3, 4), (1, 1, 1)])
def test_any_number_of_axes_kicks_and_times_will_do(axes, n_kicks, n_times):
    x = damped_oscillator(1.0, 2.0, np.arange(n_kicks) * 1.0, np.ones((axes, n_kicks)), np.arange(n_times) * 1.0)
    assert x.shape == (axes, n_times)
    assert np.isfinite(x).all()


def test_kicks_need_a_time_each():
    with pytest.raises(ValueError, match=r"kicks has shape \(2, 4\), not \(2, 3\)"):
        damped_oscillator(1.0, 2.0, np.zeros(3), np.zeros((2, 4)), np.zeros(1))
