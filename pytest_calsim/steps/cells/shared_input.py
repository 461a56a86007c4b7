"""Give the cells of an assembly common events, and add the spikes that these cause in their members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.streams import stream, stream_key
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.event_spikes import draw_event_spikes, keep_spikes_apart
from pytest_calsim.kernels.ragged import starts, starts_of_groups
from pytest_calsim.kernels.random_maps import mix
from pytest_calsim.kernels.spikes import SpikeProcess, SpikeTrains
from pytest_calsim.kernels.types import Bools, Floats, Ints, Keys
from pytest_calsim.steps.artifact import Artifact

__all__ = ["AssemblyEvents", "SharedInput"]

_CHUNK = 64
"""Events that are drawn together."""
_CELLS_TOGETHER = 128
"""Cells whose trains are sorted together."""
_MOST_BUSY = 0.9
"""Share of an event that a cell may at most be refractory."""


@dataclass(frozen=True, eq=False)
class AssemblyEvents(Artifact):
    """When assemblies are active, and which cells belong to them.

    Attributes
    ----------
    member
        Whether each planted cell belongs to each assembly; bool ``(n, assembly)``.
    names
        Name of each planted cell; uint64 ``(n,)``.
    member_fraction
        Chance of any cell to belong to an assembly.
    event_rate_hz
        Mean rate of each assembly's events.
    event_duration_s
        Duration of an event.
    participation
        Chance of a member to take part in an event.
    spikes_per_event
        Mean number of spikes that a member adds when it does.
    background_members
        Whether background cells belong as well.
    seed, kind
        Name of the streams.
    end_s
        The recording's length.
    """

    member: Bools
    names: Keys
    member_fraction: float
    event_rate_hz: float
    event_duration_s: float
    participation: float
    spikes_per_event: float
    background_members: bool
    seed: int
    kind: str
    end_s: float

    @property
    def n_assemblies(self) -> int:
        """Number of assemblies."""
        return self.member.shape[1]

    def key(self, *entity: str | int) -> np.uint64:
        """Return the name of one of the step's streams as a 64-bit word."""
        return np.uint64(stream_key(self.seed, self.kind, *entity))

    def members_of(self, names: Keys) -> Bools:
        """Tell which cells belong to which assembly, by the cells' names; bool ``(cell, assembly)``."""
        words = np.array([self.key("member", k) for k in range(self.n_assemblies)], np.uint64)
        # The upper 53 bits of a word as a number in [0, 1).
        draws = (mix(mix(names)[:, np.newaxis] + words) >> np.uint64(11)) * 2.0**-53
        return draws < self.member_fraction

    def events(self, assembly: int, begin_s: float, end_s: float) -> tuple[Ints, Floats]:
        """Return number and begin of an assembly's events from one time to another, ascending.

        Parameters
        ----------
        assembly
            Number of the assembly.
        begin_s, end_s
            From the recording's start. Events before it are counted −1, −2 and so on, back in time.
        """
        later_s = self._arrivals(end_s, "events", assembly)
        earlier_s = -self._arrivals(-begin_s, "events", assembly, "past")[::-1]
        number = np.concatenate([np.arange(-len(earlier_s), 0), np.arange(len(later_s))])
        time_s = np.concatenate([earlier_s, later_s])
        seen = (time_s >= begin_s) & (time_s < end_s)
        return number[seen], time_s[seen]

    def _arrivals(self, until_s: float, *entity: str | int) -> Floats:
        """Return the times of a Poisson process from 0 on; a longer list begins like a shorter one."""
        if until_s <= 0 or self.event_rate_hz == 0:
            return np.zeros(0)
        rng = stream(self.seed, self.kind, *entity)
        parts: list[Floats] = []
        last_s = 0.0
        while last_s < until_s:
            gaps_s = -elementary.log(1 - rng.random(_CHUNK)) / self.event_rate_hz
            parts.append(last_s + np.cumsum(gaps_s))
            last_s = float(parts[-1][-1])
        arrived = np.concatenate(parts)
        return arrived[arrived < until_s]

    def input_of(self, names: Keys, process: SpikeProcess) -> SharedInput:
        """Return the spikes that events add to cells, as a law from which any time can be drawn.

        Parameters
        ----------
        names
            Name of each cell, uint64 ``(cell,)``.
        process
            How they spike by themselves: dead times after their own spikes leave less room for others.
        """
        return SharedInput(self, names, self.members_of(names), process)

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``assembly_member``, and the events' times, assembly by assembly."""
        events_s = [self.events(k, 0.0, self.end_s)[1] for k in range(self.n_assemblies)]
        return {
            "assembly_member": TruthArray(("unit_id", "assembly"), self.member),
            "assembly_event_time_s": TruthArray(("assembly_event",), np.concatenate([np.zeros(0), *events_s]), "s"),
            "assembly_event_start": TruthArray(("assembly_edge",), starts([len(times) for times in events_s])),
        }


