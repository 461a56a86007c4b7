"""Slow courses of many sources, computed for the frames that are asked for; nothing is held for all frames.

Each is exp(σx − σ²/2), x an Ornstein-Uhlenbeck process of variance 1 on a clock of τ/10. Time is cut into windows of
20 τ, and a window's kicks have streams of their own. What a window begins with is what the kicks of the window before
it add up to: what came earlier has faded to 2·10⁻⁹. So any window can be drawn without those before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.recent import Recent
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.spikes import standard_normals
from pytest_calsim.microscope.exposure import mean_of_lines

__all__ = ["SlowCourses"]

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

# Between ticks the course is a straight line, whose variance is on average (1 − e^(−1/10))/3 = 3 % too small.
_TICKS_PER_TIME_CONSTANT = 10
_TICKS = 20 * _TICKS_PER_TIME_CONSTANT
_RHO = math.exp(-1 / _TICKS_PER_TIME_CONSTANT)
_NEXT_TICK = 0xBF58476D1CE4E5B9


@dataclass(frozen=True, eq=False)
class SlowCourses:
    """Positive courses of mean 1.

    Attributes
    ----------
    keys
        Name of each source's stream, uint64 ``(source,)``.
    time_constant_s
        τ.
    sd
        Standard deviation: σ² = ln(1 + sd²).
    frame_s
        Duration of a frame, all of it exposed.
    """

    keys: Keys
    time_constant_s: float
    sd: float
    frame_s: float
    _windows: Recent[Floats] = field(default_factory=lambda: Recent[Floats](4), repr=False)
    _courses: Recent[Floats] = field(default_factory=lambda: Recent[Floats](4), repr=False)

    def means(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return each source's mean over the exposures of frames ``start`` to ``stop``, float32 ``(source, frame)``."""
        starts_s = np.arange(start, stop) * self.frame_s
        first = int(starts_s[0] // self._tick_s)
        last = int((starts_s[-1] + self.frame_s) // self._tick_s) + 1
        windows = [self._course(w) for w in range(first // _TICKS, last // _TICKS + 1)]
        begin = first // _TICKS * _TICKS
        values = np.concatenate(windows, axis=1)[:, first - begin : last + 1 - begin]
        # Frame by frame, so that a mean does not depend on which frames are asked for together.
        ticks_s = np.arange(first, last + 1) * self._tick_s
        found = np.empty((len(self.keys), len(starts_s)), np.float32)
        for i, start_s in enumerate(starts_s.tolist()):
            low = int(start_s // self._tick_s) - first
            high = int((start_s + self.frame_s) // self._tick_s) + 2 - first
            frame = np.array([start_s])
            found[:, i] = mean_of_lines(ticks_s[low:high], values[:, low:high], frame, self.frame_s)[:, 0]
        return found

    @property
    def _tick_s(self) -> float:
        return self.time_constant_s / _TICKS_PER_TIME_CONSTANT

    def _course(self, window: int) -> Floats:
        """The course at a window's ticks, float64 ``(source, tick)``."""
        return self._courses.get(window, lambda: self._walk(window))

    def _walk(self, window: int) -> Floats:
        x = self._faded(window - 1)[:, -1]
        kicks = self._faded(window)
        fade = elementary.power(_RHO, np.arange(1, _TICKS + 1, dtype=np.float64))
        variance = math.log1p(self.sd**2)
        sigma = math.sqrt(variance)
        return read_only(elementary.exp(sigma * (kicks + x[:, np.newaxis] * fade) - variance / 2))

    def _faded(self, window: int) -> Floats:
        """What a window's kicks add up to at each of its ticks, float64 ``(source, tick)``."""
        return self._windows.get(window, lambda: self._kicked(window))

    def _kicked(self, window: int) -> Floats:
        ticks = np.arange(window * _TICKS, (window + 1) * _TICKS)
        offsets = ticks.astype(np.uint64) * np.uint64(_NEXT_TICK)
        names = np.add.outer(self.keys, offsets)
        x = standard_normals(names.ravel()).reshape(names.shape)
        x *= math.sqrt(1 - _RHO**2)
        for i in range(1, _TICKS):
            x[:, i] += _RHO * x[:, i - 1]
        return read_only(x)
