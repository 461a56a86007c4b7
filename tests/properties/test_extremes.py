"""The lowest and the highest of every bounded field simulate, or are refused when the spec is made."""

import math
import types
import typing

import numpy as np
import pytest
from laws import scene_of
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pytest_calsim import Spec
from pytest_calsim.errors import SpecError
from pytest_calsim.steps.registry import step_classes
from pytest_calsim.steps.step import dependencies

OPTIONAL = ("brain_motion", "cell_activity", "neuropil", "vasculature")

# Every step, every optional part of one, on a small sensor and with few cells.
EVERYTHING = {
    "acquisition": {"fps": 20, "duration_s": 0.1, "image_sensor": {"height_px": 24, "width_px": 16}},
    "steps": [
        *({"kind": kind} for kind in sorted(step_classes()) if kind not in OPTIONAL),
        {"kind": "brain_motion", "max_shift_um": 1, "random_walk": {}, "oscillator": {}, "jumps": {}},
        {"kind": "cell_activity", "saturation": {}},
        {"kind": "neuropil", "local": {}},
        # Twigs grow in number by the cube of the ratio of the radii.
        {"kind": "vasculature", "min_radius_um": 7, "more_layers": [{}]},
    ],
}

CHAIN = {"place_neurons", "cell_activity", "cell_optics", "render"}

# What must make room for an extreme, by path, or by path and value.
PIXEL = "acquisition.optics.magnification"
CHIP = "acquisition.image_sensor"
TINY_FIELD = {"brain_motion.max_shift_um": 0.1, "place_neurons.populations.0.morphology": "bead"}
SPARSE = {"place_neurons.populations.0.density_per_mm3": 100}
ROOM = {
    ("acquisition.fps", 0.1): {"acquisition.duration_s": 10},
    ("acquisition.optics.na", 1.2): {"acquisition.optics.refractive_index": 2},
    (PIXEL, 0.05): {f"{CHIP}.pixel_pitch_um": 0.11},
    (PIXEL, 100): TINY_FIELD,
    (f"{CHIP}.pixel_pitch_um", 100): {PIXEL: 50},
    (f"{CHIP}.height_px", 8192): {f"{CHIP}.width_px": 8},
    (f"{CHIP}.width_px", 8192): {f"{CHIP}.height_px": 8},
    (f"{CHIP}.pixel_pitch_um", math.nextafter(0.1, 1)): TINY_FIELD,
    (f"{CHIP}.bit_depth", 16): {f"{CHIP}.adc_bit_depth": 16},
    (f"{CHIP}.adc_bit_depth", 4): {f"{CHIP}.bit_depth": 4, f"{CHIP}.black_level_adu": 3},
    (f"{CHIP}.black_level_adu", 60000): {f"{CHIP}.adc_bit_depth": 16},
    ("place_neurons.populations.0.depth_um", 0): {"place_neurons.populations.0.thickness_um": 0},
    ("place_neurons.populations.0.thickness_um", 2000): {"place_neurons.populations.0.depth_um": 1000, **SPARSE},
    ("cell_activity.quiescent_rate_hz", 100): {"cell_activity.active_rate_hz": 100},
    ("cell_activity.rise_s", 10): {"cell_activity.decay_s": 20},
    ("cell_activity.refractory_s", 0.1): {"cell_activity.active_rate_hz": 5},
    ("background_cells.populations.0.depth_um", 1): {"background_cells.populations.0.thickness_um": 2},
    ("background_cells.populations.0.thickness_um", 2000): {"background_cells.populations.0.depth_um": 1000},
    ("neuropil.local.fluctuation", 0.3): {"neuropil.local.density_per_mm2": 100, "neuropil.local.share": 1},
    ("neuropil.local.least_um", 200): {"neuropil.local.largest_um": 200},
    ("neuropil.local.largest_um", 20): {"neuropil.local.least_um": 20},
    ("neuropil.local.share", 0.01): {"neuropil.local.fluctuation": 0.002},
}
for layer in ("vasculature", "vasculature.more_layers.0"):
    ROOM |= {
        (f"{layer}.root_radius_um", 2): {f"{layer}.min_radius_um": 1},
        (f"{layer}.root_radius_um", 100): {f"{layer}.min_radius_um": 10},
        (f"{layer}.min_radius_um", 1): {f"{layer}.root_radius_um": 12},
        (f"{layer}.min_radius_um", 100): {f"{layer}.root_radius_um": 100},
        (f"{layer}.top_depth_um", 2000): {f"{layer}.bottom_depth_um": 2000},
        (f"{layer}.bottom_depth_um", 0): {f"{layer}.top_depth_um": 0},
    }