@dataclass(frozen=True, eq=False)
class SharedInput:
    """Spikes that events add to some cells.

    Attributes
    ----------
    assemblies
        The events.
    names
        Name of each cell; uint64 ``(cell,)``.
    member
        Whether each belongs to each assembly; bool ``(cell, assembly)``.
    process
        How they spike by themselves.
    """

    assemblies: AssemblyEvents
    names: Keys
    member: Bools
    process: SpikeProcess

    @property
    def _free(self) -> Floats:
        """Share of the time at which a spike is no nearer than a dead time to one of the cell's own, ``(cell,)``."""
        dead_s = self.process.refractory_s
        if dead_s == 0:
            return np.ones(len(self.names))
        hazards_hz, ready = self.process.balanced()
        # Free of spikes for a dead time before, and, in the state of that moment, for one more.
        return (ready * elementary.exp(-hazards_hz * dead_s)).sum(axis=1)

    @property
    def _rates_hz(self) -> Floats:
        """Rate at which a cell offers spikes within an event, so that as many as declared find room, ``(cell,)``."""
        wanted_hz = self.assemblies.spikes_per_event / self.assemblies.event_duration_s / self._free
        dead_s = self.process.refractory_s
        return wanted_hz if dead_s == 0 else np.minimum(wanted_hz, _MOST_BUSY / dead_s)

    @property
    def mean_hz(self) -> Floats:
        """Long-run mean rate of the spikes that are added to each cell, float64 ``(cell,)``."""
        law = self.assemblies
        per_event = self._rates_hz * law.event_duration_s * self._free
        return self.member.sum(axis=1) * (law.event_rate_hz * law.participation * per_event)

    def added_to(self, cell: Ints, time_s: Floats, begin_s: float, end_s: float) -> tuple[Ints, Floats]:
        """Add the spikes of events to the cells' own.

        Parameters
        ----------
        cell, time_s
            The cells' own spikes, in the order of cells, then of time; int64 and float64 ``(spike,)``. They reach a
            dead time beyond ``end_s``.
        begin_s, end_s
            Begin and end of the time that counts, s.

        Returns
        -------
        cell, time_s
            All spikes before ``end_s``, in the same order.
        """
        law = self.assemblies
        dead_s = self.process.refractory_s
        rates_hz = self._rates_hz
        cells = [cell]
        times_s = [time_s]
        for k in range(law.n_assemblies):
            members = np.flatnonzero(self.member[:, k])
            number, event_s = law.events(k, begin_s - law.event_duration_s, end_s)
            who, when_s = draw_event_spikes(
                mix(self.names[members]) + law.key("spikes", k),
                rates_hz[members],
                number,
                event_s,
                participation=law.participation,
                lasts_s=law.event_duration_s,
                refractory_s=dead_s,
            )
            seen = (when_s >= begin_s) & (when_s < end_s)
            cells.append(members[who[seen]])
            times_s.append(when_s[seen])
        cell = np.concatenate(cells)
        time_s = np.concatenate(times_s)
        is_own = np.arange(len(cell)) < len(cells[0])
        order = np.lexsort((time_s, cell))
        cell = cell[order]
        time_s = time_s[order]
        remains = time_s < end_s
        if dead_s > 0:
            remains &= keep_spikes_apart(starts_of_groups(cell, len(self.names)), time_s, is_own[order], dead_s)
        return cell[remains], time_s[remains]

    def added_to_trains(self, trains: SpikeTrains, memory_s: float, end_s: float) -> SpikeTrains:
        """Add the spikes of events to the cells' own on both sides of 0; parameters as in :meth:`added_to`."""
        # Some cells at a time: sorting takes ten times the memory of what is sorted.
        cuts = range(0, len(self.names), _CELLS_TOGETHER)
        blocks = [(first, min(first + _CELLS_TOGETHER, len(self.names))) for first in cuts]
        return SpikeTrains.joined(
            [self._of(first, stop)._added_to_some(trains.of(first, stop), memory_s, end_s) for first, stop in blocks]
        )

    def _of(self, first: int, stop: int) -> SharedInput:
        """Return what events add to the cells from one to another."""
        some = slice(first, stop)
        return replace(self, names=self.names[some], member=self.member[some], process=self.process.of(some))

    def _added_to_some(self, trains: SpikeTrains, memory_s: float, end_s: float) -> SpikeTrains:
        """Do the work of :meth:`added_to_trains` at once for all cells."""
        n = len(self.names)
        now = np.repeat(np.arange(n), np.diff(trains.start))
        before = np.repeat(np.arange(n), np.diff(trains.age_start))
        cell = np.concatenate([now, before])
        time_s = np.concatenate([trains.times_s, -trains.ages_s])
        order = np.lexsort((time_s, cell))
        cell, time_s = self.added_to(cell[order], time_s[order], -memory_s, end_s)
        past = time_s < 0
        # From 0 back, cell by cell.
        back = np.flatnonzero(past)[np.lexsort((-time_s[past], cell[past]))]
        return SpikeTrains(
            times_s=time_s[~past],
            start=starts_of_groups(cell[~past], n),
            ages_s=-time_s[back],
            age_start=starts_of_groups(cell[back], n),
        )
