"""Compute fluorescence and spike counts of cells block by block, from spike times and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels.calcium import CalciumBlock, CalciumState, Response, integrate_calcium
from pytest_calsim.kernels.spikes import SpikeTrains
from pytest_calsim.kernels.types import Floats, Floats32
from pytest_calsim.steps.slow_courses import SlowCourses

__all__ = ["FRAMES", "CalciumTraces"]

FRAMES = 256
"""Frames from one checkpoint to the next, which are computed together."""

_KEPT_BLOCKS = 4
"""Blocks that are kept, as threads that paint neighbouring frames ask for the same ones."""


@dataclass(frozen=True, eq=False)
class CalciumTraces:
    """Fluorescence of cells in every frame; memory grows with the spikes, and with 1/256 of the frames.

    Attributes
    ----------
    trains
        The spikes.
    response
        How they become fluorescence.
    time_scale
        Each cell's time constants over those of the response, float64 ``(unit,)``.
    offset, gain
        Fluorescence is offset + gain · mean response, float64 ``(unit,)``.
    checkpoints
        Calcium that earlier spikes leave at every 256th frame.
    n_frames
        Number of frames.
    given_dff
        ΔF/F of the first units, in place of what follows from spikes, float32 ``(some units, frame)``; ``None``: none.
    drift
        Courses by which the other units' offsets drift; ``None``: they do not.
    """

    trains: SpikeTrains
    response: Response
    time_scale: Floats
    offset: Floats
    gain: Floats
    checkpoints: tuple[CalciumState, ...]
    n_frames: int
    given_dff: Floats32 | None = None
    drift: SlowCourses | None = None

    @classmethod
    def of(
        cls,
        trains: SpikeTrains,
        response: Response,
        start: CalciumState,
        *,
        time_scale: Floats,
        offset: Floats,
        gain: Floats,
        n_frames: int,
    ) -> CalciumTraces:
        """Go through a recording once, and remember the state at every checkpoint; parameters as those above."""
        states = [start]
        for first in range(0, n_frames - FRAMES, FRAMES):
            frames = range(first, first + FRAMES)
            block = integrate_calcium(
                trains, response, states[-1], frames, time_scale=time_scale, offset=offset, gain=gain
            )
            states.append(block.state)
        return cls(
            trains=trains,
            response=response,
            time_scale=read_only(time_scale),
            offset=read_only(offset),
            gain=read_only(gain),
            checkpoints=tuple(states),
            n_frames=n_frames,
        )

    @cached_property
    def _block(self) -> Callable[[int], CalciumBlock]:
        def block(k: int) -> CalciumBlock:
            frames = range(k * FRAMES, min((k + 1) * FRAMES, self.n_frames))
            return integrate_calcium(
                self.trains,
                self.response,
                self.checkpoints[k],
                frames,
                time_scale=self.time_scale,
                offset=self.offset,
                gain=self.gain,
            )

        return lru_cache(maxsize=_KEPT_BLOCKS)(block)

    def fluorescence(self, start: int, stop: int) -> Floats32:
        """Return the mean over each of frames ``start`` to ``stop``, fresh, float32 ``(unit, frame)``."""
        out = np.empty((len(self.offset), stop - start), np.float32)
        for k, block, here in self._blocks(start, stop):
            out[:, block] = self._block(k).fluorescence[:, here]
        if self.drift is not None:
            out += (self.rest(start, stop) - self.offset[:, np.newaxis]).astype(np.float32)
        if self.given_dff is not None:
            given = self.given_dff[: len(out), start:stop]
            out[: len(given)] = self.offset[: len(given), np.newaxis] * (1 + given.astype(np.float64))
        return out

    def rest(self, start: int, stop: int) -> Floats:
        """Return what is left without spikes in frames ``start`` to ``stop``, fresh, float64 ``(unit, frame)``."""
        rest = np.repeat(self.offset[:, np.newaxis], stop - start, axis=1)
        if self.drift is not None:
            # Given ΔF/F says all that a unit does.
            given = 0 if self.given_dff is None else len(self.given_dff)
            rest[given:] *= self.drift.means(start, stop)[given:]
        return rest

    def spikes(self, start: int, stop: int) -> NDArray[np.uint16]:
        """Return the number of spikes in each of frames ``start`` to ``stop``, fresh, uint16 ``(unit, frame)``."""
        out = np.empty((len(self.offset), stop - start), np.uint16)
        for k, block, here in self._blocks(start, stop):
            out[:, block] = self._block(k).spikes[:, here]
        return out

    @staticmethod
    def _blocks(start: int, stop: int) -> list[tuple[int, slice, slice]]:
        """Return blocks that hold some frames: which one, where it belongs in the result, and what of it."""
        found: list[tuple[int, slice, slice]] = []
        for k in range(start // FRAMES, -(-stop // FRAMES) if stop > start else 0):
            first = max(start, k * FRAMES)
            last = min(stop, (k + 1) * FRAMES)
            found.append((k, slice(first - start, last - start), slice(first - k * FRAMES, last - k * FRAMES)))
        return found
