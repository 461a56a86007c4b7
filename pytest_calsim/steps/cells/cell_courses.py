"""Compute the fluorescence of thousands of cells for some frames at a time; nothing is held for all frames.

Time is cut into windows. A cell's spikes in a window come from a stream that is named by the cell and the window,
and begin in the process' equilibrium. So any window can be drawn without those before it. A window is at least as long
as calcium lasts, so the spikes of two windows give a frame's fluorescence. It is far longer than the correlation time
of the process' state, so windows hardly change the statistics.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.recent import Recent
from pytest_calsim.kernels.calcium import Response, calcium_at_start, integrate_calcium
from pytest_calsim.kernels.ragged import starts_of_groups
from pytest_calsim.kernels.spikes import SpikeProcess, SpikeTrains, draw_spikes
from pytest_calsim.kernels.types import Floats, Floats32, Ints, Keys
from pytest_calsim.steps.cells.shared_input import SharedInput
from pytest_calsim.steps.slow_courses import SlowCourses

__all__ = ["CellCourses"]

_LEAST_WINDOW_S = 20.0
"""Least length of a window, whose spikes are drawn together."""
_MEMORIES = 10
"""Least length of a window, in correlation times of the cells' states."""
_FORGOTTEN = 20
"""Decay times after which calcium counts as gone: 2·10⁻⁹ of a transient is left."""
_CHUNK_S = 3.0
_MOST_CHUNK_FRAMES = 256
"""Frames whose courses are computed together: some seconds, or fewer at high frame rates."""
# From the stream of one window to that of the next, and to that of what came before a window.
_NEXT_WINDOW = 0xBF58476D1CE4E5B9
_PAST = np.uint64(0xD6E8FEB86659FD93)


class _Window(NamedTuple):
    """Spikes of one window: of which cell, and when in the recording, s; in the order of cells, then of time."""

    cell: Ints
    time_s: Floats


@dataclass(frozen=True, eq=False)
class CellCourses:
    """Courses of many cells.

    Attributes
    ----------
    keys
        Name of each cell's streams, uint64 ``(cell,)``.
    process
        Spike process of the cells.
    response
        Response of fluorescence to spikes.
    time_scale
        Each cell's time constants over those of the response, float64 ``(cell,)``.
    longest_decay_s
        No cell's transient decays more slowly; it depends on none of them.
    baseline
        Fluorescence at rest, float64 ``(cell,)``.
    gain
        Peak rise with a lone spike, float64 ``(cell,)``.
    expected
        Long-run mean of the fluorescence, float64 ``(cell,)``.
    n_frames
        Length of the recording.
    shared
        Spikes that events of assemblies add; ``None``: none.
    drift
        Courses by which baselines drift; ``None``: they do not.
    """

    keys: Keys
    process: SpikeProcess
    response: Response
    time_scale: Floats
    longest_decay_s: float
    baseline: Floats
    gain: Floats
    expected: Floats
    n_frames: int
    shared: SharedInput | None = None
    drift: SlowCourses | None = None
    # A painting thread goes through its own chunks in order.
    _windows: Recent[_Window] = field(default_factory=lambda: Recent[_Window](4), repr=False)
    _chunks: Recent[Floats32] = field(default_factory=lambda: Recent[Floats32](6), repr=False)

    def fluorescence(self, start: int, stop: int) -> Floats32:
        """Return each cell's mean fluorescence in frames ``start`` to ``stop``, float32 ``(cell, frame)``."""
        found = np.empty((len(self.keys), stop - start), np.float32)
        frames = self._chunk_frames
        for chunk in range(start // frames, -(-stop // frames)):
            first = chunk * frames
            own = slice(max(start, first), min(stop, first + frames))
            values = self._chunks.get(chunk, partial(self._chunk, chunk))
            found[:, own.start - start : own.stop - start] = values[:, own.start - first : own.stop - first]
        return found

    @property
    def _chunk_frames(self) -> int:
        return min(max(int(_CHUNK_S / self.response.frame_s), 1), _MOST_CHUNK_FRAMES)

    @property
    def _memory_s(self) -> float:
        return _FORGOTTEN * self.longest_decay_s

    @property
    def _window_s(self) -> float:
        return max(_LEAST_WINDOW_S, self._memory_s, _MEMORIES / sum(self.process.leave_hz))

    def _chunk(self, chunk: int) -> Floats32:
        first = chunk * self._chunk_frames
        frames = range(first, min(first + self._chunk_frames, self.n_frames))
        start_s = frames.start * self.response.frame_s
        trains = self._trains(start_s, frames.stop * self.response.frame_s)
        state = calcium_at_start(trains, self.response, self.time_scale)
        block = integrate_calcium(
            trains,
            self.response,
            state,
            frames,
            time_scale=self.time_scale,
            offset=self.baseline,
            gain=self.gain,
        )
        if self.drift is None:
            return read_only(block.fluorescence)
        drifted = self.baseline[:, np.newaxis] * (self.drift.means(frames.start, frames.stop) - 1.0)
        return read_only(block.fluorescence + drifted.astype(np.float32))

    def _trains(self, start_s: float, stop_s: float) -> SpikeTrains:
        """Gather the spikes from one time to another, and by their age those before that still count."""
        n = len(self.keys)
        first_s = start_s - self._memory_s
        numbers = range(max(int(first_s // self._window_s), -1), int(stop_s // self._window_s) + 1)
        windows = [self._windows.get(number, partial(self._window, number)) for number in numbers]
        cell = np.concatenate([window.cell for window in windows])
        time_s = np.concatenate([window.time_s for window in windows])
        near = (time_s >= first_s) & (time_s < stop_s)
        cell = cell[near]
        time_s = time_s[near]
        # Windows follow each other in time, so a stable order of cells keeps each cell's spikes in theirs.
        order = np.argsort(cell, kind="stable")
        cell = cell[order]
        time_s = time_s[order]
        past = time_s < start_s
        ages_s = start_s - time_s[past]
        return SpikeTrains(time_s[~past], starts_of_groups(cell[~past], n), ages_s, starts_of_groups(cell[past], n))

    def _window(self, number: int) -> _Window:
        n = len(self.keys)
        begin_s = number * self._window_s
        lasts_s = min(self._window_s, self.n_frames * self.response.frame_s - begin_s)
        if number < 0:  # before the recording, only spikes that still count at its start are needed
            begin_s = -self._memory_s
            lasts_s = self._memory_s
        if lasts_s <= 0:
            return _Window(np.zeros(0, np.int64), np.zeros(0))
        # Python's whole numbers do not wrap: the window before the recording has the number −1.
        keys = self.keys + np.uint64(number * _NEXT_WINDOW % 2**64)
        dead_s = self.process.refractory_s
        # A cell's own spike soon after the window's end keeps added ones away that come just before it.
        beyond_s = 0.0 if self.shared is None else dead_s
        trains = draw_spikes(keys, keys ^ _PAST, self.process, memory_s=dead_s, end_s=lasts_s + beyond_s)
        window = _Window(np.repeat(np.arange(n), np.diff(trains.start)), begin_s + trains.times_s)
        if self.shared is None:
            return window
        return _Window(*self.shared.added_to(window.cell, window.time_s, begin_s, begin_s + lasts_s))
