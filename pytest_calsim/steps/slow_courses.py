"""Compute slow courses of many sources for some frames at a time; nothing is held for all frames.

Each is exp(σx − σ²/2), x an Ornstein-Uhlenbeck process of variance 1 on a clock of τ/5, with straight lines between its
ticks. Because of these lines correlations are up to 0.05 higher than exp(−t/τ). Time is cut into windows of 16 τ, each
with its own streams of kicks. A window begins with the sum of the kicks of the window before it; the traces of earlier
kicks have faded to 10⁻⁷. So any window can be drawn without those before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.recent import Recent
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.spikes import standard_normals
from pytest_calsim.kernels.types import Floats, Floats32, Image, Keys
from pytest_calsim.steps.lognormal import lognormal

__all__ = ["SlowCourses"]


_TICKS_PER_TIME_CONSTANT = 5
_TICKS = 16 * _TICKS_PER_TIME_CONSTANT
_RHO = math.exp(-1 / _TICKS_PER_TIME_CONSTANT)
_BETWEEN = 1 - (1 - _RHO) / 3
"""Variance on average over time of straight lines between ticks, that at ticks being 1."""
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
    _windows: Recent[Floats] = field(default_factory=lambda: Recent[Floats](2), repr=False)
    _courses: Recent[Image] = field(default_factory=lambda: Recent[Image](3), repr=False)

    def means(self, start: int, stop: int) -> Floats32:
        """Return each source's mean over the exposures of frames ``start`` to ``stop``, float32 ``(source, frame)``."""
        if stop <= start:
            return np.zeros((len(self.keys), 0), np.float32)
        ticks_per_frame = self.frame_s / self._tick_s
        begin = np.arange(start, stop, dtype=np.float64) * ticks_per_frame
        end = np.arange(start + 1, stop + 1, dtype=np.float64) * ticks_per_frame
        first = np.floor(begin).astype(np.int64)
        windows = range(int(first[0]) // _TICKS, (int(end[-1]) + 1) // _TICKS + 1)
        courses = [self._course(window) for window in windows]
        values = courses[0] if len(courses) == 1 else np.concatenate(courses, axis=1)
        last = values.shape[1] - 1
        found = np.zeros((len(self.keys), stop - start), np.float32)
        # Straight lines between ticks are sums of hats; a hat counts by what the exposure sees of it. One that the
        # exposure does not see adds nothing, so a mean does not depend on which frames are asked for together.
        for tick in range(int((np.ceil(end) - first).max()) + 1):
            at = first + tick
            seen = (_hat_until(end - at) - _hat_until(begin - at)) / ticks_per_frame
            found += values[:, np.minimum(at - windows[0] * _TICKS, last)] * seen.astype(np.float32)
        return found

    @property
    def _tick_s(self) -> float:
        return self.time_constant_s / _TICKS_PER_TIME_CONSTANT

    def _course(self, window: int) -> Image:
        """Return the course at a window's ticks, float32 ``(source, tick)``."""
        return self._courses.get(window, partial(self._walk, window))

    def _walk(self, window: int) -> Image:
        x = self._faded(window - 1)[:, -1]
        kicks = self._faded(window)
        fade = elementary.power(_RHO, np.arange(1, _TICKS + 1, dtype=np.float64))
        return read_only(lognormal(kicks + x[:, np.newaxis] * fade, self.sd).astype(np.float32))

    def _faded(self, window: int) -> Floats:
        """Return what a window's kicks add up to at each of its ticks, float64 ``(source, tick)``."""
        return self._windows.get(window, partial(self._kicked, window))

    def _kicked(self, window: int) -> Floats:
        ticks = np.arange(window * _TICKS, (window + 1) * _TICKS)
        offsets = ticks.astype(np.uint64) * np.uint64(_NEXT_TICK)
        names = np.add.outer(self.keys, offsets)
        x = standard_normals(names.ravel()).reshape(names.shape)
        x *= math.sqrt((1 - _RHO**2) / _BETWEEN)
        # Exact for an Ornstein-Uhlenbeck process: x' = ρx + √(1 − ρ²)·ξ.
        for i in range(1, _TICKS):
            x[:, i] += _RHO * x[:, i - 1]
        return read_only(x)


def _hat_until(u: NDArray[Any]) -> NDArray[Any]:
    """Return the area under the hat max(0, 1 − |u|) up to u."""
    u = np.clip(u, -1.0, 1.0)
    return np.where(u < 0, (1 + u) ** 2 / 2, 1 - (1 - u) ** 2 / 2)
