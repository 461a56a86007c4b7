"""Spikes of events against a walk in plain Python, and against the renewal process that they are."""

import math

import numpy as np
import pytest
from scipy import stats
from test_spikes import keys, uniforms

from pytest_calsim.kernels.event_spikes import draw_event_spikes, keep_spikes_apart

EVENTS = np.array([-2, -1, 0, 1, 5])
BEGIN_S = np.array([-3.0, -0.5, 0.0, 4.0, 4.1])


def drawn(n=40, *, rate_hz=20.0, participation=0.5, lasts_s=0.3, refractory_s=0.0, events=EVENTS, begin_s=BEGIN_S):
    law = {"participation": participation, "lasts_s": lasts_s, "refractory_s": refractory_s}
    return draw_event_spikes(keys(n), np.full(n, rate_hz), events, begin_s, **law)


def mixed(word):
    """The finaliser of SplitMix64."""
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


@pytest.mark.parametrize(("rate_hz", "dead_s"), [(20.0, 0.0), (20.0, 0.02), (0.0, 0.0)])
def test_spikes_are_those_of_a_walk_in_python(rate_hz, dead_s):
    cell, time_s = drawn(rate_hz=rate_hz, refractory_s=dead_s)
    expected = []
    for i, key in enumerate(keys(40).tolist()):
        for number, begin_s in zip(EVENTS.tolist(), BEGIN_S.tolist(), strict=True):
            draws = uniforms(mixed((key + number * 0xD1342543DE82EF95) % 2**64))
            if next(draws) > 0.5 or rate_hz == 0:
                continue
            age = next(draws)
            now = dead_s - age / rate_hz if age < rate_hz * dead_s else 0.0
            while True:
                now -= math.log(next(draws)) * (1 / rate_hz - dead_s)
                if now >= 0.3:
                    break
                expected.append((i, begin_s + now))
                now += dead_s
    np.testing.assert_array_equal(cell, [i for i, _ in expected])
    np.testing.assert_allclose(time_s, [at for _, at in expected], rtol=1e-12)
    assert len(expected) > 300 or rate_hz == 0


def test_an_event_depends_on_its_name_alone():
    whole_cell, whole_s = drawn()
    for number in range(5):
        one = slice(number, number + 1)
        cell, time_s = drawn(events=EVENTS[one], begin_s=BEGIN_S[one])
        own = (whole_s >= BEGIN_S[number]) & (whole_s < BEGIN_S[number] + 0.3)
        own &= np.isin(whole_s, time_s)
        np.testing.assert_array_equal(whole_s[own], time_s)
        np.testing.assert_array_equal(whole_cell[own], cell)


@pytest.mark.parametrize("dead_s", [0.0, 0.02, 0.045])
def test_counts_are_those_of_an_equilibrium_renewal_process(dead_s):
    """Its mean is the rate times the duration, whatever the dead time; without one it is Poisson."""
    cell, time_s = drawn(40_000, participation=1.0, refractory_s=dead_s, events=EVENTS[:1], begin_s=BEGIN_S[:1])
    counts = np.bincount(cell, minlength=40_000)
    assert counts.mean() == pytest.approx(6.0, abs=4 * math.sqrt(6 / 40_000))
    # Evenly from the event's begin to its end.
    assert stats.kstest(time_s + 3.0, stats.uniform(0, 0.3).cdf).pvalue > 1e-3
    if dead_s == 0:
        assert counts.var() == pytest.approx(6.0, rel=0.03)
    else:
        assert np.diff(time_s)[np.diff(cell) == 0].min() >= dead_s * (1 - 1e-9)


def test_participation_is_a_chance_of_its_own_for_each_cell_and_event():
    cell, time_s = drawn(20_000, rate_hz=100.0, participation=0.3, events=EVENTS[:2], begin_s=BEGIN_S[:2])
    took = [np.isin(np.arange(20_000), cell[(time_s < -1) == early]) for early in (True, False)]
    for part in took:
        assert part.mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 20_000))
    assert abs(np.corrcoef(*took)[0, 1]) < 4 / math.sqrt(20_000)
    assert drawn(participation=0.0)[0].size == 0


def kept(times, own, dead_s):
    """Whether each spike remains, by looking at all others."""
    remains = []
    for k, (at, is_own) in enumerate(zip(times, own, strict=True)):
        earlier = [t for t, r in zip(times[:k], remains, strict=True) if r]
        later = [t for t, o in zip(times[k + 1 :], own[k + 1 :], strict=True) if o]
        apart = all(at - t >= dead_s for t in earlier) and all(t - at >= dead_s for t in later)
        remains.append(is_own or apart)
    return remains


@pytest.mark.parametrize("dead_s", [0.0, 0.01, 0.1, 5.0])
def test_added_spikes_give_way_to_the_cells_own(dead_s):
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 60, 12)
    start = np.concatenate([[0], np.cumsum(counts)])
    times = np.concatenate([np.sort(rng.uniform(-1, 2, n)) for n in counts])
    own = rng.random(times.size) < 0.4
    found = np.split(keep_spikes_apart(start, times, own, dead_s), start[1:-1])
    each = zip(found, np.split(times, start[1:-1]), np.split(own, start[1:-1]), strict=True)
    for one, at, is_own in each:
        assert one.tolist() == kept(at.tolist(), is_own.tolist(), dead_s)


def test_nobody_and_no_event_give_nothing_and_wrong_shapes_are_refused():
    assert drawn(0)[0].size == drawn(events=EVENTS[:0], begin_s=BEGIN_S[:0])[1].size == 0
    assert keep_spikes_apart(np.zeros(1, np.int64), np.empty(0), np.empty(0, bool), 0.1).size == 0
    with pytest.raises(ValueError, match="begin_s"):
        drawn(begin_s=BEGIN_S[:2])
    with pytest.raises(ValueError, match="rates_hz"):
        draw_event_spikes(keys(3), np.ones(2), EVENTS, BEGIN_S, participation=1, lasts_s=1, refractory_s=0)
    with pytest.raises(ValueError, match="is_own"):
        keep_spikes_apart(np.array([0, 2]), np.zeros(2), np.zeros(1, bool), 0.1)
    with pytest.raises(ValueError, match="times_s"):
        keep_spikes_apart(np.array([0, 2]), np.zeros(1), np.zeros(1, bool), 0.1)
