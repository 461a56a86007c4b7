import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, signal, stats

from pytest_calsim.errors import SpecError, SpecWarning
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells.cell_activity import CellActivity, HillSaturation
from pytest_calsim.steps.cells.indicators import INDICATORS, time_to_peak
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population


def activity(n=5, *, fps=20.0, duration_s=5.0, seed=0, brightness=1.0, **fields):
    """The planned activity of n cells of equal brightness."""
    spec = Spec(
        acquisition=Acquisition(fps=fps, duration_s=duration_s, image_sensor=ImageSensor(height_px=16, width_px=16)),
        steps=(
            PlaceNeurons(
                positions_um=((50.0, 0.0, 0.0),) * n,
                populations=(Population(brightness=brightness, brightness_cv=0, morphology="bead"),),
            ),
            CellActivity(**fields),
        ),
        seed=seed,
    )
    return plan(spec).artifacts["cell_activity"]


def trains(a):
    return np.split(a.spike_time_s, a.spike_start[1:-1])


def refused(**fields):
    with pytest.raises(SpecError) as caught:
        Spec.make({"steps": [{"kind": "place_neurons"}, {"kind": "cell_activity", **fields}]})
    assert "\n" not in str(caught.value)
    return str(caught.value)


# A busy two-state process, with its closed forms.
BUSY = {
    "active_rate_hz": 12.0,
    "quiescent_rate_hz": 0.5,
    "mean_active_s": 0.5,
    "mean_quiescent_s": 2.0,
    "rate_spread": 0.0,
}
ON = 1 / 2.0
OFF = 1 / 0.5
KAPPA = ON + OFF
P = ON / (ON + OFF)
MEAN_HZ = P * 12.0 + (1 - P) * 0.5


def fano(window_s):
    kt = KAPPA * window_s
    return 1 + 2 * P * (1 - P) * 11.5**2 / (MEAN_HZ * KAPPA) * (1 - (1 - np.exp(-kt)) / kt)


def kernel(rise, decay):
    """The unit transient and its Fourier transform, from scratch."""
    peak = np.log(decay / rise) / (1 / rise - 1 / decay)
    top = np.exp(-peak / decay) - np.exp(-peak / rise)
    return (
        lambda t: np.where(t > 0, np.exp(-np.maximum(t, 0) / decay) - np.exp(-np.maximum(t, 0) / rise), 0.0) / top,
        lambda w: (1 / (1 / decay + 1j * w) - 1 / (1 / rise + 1j * w)) / top,
    )


def exposed_variance(exposure_s, rise, decay):
    """Variance of the exposure-averaged response: the spectrum of the spikes through transient and exposure."""
    _, transform = kernel(rise, decay)

    def spectrum(f):
        w = 2 * np.pi * f
        spikes = MEAN_HZ + P * (1 - P) * 11.5**2 * 2 * KAPPA / (KAPPA**2 + w**2)
        return 2 * spikes * abs(transform(w)) ** 2 * np.sinc(f * exposure_s) ** 2

    return integrate.quad(spectrum, 0, 5, limit=500)[0] + integrate.quad(spectrum, 5, 400, limit=2000)[0]


@pytest.fixture(scope="module", params=[10.0, 20.0, 60.0])
def busy(request):
    return request.param, activity(400, fps=request.param, duration_s=120.0, **BUSY)


def test_the_mean_rate_is_as_declared(busy):
    _, a = busy
    n = len(a.spike_time_s)
    expected = 400 * 120 * MEAN_HZ
    assert a.expected_rate_hz == pytest.approx(MEAN_HZ)
    assert n == pytest.approx(expected, abs=4 * np.sqrt(fano(120.0) * expected))


