"""Spike trains in continuous time.

A cell is a two-state process: quiescent or active for exponentially distributed times, with Poisson spikes in each
state, refractory if so declared. Its draws come one after the other from the cell's own counter, so a longer
recording extends a shorter one, and the frame rate has no part in it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.hashing import GAMMA, mix
from pytest_calsim.compiled.jit import compiled

__all__ = ["count_spikes", "standard_normals", "train", "uniform"]

_11, _ONE = np.uint64(11), np.uint64(1)


@compiled
def uniform(counter: np.uint64) -> tuple[np.uint64, float]:
    """SplitMix64 (Steele, Lea & Flood 2014): the next counter, and a uniform number in (0, 1]."""
    counter = np.uint64(counter + GAMMA)
    return counter, float((mix(counter) >> _11) + _ONE) * 2.0**-53


def standard_normals(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """One standard normal number per key (Box-Muller)."""
    out = np.empty(keys.size)
    _draw_normals(keys, out)
    return out


@compiled
def _draw_normals(keys: NDArray[np.uint64], out: NDArray[np.float64]) -> None:
    for i in range(keys.size):
        counter, u = uniform(keys[i])
        counter, v = uniform(counter)
        out[i] = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)


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
    counter, u = uniform(counter)
    switch = -math.log(u) / leave_hz[int(active)]
    while True:
        hazard = hazards[int(active)]
        spike = math.inf
        if hazard > 0:
            counter, u = uniform(counter)
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
            counter, u = uniform(counter)
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
    counter, u = uniform(key)
    active = u * (leave_hz[0] + leave_hz[1]) <= leave_hz[0]
    past, v = uniform(past_key)
    # Time since the last spike, in equilibrium: within the dead time with probability rate x dead time, uniformly.
    n_past, ready = 0, refractory_s
    if v < rates_hz[int(active)] * refractory_s:
        ages[0] = v / rates_hz[int(active)]
        n_past, ready = 1, ages[0] + refractory_s
    n_past = _walk(past, active, ready, hazards, leave_hz, refractory_s, memory_s, n_past, ages)
    n = _walk(counter, active, refractory_s - ages[0], hazards, leave_hz, refractory_s, end_s, 0, times)
    return n_past, n


def count_spikes(
    keys: NDArray[np.uint64],
    past_keys: NDArray[np.uint64],
    rates_hz: NDArray[np.float64],
    leave_hz: tuple[float, float],
    refractory_s: float,
    *,
    memory_s: float,
    end_s: float,
) -> NDArray[np.int64]:
    """Spikes of each cell within ``memory_s`` before 0, and from 0 to ``end_s``: ``(2, cell)``.

    ``rates_hz`` is ``(cell, 2)``, for the (quiescent, active) state. The memory is no shorter than ``refractory_s``:
    the last spike before 0 may hold up the first one after it.
    """
    counts = np.empty((2, keys.size), np.int64)
    none, age = np.empty(0), np.empty(1)
    _count_into(keys, past_keys, rates_hz, leave_hz, refractory_s, memory_s, end_s, age, none, counts)
    return counts


@compiled
def _count_into(
    keys: NDArray[np.uint64],
    past_keys: NDArray[np.uint64],
    rates_hz: NDArray[np.float64],
    leave_hz: tuple[float, float],
    refractory_s: float,
    memory_s: float,
    end_s: float,
    age: NDArray[np.float64],
    none: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    for i in range(keys.size):
        age[0] = math.inf
        rates = (rates_hz[i, 0], rates_hz[i, 1])
        counts[0, i], counts[1, i] = train(
            keys[i], past_keys[i], rates, leave_hz, refractory_s, memory_s, end_s, age, none
        )
