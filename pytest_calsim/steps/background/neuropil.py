"""Paint background fluorescence: smooth fields that fluctuate slowly and follow a population's activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.parallel import in_parallel
from pytest_calsim.arrays.streams import numbered_keys
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.spikes import standard_normals
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.exposure import mean_of_lines
from pytest_calsim.microscope.units import Fraction, Frozen
from pytest_calsim.steps.background.component_courses import lognormal_walk, lowpassed_rate
from pytest_calsim.steps.background.local_background import LocalBackground, LocalPatches
from pytest_calsim.steps.background.random_field import lognormal_field
from pytest_calsim.steps.cells.bleaching import BleachingCurve, Fading
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.pixels import Image, Layers, LightOrder, SmoothSources, SplineImages
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step
from pytest_calsim.steps.tissue.vasculature import Vessels

__all__ = ["LocalBackground", "Neuropil", "NeuropilComponent", "NeuropilLight"]


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
        Share of the time course that follows the spike rate of a population instead, whose cells are active as those
        of ``cell_activity``; it is constant without that step.
    lowpass_s
        Time constant of the low-pass through which it follows the rate.
    depth_um
        Depth of the layer: vessels above it shade it. Its brightness is as seen, scattering included.
    """

    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    correlation_um: Annotated[float, Field(ge=5, le=10000)] = 250.0
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.25
    fluctuation: Annotated[float, Field(ge=0, le=1)] = 0.05
    time_constant_s: Annotated[float, Field(ge=0.5, le=1e5)] = 20.0
    activity_fraction: Fraction = 0.1
    lowpass_s: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    depth_um: Annotated[float, Field(ge=0, le=1e4)] = 120.0


_POPULATION = 1000
"""Cells that the neuropil follows."""
_MAX_PATCHES = 100_000
_BYTES_PER_PATCH = 4000
_LIGHT_LEVELS = 8
"""Levels of light, from darkness to the field's maximum, between which bleaching is interpolated."""
_RATE = np.uint64(0xD6E8FEB86659FD93)
"""XOR turns the name of a cell of that population into the name of its rate's stream."""

_BROAD = NeuropilComponent(weight=0.7)
_LOCAL = NeuropilComponent(
    weight=0.3, correlation_um=70.0, contrast=0.2, fluctuation=0.08, time_constant_s=5.0, activity_fraction=0.3
)


@dataclass(frozen=True, eq=False)
class NeuropilLight(Layers, SmoothSources):
    """The background's layers and patches.

    Attributes
    ----------
    spatial
        Mean brightness of each component behind optics and vessels, float32 ``(component, height, width)`` on the
        canvas, in units of a resting cell's in-focus brightness. Where uneven light bleaches it, a component is
        given as several, each for a part of the canvas in like light.
    temporal
        Time courses, averaged over each exposure, float32 ``(frame, component)``; of expectation 1, and falling where
        the neuropil bleaches.
    window
        The sensor's part of the canvas.
    transmission
        Share of the light that the vessels above the patches let through; ``None``: there are none.
    patches
        The patches; ``None``: there are none.
    fading
        Share of fluorophore left in each patch; ``None``: all of it.
    spline_images
        Images of the patches.
    """

    window: Rect
    transmission: Image | None
    patches: LocalPatches | None
    fading: Fading | None
    spline_images: tuple[SplineImages, ...]
    light_order: ClassVar[float] = LightOrder.BACKGROUND

    @property
    def n_sources(self) -> int:
        """Number of patches."""
        return 0 if self.patches is None else len(self.patches.flux)

    def gains(self, start: int, stop: int) -> Image:
        """Return each patch's light in frames ``start`` to ``stop``, bleaching included, float32 ``(patch, frame)``."""
        if self.patches is None:
            return np.zeros((0, stop - start), np.float32)
        light = self.patches.courses.means(start, stop)
        return light if self.fading is None else light * self.fading.remaining(start, stop)

    def expected_gains(self) -> Image:
        """Return the patches' expected light, unbleached: 1 each, float32 ``(patch, 1)``."""
        return np.ones((self.n_sources, 1), np.float32)

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``neuropil_spatial`` on the sensor at zero shift, vessels included, and ``neuropil_temporal``.

        Patches add their place, σ and light; :meth:`gains` gives their courses.
        """
        layers = {
            "neuropil_spatial": TruthArray(("component", "height", "width"), self.spatial[:, *self.window.slices]),
            "neuropil_temporal": TruthArray(("component", "frame"), self.temporal.T),
        }
        if self.patches is None:
            return layers
        return layers | {
            "neuropil_patch_y_um": TruthArray(("patch",), self.patches.y_um, "um"),
            "neuropil_patch_x_um": TruthArray(("patch",), self.patches.x_um, "um"),
            "neuropil_patch_sigma_um": TruthArray(("patch",), self.patches.sigma_um, "um"),
            "neuropil_patch_flux": TruthArray(("patch",), self.patches.flux),
        }


class Neuropil(Step):
    """Out-of-focus fluorescence under and around the cells.

    Attributes
    ----------
    level
        Expected brightness of all components together, in units of a resting cell's in-focus brightness. A cell at
        depth z keeps only exp(−z/M) of its own, so with the default it is about a sixth of what it lies on.
    components
        The layers that share this level.
    local
        Patches, each with its own course, which carry a share of the level; ``None``: none.
    """

    level: Annotated[float, Field(ge=0, le=1000)] = 1.5
    components: Annotated[tuple[NeuropilComponent, ...], Field(min_length=1, max_length=16)] = (_BROAD, _LOCAL)
    local: LocalBackground | None = None

    def check(self, context: SpecContext) -> list[str]:
        """Refuse more patches than are simulated."""
        count = 0 if self.local is None else self.local.count(context.canvas)
        if count > _MAX_PATCHES:
            raise ValueError(
                f"local asks for some {count} patches in and around the field of view, and at most {_MAX_PATCHES} are "
                "simulated; lower local.density_per_mm2, or the sensor"
            )
        return []

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of fields and courses, of one field while it is drawn, and of the patches."""
        pixels = context.canvas.shape[0] * context.canvas.shape[1]
        layers = len(self.components) * (_LIGHT_LEVELS if BleachingCurve in context.provided else 1)
        patches = 0 if self.local is None else self.local.count(context.canvas)
        per_layer = 4.0 * pixels + 8 * context.acquisition.n_frames
        return Cost(fixed_bytes=layers * per_layer + 24 * pixels + _BYTES_PER_PATCH * patches)

    def plan(
        self,
        ctx: Context,
        activity: Activity | None = None,
        vessels: Vessels | None = None,
        bleaching: BleachingCurve | None = None,
    ) -> NeuropilLight:
        """Draw each component's field and time course, and each patch, each from its own stream."""
        level = self.level * ctx.acquisition.optics.collection
        whole = sum(component.weight for component in self.components)
        of_layers = 1.0 if self.local is None else 1 - self.local.share
        spikes_s, expected_hz = _population_spikes(ctx, activity)

        def draw(k: int) -> tuple[Floats, Floats]:
            component = self.components[k]
            field = lognormal_field(
                rng=ctx.stream("field", k),
                y_um=ctx.canvas.y_um,
                x_um=ctx.canvas.x_um,
                correlation_um=component.correlation_um,
                sd=component.contrast,
            )
            field *= level * of_layers * component.weight / whole
            if vessels is not None:
                field *= vessels.transmission(component.depth_um)
            follow = component.activity_fraction
            active = _activity_course(ctx, component.lowpass_s, spikes_s, expected_hz)
            return field, (1 - follow) * _slow_course(ctx, k, component) + follow * active

        fields, courses = zip(*in_parallel(draw, range(len(self.components))), strict=True)
        spatial, temporal = _bleached(ctx, fields, courses, bleaching)
        patches = None if self.local is None else self.local.draw(ctx, level)
        above_patches = None if patches is None else vessels
        return NeuropilLight(
            spatial=spatial,
            temporal=temporal,
            window=ctx.canvas.window,
            transmission=None if above_patches is None else above_patches.transmission(self.components[0].depth_um),
            patches=patches,
            fading=None if bleaching is None or patches is None else bleaching.at(patches.y_um, patches.x_um),
            spline_images=() if patches is None else patches.spline_images,
        )


