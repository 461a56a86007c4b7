"""Draw the spikes that events add to cells, and keep them apart from the cells' own."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, check_shape, output
from pytest_calsim.kernels.ragged import starts
from pytest_calsim.kernels.types import Bools, Floats, Ints, Keys

__all__ = ["draw_event_spikes", "keep_spikes_apart"]

_draw_event_spikes = Kernel(
    "draw_event_spikes",
    cells=int,
    keys=array(np.uint64, "cells"),
    rates_hz=array(np.float64, "cells"),
    hazards_hz=array(np.float64, "cells"),
    events=int,
    number=array(np.int64, "events"),
    begin_s=array(np.float64, "events"),
    participation=float,
    lasts_s=float,
    refractory_s=float,
    start=array(np.int64, "cells + 1"),
    times_s=output(np.float64, "spikes"),
    counts=output(np.int64, "cells"),
)
_keep_spikes_apart = Kernel(
    "keep_spikes_apart",
    cells=int,
    start=array(np.int64, "cells + 1"),
    times_s=array(np.float64, "spikes"),
    is_own=array(np.bool_, "spikes"),
    refractory_s=float,
    remains=output(np.bool_, "spikes"),
)


def draw_event_spikes(
    keys: Keys,
    rates_hz: Floats,
    number: Ints,
    begin_s: Floats,
    *,
    participation: float,
    lasts_s: float,
    refractory_s: float,
) -> tuple[Ints, Floats]:
    """Draw the spikes that each cell adds in each event.

    A cell takes part in an event with probability ``participation``. Then it spikes as a Poisson process with dead
    times, at its rate from the event's begin to its end.

    Parameters
    ----------
    keys
        Name of each cell's stream, uint64 ``(cell,)``.
    rates_hz
        Rate of each cell within an event, float64 ``(cell,)``; times ``refractory_s`` below 1.
    number, begin_s
        Name of each event, int64, and when it begins, float64; each ``(event,)``.
    participation
        Probability, 0 to 1.
    lasts_s
        Duration of an event.
    refractory_s
        Dead time after each spike.

    Returns
    -------
    cell, time_s
        Of each spike, cell by cell and event by event; int64 and float64 ``(spike,)``.

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    given = {
        "keys": keys,
        "rates_hz": rates_hz,
        # With dead times t, a hazard h gives the rate r = h/(1 + h·t).
        "hazards_hz": rates_hz / (1 - rates_hz * refractory_s),
        "number": number,
        "begin_s": begin_s,
        "participation": participation,
        "lasts_s": lasts_s,
        "refractory_s": refractory_s,
    }
    counts = np.empty(keys.size, np.int64)
    # Without room the kernel only counts; the same draws then fill the room that is made.
    _draw_event_spikes(**given, start=np.zeros(keys.size + 1, np.int64), times_s=np.empty(0), counts=counts)
    start = starts(counts)
    times_s = np.empty(start[-1])
    _draw_event_spikes(**given, start=start, times_s=times_s, counts=counts)
    return np.repeat(np.arange(keys.size), counts), times_s


def keep_spikes_apart(start: Ints, times_s: Floats, is_own: Bools, refractory_s: float) -> Bools:
    """Say which spikes remain if each cell's own keep added ones a dead time away.

    Parameters
    ----------
    start
        Where each cell's spikes begin, and where the last one's end; int64 ``(cell + 1,)``.
    times_s
        Ascending within a cell, float64 ``(spike,)``.
    is_own
        Whether each is a spike of the cell's own, which remains; bool ``(spike,)``.
    refractory_s
        Dead time. An added spike remains unless one that remains came less than this earlier, or one of the cell's own
        comes less than this later.

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    check_shape("times_s", times_s, int(start[-1]))
    remains = np.empty(times_s.size, np.bool_)
    _keep_spikes_apart(start=start, times_s=times_s, is_own=is_own, refractory_s=refractory_s, remains=remains)
    return remains
