"""Spikes and traces of the user's own."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_calsim import Spec, simulate
from pytest_calsim.errors import PlacementWarning, SpecError, SpecWarning
from pytest_calsim.steps.cells.indicators import INDICATORS

N = 4


def spec(*, duration_s=6.0, more=(), **activity):
    cells = {
        "kind": "place_neurons",
        "positions_um": [(50.0, 0.0, 10.0 * i) for i in range(N)],
        "populations": [{"brightness": 2.0}],
    }
    sensor = {"height_px": 16, "width_px": 48}
    acquisition = {"duration_s": duration_s, "fps": 20.0, "image_sensor": sensor}
    return Spec.make({"acquisition": acquisition, "steps": [cells, {"kind": "cell_activity", **activity}, *more]})


def truth(**fields):
    return simulate(spec(**fields)).truth


def refused(**fields):
    with pytest.raises(SpecError) as caught:
        spec(**fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


trains = st.lists(
    st.one_of(st.none(), st.lists(st.floats(-3, 5.9, allow_subnormal=False), max_size=8).map(sorted)), max_size=N
)


@settings(max_examples=30)
@given(trains, st.sampled_from([0.0, 0.05]), st.booleans())
def test_given_spikes_come_back_to_the_bit_and_touch_no_others(given_s, dead_s, together):
    more = [{"kind": "assemblies", "event_rate_hz": 2.0}] if together else []
    drawn = truth(refractory_s=dead_s, more=more).spike_times
    found = truth(spike_times_s=given_s, refractory_s=dead_s, more=more)
    for unit, own in enumerate([*given_s, *[None] * (N - len(given_s))]):
        expected = drawn[unit] if own is None else [t for t in own if t >= 0]
        assert found.spike_times[unit].tolist() == list(expected)
        assert found.S.values[unit].sum() == len(found.spike_times[unit])


def test_their_light_is_the_sum_of_their_transients():
    rise, decay = INDICATORS["gcamp6s"].time_constants_s
    times = [-0.4, 0.31, 0.33, 2.0]
    found = truth(spike_times_s=[times, []], indicator="gcamp6s", dff_per_spike=0.3)
    edges = np.arange(121) / 20
    t = np.maximum(np.subtract.outer(edges, times), 0)
    peak_s = np.log(decay / rise) / (1 / rise - 1 / decay)
    top = np.exp(-peak_s / decay) - np.exp(-peak_s / rise)
    area = (decay * -np.expm1(-t / decay) - rise * -np.expm1(-t / rise)).sum(axis=1) / top
    rest = found.cells.amplitude.to_numpy()
    np.testing.assert_allclose(found.C.values[0], rest[0] * (1 + 0.3 * np.diff(area) * 20), rtol=1e-6)
    np.testing.assert_allclose(found.C.values[1], rest[1], rtol=1e-7)


@settings(max_examples=20)
@given(st.integers(0, N), st.integers(0, 2**32))
def test_given_traces_come_back_to_rounding(n, seed):
    dff = np.random.default_rng(seed).gamma(0.5, 1, (n, 130)) - 0.5 * (seed % 2)
    found = truth(dff_traces=dff)
    drawn = truth()
    rest = found.cells.amplitude.to_numpy()[:, None]
    np.testing.assert_allclose(found.C.values[:n], rest[:n] * (1 + dff[:, :120]), rtol=2e-7, atol=1e-7)
    assert not found.S.values[:n].any()
    np.testing.assert_array_equal(found.C.values[n:], drawn.C.values[n:])
    np.testing.assert_array_equal(found.C.values[:, 37:60], simulate(spec(dff_traces=dff)).truth.C[:, 37:60])


def test_a_shorter_recording_shows_the_begin_of_given_data():
    optics = [{"kind": "cell_optics"}, {"kind": "render"}, {"kind": "sensor"}]
    dff = np.random.default_rng(3).random((2, 120))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)  # late spikes
        for fields in ({"dff_traces": dff}, {"spike_times_s": [[0.5, 3.0, 5.5], [4.0]]}):
            long, short = (simulate(spec(duration_s=s, more=optics, **fields)) for s in (6.0, 2.0))
            np.testing.assert_array_equal(short.observed, long.observed[:40])
            np.testing.assert_array_equal(short.truth.C, long.truth.C[:, :40])


def test_the_mean_rates_are_those_of_the_given_spikes():
    found = truth(spike_times_s=[[0.5, 2.0, 4.0], [0.1], []])
    np.testing.assert_allclose(found.cells.rate_hz[:3], [3 / 4, 1, 0])


def test_what_is_wrong_is_one_line():
    assert "spike_times_s[1] must ascend, and 0.1 s comes after 0.5 s; sort" in refused(
        spike_times_s=[None, [0.5, 0.1]]
    )
    assert "spike_times_s.0.1" in refused(spike_times_s=[[0.0, "late"]])
    assert "dff_traces has 119 frames, and the recording 120; give one value a frame, or lower" in refused(
        dff_traces=np.zeros((1, 119))
    )
    assert "dff_traces[1] is -1.5 in frame 0; light is never negative" in refused(dff_traces=[[0] * 120, [-1.5] * 120])
    assert "has shape (120,), not (cell, frame); one cell is one row" in refused(dff_traces=np.zeros(120))
    assert "spike_times_s and dff_traces both say" in refused(dff_traces=np.zeros((1, 120)), spike_times_s=[[1.0]])


def test_late_spikes_and_too_many_trains_are_said():
    with pytest.warns(SpecWarning, match=r"2 of the given spikes lie beyond the recording's 6 s .* spike_times_s\[1\]"):
        spec(spike_times_s=[[1.0], [2.0, 6.0, 7.0]])
    for name, value in (("spike_times_s", [[1.0]] * 6), ("dff_traces", np.zeros((6, 120)))):
        with pytest.warns(PlacementWarning, match=f"{name} is given for 6 cells, and 4 were placed: the last 2 belong"):
            assert len(truth(**{name: value}).cells) == N