def _bleached(
    ctx: Context, fields: Sequence[Floats], courses: Sequence[Floats], bleaching: BleachingCurve | None
) -> tuple[Image, Image]:
    """Return layers ``(layer, height, width)`` and their courses ``(frame, layer)``, bleached by local illumination.

    The light takes a few levels an eighth apart. Between two of them, what is left is their mixture: within 0.4 % of
    what it should be, relative to the start, for light of half the field's maximum and more.
    """
    if bleaching is None:
        return np.stack(fields).astype(np.float32), np.stack(courses, axis=1).astype(np.float32)
    light = bleaching.light_at(ctx.canvas.y_um[:, np.newaxis], ctx.canvas.x_um) * _LIGHT_LEVELS
    spatial: list[Image] = []
    temporal: list[Image] = []
    for level in range(int(light.min()), int(np.ceil(light.max())) + 1):
        share = np.maximum(1 - np.abs(light - level), 0)
        if share.any():
            left = bleaching.in_light(np.array([level / _LIGHT_LEVELS])).remaining(0, ctx.n_frames)[0]
            spatial += [(field * share).astype(np.float32) for field in fields]
            temporal += [(course * left).astype(np.float32) for course in courses]
    return np.stack(spatial), np.stack(temporal, axis=1)


def _slow_course(ctx: Context, k: int, component: NeuropilComponent) -> Floats:
    """Return the slow time course of one component, averaged over each exposure; expectation 1."""
    end_s = ctx.n_frames * ctx.acquisition.exposure_s
    time_s, values = lognormal_walk(
        ctx.stream("course", k), component.time_constant_s, component.fluctuation, duration_s=end_s
    )
    return mean_of_lines(time_s, values[np.newaxis], ctx.frame_starts_s, ctx.acquisition.exposure_s)[0]


def _population_spikes(ctx: Context, activity: Activity | None) -> tuple[Floats, float]:
    """Return spike times of the population that the neuropil follows, ascending, and its expected rate, Hz.

    Neuropil is made of processes of neurons that mostly lie elsewhere. So these are cells of
    another population, as many as a square millimetre of a layer holds, for every field of view.
    """
    if activity is None:
        return np.zeros(0), 0.0
    keys = numbered_keys(ctx.stream_key("population"), _POPULATION)
    end_s = ctx.n_frames * ctx.acquisition.exposure_s
    times_s, expected_hz = activity.model.spikes_of(keys, standard_normals(keys ^ _RATE), end_s)
    return np.sort(times_s), expected_hz


def _activity_course(ctx: Context, lowpass_s: float, spikes_s: Floats, expected_hz: float) -> Floats | float:
    """Return the low-passed spike rate of a population over its expectation; 1 where there is none.

    The rate is divided by no less than one spike per low-pass window: a lone spike in silence at most doubles the
    light.
    """
    if expected_hz == 0:
        return 1.0
    rate_hz = lowpassed_rate(
        spikes_s,
        lowpass_s,
        frame_starts_s=ctx.frame_starts_s,
        exposure_s=ctx.acquisition.exposure_s,
        start_hz=expected_hz,
    )
    return 1 + (rate_hz - expected_hz) / max(expected_hz, 1 / lowpass_s)
