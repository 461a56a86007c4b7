"""Average courses in continuous time over each frame's exposure."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.types import Floats

__all__ = ["mean_of_lines"]


def mean_of_lines(times_s: Floats, values: Floats, starts_s: Floats, exposure_s: float) -> Floats:
    """Average courses that are straight between given points over each exposure, exactly.

    Parameters
    ----------
    times_s
        Times of the points, s; ascending, and covering every exposure; float64 ``(point,)``.
    values
        Values of the courses there, float64 ``(course, point)``.
    starts_s, exposure_s
        When each exposure begins, float64 ``(frame,)``, and how long it lasts, s.

    Returns
    -------
    Means, float64 ``(course, frame)``.
    """
    # Trapezoids are the exact integral of lines.
    steps = np.diff(times_s)
    area = np.zeros_like(values)
    np.cumsum((values[:, 1:] + values[:, :-1]) * (steps / 2), axis=1, out=area[:, 1:])

    def area_until(t: Floats) -> Floats:
        """Integrate each course from the first point to some times; ``(course, frame)``."""
        left = np.clip(np.searchsorted(times_s, t, side="right") - 1, 0, len(steps) - 1)
        dt = t - times_s[left]
        slope = (values[:, left + 1] - values[:, left]) / steps[left]
        return area[:, left] + dt * (values[:, left] + slope * dt / 2)

    return (area_until(starts_s + exposure_s) - area_until(starts_s)) / exposure_s
