"""Draw when cells spike, and compute the calcium fluorescence that follows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from pytest_calsim.kernels.calcium import PROPORTIONAL, calcium_at_start
from pytest_calsim.kernels.spikes import SpikeProcess, SpikeTrains, draw_spikes, standard_normals
from pytest_calsim.kernels.types import Floats, Floats32
from pytest_calsim.microscope.given_array import GivenArray
from pytest_calsim.steps.cells.activity import Activity
from pytest_calsim.steps.cells.activity_model import BUSY_REFRACTORY, ActivityModel, CellNormals
from pytest_calsim.steps.cells.given_activity import (
    GivenTrains,
    SpikeTimes,
    check_spike_times,
    late_spike_warnings,
    mean_rates_hz,
    with_given,
)
from pytest_calsim.steps.cells.indicators import INDICATORS, IndicatorName, half_decay, slow_frame_warnings
from pytest_calsim.steps.cells.lone_bouts import LoneBouts
from pytest_calsim.steps.cells.planted_cells import Cells
from pytest_calsim.steps.cells.saturation import HillSaturation
from pytest_calsim.steps.cells.shared_input import AssemblyEvents, SharedInput
from pytest_calsim.steps.cells.traces import FRAMES, CalciumTraces
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["Activity", "CellActivity", "HillSaturation"]


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
        Dead time after each spike. A higher hazard outside dead times keeps the rate of each state.
    indicator
        Named kinetics of the transient; see :mod:`pytest_calsim.steps.cells.indicators`.
    rise_s, decay_s
        Mean time constants τr < τd of calcium in place of the indicator's.
    kinetics_spread
        Standard deviation of ln(τ) across cells, mean kept; a cell's rise and decay keep their ratio (low confidence).
    dff_per_spike
        Mean over cells of the peak ΔF/F of a lone spike's transient, before exposure. GCaMP6f in mouse cortex: 0.19.
    dff_spread
        Standard deviation of ln(ΔF/F per spike) across cells, mean kept (low confidence).
    baseline_fluctuation
        Standard deviation over time of each cell's fluorescence at rest, relative to its mean; 0: it is constant. It
        drifts slowly and by itself, transients on it stay as large, and given traces stay as they are (low confidence).
    baseline_time_constant_s
        Correlation time τ of that drift: exp(−t/τ) of its logarithm.
    saturation
        Hill's curve between calcium and fluorescence; ``None``: proportional. The indicator's named times remain those
        of a lone spike's fluorescence; calcium's are solved for.
    spike_times_s
        Given spikes of the first cells (units 0, 1 and so on), ascending, s from the recording's start; those before it
        are negative. ``None`` for a cell, or in place of the list, leaves drawn spikes. Dead times and assemblies do
        not touch given ones.
    dff_traces
        Given ΔF/F of the first cells in every frame ``(cell, frame)``: an array, or the path of a ``.npy``, ``.mat`` or
        ``.csv`` file. They have no spikes. ``C`` is brightness · (1 + ΔF/F).
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
    kinetics_spread: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    dff_per_spike: Annotated[float, Field(ge=0, le=100)] = 0.2
    dff_spread: Annotated[float, Field(ge=0, le=2)] = 0.0
    baseline_fluctuation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    baseline_time_constant_s: Annotated[float, Field(ge=1, le=1e5)] = 100.0
    saturation: HillSaturation | None = None
    spike_times_s: GivenTrains | None = None
    dff_traces: GivenArray | None = None

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        fastest = max(self.active_rate_hz, self.quiescent_rate_hz)
        if fastest * self.refractory_s > BUSY_REFRACTORY:
            raise ValueError(
                f"refractory_s = {self.refractory_s:g} leaves no time for {fastest:g} spikes per second; "
                f"lower it to {BUSY_REFRACTORY / fastest:.3g} or less"
            )
        try:
            rise, decay = self.time_constants_s
        except ValueError as error:
            raise ValueError(
                f"saturation leaves no calcium transient that gives fluorescence the times of {self.indicator!r} "
                f"({error}); give rise_s and decay_s of calcium, or another kd_nm or spike_nm"
            ) from None
        if rise > 0.999 * decay:
            raise ValueError(f"rise_s = {rise:.4g} must be below decay_s = {decay:.4g}")
        if self.spike_times_s is not None and self.dff_traces is not None:
            raise ValueError("spike_times_s and dff_traces both say what the first cells do; give one")
        check_spike_times(self.spike_times_s or ())
        if self.dff_traces is not None:
            self._check_traces(self.dff_traces.values)
        return self

    @staticmethod
    def _check_traces(traces: Floats32) -> None:
        """Refuse what is no ΔF/F of cells."""
        if traces.ndim != 2:
            raise ValueError(f"dff_traces has shape {traces.shape}, not (cell, frame); one cell is one row")
        low = np.argwhere(traces < -1)
        if len(low):
            i, frame = low[0].tolist()
            raise ValueError(
                f"dff_traces[{i}] is {traces[i, frame]:g} in frame {frame}; light is never negative, so dF/F is -1 or "
                "more: give (F - F0)/F0"
            )

    def check(self, context: SpecContext) -> list[str]:
        """Refuse traces that are too short; warn of slow frames, of cells more active at rest, and of late spikes."""
        acquisition = context.acquisition
        if self.dff_traces is not None and self.dff_traces.shape[1] < acquisition.n_frames:
            raise ValueError(
                f"dff_traces has {self.dff_traces.shape[1]} frames, and the recording {acquisition.n_frames}; give one "
                "value a frame, or lower acquisition.duration_s"
            )
        half_decay_s = half_decay(*self.time_constants_s, self._half_level)
        soft_warnings = slow_frame_warnings(acquisition.exposure_s, half_decay_s)
        end_s = acquisition.n_frames * acquisition.exposure_s
        soft_warnings += late_spike_warnings(self.spike_times_s or (), end_s)
        if self.quiescent_rate_hz > self.active_rate_hz:
            soft_warnings.append(
                f"quiescent_rate_hz = {self.quiescent_rate_hz:g} exceeds active_rate_hz = {self.active_rate_hz:g}: "
                "the typical transient is that of the active state"
            )
        return soft_warnings

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of spike times, and of the checkpoints of traces."""
        acquisition = context.acquisition
        rate_hz = float(self.model.process(np.zeros(1)).mean_hz[0])
        duration_s = acquisition.n_frames * acquisition.exposure_s
        return Cost(bytes_per_cell=24.0 * math.ceil(acquisition.n_frames / FRAMES) + 8 * rate_hz * duration_s)

    @property
    def time_constants_s(self) -> tuple[float, float]:
        """Mean τ of calcium's rise and decay, s: as given, else the indicator's."""
        if self.rise_s is not None and self.decay_s is not None:
            return self.rise_s, self.decay_s
        rise, decay = INDICATORS[self.indicator].time_constants_at(self._half_level)
        return (rise if self.rise_s is None else self.rise_s, decay if self.decay_s is None else self.decay_s)

    @property
    def _given_spikes(self) -> tuple[SpikeTimes | None, ...]:
        """Spikes of the first cells; cells of given traces have none."""
        if self.dff_traces is not None:
            return ((),) * len(self.dff_traces.values)
        return self.spike_times_s or ()

    @property
    def _half_level(self) -> float:
        """Calcium of half a lone spike's fluorescence, over its peak."""
        return 0.5 if self.saturation is None else self.saturation.half_rise

    @property
    def model(self) -> ActivityModel:
        """The law that these fields state."""
        rise, decay = self.time_constants_s
        return ActivityModel(
            quiescent_rate_hz=self.quiescent_rate_hz,
            active_rate_hz=self.active_rate_hz,
            leave_hz=(1 / self.mean_quiescent_s, 1 / self.mean_active_s),
            refractory_s=self.refractory_s,
            rise_s=rise,
            decay_s=decay,
            hill=PROPORTIONAL if self.saturation is None else self.saturation.curve,
            dff_per_spike=self.dff_per_spike,
            rate_spread=self.rate_spread,
            dff_spread=self.dff_spread,
            kinetics_spread=self.kinetics_spread,
            baseline_fluctuation=self.baseline_fluctuation,
            baseline_time_constant_s=self.baseline_time_constant_s,
        )

    def plan(self, ctx: Context, cells: Cells, assemblies: AssemblyEvents | None = None) -> Activity:
        """Draw every cell's spikes and expose their calcium."""
        model = self.model
        z = CellNormals.cut(
            *(standard_normals(ctx.stream_keys(name, cells.identity)) for name in ("rate", "dff", "kinetics"))
        )
        process = model.process(z.rate)
        shared = None if assemblies is None else assemblies.input_of(assemblies.names, process)
        trains = self._spikes(ctx, cells, process, shared)
        rate_hz = process.mean_hz if shared is None else process.mean_hz + shared.mean_hz
        rate_hz = mean_rates_hz(rate_hz, self._given_spikes)
        baseline = np.ascontiguousarray(cells.brightness, np.float64)
        gain = baseline * model.dff(z.dff)
        traces = self._traces(ctx, trains, time_scale=model.time_scale(z.kinetics), offset=baseline, gain=gain)
        drift_keys = ctx.stream_keys("baseline", cells.identity)
        traces = replace(traces, drift=model.baseline_drift(drift_keys, ctx.acquisition.exposure_s))
        bouts = LoneBouts(ctx, model, z, gain)
        expected = baseline + gain * rate_hz * model.area_per_spike_s(ctx, z, shared)
        if self.dff_traces is not None:
            # The whole of the given traces counts, so that a longer recording changes nothing.
            dff = self.dff_traces.values[: len(cells)]
            traces = replace(traces, given_dff=dff)
            of_given = baseline[: len(dff)]
            bouts = replace(bouts, given_peak=of_given * dff.max(axis=1, initial=0))
            expected[: len(dff)] = of_given * (1 + dff.mean(axis=1, dtype=np.float64))
        return Activity(
            traces=traces,
            spike_time_s=trains.times_s,
            spike_start=trains.start,
            baseline=baseline,
            expected_rate_hz=rate_hz,
            expected_C=expected,
            lone_bouts=bouts,
            model=model,
            assemblies=assemblies,
            given_notes=self._given_notes(len(cells)),
        )

    def _spikes(self, ctx: Context, cells: Cells, process: SpikeProcess, shared: SharedInput | None) -> SpikeTrains:
        """Draw the cells' own spikes, add those of events, and put given spikes in their place."""
        memory_s = max(20 * self.model.longest_decay_s, self.refractory_s)
        end_s = ctx.n_frames * ctx.acquisition.exposure_s
        # A cell's own spike soon after the end keeps added ones away that come just before it.
        beyond_s = 0.0 if shared is None else self.refractory_s
        keys = ctx.stream_keys("spikes", cells.identity)
        past_keys = ctx.stream_keys("past", cells.identity)
        trains = draw_spikes(keys, past_keys, process, memory_s=memory_s, end_s=end_s + beyond_s)
        if shared is not None:
            trains = shared.added_to_trains(trains, memory_s, end_s)
        return with_given(trains, self._given_spikes, end_s)

    def _traces(
        self, ctx: Context, trains: SpikeTrains, *, time_scale: Floats, offset: Floats, gain: Floats
    ) -> CalciumTraces:
        """Expose the calcium of spikes; parameters as in :class:`~pytest_calsim.steps.cells.traces.CalciumTraces`."""
        response = self.model.response(ctx.acquisition.exposure_s)
        # What came before the recording is in the first checkpoint.
        seen = SpikeTrains(trains.times_s, trains.start, np.empty(0), np.zeros_like(trains.start))
        return CalciumTraces.of(
            seen,
            response,
            calcium_at_start(trains, response, time_scale),
            time_scale=time_scale,
            offset=offset,
            gain=gain,
            n_frames=ctx.n_frames,
        )

    def _given_notes(self, n_cells: int) -> tuple[str, ...]:
        """Return a note where spikes or traces are given for more cells than were placed."""
        name = "spike_times_s" if self.dff_traces is None else "dff_traces"
        n_given = len(self._given_spikes)
        if n_given <= n_cells:
            return ()
        return (
            f"cell_activity: {name} is given for {n_given} cells, and {n_cells} were placed: the last "
            f"{n_given - n_cells} belong to nobody",
        )
