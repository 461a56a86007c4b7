"""The lowest and the highest of every bounded field simulate, or are refused when the spec is made."""

import math
import types
import typing

import numpy as np
import pytest
from laws import scene_of
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pytest_calsim import Spec
from pytest_calsim.errors import SpecError
from pytest_calsim.steps.base import registry

# Every step, every optional part of one, on a small sensor and with few cells.
EVERYTHING = {
    "acquisition": {"fps": 20, "duration_s": 0.2, "image_sensor": {"height_px": 24, "width_px": 16}},
    "steps": [
        *({"kind": kind} for kind in sorted(registry()) if kind not in ("brain_motion", "cell_activity")),
        {"kind": "brain_motion", "max_shift_um": 1, "random_walk": {}, "oscillator": {}, "jumps": {}},
        {"kind": "cell_activity", "saturation": {}},
    ],
}

# A field whose extremes go with another field that must make room for it.
ROOM = {
    "acquisition.fps": {"acquisition.duration_s": 20},
    "acquisition.image_sensor.bit_depth": {"acquisition.image_sensor.adc_bit_depth": 16},
    "acquisition.image_sensor.black_level_adu": {"acquisition.image_sensor.adc_bit_depth": 16},
    "place_neurons.populations.0.thickness_um": {"place_neurons.populations.0.depth_um": 1000},
    "cell_activity.quiescent_rate_hz": {"cell_activity.active_rate_hz": 100},
    "cell_activity.rise_s": {"cell_activity.decay_s": 20},
    "acquisition.optics.na": {"acquisition.optics.refractive_index": 2},
    "vasculature.top_depth_um": {"vasculature.bottom_depth_um": 2000},
}
# Costs more than a test has; each is shown to work by hand in `docs/performance.md`'s terms: linear in frames.
LONG = {("acquisition.duration_s", 1e5)}


def bounded(model, path):
    """Dotted paths of all bounded numbers below a model, with their lowest and highest value."""
    for name, info in model.model_fields.items():
        yield from bounded_type(info.annotation, info.metadata, f"{path}.{name}")


def bounded_type(annotation, metadata, path):
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
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
    models = {"acquisition": Spec.model_fields["acquisition"].annotation, **registry()}
    found = [extreme for name, model in models.items() for extreme in bounded(model, name)]
    return [e for e in found if e not in LONG]


@pytest.mark.parametrize(("path", "value"), every_extreme(), ids=lambda part: f"{part:g}" if isinstance(part, float) else str(part))
@pytest.mark.filterwarnings("ignore::pytest_calsim.errors.CalsimWarning")
def test_extreme(path, value):
    base = Spec.make(EVERYTHING)
    try:
        spec = base.edit({**ROOM.get(path, {}), path: value})
    except (SpecError, ValidationError) as error:
        assert "\n" not in str(error)  # noqa: PT017
        pytest.skip(f"refused: {error}")
    scene = scene_of(spec)
    last = scene.n_frames - 1
    for stage in scene.stages:
        for frame in {0, last}:
            assert np.isfinite(scene.paint_frame(frame, stage)).all()
    for value in scene.truth().values():
        if hasattr(value, "values"):
            assert np.isfinite(value.values).all()
