import numpy as np
import pytest
from scipy.integrate import quad

from pytest_calsim.steps.background.component_courses import lognormal_walk, lowpassed_rate


def test_walk_has_the_declared_variance_and_memory():
    time_s, values = lognormal_walk(np.random.default_rng(1), 2.0, 0.3, duration_s=40_000)
    assert time_s[-1] > 40_000
    assert values.mean() == pytest.approx(1, abs=0.02)
    assert values.std() == pytest.approx(0.3, rel=0.04)
    x = np.log(values)
    x -= x.mean()
    for lag_s in (1.0, 2.0, 4.0):
        lag = round(lag_s / time_s[1])
        assert (x[lag:] * x[:-lag]).mean() / x.var() == pytest.approx(np.exp(-lag_s / 2.0), abs=0.03)


def test_walk_is_stationary_from_the_start():
    first = np.log([lognormal_walk(np.random.default_rng(s), 5.0, 0.2, duration_s=1)[1][0] for s in range(2000)])
    assert first.std() == pytest.approx(np.sqrt(np.log(1.04)), rel=0.06)


def test_a_longer_walk_extends_a_shorter_one():
    _, short = lognormal_walk(np.random.default_rng(5), 3.0, 0.3, duration_s=10)
    _, long = lognormal_walk(np.random.default_rng(5), 3.0, 0.3, duration_s=300)
    assert np.array_equal(long[: len(short)], short)


def rate(spikes, fps=20.0, frames=100, lowpass_s=0.5, start_hz=0.0):
    starts_s = np.arange(frames) / fps
    return lowpassed_rate(
        np.sort(np.asarray(spikes, float)), lowpass_s, frame_starts_s=starts_s, exposure_s=1 / fps, start_hz=start_hz
    )


def test_a_long_recording_is_lowpassed_as_its_first_half_and_as_a_recurrence():
    """It is made of 4096 frames at a time; spikes lie on the borders too."""
    spikes = np.sort(np.concatenate([np.random.default_rng(0).uniform(0, 500, 3000), [409.6] * 3]))
    long = rate(spikes, fps=10.0, frames=9000, start_hz=2.0)
    np.testing.assert_array_equal(rate(spikes, fps=10.0, frames=3000, start_hz=2.0), long[:3000])
    starts_s = np.arange(4201) / 10
    y = 2.0
    for frame, found in enumerate(long[:4200]):
        begin, end = starts_s[frame : frame + 2]
        seen = spikes[(spikes >= begin) & (spikes < end)]
        later = y * np.exp(-0.1 / 0.5) + (np.exp(-(end - seen) / 0.5) / 0.5).sum()
        assert found == pytest.approx(10 * (len(seen) - 0.5 * (later - y)), abs=1e-6)
        y = later


def test_lowpass_against_direct_integration():
    spikes = np.array([0.0, 0.013, 0.3, 0.3, 1.111, 2.5])
    got = rate(spikes, start_hz=3.0)

    def y(t):
        past = spikes[spikes <= t]
        return 3 * np.exp(-t / 0.5) + np.exp(-(t - past) / 0.5).sum() / 0.5

    for k in (0, 1, 6, 22, 23, 50, 99):
        inside = [s for s in np.unique(spikes) if k / 20 < s < (k + 1) / 20]
        area, _ = quad(y, k / 20, (k + 1) / 20, points=inside or None, epsabs=1e-12)
        assert got[k] == pytest.approx(area * 20, rel=1e-8)


def test_lowpass_has_campbells_mean_and_variance():
    rng = np.random.default_rng(0)
    duration_s = 8000
    rate_hz = 25.0
    lowpass_s = 0.5
    spikes = rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s))
    got = rate(spikes, fps=20, frames=duration_s * 20, lowpass_s=lowpass_s, start_hz=rate_hz)
    assert got.mean() == pytest.approx(rate_hz, rel=0.01)
    # Campbell: rate · ∫ (e^(-t/τ)/τ)² dt = rate / 2τ; the exposure of τ/10 takes 3 %.
    assert got.var() == pytest.approx(rate_hz / (2 * lowpass_s) * 0.968, rel=0.06)


def test_lowpass_is_causal_and_extends():
    spikes = np.random.default_rng(4).uniform(0, 5, 60)
    before = rate(spikes)
    after = rate(np.append(spikes, 3.021))
    assert np.array_equal(after[:60], before[:60])
    assert after[60] > before[60]
    assert np.array_equal(rate(spikes, frames=40), before[:40])


def test_lowpass_at_another_frame_rate_is_the_same():
    spikes = np.random.default_rng(4).uniform(0, 5, 200)
    fine = rate(spikes, fps=60, frames=300, start_hz=40)
    assert fine.reshape(100, 3).mean(1) == pytest.approx(rate(spikes, fps=20, frames=100, start_hz=40), rel=1e-9)


def test_without_spikes_the_start_decays():
    got = rate([], start_hz=2.0)
    assert got[0] < 2
    assert np.all(np.diff(got) < 0)
