"""Exposed calcium against closed forms, and lone bouts against a simulation in plain Python."""

import math

import numpy as np
import pytest
from test_spikes import uniforms

from pytest_calsim.kernels.calcium import (
    CalciumState,
    HillCurve,
    Response,
    bout_transients,
    calcium_at_start,
    integrate_calcium,
)
from pytest_calsim.kernels.spikes import SpikeTrains

RISE = 0.07
DECAY = 0.45


def hill(kd=3.8, exponent=2.7, rest=0.66):
    def bound(c):
        return 1 / (1 + (kd / c) ** exponent)

    return HillCurve(kd, exponent, rest, bound(rest), 1 / (bound(rest + 1) - bound(rest)))


def responses():
    return [Response(0.05, RISE, DECAY, 4), Response(0.05, RISE, DECAY, 4, hill())]


def trains(n=6, *, end_s=10.0, seed=0):
    """Uniform spikes, some cells without any, on both sides of 0."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 40, (2, n))
    counts[:, 0] = 0
    now = [np.sort(rng.uniform(0, end_s, count)) for count in counts[0]]
    before = [np.sort(rng.uniform(0, 4, count)) for count in counts[1]]
    starts = [np.concatenate([[0], np.cumsum(c)]).astype(np.int64) for c in counts]
    return SpikeTrains(np.concatenate(now), starts[0], np.concatenate(before), starts[1])


def of_cell(train, i):
    """All spikes of a cell in order, the past's as negative times."""
    ages = train.ages_s[train.age_start[i] : train.age_start[i + 1]]
    return np.concatenate([-ages[::-1], train.times_s[train.start[i] : train.start[i + 1]]])


def unit():
    peak = math.log(DECAY / RISE) / (1 / RISE - 1 / DECAY)
    return 1 / (math.exp(-peak / DECAY) - math.exp(-peak / RISE))


def calcium(spikes, at, scale=1.0):
    t = np.subtract.outer(at, spikes)
    late = t >= 0
    t = np.maximum(t, 0) / scale
    return unit() * (late * (np.exp(-t / DECAY) - np.exp(-t / RISE))).sum(-1)


def mean_calcium(spikes, edges, scale=1.0):
    """Mean over each interval, by the antiderivative."""
    t = np.maximum(np.subtract.outer(edges, spikes), 0) / scale
    area = -DECAY * np.expm1(-t / DECAY) + RISE * np.expm1(-t / RISE)
    return unit() * scale * np.diff(area.sum(-1)) / np.diff(edges)


SCALE = np.array([1.0, 0.6, 1.0, 1.7, 0.9, 2.5])
"""Time constants of the six cells over those of the response."""


def exposed(train, response, frames, state=None):
    n = train.start.size - 1
    state = calcium_at_start(train, response, SCALE[:n]) if state is None else state
    return integrate_calcium(
        *(train, response, state, frames),
        time_scale=SCALE[:n],
        offset=np.arange(n) + 1.0,
        gain=np.linspace(0.5, 2, n),
    )


def lone(response, train, frames):
    """The trace of one cell."""
    one = np.ones(1)
    start = calcium_at_start(train, response, one)
    return integrate_calcium(train, response, start, frames, time_scale=one, offset=np.zeros(1), gain=one)


def test_the_linear_mean_is_the_integral():
    train = trains()
    (response, _) = responses()
    block = exposed(train, response, range(200))
    edges = np.arange(201) * 0.05
    for i in range(6):
        mean = mean_calcium(of_cell(train, i), edges, SCALE[i])
        np.testing.assert_allclose(block.fluorescence[i], i + 1 + np.linspace(0.5, 2, 6)[i] * mean, rtol=2e-7)
        now = train.times_s[train.start[i] : train.start[i + 1]]
        np.testing.assert_array_equal(block.spikes[i], np.histogram(now, edges)[0])


def test_saturation_is_averaged_over_the_middles_of_substeps():
    train = trains()
    (_, response) = responses()
    curve = response.hill
    block = exposed(train, response, range(200))
    for i in range(6):
        substeps = math.ceil(4 / SCALE[i])  # a quicker cell has more of them
        middles = (np.arange(200 * substeps) + 0.5) * 0.05 / substeps
        x = calcium(of_cell(train, i), middles, SCALE[i])
        bound = 1 / (1 + (curve.kd / (curve.rest + x)) ** curve.exponent)
        mean = ((bound - curve.bound) * curve.scale).reshape(200, substeps).mean(1)
        np.testing.assert_allclose(block.fluorescence[i], i + 1 + np.linspace(0.5, 2, 6)[i] * mean, rtol=2e-7)


def test_a_lone_spikes_peak_is_1_with_any_curve():
    train = SpikeTrains(np.array([1.0]), np.array([0, 1]), np.empty(0), np.array([0, 0]))
    for curve in (HillCurve(0, 0, 0, 0, 0), hill(), hill(1.0, 1.0, 0.1)):
        response = Response(0.001, RISE, DECAY, 2, curve)
        trace = lone(response, train, range(3000)).fluorescence
        assert trace.max() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("response", responses(), ids=["linear", "saturated"])
