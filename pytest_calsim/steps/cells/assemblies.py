"""Make cells active together, in assemblies."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from pytest_calsim.microscope.units import Fraction
from pytest_calsim.steps.cells.activity import Activity
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.shared_input import AssemblyEvents
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["Assemblies", "AssemblyEvents"]


class Assemblies(Step):
    """Assemblies of cells share events, in which their members spike together, in addition to each member's own spikes.

    The events of each assembly are a Poisson process in continuous time. A member takes part in an event with a
    fixed probability, independently of the others, and then adds spikes at a raised rate for the event's duration. So
    the trains of events of two members of one assembly are correlated by ``participation``, exactly (Kuhn, Aertsen &
    Rotter 2003), and their spikes by :meth:`input_correlation`. No draw of any cell changes: added spikes come between
    its own, a dead time away from them.

    All defaults are of low confidence.

    Attributes
    ----------
    n_assemblies
        Number of assemblies. One more changes none of the others.
    member_fraction
        Chance of each cell to belong to an assembly, drawn for each assembly: a cell may belong to several.
    event_rate_hz
        Mean rate of each assembly's events.
    event_duration_s
        Duration of an event.
    participation
        Chance of a member to take part in an event.
    spikes_per_event
        Mean number of spikes, Poisson distributed, that a member adds when it takes part.
    background_members
        Whether background cells belong to assemblies as well, by the same chance.
    """

    n_assemblies: Annotated[int, Field(ge=1, le=64)] = 4
    member_fraction: Fraction = 0.25
    event_rate_hz: Annotated[float, Field(ge=0, le=10)] = 0.1
    event_duration_s: Annotated[float, Field(ge=0.001, le=10)] = 0.2
    participation: Fraction = 0.6
    spikes_per_event: Annotated[float, Field(ge=0, le=100)] = 3.0
    background_members: bool = True

    def check(self, context: SpecContext) -> list[str]:
        """Refuse assemblies of cells without activity."""
        context.demand(Activity, f"n_assemblies = {self.n_assemblies}")
        return []

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of the spikes that are added."""
        acquisition = context.acquisition
        per_cell_hz = self.n_assemblies * self.member_fraction * self.participation * self.added_rate_hz
        return Cost(bytes_per_cell=8 * per_cell_hz * acquisition.n_frames * acquisition.exposure_s)

    @property
    def added_rate_hz(self) -> float:
        """Mean rate of the spikes that one assembly would add to a member that always took part."""
        return self.event_rate_hz * self.spikes_per_event

    def input_correlation(self, window_s: float) -> float:
        """Return the correlation between the spikes that one assembly adds to two of its members.

        It is Pearson's, of counts in windows, without dead times. With p the participation, m the spikes an event
        adds, and f the mean square share of an event in a window: p·m·f/(1 + m·f), or p·m/(1 + m) in long windows.

        Parameters
        ----------
        window_s
            Length of a window, positive.
        """
        longer = max(window_s, self.event_duration_s)
        shorter = min(window_s, self.event_duration_s)
        # ∫ (share of the event in the window)² over the event's begin, per length of the window.
        share = (shorter / self.event_duration_s) ** 2 * (longer - shorter / 3) / window_s
        spikes = self.spikes_per_event * share
        return self.participation * spikes / (1 + spikes)

    def plan(self, ctx: Context, cells: Cells) -> AssemblyEvents:
        """Draw which cells belong to which assemblies; events and spikes are drawn when frames are painted."""
        names = ctx.stream_keys("cell", cells.identity)
        events = AssemblyEvents(
            member=np.zeros((len(cells), self.n_assemblies), bool),
            names=names,
            member_fraction=self.member_fraction,
            event_rate_hz=self.event_rate_hz,
            event_duration_s=self.event_duration_s,
            participation=self.participation,
            spikes_per_event=self.spikes_per_event,
            background_members=self.background_members,
            seed=ctx.seed,
            kind=ctx.kind,
            end_s=ctx.n_frames * ctx.acquisition.exposure_s,
        )
        return replace(events, member=events.members_of(names))
