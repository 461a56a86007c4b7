"""Background fluorescence: smooth glowing fields that fluctuate slowly and follow the population's activity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.parallel import in_parallel
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.microscope.exposure import mean_of_lines
from pytest_calsim.microscope.units import Fraction, Frozen
from pytest_calsim.steps.background.random_field import lognormal_field
from pytest_calsim.steps.background.slow_course import Floats, lognormal_walk, lowpassed_rate
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.pixels import Layers, LightOrder
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["Neuropil", "NeuropilComponent", "NeuropilLight"]


class NeuropilComponent(Frozen):
    """One layer of the background: a smooth positive field times a positive time course, both of mean 1.

    Attributes
    ----------
    weight
        Share of the background's level, relative to the other components' weights.
    correlation_um
        Correlation length ℓ of the field's logarithm: exp(−r²/2ℓ²).
    contrast
        Standard deviation of the field over space, relative to its mean.
    fluctuation
        Standard deviation of the slow time course, relative to its mean.
    time_constant_s
        Correlation time of the slow time course: exp(−t/τ) of its logarithm.
    activity_fraction
        Share of the time course that follows the population's spike rate instead; it takes effect when cells are
        active in the field of view, and is constant without them.
    lowpass_s
        Time constant of the low-pass through which it follows the rate.
    depth_um
        Where the layer lies: vessels above it shade it. Its brightness is as seen, scattering included.
    """

    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    correlation_um: Annotated[float, Field(ge=5, le=10000)] = 250.0
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.25
    fluctuation: Annotated[float, Field(ge=0, le=1)] = 0.05
    time_constant_s: Annotated[float, Field(ge=0.5, le=1e5)] = 20.0
    activity_fraction: Fraction = 0.1
    lowpass_s: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    depth_um: Annotated[float, Field(ge=0, le=1e4)] = 120.0


_BROAD = NeuropilComponent(weight=0.7)
_LOCAL = NeuropilComponent(
    weight=0.3, correlation_um=70.0, contrast=0.2, fluctuation=0.08, time_constant_s=5.0, activity_fraction=0.3
)


@dataclass(frozen=True, eq=False)
class NeuropilLight(Layers):
    """The background's layers.

    Attributes
    ----------
    spatial
        Mean brightness of each component behind optics and vessels, float32 ``(component, height, width)`` on the
        canvas, in units of a resting cell's in-focus brightness.
    temporal
        Time courses of expectation 1, averaged over each exposure, float32 ``(frame, component)``.
    window
        The sensor's part of the canvas.
    """

    window: Rect
    light_order: ClassVar[float] = LightOrder.BACKGROUND

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """``neuropil_spatial`` on the sensor at zero shift, vessels included, and ``neuropil_temporal``."""
        return {
            "neuropil_spatial": TruthArray(("component", "height", "width"), self.spatial[:, *self.window.slices]),
            "neuropil_temporal": TruthArray(("component", "frame"), self.temporal.T),
        }


class Neuropil(Step):
    """Out-of-focus fluorescence under and around the cells. It does not bleach.

    Attributes
    ----------
    level
        Expected brightness of all components together, in units of a resting cell's in-focus brightness. A cell at
        depth z keeps only exp(−z/M) of its own, so with the default it is about a sixth of what it lies on.
    components
        The layers that share this level.
    """

    level: Annotated[float, Field(ge=0, le=1000)] = 1.5
    components: Annotated[tuple[NeuropilComponent, ...], Field(min_length=1, max_length=16)] = (_BROAD, _LOCAL)

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of fields and courses, and of one field while it is drawn."""
        pixels = context.canvas.shape[0] * context.canvas.shape[1]
        kept = len(self.components) * (4.0 * pixels + 8 * context.acquisition.n_frames)
        return Cost(fixed_bytes=kept + 24 * pixels)

    def plan(
        self,
        ctx: Context,
        cells: Cells | None = None,
        activity: Activity | None = None,
        vessels: Vessels | None = None,
    ) -> NeuropilLight:
        """Draw each component's field and time course from its own streams."""
        total = sum(component.weight for component in self.components)
        spatial = np.empty((len(self.components), *ctx.canvas.shape), np.float32)
        temporal = np.empty((ctx.n_frames, len(self.components)), np.float32)

        def draw(k: int) -> None:
            component = self.components[k]
            level = self.level * component.weight / total * ctx.acquisition.optics.collection
            field = lognormal_field(
                ctx.stream("field", k), ctx.canvas.y_um, ctx.canvas.x_um, component.correlation_um, component.contrast
            )
            spatial[k] = level * field
            if vessels is not None:
                spatial[k] *= vessels.transmission(component.depth_um)
            follow = component.activity_fraction
            active = _activity_course(ctx, component.lowpass_s, cells, activity)
            temporal[:, k] = (1 - follow) * _slow_course(ctx, k, component) + follow * active

        in_parallel(draw, range(len(self.components)))
        return NeuropilLight(read_only(spatial), read_only(temporal), ctx.canvas.window)


def _slow_course(ctx: Context, k: int, component: NeuropilComponent) -> Floats:
    """The slow time course of one component, averaged over each exposure; expectation 1."""
    end_s = ctx.n_frames * ctx.acquisition.exposure_s
    time_s, values = lognormal_walk(
        ctx.stream("course", k), component.time_constant_s, component.fluctuation, duration_s=end_s
    )
    return mean_of_lines(time_s, values[np.newaxis], ctx.frame_starts_s, ctx.acquisition.exposure_s)[0]


def _activity_course(ctx: Context, lowpass_s: float, cells: Cells | None, activity: Activity | None) -> Floats | float:
    """The low-passed spike rate of the cells in view over its expectation; 1 where there is none.

    Only cells in the field of view count, so that a wider margin changes nothing. The rate is divided by no less
    than one spike per low-pass window: a lone spike in a silent field at most doubles the light.
    """
    if cells is None or activity is None:
        return 1.0
    in_view = np.repeat(cells.in_fov, np.diff(activity.spike_start))
    expected_hz = float(activity.expected_rate_hz[cells.in_fov].sum())
    rate_hz = lowpassed_rate(
        np.sort(activity.spike_time_s[in_view]),
        lowpass_s,
        frame_starts_s=ctx.frame_starts_s,
        exposure_s=ctx.acquisition.exposure_s,
        start_hz=expected_hz,
    )
    return 1 + (rate_hz - expected_hz) / max(expected_hz, 1 / lowpass_s)