@pytest.mark.parametrize("length", [1, 7, 64, 200])
def test_blocks_have_the_bits_of_the_whole(response, length):
    train = trains()
    whole = exposed(train, response, range(200))
    state = None
    parts = []
    for first in range(0, 200, length):
        part = exposed(train, response, range(first, min(first + length, 200)), state)
        before = None if state is None else [values.copy() for values in state]
        parts.append(part)
        state = part.state
        # The state that a block starts from is left as it is: it may start another one.
        assert before is None or all(map(np.array_equal, before, parts[-2].state))
    np.testing.assert_array_equal(np.concatenate([p.fluorescence for p in parts], axis=1), whole.fluorescence)
    np.testing.assert_array_equal(np.concatenate([p.spikes for p in parts], axis=1), whole.spikes)
    assert all(map(np.array_equal, state, whole.state))


def test_what_is_forgotten_is_exactly_nothing():
    train = SpikeTrains(np.array([0.01]), np.array([0, 1]), np.empty(0), np.array([0, 0]))
    for response in responses():
        block = lone(response, train, range(400))
        assert block.fluorescence[0, 200] > 0
        assert not block.fluorescence[0, 300:].any()
        assert block.state.slow[0] == block.state.fast[0] == 0


def test_no_cells_and_no_frames():
    nobody = SpikeTrains(np.empty(0), np.zeros(1, np.int64), np.empty(0), np.zeros(1, np.int64))
    assert exposed(nobody, responses()[0], range(5)).fluorescence.shape == (0, 5)
    block = exposed(trains(), responses()[0], range(3, 3))
    assert block.spikes.shape == (6, 0)


def test_shapes_are_refused():
    train = trains()
    response = responses()[0]
    state = calcium_at_start(train, response, SCALE)
    good = {"time_scale": SCALE, "offset": np.zeros(6), "gain": np.zeros(6)}
    with pytest.raises(ValueError, match=r"time_scale has shape \(5,\), not \(6,\)"):
        integrate_calcium(train, response, state, range(3), **{**good, "time_scale": SCALE[:5]})
    with pytest.raises(ValueError, match=r"time_scale has shape \(5,\), not \(6,\)"):
        calcium_at_start(train, response, SCALE[:5])
    with pytest.raises(ValueError, match=r"gain has shape \(5,\), not \(6,\)"):
        integrate_calcium(train, response, state, range(3), **{**good, "gain": np.zeros(5)})
    with pytest.raises(ValueError, match=r"slow has shape \(1,\), not \(6,\)"):
        integrate_calcium(train, response, CalciumState(np.zeros(1), *state[1:]), range(3), **good)
    with pytest.raises(ValueError, match="times_s"):
        integrate_calcium(train._replace(times_s=np.zeros(1)), response, state, range(3), **good)
    with pytest.raises(ValueError, match="must have a step of 1"):
        integrate_calcium(train, response, state, range(0, 6, 2), **good)
    with pytest.raises(ValueError, match="ages_s"):
        calcium_at_start(train._replace(ages_s=np.zeros(1)), response, SCALE)


@pytest.mark.parametrize("curve", [HillCurve(0, 0, 0, 0, 0), hill()], ids=["linear", "saturated"])
@pytest.mark.parametrize("refractory_s", [0.0, 0.02])
def test_bouts_are_those_of_a_simulation_in_python(curve, refractory_s):
    response = Response(0.04, RISE, DECAY, 3, curve)
    hazard_hz = 20.0
    leave_hz = 0.8
    n = 200
    peaks, energies = bout_transients(np.uint64(77), hazard_hz, leave_hz, refractory_s, response, n)
    tail_s = math.log(DECAY / RISE) / (1 / RISE - 1 / DECAY) + 4 * DECAY
    for b in range(n):
        draws = uniforms((77 + b * 0xBF58476D1CE4E5B9) % 2**64)
        now = next(draws) * 0.04
        end = now + min(-math.log(next(draws)) / leave_hz, 10)
        spikes = []
        while now < end:
            spikes.append(now)
            now += refractory_s - math.log(next(draws)) / hazard_hz
        frames = math.ceil((spikes[-1] + tail_s) / 0.04)
        if curve.kd == 0:
            trace = mean_calcium(spikes, np.arange(frames + 1) * 0.04)
        else:
            x = calcium(spikes, (np.arange(3 * frames) + 0.5) * 0.04 / 3)
            bound = 1 / (1 + (curve.kd / (curve.rest + x)) ** curve.exponent)
            trace = ((bound - curve.bound) * curve.scale).reshape(frames, 3).mean(1)
        assert peaks[b] == pytest.approx(trace.max(), rel=1e-6)
        assert energies[b] == pytest.approx(((trace / trace.max()) ** 2).sum(), rel=1e-6)


def test_bouts_change_smoothly_with_the_rate():
    response = Response(0.04, RISE, DECAY, 3)
    one, other = (bout_transients(np.uint64(5), rate, 1.0, 0.0, response, 2000)[0] for rate in (10.0, 10.01))
    assert np.median(other) == pytest.approx(np.median(one), rel=5e-3)
    assert all(part.size == 0 for part in bout_transients(np.uint64(5), 10.0, 1.0, 0.0, response, 0))
