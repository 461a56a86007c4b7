"""Compute the motion of a damped oscillator that is kicked at random times."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.library import check_shape
from pytest_calsim.kernels.types import Floats

__all__ = ["damped_oscillator"]


_FORGOTTEN = 746.0
"""Decay times after which a kick is forgotten: exp(−746) is 0 in double precision. Ages are cut there, because before
the first kick the age is infinite, and infinity has no sine."""


def damped_oscillator(
    decay_per_s: float, swing_rad_per_s: float, kick_time_s: Floats, kicks: Floats, time_s: Floats
) -> Floats:
    """Compute the displacement of a damped oscillator that was kicked now and then, exactly.

    It is the sum over all earlier kicks of kick·exp(−decay·age)·sin(swing·age)/swing. Since an exponential of a sum is
    a product, the sum right after each kick follows from the one right after the kick before.

    Parameters
    ----------
    decay_per_s, swing_rad_per_s
        ζω₀ and ω₀√(1 − ζ²) of the oscillator.
    kick_time_s
        When it is kicked, ascending ``(kick,)``, s.
    kicks
        Jumps of velocity ``(axis, kick)``, in units of length per second.
    time_s
        When it is looked at ``(time,)``, s.

    Returns
    -------
    Displacement ``(axis, time)``, in the same units of length; 0 before the first kick.

    Raises
    ------
    ValueError
        If there is not one kick a time.
    """
    check_shape("kicks", kicks, len(kicks), len(kick_time_s))
    # Before the first kick it is at rest, as from a kick of size 0 long ago.
    since = np.concatenate([[-np.inf], kick_time_s])
    # Sines and cosines of all intervals at once; only the recurrence over kicks is a loop.
    swing, rest = _phasor(decay_per_s, swing_rad_per_s, np.diff(since))
    last = np.searchsorted(kick_time_s, time_s, side="right")
    sine_now, cosine_now = _phasor(decay_per_s, swing_rad_per_s, time_s - since[last])
    out = np.empty((len(kicks), len(time_s)))
    for axis, sizes in enumerate(kicks):
        # The sums of kick·exp(−decay·age) times cosine and times sine of swing·age, right after each kick.
        states = [(0.0, 0.0)]
        for kick, c, s in zip(sizes.tolist(), rest.tolist(), swing.tolist(), strict=True):
            cosine, sine = states[-1]
            states.append((cosine * c - sine * s + kick, cosine * s + sine * c))
        cosines, sines = np.array(states).T
        out[axis] = (cosines[last] * sine_now + sines[last] * cosine_now) / swing_rad_per_s
    return out


def _phasor(decay_per_s: float, swing_rad_per_s: float, age_s: Floats) -> tuple[Floats, Floats]:
    """Return exp(−decay·age) times sine and times cosine of swing·age."""
    age_s = np.minimum(age_s, _FORGOTTEN / decay_per_s)
    left = elementary.exp(-decay_per_s * age_s)
    angle = swing_rad_per_s * age_s
    return left * elementary.sin(angle), left * elementary.cos(angle)
