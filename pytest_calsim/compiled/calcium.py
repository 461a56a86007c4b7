"""Calcium of spike trains, exactly integrated over exposures, and the fluorescence it gives."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled
from pytest_calsim.compiled.spikes import count_spikes, train, uniform

__all__ = ["bout_transients", "expose", "expose_cells", "response"]

_FORGOTTEN = 1e-12
"""What is left of a transient when it counts as none; multiplied on, it would stay a denormal, and slow, for ever."""

MAX_BOUT_S = 10.0
"""Bouts are cut here when typical transients are sought, and so are the tails behind them."""
_BETWEEN_BOUTS = np.uint64(0xBF58476D1CE4E5B9)
"""From the counter of one bout to that of the next."""


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
    past = count_spikes(keys, past_keys, rates_hz, leave_hz, refractory_s, memory_s=memory_s, end_s=0.0)[0]
    ages = np.empty(past.max(initial=1))
    constants = refractory_s, frame_s, rise_s, decay_s, memory_s
    _expose_cells(
        keys,
        past_keys,
        rates_hz,
        leave_hz,
        constants,
        hill,
        substeps,
        baseline,
        gain,
        start,
        ages,
        times,
        fluorescence,
        spikes,
    )


@compiled
def _expose_cells(
    keys: NDArray[np.uint64],
    past_keys: NDArray[np.uint64],
    rates_hz: NDArray[np.float64],
    leave_hz: tuple[float, float],
    constants: tuple[float, float, float, float, float],
    hill: tuple[float, float, float, float, float],
    substeps: int,
    baseline: NDArray[np.float64],
    gain: NDArray[np.float64],
    start: NDArray[np.int64],
    ages: NDArray[np.float64],
    times: NDArray[np.float64],
    fluorescence: NDArray[np.float32],
    spikes: NDArray[np.uint16],
) -> None:
    refractory_s, frame_s, rise_s, decay_s, memory_s = constants
    end_s = fluorescence.shape[1] * frame_s
    for i in range(keys.size):
        rates = (rates_hz[i, 0], rates_hz[i, 1])
        own = times[start[i] : start[i + 1]]
        ages[0] = math.inf
        n_past, _ = train(keys[i], past_keys[i], rates, leave_hz, refractory_s, memory_s, end_s, ages, own)
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
    constants = rate_hz, leave_hz, refractory_s, frame_s, rise_s, decay_s, tail_s
    times, trace, spikes = np.empty(1 << 14), np.empty(most, np.float32), np.empty(most, np.uint16)
    _bout_transients(key, constants, hill, substeps, times, trace, spikes, peaks, energies)
    return peaks, energies


@compiled
def _bout_transients(
    key: np.uint64,
    constants: tuple[float, float, float, float, float, float, float],
    hill: tuple[float, float, float, float, float],
    substeps: int,
    times: NDArray[np.float64],
    trace: NDArray[np.float32],
    spikes: NDArray[np.uint16],
    peaks: NDArray[np.float64],
    energies: NDArray[np.float64],
) -> None:
    rate_hz, leave_hz, refractory_s, frame_s, rise_s, decay_s, tail_s = constants
    hazard = rate_hz / (1 - rate_hz * refractory_s)
    for b in range(peaks.size):
        counter, phase = uniform(key + np.uint64(b) * _BETWEEN_BOUTS)
        counter, u = uniform(counter)
        now = phase * frame_s
        end = now + min(-math.log(u) / leave_hz, MAX_BOUT_S)
        n = 0
        while now < end and n < times.size:
            times[n] = now
            n += 1
            counter, u = uniform(counter)
            now += refractory_s - math.log(u) / hazard
        size = min(trace.size, math.ceil((times[n - 1] + tail_s) / frame_s))
        row = trace[:size]
        expose(times[:n], times[:0], frame_s, rise_s, decay_s, hill, substeps, 0.0, 1.0, row, spikes[:size])
        peak, square = 0.0, 0.0
        for value in row:
            peak = max(peak, value)
            square += value * value
        peaks[b], energies[b] = peak, square / (peak * peak)
