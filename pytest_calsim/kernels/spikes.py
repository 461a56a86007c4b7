"""Draw spike trains in continuous time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.library import Kernel, array, check_shape, output
from pytest_calsim.kernels.ragged import starts
from pytest_calsim.kernels.types import Floats, Ints, Keys

__all__ = ["SpikeProcess", "SpikeTrains", "draw_spikes", "standard_normals"]

_draw_spikes = Kernel(
    "draw_spikes",
    cells=int,
    keys=array(np.uint64, "cells"),
    past_keys=array(np.uint64, "cells"),
    hazards_hz=array(np.float64, "cells", 2),
    ready=array(np.float64, "cells", 2),
    leave_quiescent_hz=float,
    leave_active_hz=float,
    refractory_s=float,
    memory_s=float,
    end_s=float,
    age_start=array(np.int64, "cells + 1"),
    time_start=array(np.int64, "cells + 1"),
    ages_s=output(np.float64, "spikes before"),
    times_s=output(np.float64, "spikes"),
    n_ages=output(np.int64, "cells"),
    n_times=output(np.int64, "cells"),
)
_standard_normals = Kernel("standard_normals", n=int, keys=array(np.uint64, "n"), normals=output(np.float64, "n"))


class SpikeProcess(NamedTuple):
    """Spike process of cells: quiescent or active for exponentially distributed times, with a rate in each state.

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
        """Return the process of some of the cells."""
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
        # Without dead times hazards are the rates, to the last bit.
        if self.refractory_s == 0:
            return np.ascontiguousarray(self.rates_hz), np.tile(shares, (len(self.rates_hz), 1))
        both_hz = sum(self.leave_hz)
        # Chance to be in the other state after a dead time t: that state's share · (1 − e^(−both·t)).
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

    def of(self, first: int, stop: int) -> SpikeTrains:
        """Return the spikes of the cells from one to another; their times are views."""
        start = self.start[first : stop + 1]
        age_start = self.age_start[first : stop + 1]
        return SpikeTrains(
            times_s=self.times_s[start[0] : start[-1]],
            start=start - start[0],
            ages_s=self.ages_s[age_start[0] : age_start[-1]],
            age_start=age_start - age_start[0],
        )

    @classmethod
    def joined(cls, parts: Sequence[SpikeTrains]) -> SpikeTrains:
        """Return the spikes of some cells, then those of others."""
        none = np.zeros(0, np.int64)
        return cls(
            times_s=np.concatenate([np.zeros(0), *(part.times_s for part in parts)]),
            start=starts(np.concatenate([none, *(np.diff(part.start) for part in parts)])),
            ages_s=np.concatenate([np.zeros(0), *(part.ages_s for part in parts)]),
            age_start=starts(np.concatenate([none, *(np.diff(part.age_start) for part in parts)])),
        )


def draw_spikes(keys: Keys, past_keys: Keys, process: SpikeProcess, *, memory_s: float, end_s: float) -> SpikeTrains:
    """Draw the stationary spike trains of two-state cells around time 0.

    Neither ``memory_s`` nor ``end_s`` changes a spike that both of two choices include.

    Parameters
    ----------
    keys, past_keys
        Names of each cell's streams for the time from 0 on, and for the time before; uint64 ``(cell,)``.
    process
        How the cells spike.
    memory_s
        Length of the past that is drawn, s; at least the dead time, as the last spike before 0 may delay the next.
    end_s
        End of the drawn time, s.

    Raises
    ------
    ValueError
        If shapes disagree, or the memory is too short.
    """
    n = keys.size
    check_shape("rates_hz", process.rates_hz, n, 2)
    if memory_s < process.refractory_s:
        raise ValueError(f"memory_s = {memory_s:g} must be at least refractory_s = {process.refractory_s:g}")
    hazards_hz, ready = process.balanced()
    leave_quiescent_hz, leave_active_hz = process.leave_hz
    n_ages = np.empty(n, np.int64)
    n_times = np.empty(n, np.int64)
    given = {
        "keys": keys,
        "past_keys": past_keys,
        "hazards_hz": hazards_hz,
        "ready": ready,
        "leave_quiescent_hz": leave_quiescent_hz,
        "leave_active_hz": leave_active_hz,
        "refractory_s": process.refractory_s,
        "memory_s": memory_s,
        "end_s": end_s,
        "n_ages": n_ages,
        "n_times": n_times,
    }
    # Without room the kernel only counts; the same draws then fill the room that is made.
    no_room = np.zeros(n + 1, np.int64)
    _draw_spikes(**given, age_start=no_room, time_start=no_room, ages_s=np.empty(0), times_s=np.empty(0))
    age_start = starts(n_ages)
    start = starts(n_times)
    trains = SpikeTrains(np.empty(start[-1]), start, np.empty(age_start[-1]), age_start)
    _draw_spikes(**given, age_start=age_start, time_start=start, ages_s=trains.ages_s, times_s=trains.times_s)
    return trains


def standard_normals(keys: Keys) -> Floats:
    """Draw one standard normal number per key: uint64 ``(n,)`` to float64 ``(n,)``."""
    normals = np.empty(keys.size)
    _standard_normals(keys=keys, normals=normals)
    return normals
