"""Spike trains in continuous time, and their calcium exactly integrated over exposures.

A cell is a two-state process: quiescent or active for exponentially distributed times, with Poisson spikes in each
state, refractory if so declared. Its draws come one after the other from the cell's own counter, so a longer
recording extends a shorter one, and the frame rate has no part in it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["bout_transients", "count_spikes", "expose", "expose_cells", "response", "standard_normals", "train"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)

_FORGOTTEN = 1e-12
"""What is left of a transient when it counts as none; multiplied on, it would stay a denormal, and slow, for ever."""

MAX_BOUT_S = 10.0
"""Bouts are cut here when typical transients are sought, and so are the tails behind them."""


@compiled
def _uniform(counter: np.uint64) -> tuple[np.uint64, float]:
    """SplitMix64 (Steele, Lea & Flood 2014): the next counter, and a uniform number in (0, 1]."""
    counter = np.uint64(counter + _GOLDEN)
    z = np.uint64((counter ^ (counter >> _S30)) * _MIX_1)
    z = np.uint64((z ^ (z >> _S27)) * _MIX_2)
    z = np.uint64(z ^ (z >> _S31))
    return counter, float((z >> _S11) + _ONE) * 2.0**-53


@compiled
def standard_normals(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """One standard normal number per key (Box-Muller)."""
    out = np.empty(keys.size)
    for i in range(keys.size):
        counter, u = _uniform(keys[i])
        counter, v = _uniform(counter)
        out[i] = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
    return out


@compiled
def _walk(
    counter: np.uint64,
    active: bool,
    ready_s: float,
    hazards: tuple[float, float],
    leave_hz: tuple[float, float],
    refractory_s: float,
    end_s: float,
    n: int,
    out: NDArray[np.float64],
) -> int:
    """Spikes from 0 to ``end_s`` into ``out`` from index n on, as far as it reaches; returns their number."""
    now = 0.0
    counter, u = _uniform(counter)
    switch = -math.log(u) / leave_hz[int(active)]
    while True:
        hazard = hazards[int(active)]
        spike = math.inf
        if hazard > 0:
            counter, u = _uniform(counter)
            spike = max(now, ready_s) - math.log(u) / hazard
        if spike < switch:
            if spike >= end_s:
                return n
            if n < out.size:
                out[n] = spike
            n += 1
            now, ready_s = spike, spike + refractory_s
        else:
            if switch >= end_s:
                return n
            now, active = switch, not active
            counter, u = _uniform(counter)
            switch = now - math.log(u) / leave_hz[int(active)]


@compiled
def train(
    key: np.uint64,
    past_key: np.uint64,
    rates_hz: tuple[float, float],
    leave_hz: tuple[float, float],
    refractory_s: float,
    memory_s: float,
    end_s: float,
    ages: NDArray[np.float64],
    times: NDArray[np.float64],
) -> tuple[int, int]:
    """One cell's stationary spike train around time 0; the arrays are filled as far as they reach.

    The stationary process is the same forwards and backwards in time, so the past is walked backwards from 0: how
    much of it is asked for changes no spike of the recording.

    Parameters
    ----------
    key, past_key
        Names of the two streams.
    rates_hz, leave_hz
        Spike rate in, and rate of leaving, the (quiescent, active) state.
    refractory_s
        After each spike; the hazard r/(1 − r·refractory) keeps the rate r.
    memory_s, end_s
        How far back and how far on.
    ages, times
        How long before 0, and at what time, each spike was; both ascend. ``ages`` has at least one entry, and is
        infinite beforehand.

    Returns
    -------
    Number of spikes before and after 0.
    """
    hazards = (
        rates_hz[0] / (1 - rates_hz[0] * refractory_s),
        rates_hz[1] / (1 - rates_hz[1] * refractory_s),
    )
    counter, u = _uniform(key)
    active = u * (leave_hz[0] + leave_hz[1]) <= leave_hz[0]
    past, v = _uniform(past_key)
    # Time since the last spike, in equilibrium: within the dead time with probability rate x dead time, uniformly.
    n_past, ready = 0, refractory_s
    if v < rates_hz[int(active)] * refractory_s:
        ages[0] = v / rates_hz[int(active)]
        n_past, ready = 1, ages[0] + refractory_s
    n_past = _walk(past, active, ready, hazards, leave_hz, refractory_s, memory_s, n_past, ages)
    n = _walk(counter, active, refractory_s - ages[0], hazards, leave_hz, refractory_s, end_s, 0, times)
    return n_past, n


@compiled
def count_spikes(
    keys: NDArray[np.uint64],
    past_keys: NDArray[np.uint64],
    rates_hz: NDArray[np.float64],
    leave_hz: tuple[float, float],
    refractory_s: float,
    end_s: float,
) -> NDArray[np.int64]:
    """Spikes of each cell from 0 to ``end_s``; ``rates_hz`` is ``(cell, 2)`` for the (quiescent, active) state."""
    counts = np.empty(keys.size, np.int64)
    none = np.empty(0)
    for i in range(keys.size):
        ages = np.full(1, math.inf)
        rates = (rates_hz[i, 0], rates_hz[i, 1])
        _, counts[i] = train(keys[i], past_keys[i], rates, leave_hz, refractory_s, refractory_s, end_s, ages, none)
    return counts


@compiled
def response(x: float, hill: tuple[float, float, float, float, float]) -> float:
    """Fluorescence with calcium x, both in units of a lone spike's peak: Hill's curve above its value at rest.

    ``hill`` is (K_d, exponent, rest, H(rest), 1/(H(rest + 1) − H(rest))); K_d = 0 stands for proportionality.
    """
    k_d, exponent, rest, low, scale = hill
    if k_d == 0:
        return x
    return (1.0 / (1.0 + (k_d / (rest + max(x, 0.0))) ** exponent) - low) * scale


@compiled
def expose(
    times: NDArray[np.float64],
    ages: NDArray[np.float64],
    frame_s: float,
    rise_s: float,
    decay_s: float,
    hill: tuple[float, float, float, float, float],
    substeps: int,
    offset: float,
    gain: float,
    fluorescence: NDArray[np.float32],
    spikes: NDArray[np.uint16],
) -> None:
    """Mean fluorescence over, and spikes in, each frame [f·frame_s, (f+1)·frame_s) of one cell.

    Without saturation the integral of the transients is exact: [K(t+T) − K(t)]/T with
    K(t) = τd(1 − e^(−t/τd)) − τr(1 − e^(−t/τr)). With it, Hill's curve is averaged over the middles of substeps.

    Parameters
    ----------
    times, ages
        Spikes from 0 on, and how long before 0 earlier ones were.
    rise_s, decay_s
        τr < τd of the transient; its peak is scaled to 1.
    hill, substeps
        See :func:`response`; how finely a frame is divided where there is saturation.
    offset, gain
        ``fluorescence`` = offset + gain · mean response.
    """
    ratio = rise_s / decay_s
    unit = 1.0 / (ratio ** (ratio / (1 - ratio)) - ratio ** (1 / (1 - ratio)))  # 1 / peak of the bare difference
    slow = fast = 0.0  # what is left, now, of each exponential
    for age in ages:
        slow += math.exp(-age / decay_s)
        fast += math.exp(-age / rise_s)
    k = 0
    if hill[0] == 0:
        slow_left, fast_left = math.exp(-frame_s / decay_s), math.exp(-frame_s / rise_s)
        slow_area, fast_area = decay_s * (1 - slow_left), rise_s * (1 - fast_left)
        for f in range(fluorescence.size):
            area = slow * slow_area - fast * fast_area
            slow *= slow_left
            fast *= fast_left
            if slow < _FORGOTTEN:
                slow = fast = 0.0
            end, first = (f + 1) * frame_s, k
            while k < times.size and times[k] < end:
                left = end - times[k]
                late_slow, late_fast = math.exp(-left / decay_s), math.exp(-left / rise_s)
                area += decay_s * (1 - late_slow) - rise_s * (1 - late_fast)
                slow += late_slow
                fast += late_fast
                k += 1
            spikes[f] = k - first
            fluorescence[f] = offset + gain * unit * area / frame_s
        return
    half_s = frame_s / (2 * substeps)
    slow_left, fast_left = math.exp(-half_s / decay_s), math.exp(-half_s / rise_s)
    for f in range(fluorescence.size):
        total, first = 0.0, k
        for half in range(2 * substeps):
            slow *= slow_left
            fast *= fast_left
            if slow < _FORGOTTEN:
                slow = fast = 0.0
            end = f * frame_s + (half + 1) * half_s if half + 1 < 2 * substeps else (f + 1) * frame_s
            while k < times.size and times[k] < end:
                left = end - times[k]
                slow += math.exp(-left / decay_s)
                fast += math.exp(-left / rise_s)
                k += 1
            if half % 2 == 0 and slow > 0:
                total += response(unit * (slow - fast), hill)
        spikes[f] = k - first
        fluorescence[f] = offset + gain * total / substeps


@compiled
def expose_cells(
    keys: NDArray[np.uint64],
    past_keys: NDArray[np.uint64],
    rates_hz: NDArray[np.float64],
    leave_hz: tuple[float, float],
    refractory_s: float,
    frame_s: float,
    rise_s: float,
    decay_s: float,
    memory_s: float,
    hill: tuple[float, float, float, float, float],
    substeps: int,
    baseline: NDArray[np.float64],
    gain: NDArray[np.float64],
    start: NDArray[np.int64],
    times: NDArray[np.float64],
    fluorescence: NDArray[np.float32],
    spikes: NDArray[np.uint16],
) -> None:
    """Fill every cell's spike times (``times[start[i]:start[i + 1]]``), fluorescence and spikes per frame."""
    end_s = fluorescence.shape[1] * frame_s
    for i in range(keys.size):
        rates = (rates_hz[i, 0], rates_hz[i, 1])
        own = times[start[i] : start[i + 1]]
        ages = np.full(1, math.inf)
        n_past, _ = train(keys[i], past_keys[i], rates, leave_hz, refractory_s, memory_s, end_s, ages, own)
        if n_past > 1:
            ages = np.full(n_past, math.inf)
            train(keys[i], past_keys[i], rates, leave_hz, refractory_s, memory_s, 0.0, ages, own[:0])
        expose(
            own,
            ages[:n_past],
            frame_s,
            rise_s,
            decay_s,
            hill,
            substeps,
            baseline[i],
            gain[i],
            fluorescence[i],
            spikes[i],
        )


