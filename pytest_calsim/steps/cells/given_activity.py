"""Put the user's own spikes in place of drawn ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from pytest_calsim.arrays.plain import plain
from pytest_calsim.kernels.ragged import starts
from pytest_calsim.kernels.spikes import SpikeTrains
from pytest_calsim.kernels.types import Floats
from pytest_calsim.steps.cells.population import MAX_CELLS

__all__ = ["GivenTrains", "SpikeTimes", "check_spike_times", "late_spike_warnings", "mean_rates_hz", "with_given"]

SpikeTime = Annotated[float, Field(ge=-1e4, le=1e6)]
SpikeTimes = Annotated[tuple[SpikeTime, ...], BeforeValidator(plain)]
"""Times of one cell's spikes, s, ascending."""
GivenTrains = Annotated[tuple[SpikeTimes | None, ...], Field(max_length=MAX_CELLS), BeforeValidator(plain)]
"""Spike times of the first cells; ``None`` leaves a cell what is drawn."""


def check_spike_times(trains: Sequence[SpikeTimes | None]) -> None:
    """Refuse times that do not ascend.

    Raises
    ------
    ValueError
        With the cell and the two times.
    """
    for i, times in enumerate(trains):
        for before, after in itertools.pairwise(times or ()):
            if after < before:
                raise ValueError(
                    f"spike_times_s[{i}] must ascend, and {after:g} s comes after {before:g} s; sort the times of "
                    "each cell"
                )


def late_spike_warnings(trains: Sequence[SpikeTimes | None], end_s: float) -> list[str]:
    """Return a soft warning if spikes lie beyond the recording's end, else nothing."""
    late = [(i, sum(t >= end_s for t in times or ())) for i, times in enumerate(trains)]
    count = sum(n for _, n in late)
    if count == 0:
        return []
    first = next(i for i, n in late if n)
    return [
        f"{count} of the given spikes lie beyond the recording's {end_s:g} s and are not shown, the first of them in "
        f"spike_times_s[{first}]"
    ]


def with_given(trains: SpikeTrains, given: Sequence[SpikeTimes | None], end_s: float) -> SpikeTrains:
    """Put given spikes in the place of those that were drawn.

    Parameters
    ----------
    trains
        Spikes of all cells.
    given
        Spike times of the first cells, those before 0 negative; ``None`` leaves a cell what was drawn.
    end_s
        The recording's end.
    """
    if all(own is None for own in given):
        return trains
    times_s = np.split(trains.times_s, trains.start[1:-1])
    ages_s = np.split(trains.ages_s, trains.age_start[1:-1])
    n = len(trains.start) - 1
    for i, own in enumerate(given[:n]):
        if own is not None:
            train_s = np.array(own, np.float64)
            times_s[i] = train_s[(train_s >= 0) & (train_s < end_s)]
            ages_s[i] = -train_s[train_s < 0][::-1]
    return SpikeTrains(
        times_s=np.concatenate([np.zeros(0), *times_s[:n]]),
        start=starts([len(times) for times in times_s[:n]]),
        ages_s=np.concatenate([np.zeros(0), *ages_s[:n]]),
        age_start=starts([len(ages) for ages in ages_s[:n]]),
    )


def mean_rates_hz(drawn_hz: Floats, given: Sequence[SpikeTimes | None]) -> Floats:
    """Return each cell's mean rate, Hz ``(n,)``; that of given spikes is their number over the time of the last one.

    That time counts as 1 s if it is shorter.
    """
    rates_hz = drawn_hz.copy()
    for i, own in enumerate(given[: len(rates_hz)]):
        if own is not None:
            seen = [t for t in own if t >= 0]
            # By the last spike, not by the recording's end, so that a longer recording changes nothing.
            rates_hz[i] = len(seen) / max([1.0, *seen])
    return rates_hz