@pytest.mark.parametrize("window_s", [0.1, 0.5, 2.0])
def test_fano_factor_of_the_frames(busy, window_s):
    fps, a = busy
    frames = round(window_s * fps)
    counts = a.S.astype(float)[:, : a.S.shape[1] // frames * frames].reshape(400, -1, frames).sum(axis=2)
    assert counts.var() / counts.mean() == pytest.approx(fano(window_s), rel=0.04)


def test_mean_and_variance_of_C(busy):
    fps, a = busy
    rise, decay = INDICATORS["gcamp6f"].time_constants_s
    unit, _ = kernel(rise, decay)
    area = integrate.quad(unit, 0, 5, limit=200)[0]
    assert a.expected_C == pytest.approx(1 + 0.2 * MEAN_HZ * area, rel=1e-6)
    assert a.C.mean(dtype=float) - 1 == pytest.approx(a.expected_C[0] - 1, rel=0.02)
    assert a.C.astype(float).var() == pytest.approx(0.04 * exposed_variance(1 / fps, rise, decay), rel=0.04)


def test_stationary_from_the_first_frame():
    rise, decay = INDICATORS["gcamp6s"].time_constants_s
    a = activity(4000, fps=20.0, duration_s=0.2, indicator="gcamp6s", **BUSY)
    variance = 0.04 * exposed_variance(0.05, rise, decay)
    for frame in (0, 3):
        assert a.C[:, frame].mean(dtype=float) == pytest.approx(a.expected_C[0], abs=4 * np.sqrt(variance / 4000))
        assert a.C[:, frame].astype(float).var() == pytest.approx(variance, rel=0.15)


def test_durations_of_bursts_and_pauses():
    a = activity(
        150,
        duration_s=200.0,
        rate_spread=0,
        quiescent_rate_hz=0,
        active_rate_hz=100,
        mean_active_s=0.8,
        mean_quiescent_s=12,
    )
    bursts = []
    for times in trains(a):
        runs = np.split(times, np.flatnonzero(np.diff(times) > 0.12) + 1)
        bursts += [run[-1] - run[0] for run in runs[1:-1] if len(run) > 1]
    # From its first spike to its last, a burst with two or more is distributed as a whole one: exponentially.
    assert np.mean(bursts) == pytest.approx(0.8, abs=4 * 0.8 / np.sqrt(len(bursts)) + 0.01)
    assert stats.kstest(bursts, stats.expon(scale=0.8).cdf).pvalue > 1e-3


def test_peaks_of_bouts_follow_a_simulation_by_brute_force():
    rng = np.random.default_rng(5)
    fields = {"active_rate_hz": 15.0, "mean_active_s": 0.6, "rate_spread": 0.0, "dff_per_spike": 0.3}
    rise, decay = INDICATORS["gcamp6f"].time_constants_s
    t = np.arange(0, 2, 1e-3)
    unit = kernel(rise, decay)[0](t + 0.5e-3)
    for fps in (10.0, 20.0, 50.0):
        a = activity(3, fps=fps, brightness=2.0, **fields)
        assert np.ptp(a.typical_transient) == 0
        width = round(1000 / fps)
        spikes = np.zeros((1000, 4000))
        for bout in spikes:
            now = rng.uniform(0, 1 / fps)
            end = rng.exponential(0.6)
            end += now
            while now < min(end, 3):
                bout[int(now * 1000)] += 1
                now += rng.exponential(1 / 15.0)
        fine = signal.fftconvolve(spikes, unit[None, :], axes=1)[:, :4000]
        frames = fine.reshape(1000, -1, width).mean(axis=2)
        peaks = frames.max(axis=1)
        energies = (frames**2).sum(axis=1) / peaks**2
        assert a.typical_transient[0] == pytest.approx(2.0 * 0.3 * np.median(peaks), rel=0.08)
        assert a.transient_energy[0] == pytest.approx(np.median(energies), rel=0.08)


def test_peaks_seen_in_a_recording_agree_with_the_typical_one_at_any_frame_rate():
    fields = {"active_rate_hz": 12.0, "quiescent_rate_hz": 0.0, "mean_quiescent_s": 30.0, "rate_spread": 0.0}
    for fps in (10.0, 20.0, 60.0):
        a = activity(300, fps=fps, duration_s=200.0, **fields)
        peaks = []
        for trace, times in zip(a.C, trains(a), strict=True):
            runs = np.split(times, np.flatnonzero(np.diff(times) > 1.5) + 1)
            for run in runs[1:-1]:
                first = int(run[0] * fps)
                last = int((run[-1] + 0.2) * fps)
                peaks.append(trace[first : last + 1].max() - 1)
        assert len(peaks) > 1000
        assert np.median(peaks) == pytest.approx(a.typical_transient[0], rel=0.08)


@pytest.mark.parametrize("hill", [None, HillSaturation(), HillSaturation(kd_nm=147, hill_coefficient=2.45)])
@pytest.mark.parametrize("name", INDICATORS)
def test_a_lone_spike_shows_the_indicators_kinetics(name, hill):
    """Dead times and saturation do not touch it."""
    a = activity(
        300,
        fps=1000.0,
        duration_s=12.0,
        indicator=name,
        active_rate_hz=0.5,
        quiescent_rate_hz=0.1,
        rate_spread=0,
        dff_per_spike=0.4,
        refractory_s=0.05,
        saturation=hill,
    )
    seen = 0
    for trace, times in zip(a.C.astype(float), trains(a), strict=True):
        gaps = np.diff(np.concatenate([[-np.inf], times, [np.inf]]))
        for i in np.flatnonzero((gaps[:-1] > 9) & (gaps[1:] > 3)):
            if not 9 < times[i] < 9.5:
                continue
            start = round(times[i] * 1000)
            rise = (trace[start : start + 2500] - 1) / 0.4
            peak = rise.argmax()
            assert rise[peak] == pytest.approx(1, abs=0.02)
            half = np.flatnonzero(rise > rise[peak] / 2)
            indicator = INDICATORS[name]
            assert (half[-1] - peak) / 1000 == pytest.approx(indicator.half_decay_s, rel=0.05)
            if indicator.time_to_peak_s is not None:
                assert (peak + 0.5) / 1000 == pytest.approx(indicator.time_to_peak_s, rel=0.05)
            seen += 1
    assert seen > 0


@pytest.mark.filterwarnings("ignore:.*too slow for the indicator")
@pytest.mark.parametrize("hill", [None, HillSaturation(), HillSaturation(kd_nm=147, hill_coefficient=2.45)])
@pytest.mark.parametrize("fps", [10.0, 20.0, 60.0])
@pytest.mark.parametrize("name", INDICATORS)
def test_the_indicators_kinetics_at_any_frame_rate(name, fps, hill):
    """With saturation and dead time on, from frames alone.

    A spike each in many cells, at all phases of a frame. Sums of frames are integrals of the transient up to a frame's
    end, whatever the exposure; those of all cells together have ends at each millisecond. Saturated frames are averaged
    in substeps of up to a quarter of the time to peak: what is seen is averaged over two of them.
    """
    indicator = INDICATORS[name]
    n = round(1000 / fps)
    spikes_s = 0.5 + np.arange(n) / (n * fps)
    a = activity(
        n,
        fps=fps,
        duration_s=3.5,
        indicator=name,
        dff_per_spike=0.4,
        refractory_s=0.05,
        saturation=hill,
        spike_times_s=[[t] for t in spikes_s],
    )
    until = np.cumsum(a.C.astype(float) - 1, axis=1) / (0.4 * fps)
    frame_ends = np.arange(1, until.shape[1] + 1) / fps
    since = (frame_ends - spikes_s[:, None]).ravel()
    order = np.argsort(since)
    at = np.arange(0, 2.5, 1e-3)
    width_s = time_to_peak(a.model.rise_s, a.model.decay_s) / 2
    ends = np.interp([at - width_s / 2, at + width_s / 2], since[order], until.ravel()[order])
    rise = (ends[1] - ends[0]) / width_s
    peak = rise.argmax()
    assert rise[peak] == pytest.approx(1, abs=0.03)
    last = np.flatnonzero(rise > rise[peak] / 2)[-1]
    assert at[last] - at[peak] == pytest.approx(indicator.half_decay_s, rel=0.05)
    if indicator.time_to_peak_s is not None:
        assert at[peak] == pytest.approx(indicator.time_to_peak_s, rel=0.05 if hill is None else 0.15)


def test_C_is_the_integral_of_the_transients_over_the_exposure():
    a = activity(4, fps=15.0, duration_s=6.0, brightness=1.5, **BUSY)
    unit, _ = kernel(*INDICATORS["gcamp6f"].time_constants_s)
    for trace, times in zip(a.C, trains(a), strict=True):
        for frame in (70, 80, 89):  # spikes before 0 are forgotten by then
            t = np.linspace(frame / 15, (frame + 1) / 15, 4001)
            fine = unit(t[:, None] - times[None, :]).sum(axis=1)
            mean = integrate.trapezoid(fine, t) * 15
            assert trace[frame] == pytest.approx(1.5 * (1 + 0.2 * mean), rel=2e-5)


@pytest.mark.filterwarnings("ignore:.*too slow for the indicator")
def test_S_counts_the_spike_times():
    for fps in (7.0, 20.0, 333.3):
        a = activity(20, fps=fps, duration_s=9.0, **BUSY)
        starts = np.arange(a.S.shape[1] + 1) / fps
        for counts, times in zip(a.S, trains(a), strict=True):
            assert np.array_equal(np.histogram(times, starts)[0], counts)
            assert np.all(np.diff(times) > 0)


def test_rates_are_spread_lognormally_with_mean_one():
    a = activity(3000, duration_s=0.1, rate_spread=0.6)
    ratio = a.expected_rate_hz / activity(1, rate_spread=0).expected_rate_hz[0]
    assert ratio.mean() == pytest.approx(1, abs=4 * np.sqrt(np.expm1(0.36) / 3000))
    assert stats.kstest(np.log(ratio), stats.norm(-0.18, 0.6).cdf).pvalue > 1e-3


def test_effects_of_a_spike_are_spread_lognormally_with_mean_one():
    fields = {"rate_spread": 0, "fps": 100.0, "duration_s": 0.02}
    a = activity(3000, dff_spread=0.5, **fields)
    ratio = a.typical_transient / activity(1, **fields).typical_transient[0]
    assert ratio.mean() == pytest.approx(1, abs=4 * np.sqrt(np.expm1(0.25) / 3000))
    assert stats.kstest(np.log(ratio), stats.norm(-0.125, 0.5).cdf).pvalue > 1e-3
    # What is seen follows it: the light of the same spikes.
    plain = activity(3000, **fields)
    lit = plain.C[:, 0] > 1.02
    np.testing.assert_allclose((a.C[lit, 0] - 1) / (plain.C[lit, 0] - 1), ratio[lit], rtol=1e-4)


def test_time_constants_are_spread_lognormally_with_mean_one():
    """As seen: the decay of one given spike in each cell, where nothing is left of its rise."""
    n = 3000
    fields = {"fps": 50.0, "duration_s": 1.5, "rise_s": 0.005, "decay_s": 0.2, "spike_times_s": [[0.0]] * n}
    a = activity(n, kinetics_spread=0.25, **fields)
    early = a.C[:, 10].astype(float) - 1
    late = a.C[:, 20].astype(float) - 1
    decay_s = 0.2 / np.log(early / late)
    assert decay_s.mean() == pytest.approx(0.2, rel=4 * np.sqrt(np.expm1(0.0625) / n))
    assert decay_s.std() == pytest.approx(0.2 * np.sqrt(np.expm1(0.0625)), rel=0.08)
    assert stats.kstest(np.log(decay_s / 0.2), stats.norm(-0.03125, 0.25).cdf).pvalue > 1e-3
    # Rise and decay keep their ratio, so the transient's area goes with its decay, and its peak stays.
    area = (a.C.astype(float) - 1).sum(axis=1) / 50
    left = decay_s * late * np.exp(-(1.5 - 0.41) / decay_s)
    np.testing.assert_allclose((area + left) / decay_s, (area + left)[0] / decay_s[0], rtol=0.01)
    plain = activity(3, **fields)
    assert np.ptp(plain.C, axis=0).max() == 0


@pytest.mark.parametrize("fps", [5.0, 20.0, 60.0])
def test_baselines_drift_as_declared_each_by_itself(fps):
    """Silent cells: what is seen is the baseline alone, lognormal, of correlation exp(−t/τ) of its logarithm."""
    fields = {"dff_per_spike": 0, "indicator": "gcamp6s", "duration_s": 400.0, "fps": fps, "brightness": 2.0}
    a = activity(300, baseline_fluctuation=0.2, baseline_time_constant_s=10, **fields)
    seen = a.C.astype(float) / 2
    assert seen.mean() == pytest.approx(1, abs=4 * 0.2 * np.sqrt(20 / 400 / 300))
    assert seen.std() == pytest.approx(0.2, rel=0.05)
    x = np.log(seen) - np.log(seen).mean()
    for lag_s in (5, 10, 20):
        lag = round(lag_s * fps)
        memory = (x[:, lag:] * x[:, :-lag]).mean() / x.var()
        assert memory == pytest.approx(np.exp(-lag_s / 10), abs=0.06)  # straight lines between ticks: up to 0.05 more
    pairs = np.corrcoef(x)[np.triu_indices(300, 1)]
    assert pairs.mean() == pytest.approx(0, abs=0.01)
    np.testing.assert_allclose(a.truth()["baseline"].values, a.C, rtol=2e-7)


def test_a_drift_lies_under_the_same_transients():
    plain = activity(50, duration_s=30.0, **BUSY)
    drifting = activity(50, duration_s=30.0, baseline_fluctuation=0.3, baseline_time_constant_s=5, **BUSY)
    assert np.array_equal(plain.spike_time_s, drifting.spike_time_s)
    for name in ("expected_C", "typical_transient", "baseline", "expected_rate_hz"):
        assert np.array_equal(getattr(plain, name), getattr(drifting, name))
    rest = drifting.truth()["baseline"].values
    assert rest.dtype == np.float32
    assert rest.std() > 0.2
    np.testing.assert_allclose(drifting.C - rest, plain.C - 1, atol=1e-6)
    assert "baseline" not in plain.truth()


def test_a_drift_is_the_same_bits_in_any_frames():
    a = activity(5, duration_s=40.0, baseline_fluctuation=0.5, baseline_time_constant_s=1, **BUSY)
    assert a.C.min() > 0
    rest = a.truth()["baseline"]
    for start, stop in ((0, 1), (250, 260), (255, 513), (799, 800), (30, 30)):
        assert np.array_equal(a.traces.fluorescence(start, stop), a.C[:, start:stop])
        assert np.array_equal(rest.read(start, stop), rest.values[:, start:stop])


def test_given_traces_do_not_drift_and_given_spikes_do():
    dff = np.zeros((2, 100))
    traces = activity(4, dff_traces=dff, baseline_fluctuation=0.3)
    spikes = activity(4, spike_times_s=[[], []], baseline_fluctuation=0.3)
    np.testing.assert_array_equal(traces.C[:2], 1)
    np.testing.assert_array_equal(traces.truth()["baseline"].values[:2], 1)
    assert np.ptp(traces.truth()["baseline"].values[2:], axis=1).min() > 0
    assert np.ptp(spikes.C[:2], axis=1).min() > 0
    np.testing.assert_allclose(spikes.C[:2], spikes.truth()["baseline"].values[:2], rtol=2e-7)


def test_refractory_time_keeps_the_rate():
    a = activity(50, duration_s=60.0, active_rate_hz=40, quiescent_rate_hz=40, rate_spread=0, refractory_s=0.01)
    gaps = np.concatenate([np.diff(times) for times in trains(a)])
    assert gaps.min() >= 0.01
    assert gaps.mean() == pytest.approx(1 / 40, rel=0.01)
    assert stats.kstest(gaps - 0.01, stats.expon(scale=0.015).cdf).pvalue > 1e-3
    # In equilibrium from the start: the wait for the first spike is a forward recurrence time.
    many = activity(3000, duration_s=0.5, active_rate_hz=40, quiescent_rate_hz=40, rate_spread=0, refractory_s=0.01)
    first = many.spike_time_s[many.spike_start[:-1][np.diff(many.spike_start) > 0]]

    def recurrence(t):
        t = np.asarray(t)
        late = 0.4 + 0.6 * -np.expm1(-np.maximum(t - 0.01, 0) / 0.015)
        return np.where(t < 0.01, 40 * t, late)

    assert stats.kstest(first, recurrence).pvalue > 1e-3


def test_saturation_keeps_a_lone_spike_and_compresses_many():
    hill = HillSaturation()
    fine = {"fps": 1000.0, "duration_s": 3.0, "dff_per_spike": 0.3, "seed": 1, "rise_s": 0.02, "decay_s": 0.2, **BUSY}
    plain = activity(4, **fine)
    bent = activity(4, saturation=hill, **fine)
    assert np.array_equal(plain.spike_time_s, bent.spike_time_s)
    calcium = (plain.C.astype(float) - 1) / 0.3

    def bound(c):
        return c**2.7 / (c**2.7 + 290.0**2.7)

    expected = 1 + 0.3 * (bound(50 + 76 * calcium) - bound(50)) / (bound(126) - bound(50))
    np.testing.assert_allclose(bent.C, expected, atol=0.02)
    ceiling = 0.3 * (1 - bound(50)) / (bound(126) - bound(50))
    assert activity(3, saturation=hill, active_rate_hz=100, mean_active_s=50, dff_per_spike=0.3).C.max() < 1 + ceiling


def test_expected_C_with_saturation():
    a = activity(200, duration_s=150.0, saturation=HillSaturation(), **BUSY)
    assert a.C.mean(dtype=float) - 1 == pytest.approx(a.expected_C[0] - 1, rel=0.04)


@st.composite
def processes(draw):
    active = draw(st.floats(0.1, 100))
    return {
        "active_rate_hz": active,
        "quiescent_rate_hz": draw(st.floats(0, 1)) * active,
        "mean_active_s": draw(st.floats(0.01, 2)),
        "mean_quiescent_s": draw(st.floats(0.01, 20)),
        "rate_spread": draw(st.floats(0, 2)),
        "refractory_s": draw(st.floats(0, 0.009)),
        "indicator": draw(st.sampled_from(sorted(INDICATORS))),
        "baseline_fluctuation": draw(st.sampled_from([0.0, 0.0, 0.3])),
        "baseline_time_constant_s": draw(st.floats(1, 100)),
        "seed": draw(st.integers(0, 2**63 - 1)),
    }


@pytest.mark.filterwarnings("ignore:.*too slow for the indicator")
@settings(max_examples=25)
@given(processes(), st.floats(1, 3), st.floats(0.1, 4), st.sampled_from([10.0, 20.0, 31.7]), st.booleans())
def test_a_longer_recording_extends_a_shorter_one(fields, short_s, more_s, fps, bent):
    fields["saturation"] = HillSaturation() if bent else None
    short = activity(3, fps=fps, duration_s=short_s, **fields)
    long = activity(3, fps=fps, duration_s=short_s + more_s, **fields)
    frames = short.C.shape[1]
    assert np.array_equal(short.C, long.C[:, :frames])
    assert np.array_equal(short.S, long.S[:, :frames])
    for one, other in zip(trains(short), trains(long), strict=True):
        assert np.array_equal(one, other[other < frames / fps])
    for name in ("expected_rate_hz", "expected_C", "typical_transient", "transient_energy", "baseline"):
        assert np.array_equal(getattr(short, name), getattr(long, name))
        assert np.isfinite(getattr(short, name)).all()


@pytest.mark.filterwarnings("ignore:.*too slow for the indicator")
@settings(max_examples=25)
@given(processes(), st.integers(2, 6))
def test_another_frame_rate_sees_the_same_activity(fields, ratio):
    slow, fast = (activity(3, fps=fps, duration_s=3.0, **fields) for fps in (10.0, 10.0 * ratio))
    assert np.array_equal(slow.spike_time_s, fast.spike_time_s)
    assert slow.S.sum() == fast.S.sum()
    mean = fast.C.astype(float).reshape(3, 30, ratio).mean(axis=2)
    np.testing.assert_allclose(slow.C, mean, rtol=1e-5)


@settings(max_examples=15)
@given(processes(), st.integers(0, 3))
def test_a_cell_depends_on_no_other(fields, n):
    few = activity(n, **fields)
    many = activity(4, **fields)
    assert np.array_equal(few.C, many.C[:n])
    assert np.array_equal(few.spike_time_s, many.spike_time_s[: many.spike_start[n]])
    assert np.array_equal(few.typical_transient, many.typical_transient[:n])


def test_another_indicator_sees_the_same_spikes():
    one, other = (activity(20, indicator=name, **BUSY) for name in ("gcamp8f", "gcamp6s"))
    assert np.array_equal(one.spike_time_s, other.spike_time_s)
    assert not np.array_equal(one.C, other.C)


def test_truth():
    a = activity(6, **BUSY)
    truth = a.truth()
    assert {name: value.dims for name, value in truth.items()} == {
        "C": ("unit_id", "frame"),
        "S": ("unit_id", "frame"),
        "spike_time_s": ("spike",),
        "spike_start": ("unit_edge",),
        "rate_hz": ("unit_id",),
    }
    assert a.C.dtype == np.float32
    assert a.S.dtype == np.uint16
    assert not a.C.flags.writeable


def test_given_time_constants_stand_in_for_the_indicators():
    assert CellActivity(rise_s=0.05, decay_s=0.4).time_constants_s == (0.05, 0.4)
    assert CellActivity(decay_s=0.4).time_constants_s == (INDICATORS["gcamp6f"].time_constants_s[0], 0.4)


def test_refusals():
    assert "rise_s = 0.4 must be below decay_s = 0.3" in refused(rise_s=0.4, decay_s=0.3)
    assert "must be below" in refused(rise_s=0.3)
    said = refused(active_rate_hz=50, refractory_s=0.02)
    assert "refractory_s = 0.02 leaves no time for 50 spikes per second; lower it to 0.018" in said
    assert "binds a share" in refused(saturation={"kd_nm": 10, "rest_nm": 1000, "hill_coefficient": 8})
    assert "gcamp9" in refused(indicator="gcamp9")


def test_a_faster_quiescent_state_is_odd():
    with pytest.warns(SpecWarning, match="quiescent_rate_hz = 20 exceeds active_rate_hz = 10"):
        a = activity(50, duration_s=20.0, quiescent_rate_hz=20, rate_spread=0)
    assert len(a.spike_time_s) / 1000 == pytest.approx(a.expected_rate_hz[0], rel=0.05)


def test_no_cells_no_activity():
    a = activity(0)
    assert a.C.shape == (0, 100)
    assert len(a.typical_transient) == len(a.spike_time_s) == 0


@pytest.mark.parametrize(
    ("fps", "indicator", "half_decay"),
    [(5, "gcamp6f", 0.142), (7, "gcamp6f", 0.142), (1.8, "gcamp6s", 0.55), (14.8, "gcamp8f", 0.0674)],
)
def test_frames_longer_than_the_half_decay_are_warned_of(fps, indicator, half_decay):
    with pytest.warns(SpecWarning, match="frame rate is too slow for the indicator") as caught:
        activity(1, fps=fps, indicator=indicator)
    (warning,) = caught
    assert f"an exposure of {1 / fps:.4g} s outlasts the transient's half-decay of {half_decay:g} s" in str(
        warning.message
    )


@pytest.mark.parametrize(
    ("fps", "indicator"), [(7.1, "gcamp6f"), (1.9, "gcamp6s"), (14.9, "gcamp8f"), (1000, "gcamp6f")]
)
def test_frames_that_resolve_the_half_decay_are_not_warned_of(fps, indicator):
    activity(1, fps=fps, duration_s=1, indicator=indicator)  # warnings are errors


def test_given_time_constants_count_in_place_of_the_indicators():
    activity(1, fps=5, indicator="gcamp6f", rise_s=0.07, decay_s=0.7)
    with pytest.warns(SpecWarning, match=r"half-decay of 0\.0090\d* s; raise fps above 111"):
        activity(1, fps=20, rise_s=0.001, decay_s=0.0115)


def test_lone_bouts_are_measured_when_first_asked_for():
    a = activity(2)
    assert "_measured" not in vars(a.lone_bouts)
    peak = a.typical_transient
    assert a.typical_transient is peak
    assert not peak.flags.writeable
    assert not a.transient_energy.flags.writeable