@compiled
def bout_transients(
    key: np.uint64,
    rate_hz: float,
    leave_hz: float,
    refractory_s: float,
    frame_s: float,
    rise_s: float,
    decay_s: float,
    hill: tuple[float, float, float, float, float],
    substeps: int,
    n_bouts: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Peak response, and Σ of squared frames relative to that peak, of lone active bouts with at least one spike.

    Seen from its first spike, such a bout has an exponentially distributed rest, as long as a whole bout. Frames
    start at a uniform phase. A bout's draws are the same at every rate, so both are smooth in the rate.
    """
    peaks, energies = np.empty(n_bouts), np.empty(n_bouts)
    peak_s = rise_s * decay_s / (decay_s - rise_s) * math.log(decay_s / rise_s)
    tail_s = peak_s + min(4 * decay_s, MAX_BOUT_S)
    most = math.ceil((frame_s + MAX_BOUT_S + tail_s) / frame_s) + 1
    trace, spikes = np.empty(most, np.float32), np.empty(most, np.uint16)
    times, ages = np.empty(1 << 14), np.empty(0)
    hazard = rate_hz / (1 - rate_hz * refractory_s)
    for b in range(n_bouts):
        counter, phase = _uniform(key + np.uint64(b) * _MIX_1)
        counter, u = _uniform(counter)
        now = phase * frame_s
        end = now + min(-math.log(u) / leave_hz, MAX_BOUT_S)
        n = 0
        while now < end and n < times.size:
            times[n] = now
            n += 1
            counter, u = _uniform(counter)
            now += refractory_s - math.log(u) / hazard
        size = min(most, math.ceil((times[n - 1] + tail_s) / frame_s))
        row = trace[:size]
        expose(times[:n], ages, frame_s, rise_s, decay_s, hill, substeps, 0.0, 1.0, row, spikes[:size])
        peak, square = 0.0, 0.0
        for value in row:
            peak = max(peak, value)
            square += value * value
        peaks[b], energies[b] = peak, square / (peak * peak)
    return peaks, energies
