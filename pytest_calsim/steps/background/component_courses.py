"""Compute slow time courses: a random walk on a fixed clock, and a spike rate behind a low-pass."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats
from pytest_calsim.steps.lognormal import lognormal

__all__ = ["lognormal_walk", "lowpassed_rate"]


# Between ticks the course is a straight line, whose variance is on average (1 − e^(−1/50))/3 = 0.7 % too small.
_TICKS_PER_TIME_CONSTANT = 50
_FRAMES_TOGETHER = 4096
"""Frames of neuropil that are filtered at a time: an hour has millions of spikes."""


def lognormal_walk(
    rng: np.random.Generator, time_constant_s: float, sd: float, *, duration_s: float
) -> tuple[Floats, Floats]:
    """Return a stationary positive course of mean 1: exp(σx − σ²/2), x an Ornstein-Uhlenbeck process of variance 1.

    x is discretised exactly, x' = ρx + √(1 − ρ²)·ξ with ρ = exp(−tick/τ), on a clock that depends on τ alone: a
    longer duration only appends, and no frame rate enters.

    Parameters
    ----------
    rng
        The course's own stream.
    time_constant_s
        τ.
    sd
        Standard deviation of the course: σ² = ln(1 + sd²).
    duration_s
        Length of the course, s.

    Returns
    -------
    time_s, values
        The clock's ticks from 0 to beyond ``duration_s``, and the course at them.
    """
    tick_s = time_constant_s / _TICKS_PER_TIME_CONSTANT
    kicks = rng.standard_normal(math.ceil(duration_s / tick_s) + 2)
    rho = math.exp(-1 / _TICKS_PER_TIME_CONSTANT)
    kicks[1:] *= math.sqrt(1 - rho**2)
    x = np.fromiter(accumulate(kicks, lambda before, kick: rho * before + kick), np.float64, len(kicks))
    return np.arange(len(x), dtype=np.float64) * tick_s, lognormal(x, sd)


def lowpassed_rate(
    spike_time_s: Floats, lowpass_s: float, *, frame_starts_s: Floats, exposure_s: float, start_hz: float
) -> Floats:
    """Return the spike rate through a causal first-order low-pass, averaged exactly over each exposure, Hz.

    y decays by y' = −y/τ, and each spike adds 1/τ; the integral of y over a frame of n spikes is therefore
    n − τ·(y at its end − y at its start).

    Parameters
    ----------
    spike_time_s
        All spikes, ascending.
    lowpass_s
        τ.
    frame_starts_s, exposure_s
        The frames, which follow one another without a gap.
    start_hz
        y before the first frame: the expected rate, so that the expectation is constant from there on.
    """
    n = len(frame_starts_s)
    ends_s = frame_starts_s + exposure_s
    counts = np.zeros(n, np.int64)
    kicks = np.zeros(n)
    cuts = [*range(0, n, _FRAMES_TOGETHER), n]
    first_spike = np.searchsorted(spike_time_s, np.append(frame_starts_s[cuts[:-1]], ends_s[-1]))
    for (first, stop), (begin, end) in zip(pairwise(cuts), pairwise(first_spike.tolist()), strict=True):
        times = spike_time_s[begin:end]
        frame = np.searchsorted(frame_starts_s[first:stop], times, side="right") - 1
        left = elementary.exp(np.minimum(times - ends_s[first:stop][frame], 0.0) / lowpass_s) / lowpass_s
        counts[first:stop] = np.bincount(frame, minlength=stop - first)
        kicks[first:stop] = np.bincount(frame, weights=left, minlength=stop - first)
    decay = math.exp(-exposure_s / lowpass_s)
    y = np.fromiter(accumulate(kicks, lambda before, kick: decay * before + kick, initial=start_hz), np.float64, n + 1)
    return np.maximum((counts - lowpass_s * np.diff(y)) / exposure_s, 0.0)
