"""Draw spike trains in continuous time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import array, check_shape, kernel, output

__all__ = ["SpikeTrains", "draw_spikes", "standard_normals"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

_draw_spikes = kernel(
    "draw_spikes",
    int,
    array(np.uint64, 1),
    array(np.uint64, 1),
    array(np.float64, 2),
    float,
    float,
    float,
    float,
    float,
    array(np.int64, 1),
    array(np.int64, 1),
    output(np.float64, 1),
    output(np.float64, 1),
    output(np.int64, 1),
    output(np.int64, 1),
)
_standard_normals = kernel("standard_normals", int, array(np.uint64, 1), output(np.float64, 1))


class SpikeTrains(NamedTuple):
    """Spikes of all cells, one after the other.

    Attributes
    ----------
    times_s, start
        Spikes from 0 on, ascending; cell i's are ``times_s[start[i]:start[i + 1]]``.
    ages_s, age_start
        How long before 0 earlier spikes were, ascending; laid out in the same way.
    """

    times_s: Floats
    start: Ints
    ages_s: Floats
    age_start: Ints


def draw_spikes(
    keys: Keys,
    past_keys: Keys,
    rates_hz: Floats,
    leave_hz: tuple[float, float],
    refractory_s: float,
    *,
    memory_s: float,
    end_s: float,
) -> SpikeTrains:
    """Draw the stationary spike trains of two-state cells around time 0.

    A cell is quiescent or active for exponentially distributed times, with Poisson spikes in each state. Neither
    ``memory_s`` nor ``end_s`` changes a spike that both of two choices include.

    Parameters
    ----------
    keys, past_keys
        Names of each cell's two streams, from 0 on and before it, uint64 ``(cell,)``.
    rates_hz
        Spike rate in the quiescent and the active state, float64 ``(cell, 2)``; times ``refractory_s`` below 1.
    leave_hz
        Rate of leaving each state.
    refractory_s
        Dead time after each spike; the hazard r/(1 − r·refractory) keeps the rate r.
    memory_s
        How far back; no less than ``refractory_s``, as the last spike before 0 may hold up the first one after it.
    end_s
        How far on.

    Raises
    ------
    ValueError
        If shapes disagree, or the memory is too short.
    """
    n = keys.size
    check_shape("past_keys", past_keys, n)
    check_shape("rates_hz", rates_hz, n, 2)
    if memory_s < refractory_s:
        raise ValueError(f"memory_s = {memory_s:g} is shorter than refractory_s = {refractory_s:g}")
    process = keys, past_keys, rates_hz, *leave_hz, refractory_s, memory_s, end_s
    n_ages = np.empty(n, np.int64)
    n_times = np.empty(n, np.int64)
    no_room = np.zeros(n + 1, np.int64)
    nowhere = np.empty(0)
    _draw_spikes(n, *process, no_room, no_room, nowhere, nowhere, n_ages, n_times)
    age_start = np.concatenate([[0], np.cumsum(n_ages)])
    start = np.concatenate([[0], np.cumsum(n_times)])
    trains = SpikeTrains(np.empty(start[-1]), start, np.empty(age_start[-1]), age_start)
    _draw_spikes(n, *process, age_start, start, trains.ages_s, trains.times_s, n_ages, n_times)
    return trains


def standard_normals(keys: Keys) -> Floats:
    """Draw one standard normal number per key: uint64 ``(n,)`` to float64 ``(n,)``."""
    normals = np.empty(keys.size)
    _standard_normals(keys.size, keys, normals)
    return normals
