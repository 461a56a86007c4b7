"""State the law by which cells are active: rates, kinetics, and how both differ from cell to cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from pytest_calsim.kernels.calcium import (
    PROPORTIONAL,
    HillCurve,
    Response,
    calcium_at_start,
    integrate_calcium,
)
from pytest_calsim.kernels.spikes import SpikeProcess, SpikeTrains, draw_spikes, standard_normals
from pytest_calsim.kernels.types import Bools, Floats, Keys
from pytest_calsim.steps.cells.cell_courses import CellCourses
from pytest_calsim.steps.cells.indicators import time_to_peak
from pytest_calsim.steps.cells.shared_input import AssemblyEvents, SharedInput
from pytest_calsim.steps.lognormal import lognormal_of_spread
from pytest_calsim.steps.slow_courses import SlowCourses
from pytest_calsim.steps.step import Context

__all__ = ["BUSY_REFRACTORY", "ActivityModel", "CellNormals"]

BUSY_REFRACTORY = 0.9
"""Share of the time that a cell may at most be refractory."""

_FASTEST_HZ = 500.0
"""No cell spikes faster in any state, however wide the spread of rates."""

_SPREAD = 4.0
"""Largest difference of a cell from the median, in standard deviations of the logarithm."""

# Knots at which mean responses are measured, in standard deviations of the logarithm, and frames of 1 s that each is
# averaged over. Between knots they are interpolated.
_RATE_STEP = 0.5
_KINETICS_STEP = 1.0
_MEAN_FRAMES = 600

# Streams of background cells, which have a name alone.
_DFF = np.uint64(0x8CB92BA72F3D8DD7)
_KINETICS = np.uint64(0xABC98388FB8FAC03)
_BASELINE = np.uint64(0x9E6C63D0876A9A47)


class CellNormals(NamedTuple):
    """Standard normal numbers that tell cells apart, each float64 ``(cell,)``, cut at ±4.

    Attributes
    ----------
    rate, dff, kinetics
        Of ln(rate), of ln(ΔF/F per spike) and of ln(τ).
    """

    rate: Floats
    dff: Floats
    kinetics: Floats

    @classmethod
    def cut(cls, rate: Floats, dff: Floats, kinetics: Floats) -> CellNormals:
        """Cut numbers at ±4."""
        return cls(*(np.clip(z, -_SPREAD, _SPREAD) for z in (rate, dff, kinetics)))

    def of(self, cells: Bools) -> CellNormals:
        """Return the numbers of some cells, bool ``(cell,)``."""
        return CellNormals(*(z[cells] for z in self))


@dataclass(frozen=True)
class ActivityModel:
    """The law by which the cells of a tissue are active.

    Attributes
    ----------
    quiescent_rate_hz, active_rate_hz
        Mean over cells of the spike rate in each state.
    leave_hz
        Rate of leaving the quiescent and the active state.
    refractory_s
        Dead time after each spike.
    rise_s, decay_s
        Mean over cells of the time constants of calcium.
    hill
        Saturation of the indicator.
    dff_per_spike
        Mean over cells of the peak ΔF/F of a lone spike.
    rate_spread, dff_spread, kinetics_spread
        Standard deviation across cells of ln(rate), ln(ΔF/F per spike) and ln(τ), means kept.
    baseline_fluctuation, baseline_time_constant_s
        Standard deviation over time of a cell's baseline, relative to its mean, and its correlation time.
    """

    quiescent_rate_hz: float
    active_rate_hz: float
    leave_hz: tuple[float, float]
    refractory_s: float
    rise_s: float
    decay_s: float
    hill: HillCurve
    dff_per_spike: float
    rate_spread: float
    dff_spread: float
    kinetics_spread: float
    baseline_fluctuation: float = 0.0
    baseline_time_constant_s: float = 100.0

    def process(self, z_rate: Floats) -> SpikeProcess:
        """Return the spike process of cells that lie ``z_rate`` standard deviations of ln(rate) from the mean."""
        factor = lognormal_of_spread(z_rate, self.rate_spread)
        # A cell that is refractory nearly all the time has no hazard with which it keeps its rate.
        fastest = _FASTEST_HZ if self.refractory_s == 0 else min(_FASTEST_HZ, BUSY_REFRACTORY / self.refractory_s)
        rates_hz = np.minimum(np.outer(factor, [self.quiescent_rate_hz, self.active_rate_hz]), fastest)
        return SpikeProcess(rates_hz, self.leave_hz, self.refractory_s)

    def dff(self, z_dff: Floats) -> Floats:
        """Return each cell's peak ΔF/F of a lone spike, ``(cell,)``."""
        return self.dff_per_spike * lognormal_of_spread(z_dff, self.dff_spread)

    def time_scale(self, z_kinetics: Floats) -> Floats:
        """Return each cell's time constants over their means, ``(cell,)``."""
        return lognormal_of_spread(z_kinetics, self.kinetics_spread)

    def baseline_drift(self, keys: Keys, frame_s: float) -> SlowCourses | None:
        """Return the courses of mean 1 by which baselines drift; ``None`` if they do not.

        Parameters
        ----------
        keys
            Name of each cell's course, uint64 ``(cell,)``.
        frame_s
            Duration of a frame.
        """
        if self.baseline_fluctuation == 0:
            return None
        return SlowCourses(keys, self.baseline_time_constant_s, self.baseline_fluctuation, frame_s)

    @property
    def longest_decay_s(self) -> float:
        """No cell's transient decays more slowly."""
        return self.decay_s * float(self.time_scale(np.array([_SPREAD]))[0])

    def response(self, frame_s: float) -> Response:
        """Return how spikes become fluorescence, in substeps in which it changes little: a quarter of time to peak."""
        substeps = math.ceil(4 * frame_s / time_to_peak(self.rise_s, self.decay_s))
        return Response(frame_s=frame_s, rise_s=self.rise_s, decay_s=self.decay_s, substeps=substeps, hill=self.hill)

    def spikes_of(self, keys: Keys, z_rate: Floats, end_s: float) -> tuple[Floats, float]:
        """Return the spike times of other cells, s, cell by cell, and all these cells' expected rate, Hz.

        Parameters
        ----------
        keys, z_rate
            As in :meth:`courses_of`.
        end_s
            The recording's length.
        """
        process = self.process(np.clip(z_rate, -_SPREAD, _SPREAD))
        # The complement of a cell's name is the name of its past.
        trains = draw_spikes(keys, ~keys, process, memory_s=self.refractory_s, end_s=end_s)
        return trains.times_s, float(process.mean_hz.sum())

    def courses_of(
        self, ctx: Context, keys: Keys, z_rate: Floats, baseline: Floats, assemblies: AssemblyEvents | None = None
    ) -> CellCourses:
        """Return the courses of other cells, which are computed when frames are asked for.

        Parameters
        ----------
        ctx
            Context of the step that asks.
        keys
            Name of each cell's streams, uint64 ``(cell,)``.
        z_rate
            Standard normal number that decides each cell's rate, float64 ``(cell,)``.
        baseline
            Fluorescence at rest, float64 ``(cell,)``.
        assemblies
            To which the cells may belong; ``None``: to none.
        """
        # XOR with a constant gives the name of another stream of the same cell.
        z = CellNormals.cut(z_rate, standard_normals(keys ^ _DFF), standard_normals(keys ^ _KINETICS))
        process = self.process(z.rate)
        gain = baseline * self.dff(z.dff)
        shared = None if assemblies is None else assemblies.input_of(keys, process)
        rate_hz = process.mean_hz if shared is None else process.mean_hz + shared.mean_hz
        return CellCourses(
            keys=keys,
            process=process,
            response=self.response(ctx.acquisition.exposure_s),
            time_scale=self.time_scale(z.kinetics),
            longest_decay_s=self.longest_decay_s,
            baseline=baseline,
            gain=gain,
            expected=baseline + gain * rate_hz * self.area_per_spike_s(ctx, z, shared),
            n_frames=ctx.n_frames,
            shared=shared,
            drift=self.baseline_drift(keys ^ _BASELINE, ctx.acquisition.exposure_s),
        )

    def area_per_spike_s(self, ctx: Context, z: CellNormals, shared: SharedInput | None = None) -> Floats:
        """Return the long-run mean response over the mean rate, s ``(cell,)``.

        It is exact without saturation, and estimated on separate streams with it.

        Parameters
        ----------
        ctx
            Context of the step that asks.
        z
            What tells the cells apart.
        shared
            Spikes that events of assemblies add to theirs; ``None``: none.
        """
        rise = self.rise_s
        decay = self.decay_s
        peak_s = time_to_peak(rise, decay)
        area = (decay - rise) / (math.exp(-peak_s / decay) - math.exp(-peak_s / rise)) * self.time_scale(z.kinetics)
        if self.hill == PROPORTIONAL:
            return area
        # Spikes that come together bend the curve more. So cells are measured by how many assemblies they belong to.
        memberships = np.zeros(len(area), np.int64) if shared is None else shared.member.sum(axis=1)
        share_kept = np.empty(len(area))
        for n_assemblies in np.unique(memberships).tolist():
            alike = memberships == n_assemblies
            share = partial(self._share_kept, ctx, None if n_assemblies == 0 else shared, n_assemblies)
            share_kept[alike] = self.interpolated(z.of(alike), share, 1)[0]
        return area * share_kept

    def _share_kept(
        self, ctx: Context, shared: SharedInput | None, n_assemblies: int, process: SpikeProcess, time_scale: float
    ) -> Floats:
        """Measure the mean response over that without saturation, of one cell of so many assemblies; ``(1,)``."""
        end_s = float(_MEAN_FRAMES)
        key = np.array([ctx.stream_key("mean")], np.uint64)
        past_key = np.array([ctx.stream_key("mean", "past")], np.uint64)
        drawn = draw_spikes(key, past_key, process, memory_s=self.refractory_s, end_s=end_s + self.refractory_s)
        drawn_s = drawn.times_s[drawn.times_s < end_s]
        if shared is not None:
            # Events of their own, so that the mean does not depend on those of this recording.
            law = replace(shared.assemblies, kind=f"{shared.assemblies.kind} mean")
            member = (np.arange(law.n_assemblies) < n_assemblies)[np.newaxis]
            cell = np.zeros(drawn.times_s.size, np.int64)
            _, drawn_s = SharedInput(law, key, member, process).added_to(cell, drawn.times_s, 0.0, end_s)
        # One spike more, at 0, so that there is always something to compare; and none before it.
        times = np.concatenate([[0.0], drawn_s])
        trains = SpikeTrains(times, np.array([0, times.size]), np.empty(0), np.zeros(2, np.int64))
        bent = self.response(1.0)
        straight = bent._replace(hill=PROPORTIONAL)
        return np.array([_mean_response(trains, bent, time_scale) / _mean_response(trains, straight, time_scale)])

    def interpolated(self, z: CellNormals, measure: Callable[[SpikeProcess, float], Floats], size: int) -> Floats:
        """Measure quantities at fixed rates and kinetics, and interpolate them linearly at those of cells.

        Parameters
        ----------
        z
            What tells the cells apart.
        measure
            Returns the quantities ``(size,)`` of a cell with a spike process and a time scale.
        size
            Number of quantities.

        Returns
        -------
        float64 ``(size, cell)``.
        """
        rate_knot, rate_share = _knots(z.rate, _RATE_STEP)
        spread = z.kinetics if self.kinetics_spread > 0 else np.zeros_like(z.kinetics)
        kinetics_knot, kinetics_share = _knots(spread, _KINETICS_STEP)
        known: dict[tuple[float, ...], Floats] = {}

        def at(rate: float, kinetics: float) -> Floats:
            process = self.process(np.array([rate * _RATE_STEP - _SPREAD]))
            time_scale = float(self.time_scale(np.array([kinetics * _KINETICS_STEP - _SPREAD]))[0])
            # Neighbouring knots may be limited to one rate, which is measured once.
            name = (*process.rates_hz[0].tolist(), time_scale)
            if name not in known:
                known[name] = measure(process, time_scale)
            return known[name]

        found = np.empty((size, len(z.rate)))
        for left, near in sorted(set(zip(rate_knot.tolist(), kinetics_knot.tolist(), strict=True))):
            cells = (rate_knot == left) & (kinetics_knot == near)
            share = rate_share[cells]
            nearer, farther = (
                np.outer(at(left, knot), 1 - share) + np.outer(at(left + 1, knot), share) for knot in (near, near + 1)
            )
            found[:, cells] = nearer * (1 - kinetics_share[cells]) + farther * kinetics_share[cells]
        return found


def _knots(z: Floats, step: float) -> tuple[Floats, Floats]:
    """Return the knot to the left of each number, and how far towards the next one it lies."""
    place = (z + _SPREAD) / step
    left = np.clip(np.floor(place), 0, 2 * _SPREAD / step - 1)
    return left, place - left


def _mean_response(trains: SpikeTrains, response: Response, time_scale: float) -> float:
    """Return the mean response of one cell over frames of 1 s."""
    scale = np.array([time_scale])
    start = calcium_at_start(trains, response, scale)
    block = integrate_calcium(
        trains,
        response,
        start,
        range(_MEAN_FRAMES),
        time_scale=scale,
        offset=np.zeros(1),
        gain=np.ones(1),
    )
    return float(block.fluorescence.mean(dtype=np.float64))
