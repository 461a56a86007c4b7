"""Kinetics of calcium indicators: named ones, and time constants from what a paper reports.

The transient of one spike is a difference of exponentials, e^(−t/τd) − e^(−t/τr), scaled to a peak of 1. Papers report
its time to peak or its half-rise, and its half-decay counted *from the peak*. To take τd = half-decay/ln 2 is 5-40 %
off; so this module solves for both constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

__all__ = [
    "INDICATORS",
    "Indicator",
    "IndicatorName",
    "half_decay",
    "slow_frame_warnings",
    "time_constants",
    "time_to_peak",
]

IndicatorName = Literal["gcamp6f", "gcamp6s", "gcamp7f", "gcamp8f", "gcamp8m", "gcamp8s"]

# As the rise approaches the decay, the transient becomes t·e^(−t/τ): no pair has shorter relative decays than that.
_EQUAL = 1 - 1e-4
_FASTEST_RISE = 1e-8
"""Shortest rise that is tried, in decays."""


@dataclass(frozen=True)
class Indicator:
    """Describe the measured transient of one action potential.

    Attributes
    ----------
    half_decay_s
        Time from the peak to half of it.
    time_to_peak_s, half_rise_s
        Time from the spike to the peak, or to half of it. One of the two is given.
    source
        Publication and preparation. Do not compare indicators between culture (35 °C or less) and in vivo.
    """

    half_decay_s: float
    time_to_peak_s: float | None
    half_rise_s: float | None
    source: str

    @property
    def time_constants_s(self) -> tuple[float, float]:
        """τ of rise and of decay, s, where fluorescence is proportional to calcium."""
        return self.time_constants_at(0.5)

    def time_constants_at(self, level: float) -> tuple[float, float]:
        """Return the τ of calcium's rise and decay, s, with which fluorescence has the measured times.

        Parameters
        ----------
        level
            Calcium of half a transient's fluorescence, over calcium at its peak; see
            :attr:`~pytest_calsim.steps.cells.saturation.HillSaturation.half_rise`.

        Raises
        ------
        ValueError
            If no difference of exponentials has these times.
        """
        return time_constants(
            self.half_decay_s,
            time_to_peak_s=self.time_to_peak_s,
            half_rise_s=self.half_rise_s,
            level=level,
        )


_CHEN = "Chen et al. 2013, Nature 499:295, mouse visual cortex in vivo; 19 % (6f), 23 % (6s) dF/F per spike"
_DANA = "Dana et al. 2019, Nat. Methods 16:649, cultured neurons (low confidence)"
_ZHANG = "Zhang et al. 2023, Nature 615:884, cultured neurons"

INDICATORS: dict[IndicatorName, Indicator] = {
    "gcamp6f": Indicator(0.142, 0.045, None, _CHEN),
    "gcamp6s": Indicator(0.550, 0.179, None, _CHEN),
    "gcamp7f": Indicator(0.265, None, 0.025, _DANA),
    "gcamp8f": Indicator(0.0674, None, 0.0071, _ZHANG),
    "gcamp8m": Indicator(0.1184, None, 0.0071, _ZHANG),
    "gcamp8s": Indicator(0.3068, None, 0.0101, _ZHANG),
}


def time_to_peak(rise_s: float, decay_s: float) -> float:
    """Return the time from the spike to the transient's peak, s: τr·τd/(τd − τr)·ln(τd/τr).

    Parameters
    ----------
    rise_s, decay_s
        Time constants, τr < τd.
    """
    return rise_s * decay_s / (decay_s - rise_s) * math.log(decay_s / rise_s)


def half_decay(rise_s: float, decay_s: float, level: float = 0.5) -> float:
    """Return the time from the transient's peak to half of it, s.

    Parameters
    ----------
    rise_s, decay_s
        Time constants, τr < τd.
    level
        What counts as half, as in :func:`time_constants`.
    """
    return decay_s * _time_of_decay(rise_s / decay_s, level)


def slow_frame_warnings(exposure_s: float, half_decay_s: float) -> list[str]:
    """Return a soft warning if one exposure outlasts the transient's half-decay, else nothing.

    A frame then averages most of a transient away, and no frame shows its shape.

    Parameters
    ----------
    exposure_s
        Exposure of one frame.
    half_decay_s
        Of the transient; see :func:`half_decay`.
    """
    if exposure_s <= half_decay_s:
        return []
    return [
        f"the frame rate is too slow for the indicator: an exposure of {exposure_s:.4g} s outlasts the transient's "
        f"half-decay of {half_decay_s:.3g} s; raise fps above {1 / half_decay_s:.3g}, or take a slower indicator"
    ]


@cache
def time_constants(
    half_decay_s: float,
    *,
    time_to_peak_s: float | None = None,
    half_rise_s: float | None = None,
    level: float = 0.5,
) -> tuple[float, float]:
    """Solve for the time constants of a transient with a measured decay and rise.

    Parameters
    ----------
    half_decay_s
        Time from the peak to half of it, s.
    time_to_peak_s, half_rise_s
        Time from the spike to the peak, or from the spike to half of it, s. Give one of them.
    level
        What counts as half: the share of the peak at which both half-times end. It differs from 0.5 where fluorescence
        saturates, for the constants are calcium's.

    Returns
    -------
    rise_s, decay_s
        Time constants, τr < τd.

    Raises
    ------
    ValueError
        If no difference of exponentials has this shape: half-decay/time-to-peak must exceed 1.68,
        half-decay/half-rise 7.24.
    """
    if (time_to_peak_s is None) == (half_rise_s is None):
        raise ValueError("give either time_to_peak_s or half_rise_s")
    if time_to_peak_s is not None:
        name = "time_to_peak_s"
        measured = time_to_peak_s

        def early(rise: float) -> float:
            return time_to_peak(rise, 1.0)

    else:
        name = "half_rise_s"
        measured = half_rise_s

        def early(rise: float) -> float:
            return _time_of_rise(rise, level)

    if measured is None or not (measured > 0 and half_decay_s > 0 and math.isfinite(half_decay_s / measured)):
        raise ValueError(f"{name} = {measured} and half_decay_s = {half_decay_s} must be positive")
    if not 0 < level < 1:
        raise ValueError(f"level = {level} must be between 0 and 1")
    wanted = half_decay_s / measured

    def ratio(rise: float) -> float:
        return _time_of_decay(rise, level) / early(rise)

    least = ratio(_EQUAL)
    most = ratio(_FASTEST_RISE)
    if not least < wanted < most:
        raise ValueError(
            f"half_decay_s/{name} = {half_decay_s:g}/{measured:g} = {wanted:.3g}; a difference of exponentials "
            f"has more than {least:.3g} (and less than {most:.2g})"
        )
    # In the logarithm, as relative rises span eight orders of magnitude; the ratio falls steadily as the rise grows.
    rise = math.exp(
        _bisect(lambda log_rise: ratio(math.exp(log_rise)) - wanted, math.log(_FASTEST_RISE), math.log(_EQUAL))
    )
    decay_s = measured / early(rise)
    return rise * decay_s, decay_s


def _time_of_rise(rise: float, level: float) -> float:
    """Return the time from the spike to a share of the peak, in units of τd; ``rise`` is τr/τd."""
    peak = time_to_peak(rise, 1.0)
    return _bisect(lambda t: _transient(t, rise) - level * _transient(peak, rise), 0.0, peak)


def _time_of_decay(rise: float, level: float) -> float:
    """Return the time from the peak to a share of it, in units of τd."""
    peak = time_to_peak(rise, 1.0)
    # By then even the slowest transient, t·e^(−t), has fallen below the level.
    late = peak + 10 - math.log(2 * level)
    return _bisect(lambda t: _transient(t, rise) - level * _transient(peak, rise), peak, late) - peak


def _transient(t: float, rise: float) -> float:
    return math.exp(-t) - math.exp(-t / rise)


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Find the root between two points at which a function has opposite signs, to the last bit."""
    sign = function(low) > 0
    while low < (middle := (low + high) / 2) < high:
        if (function(middle) > 0) == sign:
            low = middle
        else:
            high = middle
    return low
