"""When cells spike, and the calcium fluorescence that follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.lazy import FrameValues, LazyTruth
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.calcium import (
    PROPORTIONAL,
    HillCurve,
    Response,
    bout_transients,
    calcium_at_start,
    integrate_calcium,
)
from pytest_calsim.kernels.spikes import SpikeTrains, draw_spikes, standard_normals
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.cell_courses import CellCourses, SpikeProcess
from pytest_calsim.steps.cells.indicators import INDICATORS, IndicatorName, slow_frame_warnings, time_to_peak
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.traces import FRAMES, CalciumTraces
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["Activity", "CellActivity", "HillSaturation"]

Floats = NDArray[np.float64]

_FASTEST_HZ = 500.0
"""No cell spikes faster in any state, however wide the spread of rates."""

_BUSY_REFRACTORY = 0.9
"""Share of the time that a cell may at most be refractory."""

_SPREAD = 4.0
"""Rates are spread over so many standard deviations of the logarithm, no further."""

_KNOT_STEP = 0.5
_BOUTS = 1000
_MEAN_FRAMES = 600
_QUANTILES = 64
"""Cells over which a mean of all cells is taken."""


class HillSaturation(Frozen):
    """How fluorescence follows calcium when it is not proportional to it: Hill's curve over the resting level.

    ΔF/F = ``dff_per_spike`` · [H(rest + calcium) − H(rest)]/[H(rest + one spike) − H(rest)], with
    H(c) = cⁿ/(cⁿ + K_dⁿ): a lone spike keeps its ΔF/F; few spikes add up more than proportionally, many less.
    Song et al. 2021 (NAOMi) use 290 nM and 2.7 for GCaMP6f, 147 nM and 2.45 for GCaMP6s, both at rest 50 nM.

    Attributes
    ----------
    kd_nm
        Calcium at which half of the indicator is bound.
    hill_coefficient
        n.
    rest_nm
        Calcium at rest.
    spike_nm
        Peak rise of calcium with one spike (76 nM in NAOMi; low confidence).
    """

    kd_nm: Annotated[float, Field(ge=10, le=1e4)] = 290.0
    hill_coefficient: Annotated[float, Field(ge=0.5, le=8)] = 2.7
    rest_nm: Annotated[float, Field(ge=1, le=1e3)] = 50.0
    spike_nm: Annotated[float, Field(ge=1, le=1e4)] = 76.0

    @model_validator(mode="after")
    def _a_spike_shows(self) -> Self:
        rise = self._bound(self.rest_nm + self.spike_nm) - self._bound(self.rest_nm)
        if rise < 1e-9:
            raise ValueError(
                f"a spike of spike_nm = {self.spike_nm:g} over rest_nm = {self.rest_nm:g} binds a share of only "
                f"{rise:.2g} of an indicator with kd_nm = {self.kd_nm:g}; bring kd_nm nearer to them"
            )
        return self

    def _bound(self, calcium_nm: float) -> float:
        return 1 / (1 + (self.kd_nm / calcium_nm) ** self.hill_coefficient)

    @property
    def curve(self) -> tuple[float, float, float, float, float]:
        """(K_d/spike, n, rest/spike, H(rest), 1/(H(rest + spike) − H(rest))), for kernels."""
        low = self._bound(self.rest_nm)
        one = self._bound(self.rest_nm + self.spike_nm)
        spike = self.spike_nm
        return self.kd_nm / spike, self.hill_coefficient, self.rest_nm / spike, low, 1 / (one - low)


@dataclass(frozen=True, eq=False)
class Activity(Artifact):
    """Spikes and fluorescence of every cell.

    Attributes
    ----------
    traces
        Fluorescence, brightness · (1 + ΔF/F), averaged over each exposure, bleaching apart, and number of spikes in
        each; of any block of frames.
    spike_time_s, spike_start
        Times of all spikes from 0 on, cell by cell; cell i's are ``spike_time_s[spike_start[i]:spike_start[i + 1]]``.
    baseline
        C at rest: the brightness ``(n,)``.
    expected_rate_hz
        Long-run mean spike rate ``(n,)``.
    expected_C
        Long-run mean of C ``(n,)``.
    typical_transient
        Median peak rise of C over lone active bouts, at this exposure ``(n,)``.
    transient_energy
        Σ over frames of the squared typical transient, its peak scaled to 1 ``(n,)``.
    model
        The step that made it: other cells of the same tissue are active in the same way.
    """

    traces: CalciumTraces
    spike_time_s: Floats
    spike_start: NDArray[np.int64]
    baseline: Floats
    expected_rate_hz: Floats
    expected_C: Floats  # noqa: N815
    typical_transient: Floats
    transient_energy: Floats
    model: CellActivity

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, read_only(cast("NDArray[Any]", value)))

    @property
    def C(self) -> NDArray[np.float32]:
        """Fluorescence in every frame, computed anew; float32 ``(n, frame)``, read-only."""
        return read_only(self.traces.fluorescence(0, self.traces.n_frames))

    @property
    def S(self) -> NDArray[np.uint16]:
        """Spikes in every frame, computed anew; uint16 ``(n, frame)``, read-only."""
        return read_only(self.traces.spikes(0, self.traces.n_frames))

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """``C``, ``S``, ``spike_time_s``, ``spike_start`` and the column ``rate_hz``."""
        shape = len(self.baseline), self.traces.n_frames
        fluorescence = FrameValues(shape, np.dtype(np.float32), self.traces.fluorescence)
        spikes = FrameValues(shape, np.dtype(np.uint16), self.traces.spikes)
        return {
            "C": LazyTruth(("unit_id", "frame"), fluorescence),
            "S": LazyTruth(("unit_id", "frame"), spikes),
            "spike_time_s": TruthArray(("spike",), self.spike_time_s, "s"),
            "spike_start": TruthArray(("unit_edge",), self.spike_start),
            "rate_hz": TruthArray(("unit_id",), self.expected_rate_hz, "Hz"),
        }


class CellActivity(Step):
    """Each cell is quiescent or active by turns, spikes at the state's rate, and glows with calcium after each spike.

    Both states last exponentially distributed times and the process is stationary from before the recording's start,
    in continuous time: the frame rate changes what is seen of it, never what happens.

    Attributes
    ----------
    active_rate_hz, quiescent_rate_hz
        Mean over cells of the spike rate in each state. Rat CA1: about 1 Hz over all, 5-20 Hz when active.
    mean_active_s, mean_quiescent_s
        Mean duration of each state.
    rate_spread
        Standard deviation of ln(rate) across cells, mean rate kept (lognormal, Mizuseki & Buzsáki 2013); no cell
        exceeds 500 Hz.
    refractory_s
        Dead time after each spike; rates are kept by a higher hazard, r/(1 − r·t).
    indicator
        Named kinetics of the transient; see :mod:`pytest_calsim.steps.cells.indicators`.
    rise_s, decay_s
        Time constants τr < τd of the transient in place of the indicator's.
    dff_per_spike
        Peak ΔF/F of a lone spike's transient, before exposure. GCaMP6f in mouse cortex: 0.19.
    saturation
        Hill's curve between calcium and fluorescence; ``None``: proportional.
    """

    active_rate_hz: Annotated[float, Field(ge=1e-6, le=100)] = 10.0
    quiescent_rate_hz: Annotated[float, Field(ge=0, le=100)] = 0.1
    mean_active_s: Annotated[float, Field(ge=0.01, le=1e4)] = 1.0
    mean_quiescent_s: Annotated[float, Field(ge=0.01, le=1e5)] = 10.0
    rate_spread: Annotated[float, Field(ge=0, le=2)] = 0.7
    refractory_s: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    indicator: IndicatorName = "gcamp6f"
    rise_s: Annotated[float, Field(ge=1e-3, le=10)] | None = None
    decay_s: Annotated[float, Field(ge=1e-3, le=20)] | None = None
    dff_per_spike: Annotated[float, Field(ge=0, le=100)] = 0.2
    saturation: HillSaturation | None = None

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        fastest = max(self.active_rate_hz, self.quiescent_rate_hz)
        if fastest * self.refractory_s > _BUSY_REFRACTORY:
            raise ValueError(
                f"refractory_s = {self.refractory_s:g} leaves no time for {fastest:g} spikes per second; "
                f"lower it to {_BUSY_REFRACTORY / fastest:.3g} or less"
            )
        rise, decay = self.time_constants_s
        if rise > 0.999 * decay:
            raise ValueError(f"rise_s = {rise:.4g} must be below decay_s = {decay:.4g}")
        return self

    def check(self, context: SpecContext) -> list[str]:
        """Warn of frames that are too slow for the indicator, and of cells that are more active at rest."""
        soft_warnings = slow_frame_warnings(context.acquisition.exposure_s, *self.time_constants_s)
        if self.quiescent_rate_hz > self.active_rate_hz:
            soft_warnings.append(
                f"quiescent_rate_hz = {self.quiescent_rate_hz:g} exceeds active_rate_hz = {self.active_rate_hz:g}: "
                "the typical transient is that of the active state"
            )
        return soft_warnings

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of spike times, and of the checkpoints of traces."""
        acquisition = context.acquisition
        rate_hz = float(self._mean_rate_hz(np.array([self.quiescent_rate_hz, self.active_rate_hz])))
        duration_s = acquisition.n_frames * acquisition.exposure_s
        return Cost(bytes_per_cell=24.0 * math.ceil(acquisition.n_frames / FRAMES) + 8 * rate_hz * duration_s)

    @property
    def time_constants_s(self) -> tuple[float, float]:
        """τ of rise and of decay, s: as given, else the indicator's."""
        rise, decay = INDICATORS[self.indicator].time_constants_s
        return (rise if self.rise_s is None else self.rise_s, decay if self.decay_s is None else self.decay_s)

    def plan(self, ctx: Context, cells: Cells) -> Activity:
        """Draw every cell's spikes and expose their calcium."""

        def keys(name: str) -> NDArray[np.uint64]:
            return np.array([ctx.stream_key(name, *cells.entity(i)) for i in range(len(cells))], np.uint64)

        z = np.clip(standard_normals(keys("rate")), -_SPREAD, _SPREAD)
        rates = self._rates_hz(z)
        rise, decay = self.time_constants_s
        trains = draw_spikes(
            keys("spikes"),
            keys("past"),
            rates,
            self._leave_hz,
            self.refractory_s,
            memory_s=max(20 * decay, self.refractory_s),
            end_s=ctx.n_frames * ctx.acquisition.exposure_s,
        )
        baseline = np.ascontiguousarray(cells.brightness, np.float64)
        gain = baseline * self.dff_per_spike
        start = calcium_at_start(trains, rise, decay)
        response = self._response(ctx.acquisition.exposure_s)
        # What came before the recording is in the first checkpoint.
        seen = SpikeTrains(trains.times_s, trains.start, np.empty(0), np.zeros_like(trains.start))
        traces = CalciumTraces.of(seen, response, start, offset=baseline, gain=gain, n_frames=ctx.n_frames)
        rate = self._mean_rate_hz(rates)
        peak, energy = self._typical(ctx, z)
        expected = baseline + gain * rate * self._area_per_spike(ctx, z)
        return Activity(traces, trains.times_s, trains.start, baseline, rate, expected, gain * peak, energy, self)

    def expected_fluorescence(self, ctx: Context) -> float:
        """Return the long-run mean fluorescence of a cell of brightness 1, over the spread of rates.

        Parameters
        ----------
        ctx
            Of the step that asks.
        """
        z = np.array([NormalDist().inv_cdf((i + 0.5) / _QUANTILES) for i in range(_QUANTILES)])
        z = np.clip(z, -_SPREAD, _SPREAD)
        rate_hz = self._mean_rate_hz(self._rates_hz(z))
        return 1 + self.dff_per_spike * float((rate_hz * self._area_per_spike(ctx, z)).mean())

    def spikes_of(self, keys: NDArray[np.uint64], z: Floats, end_s: float) -> tuple[Floats, float]:
        """Return the spike times of other cells, s, cell by cell, and all these cells' expected rate, Hz.

        Parameters
        ----------
        keys, z
            As in :meth:`courses_of`.
        end_s
            The recording's length.
        """
        rates = self._rates_hz(np.clip(z, -_SPREAD, _SPREAD))
        dead_s = self.refractory_s
        trains = draw_spikes(keys, ~keys, rates, self._leave_hz, dead_s, memory_s=dead_s, end_s=end_s)
        return trains.times_s, float(self._mean_rate_hz(rates).sum())

    def courses_of(self, ctx: Context, keys: NDArray[np.uint64], z: Floats, baseline: Floats) -> CellCourses:
        """Return the courses of other cells, which are computed when frames are asked for.

        Parameters
        ----------
        ctx
            Of the step that asks.
        keys
            Name of each cell's streams, uint64 ``(cell,)``.
        z
            Standard normal number that decides each cell's rate, float64 ``(cell,)``.
        baseline
            Fluorescence at rest, float64 ``(cell,)``.
        """
        z = np.clip(z, -_SPREAD, _SPREAD)
        rates = self._rates_hz(z)
        gain = baseline * self.dff_per_spike
        expected = baseline + gain * self._mean_rate_hz(rates) * self._area_per_spike(ctx, z)
        process = SpikeProcess(rates, self._leave_hz, self.refractory_s)
        response = self._response(ctx.acquisition.exposure_s)
        return CellCourses(keys, process, response, baseline, gain, expected, ctx.n_frames)

    def _rates_hz(self, z: Floats) -> Floats:
        """Rate in the (quiescent, active) state ``(cell, 2)`` of cells at z standard deviations of ln(rate)."""
        factor = elementary.exp(self.rate_spread * z - self.rate_spread**2 / 2)
        fastest = _FASTEST_HZ if self.refractory_s == 0 else min(_FASTEST_HZ, _BUSY_REFRACTORY / self.refractory_s)
        return np.minimum(np.outer(factor, [self.quiescent_rate_hz, self.active_rate_hz]), fastest)

    def _mean_rate_hz(self, rates: Floats) -> Floats:
        active = self.mean_active_s / (self.mean_active_s + self.mean_quiescent_s)
        return rates @ np.array([1 - active, active])

    @property
    def _leave_hz(self) -> tuple[float, float]:
        return 1 / self.mean_quiescent_s, 1 / self.mean_active_s

    def _response(self, frame_s: float) -> Response:
        """The calcium's, in substeps in which it changes little: a quarter of the time to peak."""
        rise, decay = self.time_constants_s
        substeps = math.ceil(4 * frame_s / time_to_peak(rise, decay))
        hill = PROPORTIONAL if self.saturation is None else HillCurve(*self.saturation.curve)
        return Response(frame_s, rise, decay, substeps, hill)

    def _typical(self, ctx: Context, z: Floats) -> tuple[Floats, Floats]:
        """Median peak (in units of a lone spike's) and energy of lone bouts, of cells at z.

        A cell differs from others by its rate alone, so bouts are drawn at fixed rates from a side stream of their
        own and read off between them. Exposures shorter than an eighth of the time to peak hardly blunt a peak:
        the bouts' frames are no shorter.
        """
        rise, decay = self.time_constants_s
        exposure = ctx.acquisition.exposure_s
        frame_s = max(exposure, time_to_peak(rise, decay) / 8)
        key = np.uint64(ctx.stream_key("bouts"))
        response = self._response(frame_s)
        leave_hz = self._leave_hz[1]

        def median(quiescent_hz: float, active_hz: float) -> Floats:
            peaks, energies = bout_transients(key, active_hz, leave_hz, self.refractory_s, response, _BOUTS)
            return np.array([math.log(np.median(peaks)), np.median(energies)])

        log_peak, energy = self._between_rates(z, median, 2)
        return elementary.exp(log_peak), energy * (frame_s / exposure)

    def _area_per_spike(self, ctx: Context, z: Floats) -> Floats:
        """Long-run mean response over mean rate, s: exact without saturation, estimated on a side stream with it."""
        rise, decay = self.time_constants_s
        peak_s = time_to_peak(rise, decay)
        area = (decay - rise) / (math.exp(-peak_s / decay) - math.exp(-peak_s / rise))
        if self.saturation is None:
            return np.full(len(z), area)
        key, past_key = (np.array([ctx.stream_key(*name)], np.uint64) for name in (("mean",), ("mean", "past")))
        response = self._response(1.0)
        dead_s = self.refractory_s

        def share_kept(quiescent_hz: float, active_hz: float) -> Floats:
            rates = np.array([[quiescent_hz, active_hz]])
            end_s = float(_MEAN_FRAMES)
            drawn = draw_spikes(key, past_key, rates, self._leave_hz, dead_s, memory_s=dead_s, end_s=end_s)
            # One spike more, at 0, so that there is always something to compare; and none before it.
            times = np.concatenate([[0.0], drawn.times_s])
            trains = SpikeTrains(times, np.array([0, times.size]), np.empty(0), np.zeros(2, np.int64))
            start = calcium_at_start(trains, rise, decay)
            frames = range(_MEAN_FRAMES)
            means = [
                integrate_calcium(trains, kind, start, frames, offset=np.zeros(1), gain=np.ones(1)).fluorescence.mean(
                    dtype=np.float64
                )
                for kind in (response._replace(hill=PROPORTIONAL), response)
            ]
            return np.array([means[1] / means[0]])

        return area * self._between_rates(z, share_kept, 1)[0]

    def _between_rates(self, z: Floats, measure: Callable[[float, float], Floats], size: int) -> Floats:
        """Quantities ``(size, cell)`` of cells at z, measured at fixed rates (quiescent, active) and interpolated."""
        place = (z + _SPREAD) / _KNOT_STEP
        left = np.clip(np.floor(place), 0, 2 * _SPREAD / _KNOT_STEP - 1)
        known: dict[tuple[float, float], Floats] = {}

        def at(knot: float) -> Floats:
            quiescent_hz, active_hz = self._rates_hz(np.array([knot * _KNOT_STEP - _SPREAD]))[0].tolist()
            if (quiescent_hz, active_hz) not in known:
                known[quiescent_hz, active_hz] = measure(quiescent_hz, active_hz)
            return known[quiescent_hz, active_hz]

        found = np.empty((size, len(z)))
        for knot in sorted(set(left.tolist())):
            cells = left == knot
            share = place[cells] - knot
            found[:, cells] = np.outer(at(knot), 1 - share) + np.outer(at(knot + 1), share)
        return found
