"""When cells spike, and the calcium fluorescence that follows."""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from pytest_calsim.kernels.calcium import PROPORTIONAL, calcium_at_start
from pytest_calsim.kernels.spikes import SpikeTrains, draw_spikes, standard_normals
from pytest_calsim.kernels.types import Keys
from pytest_calsim.steps.cells.activity import Activity
from pytest_calsim.steps.cells.activity_model import BUSY_REFRACTORY, ActivityModel, CellNormals
from pytest_calsim.steps.cells.indicators import INDICATORS, IndicatorName, half_decay, slow_frame_warnings
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.saturation import HillSaturation
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
    saturation
        Hill's curve between calcium and fluorescence; ``None``: proportional. The indicator's named times remain those
        of a lone spike's fluorescence; calcium's are solved for.
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
    saturation: HillSaturation | None = None

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
        return self

    def check(self, context: SpecContext) -> list[str]:
        """Warn of frames that are too slow for the indicator, and of cells that are more active at rest."""
        half_decay_s = half_decay(*self.time_constants_s, self._half_level)
        soft_warnings = slow_frame_warnings(context.acquisition.exposure_s, half_decay_s)
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
        )

    def plan(self, ctx: Context, cells: Cells) -> Activity:
        """Draw every cell's spikes and expose their calcium."""

        def keys(name: str) -> Keys:
            return np.array([ctx.stream_key(name, *cells.entity(i)) for i in range(len(cells))], np.uint64)

        model = self.model
        z = CellNormals.cut(*(standard_normals(keys(name)) for name in ("rate", "dff", "kinetics")))
        process = model.process(z.rate)
        trains = draw_spikes(
            keys("spikes"),
            keys("past"),
            process,
            memory_s=max(20 * model.longest_decay_s, self.refractory_s),
            end_s=ctx.n_frames * ctx.acquisition.exposure_s,
        )
        baseline = np.ascontiguousarray(cells.brightness, np.float64)
        gain = baseline * model.dff(z.dff)
        time_scale = model.time_scale(z.kinetics)
        response = model.response(ctx.acquisition.exposure_s)
        # What came before the recording is in the first checkpoint.
        seen = SpikeTrains(trains.times_s, trains.start, np.empty(0), np.zeros_like(trains.start))
        traces = CalciumTraces.of(
            seen,
            response,
            calcium_at_start(trains, response, time_scale),
            time_scale=time_scale,
            offset=baseline,
            gain=gain,
            n_frames=ctx.n_frames,
        )
        peak, energy = model.typical_transients(ctx, z)
        return Activity(
            traces=traces,
            spike_time_s=trains.times_s,
            spike_start=trains.start,
            baseline=baseline,
            expected_rate_hz=process.mean_hz,
            expected_C=baseline + gain * process.mean_hz * model.area_per_spike_s(ctx, z),
            typical_transient=gain * peak,
            transient_energy=energy,
            model=model,
        )
