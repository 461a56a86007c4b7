"""Integrate the calcium of spike trains over exposures, and turn it into fluorescence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import Kernel, array, check_shape, output
from pytest_calsim.kernels.spikes import SpikeTrains
from pytest_calsim.kernels.types import Floats, Floats32, Ints

__all__ = [
    "PROPORTIONAL",
    "CalciumBlock",
    "CalciumState",
    "HillCurve",
    "Response",
    "bout_transients",
    "calcium_at_start",
    "integrate_calcium",
]

_RESPONSE = {
    "frame_s": float,
    "rise_s": float,
    "decay_s": float,
    "substeps": int,
    "kd": float,
    "exponent": float,
    "rest": float,
    "bound": float,
    "scale": float,
}
_calcium_at_start = Kernel(
    "calcium_at_start",
    cells=int,
    start=array(np.int64, "cells + 1"),
    ages_s=array(np.float64, "ages"),
    rise_s=float,
    decay_s=float,
    time_scale=array(np.float64, "cells"),
    slow=output(np.float64, "cells"),
    fast=output(np.float64, "cells"),
)
_integrate_calcium = Kernel(
    "integrate_calcium",
    cells=int,
    frames=int,
    first_frame=int,
    **_RESPONSE,
    start=array(np.int64, "cells + 1"),
    times_s=array(np.float64, "times"),
    time_scale=array(np.float64, "cells"),
    offset=array(np.float64, "cells"),
    gain=array(np.float64, "cells"),
    slow=output(np.float64, "cells"),
    fast=output(np.float64, "cells"),
    next=output(np.int64, "cells"),
    fluorescence=output(np.float32, "cells", "frames"),
    spikes=output(np.uint16, "cells", "frames"),
)
_bout_transients = Kernel(
    "bout_transients",
    bouts=int,
    key=np.uint64,
    hazard_hz=float,
    leave_hz=float,
    refractory_s=float,
    **_RESPONSE,
    peaks=output(np.float64, "bouts"),
    energies=output(np.float64, "bouts"),
)


class HillCurve(NamedTuple):
    """Fluorescence of calcium c in units of a lone spike's peak: H(c) = 1/(1 + (kd/c)ⁿ) above its value at rest.

    Attributes
    ----------
    kd
        Calcium at which half of the indicator is bound; 0 stands for fluorescence in proportion to calcium.
    exponent
        n.
    rest
        Calcium at rest.
    bound
        H(rest).
    scale
        1/(H(rest + 1) − H(rest)).
    """

    kd: float
    exponent: float
    rest: float
    bound: float
    scale: float


PROPORTIONAL = HillCurve(kd=0.0, exponent=0.0, rest=0.0, bound=0.0, scale=0.0)
"""Fluorescence in proportion to calcium."""


class Response(NamedTuple):
    """Response of fluorescence to spikes.

    Attributes
    ----------
    frame_s
        Duration of a frame, all of it exposed.
    rise_s, decay_s
        τr < τd of the transient, whose peak is 1.
    substeps
        Number of equal parts of a frame over which Hill's curve is averaged; unused without saturation.
    hill
        The saturation.
    """

    frame_s: float
    rise_s: float
    decay_s: float
    substeps: int
    hill: HillCurve = PROPORTIONAL

    def numbers(self) -> dict[str, float]:
        """Return its numbers and those of the saturation, by their names in C."""
        times = {name: value for name, value in self._asdict().items() if name != "hill"}
        return times | self.hill._asdict()


class CalciumState(NamedTuple):
    """State of the calcium at the start of a block of frames: all that later frames need of earlier ones.

    Attributes
    ----------
    slow, fast
        Sums of the slow and of the fast exponentials of earlier spikes, float64 ``(cell,)``.
    next_spike
        Each cell's first spike that is still to come, counted among its own, int64 ``(cell,)``.
    """

    slow: Floats
    fast: Floats
    next_spike: Ints


class CalciumBlock(NamedTuple):
    """Traces of a block of frames.

    Attributes
    ----------
    fluorescence
        Mean over each frame, float32 ``(cell, frame)``.
    spikes
        Number in each frame, uint16 ``(cell, frame)``.
    state
        State at the block's end, from which the next block starts.
    """

    fluorescence: Floats32
    spikes: NDArray[np.uint16]
    state: CalciumState


def calcium_at_start(trains: SpikeTrains, response: Response, time_scale: Floats) -> CalciumState:
    """Compute the state at time 0 that earlier spikes leave.

    Parameters
    ----------
    trains
        Spikes of all cells.
    response
        How they become fluorescence.
    time_scale
        Each cell's time constants over those of the response, float64 ``(cell,)``.
    """
    n = trains.age_start.size - 1
    check_shape("ages_s", trains.ages_s, int(trains.age_start[-1]))
    state = CalciumState(np.empty(n), np.empty(n), np.zeros(n, np.int64))
    _calcium_at_start(
        start=trains.age_start,
        ages_s=trains.ages_s,
        rise_s=response.rise_s,
        decay_s=response.decay_s,
        time_scale=time_scale,
        slow=state.slow,
        fast=state.fast,
    )
    return state


def integrate_calcium(
    trains: SpikeTrains,
    response: Response,
    state: CalciumState,
    frames: range,
    *,
    time_scale: Floats,
    offset: Floats,
    gain: Floats,
) -> CalciumBlock:
    """Compute each cell's fluorescence, and its number of spikes, in each of consecutive frames.

    Frame f lasts from f·frame_s to (f + 1)·frame_s. A recording cut into blocks has the bits of one that is not.
    Without saturation the mean over a frame is exact; with it, Hill's curve is averaged over the middles of substeps.

    Parameters
    ----------
    trains
        Spikes of all cells, at least until the last frame's end.
    response
        How they become fluorescence.
    state
        State at the first frame's start; it is not changed.
    frames
        Frames of the block, with a step of 1.
    time_scale
        Each cell's time constants over those of the response, float64 ``(cell,)``.
    offset, gain
        Fluorescence is offset + gain · mean response, float64 ``(cell,)``.

    Raises
    ------
    ValueError
        If shapes disagree, or frames are not consecutive.
    """
    if frames.step != 1:
        raise ValueError(f"{frames} must have a step of 1: frames are integrated one after the other")
    n = trains.start.size - 1
    check_shape("times_s", trains.times_s, int(trains.start[-1]))
    # The kernel advances the state in place; the caller may start another block from the one that it has.
    after = CalciumState(state.slow.copy(), state.fast.copy(), state.next_spike.copy())
    block = CalciumBlock(np.empty((n, len(frames)), np.float32), np.empty((n, len(frames)), np.uint16), after)
    _integrate_calcium(
        first_frame=frames.start,
        **response.numbers(),
        start=trains.start,
        times_s=trains.times_s,
        time_scale=time_scale,
        offset=offset,
        gain=gain,
        slow=after.slow,
        fast=after.fast,
        next=after.next_spike,
        fluorescence=block.fluorescence,
        spikes=block.spikes,
    )
    return block


def bout_transients(
    key: np.uint64, hazard_hz: float, leave_hz: float, refractory_s: float, response: Response, n_bouts: int
) -> tuple[Floats, Floats]:
    """Measure the transients of lone active bouts with at least one spike.

    A bout's draws are the same at every rate, so both results are smooth in the rate.

    Parameters
    ----------
    key
        Name of the bouts' stream.
    hazard_hz, leave_hz
        Rate of spikes within a bout outside dead times, up to 5000 Hz, and rate of leaving the bout.
    refractory_s
        Dead time after each spike.
    response
        How spikes become fluorescence. Frames start at a uniform phase.
    n_bouts
        Number of bouts.

    Returns
    -------
    Peak response, and Σ over frames of (response/peak)²; float64 ``(n_bouts,)``.
    """
    peaks = np.empty(n_bouts)
    energies = np.empty(n_bouts)
    _bout_transients(
        key=key,
        hazard_hz=hazard_hz,
        leave_hz=leave_hz,
        refractory_s=refractory_s,
        **response.numbers(),
        peaks=peaks,
        energies=energies,
    )
    return peaks, energies
