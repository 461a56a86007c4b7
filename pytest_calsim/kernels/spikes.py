"""Draw spike trains in continuous time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.library import array, check_shape, kernel, output
from pytest_calsim.kernels.types import Floats, Ints, Keys

__all__ = ["SpikeProcess", "SpikeTrains", "draw_spikes", "standard_normals"]

_draw_spikes = kernel(
    "draw_spikes",
    int,
    array(np.uint64, 1),
    array(np.uint64, 1),
    array(np.float64, 2),
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


class SpikeProcess(NamedTuple):
    """How cells spike: quiescent or active for exponentially distributed times, at a rate in each state.

    Attributes
    ----------
    rates_hz
        Long-run spike rate while quiescent and while active, float64 ``(cell, 2)``; times ``refractory_s`` below 1.
    leave_hz
        Rate of leaving each state.
    refractory_s
        Dead time after each spike.
    """

    rates_hz: Floats
    leave_hz: tuple[float, float]
    refractory_s: float

    @property
    def state_shares(self) -> Floats:
        """Share of the time in each state, float64 ``(2,)``."""
        quiescent_hz, active_hz = self.leave_hz
        return np.array([active_hz, quiescent_hz]) / (quiescent_hz + active_hz)

    @property
    def mean_hz(self) -> Floats:
        """Long-run mean rate of each cell, float64 ``(cell,)``."""
        shares = self.state_shares
        return self.rates_hz[:, 0] * shares[0] + self.rates_hz[:, 1] * shares[1]

    def of(self, cells: slice | Ints) -> SpikeProcess:
        """Return the process of some cells."""
        return self._replace(rates_hz=self.rates_hz[cells])

    def balanced(self) -> tuple[Floats, Floats]:
        """Solve for the hazards that give the declared rates, however short the bouts.

        Let π be the share of the time in a state and R its part outside dead times; spikes come at π·r = h·R. Dead
        times end in the state that the cell is in by then. So the balance of R in the active state reads
        R₁·k₁ − R₀·k₀ = π₀r₀·P₀₁ − π₁r₁·P₁₀, where k are the rates of leaving and P the chances to change state within
        a dead time t; and R₀ + R₁ = 1 − (π₀r₀ + π₁r₁)·t. For bouts much longer than t, h = r/(1 − r·t).

        Returns
        -------
        hazards_hz, ready
            h and R of each state, float64 ``(cell, 2)``.
        """
        shares = self.state_shares
        if self.refractory_s == 0:
            return np.ascontiguousarray(self.rates_hz), np.tile(shares, (len(self.rates_hz), 1))
        both_hz = sum(self.leave_hz)
        changed = 1 - float(elementary.exp(np.array([-both_hz * self.refractory_s]))[0])
        spikes_hz = self.rates_hz * shares
        into_active = changed * (spikes_hz[:, 0] * shares[1] - spikes_hz[:, 1] * shares[0]) / both_hz
        free = 1 - (spikes_hz[:, 0] + spikes_hz[:, 1]) * self.refractory_s
        ready = np.column_stack([shares[0] * free - into_active, shares[1] * free + into_active])
        return spikes_hz / ready, ready


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


def draw_spikes(keys: Keys, past_keys: Keys, process: SpikeProcess, *, memory_s: float, end_s: float) -> SpikeTrains:
    """Draw the stationary spike trains of two-state cells around time 0.

    Neither ``memory_s`` nor ``end_s`` changes a spike that both of two choices include.

    Parameters
    ----------
    keys, past_keys
        Names of each cell's two streams, from 0 on and before it, uint64 ``(cell,)``.
    process
        How they spike.
    memory_s
        How far back; no less than the dead time, as the last spike before 0 may hold up the first one after it.
    end_s
        How far on.

    Raises
    ------
    ValueError
        If shapes disagree, or the memory is too short.
    """
    n = keys.size
    check_shape("past_keys", past_keys, n)
    check_shape("rates_hz", process.rates_hz, n, 2)
    if memory_s < process.refractory_s:
        raise ValueError(f"memory_s = {memory_s:g} is shorter than refractory_s = {process.refractory_s:g}")
    law = keys, past_keys, *process.balanced(), *process.leave_hz, process.refractory_s, memory_s, end_s
    n_ages = np.empty(n, np.int64)
    n_times = np.empty(n, np.int64)
    no_room = np.zeros(n + 1, np.int64)
    nowhere = np.empty(0)
    _draw_spikes(n, *law, no_room, no_room, nowhere, nowhere, n_ages, n_times)
    age_start = np.concatenate([[0], np.cumsum(n_ages)])
    start = np.concatenate([[0], np.cumsum(n_times)])
    trains = SpikeTrains(np.empty(start[-1]), start, np.empty(age_start[-1]), age_start)
    _draw_spikes(n, *law, age_start, start, trains.ages_s, trains.times_s, n_ages, n_times)
    return trains


def standard_normals(keys: Keys) -> Floats:
    """Draw one standard normal number per key: uint64 ``(n,)`` to float64 ``(n,)``."""
    normals = np.empty(keys.size)
    _standard_normals(keys.size, keys, normals)
    return normals
