"""A damped spring that remembers its kicks, on a fixed clock."""

from __future__ import annotations

import cmath

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["ring"]


@compiled
def ring(
    pole: complex,
    state: complex,
    kick_time_s: NDArray[np.float64],
    kick: NDArray[np.float64],
    tick_s: float,
    out: NDArray[np.float64],
) -> None:
    """Displacement of a kicked, damped oscillator at each tick, exact for kicks between ticks.

    Parameters
    ----------
    pole
        −ζω₀ + iω_d, 1/s.
    state
        Σ kick·exp(pole·age) over all kicks before time 0; the displacement is its imaginary part over ω_d.
    kick_time_s, kick
        Times (ascending, from 0) and jumps of velocity.
    tick_s
        Clock.
    out
        Displacement at 0, tick_s, 2·tick_s, ...
    """
    turn = cmath.exp(pole * tick_s)
    k = 0
    for n in range(out.size):
        now = n * tick_s
        if n > 0:
            state *= turn
        while k < kick_time_s.size and kick_time_s[k] <= now:
            state += kick[k] * cmath.exp(pole * (now - kick_time_s[k]))
            k += 1
        out[n] = state.imag / pole.imag
