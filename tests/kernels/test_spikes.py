"""Spike trains against a walk in plain Python, and against what a stationary process must be."""

import itertools
import math

import numpy as np
import pytest
from scipy import linalg, stats

from pytest_calsim.kernels.spikes import SpikeProcess, SpikeTrains, draw_spikes, standard_normals

LEAVE = (0.5, 2.0)
ACTIVE = 0.5 / 2.5


def keys(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


def drawn(n=4, *, rates=(0.5, 12.0), refractory_s=0.0, memory_s=5.0, end_s=20.0, seed=0):
    law = process(n, rates, refractory_s)
    return draw_spikes(keys(n, seed), keys(n, seed + 1), law, memory_s=memory_s, end_s=end_s)


def process(n, rates=(0.5, 12.0), refractory_s=0.0, leave=LEAVE):
    return SpikeProcess(np.tile(np.array(rates), (n, 1)), leave, refractory_s)


def each(values, start):
    return np.split(values, start[1:-1])


def uniforms(key):
    """SplitMix64, as numbers in (0, 1]."""
    counter = int(key)
    while True:
        counter = (counter + 0x9E3779B97F4A7C15) % 2**64
        word = counter
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
        word ^= word >> 31
        yield ((word >> 11) + 1) / 2**53


def balance(rates, dead_s):
    """Share of the time ready in each state and hazard there, from the flows in and out of both, as linear equations.

    Unknown are the ready shares. Spikes come at the declared rates; a cell comes out of its dead time in the state in
    which the chain has arrived by then.
    """
    share = np.array([1 - ACTIVE, ACTIVE])
    spikes_hz = share * rates
    chain = linalg.expm(dead_s * np.array([[-LEAVE[0], LEAVE[0]], [LEAVE[1], -LEAVE[1]]]))
    # Quiescent: R1 k1 + (what comes out of dead times) = R0 k0 + spikes there; and all shares add up to 1.
    flows = np.array([[-LEAVE[0], LEAVE[1]], [1.0, 1.0]])
    known = np.array([spikes_hz[0] - (spikes_hz @ chain)[0], 1 - spikes_hz.sum() * dead_s])
    ready = np.linalg.solve(flows, known)
    return ready, spikes_hz / ready, spikes_hz, chain


def walked(draws, active, ready_s, hazards, refractory_s, end_s):
    """Spikes of one direction in time: in each visit of a state, Poisson spikes until it ends."""
    spikes = []
    now = 0.0
    while now < end_s:
        leaves = now - math.log(next(draws)) / LEAVE[active]
        while hazards[active] > 0:
            at = max(now, ready_s) - math.log(next(draws)) / hazards[active]
            if at >= leaves:
                break
            if at < end_s:
                spikes.append(at)
            now = at
            ready_s = at + refractory_s
        now = leaves
        active = 1 - active
    return spikes


def expected(key, past_key, rates, refractory_s, memory_s, end_s):
    """Times and ages of one cell's spikes, drawn one by one."""
    ready, hazards, spikes_hz, _ = balance(rates, refractory_s)
    draws = uniforms(key)
    past = uniforms(past_key)
    of_state = next(draws)
    age_s = next(past) / spikes_hz.sum()
    ages = []
    if age_s < refractory_s:
        ages = [age_s]
        active = int(of_state <= (spikes_hz @ balance(rates, age_s)[3])[1] / spikes_hz.sum())
    else:
        active = int(of_state <= ready[1] / ready.sum())
    ages += walked(past, active, refractory_s + sum(ages), hazards, refractory_s, memory_s)
    ready_s = refractory_s - ages[0] if ages else -math.inf
    return walked(draws, active, ready_s, hazards, refractory_s, end_s), ages


@pytest.mark.parametrize(("rates", "refractory_s"), [((0.5, 12.0), 0.0), ((2.0, 40.0), 0.02), ((0.0, 30.0), 0.01)])
def test_trains_are_those_of_a_walk_in_python(rates, refractory_s):
    trains = drawn(30, rates=rates, refractory_s=refractory_s)
    times = each(trains.times_s, trains.start)
    ages = each(trains.ages_s, trains.age_start)
    for i, (key, past_key) in enumerate(zip(keys(30), keys(30, 1), strict=True)):
        now, before = expected(key, past_key, rates, refractory_s, 5.0, 20.0)
        np.testing.assert_allclose(times[i], now, rtol=1e-12)
        np.testing.assert_allclose(ages[i], before, rtol=1e-12)


def test_neither_end_nor_memory_changes_a_spike():
    short = drawn(40, end_s=7.0, memory_s=1.0)
    long = drawn(40, end_s=50.0, memory_s=30.0)
    for values, start, edge in (("times_s", "start", 7.0), ("ages_s", "age_start", 1.0)):
        whole = getattr(long, values), getattr(long, start)
        for part, all_ in zip(each(getattr(short, values), getattr(short, start)), each(*whole), strict=True):
            np.testing.assert_array_equal(part, all_[all_ < edge])


def test_a_cell_depends_on_its_own_keys_alone():
    many = drawn(20)
    for i in (0, 7, 19):
        one = draw_spikes(keys(20)[i : i + 1], keys(20, 1)[i : i + 1], process(1), memory_s=5.0, end_s=20.0)
        np.testing.assert_array_equal(one.times_s, each(many.times_s, many.start)[i])


def test_the_process_is_stationary_through_0():
    # Rates around 0, on both sides, and the gaps across it.
    refractory_s = 0.01
    rates = (1.0, 30.0)
    trains = drawn(20_000, rates=rates, refractory_s=refractory_s, memory_s=1.0, end_s=1.0)
    mean_hz = ACTIVE * 30 + (1 - ACTIVE) * 1
    edges = np.linspace(0, 1, 21)
    for values in (trains.times_s, trains.ages_s):
        counts = np.histogram(values, edges)[0] / (20_000 * 0.05)
        np.testing.assert_allclose(counts, mean_hz, rtol=0.08)
        assert counts.mean() == pytest.approx(mean_hz, rel=0.02)
    times = each(trains.times_s, trains.start)
    ages = each(trains.ages_s, trains.age_start)
    across = [t[0] + a[0] for t, a in zip(times, ages, strict=True) if t.size and a.size]
    assert min(across) >= refractory_s
    within = np.concatenate([np.diff(t) for t in times])
    assert within.min() >= refractory_s * (1 - 1e-9)


@pytest.mark.parametrize(
    ("rates", "refractory_s", "bout_s"),
    [
        ((0.0, 10.0), 0.09, 0.2),
        ((0.1, 8.9), 0.1, 0.1),
        ((5.0, 8.9), 0.1, 0.1),
        ((8.0, 2.0), 0.1, 0.05),
        ((1.0, 40.0), 0.002, 0.02),
    ],
)
def test_dead_times_keep_the_rate_of_each_state_however_short_the_bouts(rates, refractory_s, bout_s):
    """The states are not seen, but two leaving rates give two equations for the two rates."""
    for quiet_s in (bout_s, 5 * bout_s):
        law = process(4000, rates, refractory_s, leave=(1 / quiet_s, 1 / bout_s))
        trains = draw_spikes(keys(4000), keys(4000, 1), law, memory_s=refractory_s, end_s=20.0)
        active = bout_s / (bout_s + quiet_s)
        mean_hz = active * rates[1] + (1 - active) * rates[0]
        np.testing.assert_allclose(law.mean_hz, mean_hz)
        assert trains.times_s.size / 80_000 == pytest.approx(mean_hz, rel=0.01)
        gaps = np.concatenate([np.diff(times) for times in each(trains.times_s, trains.start)])
        assert gaps.min() >= refractory_s * (1 - 1e-9)
        # From the first moment on: spikes are as frequent in the first dead time as later.
        assert np.count_nonzero(trains.times_s < 0.1) / 400 == pytest.approx(mean_hz, rel=0.12)


def test_no_cells_no_time_and_no_rate_give_no_spikes():
    none = drawn(0)
    assert none.times_s.size == none.ages_s.size == 0
    np.testing.assert_array_equal(none.start, [0])
    assert drawn(5, end_s=0.0, memory_s=0.0).times_s.size == 0
    assert drawn(5, rates=(0.0, 0.0)).times_s.size == 0


def test_shapes_and_a_short_memory_are_refused():
    law = process(3)
    with pytest.raises(ValueError, match=r"past_keys has shape \(2,\), not \(3,\)"):
        draw_spikes(keys(3), keys(2), law, memory_s=1, end_s=1)
    with pytest.raises(ValueError, match=r"rates_hz has shape \(2, 2\), not \(3, 2\)"):
        draw_spikes(keys(3), keys(3), law.of(slice(2)), memory_s=1, end_s=1)
    with pytest.raises(ValueError, match="memory_s"):
        draw_spikes(keys(3), keys(3), law._replace(refractory_s=0.1), memory_s=0.05, end_s=1)


def test_standard_normals_are_box_and_mullers():
    some = keys(500)
    draws = [(next(stream), next(stream)) for stream in map(uniforms, some)]
    u, v = np.array(draws).T
    np.testing.assert_allclose(standard_normals(some), np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v), atol=1e-13)
    assert stats.kstest(standard_normals(keys(200_000)), "norm").pvalue > 1e-3
    assert standard_normals(keys(0)).size == 0


def test_parts_of_trains_join_to_the_whole():
    whole = drawn(9, memory_s=3.0)
    for cuts in ([0, 9], [0, 0, 4, 9], [0, 1, 2, 8, 9, 9]):
        parts = [whole.of(a, b) for a, b in itertools.pairwise(cuts)]
        for part, a, b in zip(parts, cuts, cuts[1:], strict=False):
            for i, unit in enumerate(range(a, b)):
                assert np.array_equal(each(part.times_s, part.start)[i], each(whole.times_s, whole.start)[unit])
                assert np.array_equal(each(part.ages_s, part.age_start)[i], each(whole.ages_s, whole.age_start)[unit])
        for found, expected in zip(SpikeTrains.joined(parts), whole, strict=True):
            assert np.array_equal(found, expected)
    none = SpikeTrains.joined([])
    assert none.start.tolist() == none.age_start.tolist() == [0]
    assert len(none.times_s) == len(none.ages_s) == 0
