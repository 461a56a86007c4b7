"""What a frame sees of a course in continuous time: its mean over the exposure."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.types import Floats

__all__ = ["mean_of_lines"]


def mean_of_lines(times_s: Floats, values: Floats, starts_s: Floats, exposure_s: float) -> Floats:
    """Exact mean over each exposure of courses that run straight between given points.

    Parameters
    ----------
    times_s
        Ascending, covering every exposure ``(point,)``.
    values
        Courses ``(course, point)``.
    starts_s, exposure_s
        When each exposure begins ``(frame,)``, and how long it lasts.

    Returns
    -------
    Means ``(course, frame)``.
    """
    steps = np.diff(times_s)
    area = np.zeros_like(values)
    np.cumsum((values[:, 1:] + values[:, :-1]) * (steps / 2), axis=1, out=area[:, 1:])

    def area_until(t: Floats) -> Floats:
        left = np.clip(np.searchsorted(times_s, t, side="right") - 1, 0, len(steps) - 1)
        dt = t - times_s[left]
        slope = (values[:, left + 1] - values[:, left]) / steps[left]
        return area[:, left] + dt * (values[:, left] + slope * dt / 2)

    return (area_until(starts_s + exposure_s) - area_until(starts_s)) / exposure_s