# No other field can make room for these: they are refused, in one line.
REFUSED = {
    ("acquisition.duration_s", math.nextafter(0, 1)),
    ("acquisition.optics.field_curvature_radius_um", math.nextafter(0, 1)),
    ("cell_activity.decay_s", 0.001),
    # Saturated as much, no calcium gives fluorescence the named indicator's times.
    ("cell_activity.saturation.kd_nm", 10),
    ("cell_activity.saturation.spike_nm", 10_000.0),
    ("brain_motion.max_shift_um", 10000),
    ("place_neurons.populations.0.n_cells", 20_000),  # with those around the field of view there are more
}

# 2 million frames: cost grows with them, and nothing else does.
TOO_LONG = {("acquisition.duration_s", 1e5)}


def bounded(model, path):
    """Dotted paths of all bounded numbers below a model, with their lowest and highest value."""
    for name, info in model.model_fields.items():
        yield from bounded_type(info.annotation, info.metadata, f"{path}.{name}")


def bounded_type(annotation, metadata, path):
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = [m for extra in arguments[1:] for m in (extra.metadata if isinstance(extra, FieldInfo) else [extra])]
        yield from bounded_type(arguments[0], inner, path)
    elif origin in (typing.Union, types.UnionType):
        for option in arguments:
            yield from bounded_type(option, (), path)
    elif origin is tuple and arguments[-1] is Ellipsis:
        if isinstance(arguments[0], type) and issubclass(arguments[0], BaseModel):
            yield from bounded(arguments[0], f"{path}.0")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from bounded(annotation, path)
    elif annotation in (int, float):
        limits = {n: getattr(m, n) for m in metadata for n in ("ge", "gt", "le", "lt") if hasattr(m, n)}
        step = 1 if annotation is int else 0
        for closed, opened, towards in (("ge", "gt", math.inf), ("le", "lt", -math.inf)):
            if closed in limits:
                yield path, limits[closed]
            elif opened in limits and step:
                yield path, limits[opened] + (1 if towards > 0 else -1)
            elif opened in limits:
                yield path, math.nextafter(limits[opened], towards)


def every_extreme():
    models = {"acquisition": Spec.model_fields["acquisition"].annotation, **step_classes()}
    found = [extreme for name, model in models.items() for extreme in bounded(model, name)]
    return [extreme for extreme in found if extreme not in TOO_LONG]


@pytest.mark.parametrize(("path", "value"), every_extreme(), ids=str)
@pytest.mark.filterwarnings("ignore::pytest_calsim.errors.CalsimWarning")
def test_a_bound_simulates_or_is_refused_in_one_line(path, value):
    kind = path.partition(".")[0]
    base = Spec.make(EVERYTHING)
    changes = {**ROOM.get((path, value), {}), path: value}
    if kind != "acquisition":
        kept = {other.partition(".")[0] for other in changes} | {"leakage", "sensor"}
        kept |= CHAIN if kept & CHAIN or dependencies(step_classes()[kind]).requires else set()
        base = base.edit(drop=[other for other in base.kinds if other not in kept])
    if (path, value) in REFUSED:
        with pytest.raises(SpecError) as caught:
            base.edit(changes)
        assert "\n" not in str(caught.value)
        return
    scene = scene_of(base.edit(changes))
    n = scene.n_frames
    blocks = [(0, n)] if n <= 2 else [(0, 1), (n - 1, n)]
    for stage in scene.stages:
        assert all(np.isfinite(scene.paint(*block, stage)).all() for block in blocks)
    for name, truth in scene.truth().items():
        assert np.isfinite(truth.values if hasattr(truth, "values") else truth.data).all(), name
