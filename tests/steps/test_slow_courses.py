import numpy as np
import pytest

from pytest_calsim.steps.slow_courses import SlowCourses


def courses(n=40, tau=2.0, sd=0.3, frame_s=0.05):
    keys = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return SlowCourses(keys, tau, sd, frame_s)


@pytest.mark.parametrize(("tau", "frame_s"), [(2.0, 0.05), (0.5, 0.7), (30.0, 0.01), (1.0, 17.0)])
def test_any_block_has_the_same_bits(tau, frame_s):
    whole = courses(5, tau, frame_s=frame_s).means(0, 700)
    other = courses(5, tau, frame_s=frame_s)
    for a, b in ((690, 700), (0, 13), (13, 400), (399, 402), (1, 2)):
        assert np.array_equal(other.means(a, b), whole[:, a:b])


@pytest.mark.parametrize("tau", [0.6, 3.0])
def test_they_have_the_declared_deviation_and_memory(tau):
    found = courses(300, tau, 0.4, 0.05).means(0, 4000).astype(float)
    assert found.min() > 0
    assert found.mean() == pytest.approx(1, abs=0.015)
    assert found.std() == pytest.approx(0.4, rel=0.06)
    x = np.log(found) - np.log(found).mean()
    for lag_s in (0.5 * tau, tau, 2 * tau):
        lag = round(lag_s / 0.05)
        measured = (x[:, lag:] * x[:, :-lag]).mean() / x.var()
        assert measured == pytest.approx(lines(lag_s / tau) / lines(0), abs=0.02)
        assert measured == pytest.approx(np.exp(-lag_s / tau), abs=0.06)


def lines(t):
    """Covariance of straight lines between ticks τ/5 apart, of correlation exp(−t/τ) there, over all phases.

    Two hats overlap as the cubic B-spline of the distance between their ticks.
    """
    ticks = np.arange(-200, 201)
    u = np.abs(5 * t - ticks)
    spline = np.where(u < 1, 2 / 3 - u**2 + u**3 / 2, np.where(u < 2, (2 - u) ** 3 / 6, 0))
    return (np.exp(-np.abs(ticks) / 5) * spline).sum()


def test_windows_join_without_a_seam():
    """What lies on both sides of a window's border differs as any two neighbours do."""
    found = np.log(courses(2000, 2.0, 0.3, 0.4).means(70, 90).astype(float))
    steps = np.diff(found, axis=1).std(axis=0)
    assert steps == pytest.approx(np.full(19, steps.mean()), rel=0.1)


def test_each_goes_its_own_way():
    found = np.log(courses(200, 1.0, 0.3, 0.5).means(0, 600).astype(float))
    correlation = np.corrcoef(found)[np.triu_indices(200, 1)]
    assert np.abs(correlation).mean() < 0.08
    assert abs(correlation.mean()) < 0.005


def test_another_frame_rate_sees_the_same_course():
    slow = courses(frame_s=0.3).means(0, 200)
    fast = courses(frame_s=0.1).means(0, 600)
    np.testing.assert_allclose(fast.reshape(40, 200, 3).mean(2), slow, rtol=1e-5)


def test_means_are_those_of_frames_a_hundred_times_as_short():
    coarse = courses(7, 2.0, 0.3, 0.37).means(0, 50)
    fine = courses(7, 2.0, 0.3, 0.37 / 100).means(0, 5000).reshape(7, 50, 100).mean(2)
    np.testing.assert_allclose(coarse, fine, rtol=1e-5)
