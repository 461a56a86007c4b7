"""Hypothesis strategies for specs and everything in them: ``from pytest_calsim.testing import strategies as sims``.

They are read off the models' own fields and bounds, so a step of another package has one too. What they draw is valid
by construction: where two drawn values contradict each other, the later one stays at its default. They shrink towards
defaults, towards steps that are not there, and so towards a still, bright, noise-free scene with few cells.
"""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pytest_calsim.errors import SpecError, SpecWarning, nearest
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics, Tissue
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.given_array import GivenArray
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.background.background_cells import BackgroundCells, BackgroundPopulation
from pytest_calsim.steps.background.neuropil import LocalBackground, Neuropil
from pytest_calsim.steps.cells.cell_activity import CellActivity
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population
from pytest_calsim.steps.motion.brain_motion import LARGEST_PIXEL_UM, BrainMotion
from pytest_calsim.steps.registry import step_classes
from pytest_calsim.steps.step import Step, dependencies
from pytest_calsim.testing.given_strategies import given_arrays, given_footprints

__all__ = ["acquisitions", "image_sensors", "models", "optics", "specs", "steps", "tissues"]

M = TypeVar("M", bound=BaseModel)

# Lists of layers or components: longer ones only repeat what two show.
_LONGEST = 2
_LONGEST_PATH = 20


# --- any model, from its fields ------------------------------------------------------------------------------------


def models(model: type[M], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[M]:
    """Instances of a pydantic model: a step, a part of an acquisition, or a step of another package.

    Parameters
    ----------
    model
        The class. Some of its fields are drawn, within their declared bounds; the others keep their defaults.
    **fields
        Strategies for single fields in place of that.
    """
    return _models(model, fields).map(partial(_fitting, model))


@st.composite
def _models(draw: st.DrawFn, model: type[BaseModel], given: Mapping[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Values of the given fields, of those without a default, and of some of the others."""
    values = {name: draw(strategy) for name, strategy in given.items()}
    fields = {name: field for name, field in _fields(model).items() if name not in given}
    required = [name for name in fields if model.model_fields[name].is_required()]
    optional = [name for name in fields if name not in required]
    changed = draw(st.lists(st.sampled_from(optional), unique=True)) if optional else []
    return {**values, **{name: draw(fields[name]) for name in (*required, *changed)}}


@cache
def _fields(model: type[BaseModel]) -> Mapping[str, st.SearchStrategy[Any]]:
    """A strategy for each field of a model."""
    return {name: _typed(info.annotation, info.metadata) for name, info in model.model_fields.items()}


def _fitting(model: type[M], values: Mapping[str, Any]) -> M:
    """The model with all values, or with as many as go together; the others stay at their defaults."""
    with contextlib.suppress(ValidationError):
        return model(**values)
    kept: dict[str, Any] = {}
    for _ in range(2):  # what contradicted a default may agree with what was kept since
        for name in [name for name in values if name not in kept]:
            with contextlib.suppress(ValidationError):
                model(**kept, **{name: values[name]})
                kept[name] = values[name]
    return model(**kept)


def _typed(annotation: Any, metadata: Iterable[Any]) -> st.SearchStrategy[Any]:
    """Values of a type within the bounds of its metadata."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        inner: list[Any] = []
        for extra in arguments[1:]:
            inner.extend(extra.metadata if isinstance(extra, FieldInfo) else [extra])
        return _typed(arguments[0], inner)
    if origin in (Union, UnionType):
        # None first: what may be absent shrinks away.
        ordered = sorted(arguments, key=lambda option: option is not NoneType)
        return st.one_of([_typed(option, ()) for option in ordered])
    if origin is Literal:
        return st.sampled_from(arguments)
    bounds = {name: getattr(extra, name) for extra in metadata for name in _BOUNDS if hasattr(extra, name)}
    if origin is tuple and arguments[-1:] == (Ellipsis,):
        least = bounds.get("min_length") or 0
        most = max(least, min(_LONGEST, bounds.get("max_length") or _LONGEST))
        return st.lists(_typed(arguments[0], ()), min_size=least, max_size=most).map(tuple)
    if origin is tuple:
        return st.tuples(*(_typed(argument, ()) for argument in arguments))
    if annotation is float:
        low = bounds.get("gt", bounds.get("ge"))
        high = bounds.get("lt", bounds.get("le"))
        return _floats(low, high, exclude_min="gt" in bounds, exclude_max="lt" in bounds)
    if annotation is int:
        low = bounds["gt"] + 1 if "gt" in bounds else bounds.get("ge")
        high = bounds["lt"] - 1 if "lt" in bounds else bounds.get("le")
        return st.integers(low, high)
    if annotation is GivenArray:
        return given_arrays(st.tuples(st.integers(0, _LONGEST), st.integers(0, _LONGEST)))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return models(annotation)
    return st.from_type(annotation)


def _floats(
    low: float | None, high: float | None, *, exclude_min: bool = False, exclude_max: bool = False
) -> st.SearchStrategy[float]:
    """Finite numbers; those below 1e-307 say nothing about a scene."""
    return st.floats(
        low,
        high,
        allow_nan=False,
        allow_infinity=False,
        allow_subnormal=False,
        exclude_min=exclude_min,
        exclude_max=exclude_max,
    )


_BOUNDS = ("gt", "ge", "lt", "le", "min_length", "max_length")


# --- acquisitions --------------------------------------------------------------------------------------------------


def optics() -> st.SearchStrategy[Optics]:
    """Optics, with a flat focal surface: how far it may curve depends on the sensor."""
    return models(Optics, field_curvature_radius_um=st.none())


def tissues() -> st.SearchStrategy[Tissue]:
    """How tissue attenuates and blurs light."""
    return models(Tissue)


def image_sensors(max_pixels: int = 4096) -> st.SearchStrategy[ImageSensor]:
    """Image sensors of at most ``max_pixels`` (at least 64) pixels, each side at least 8."""
    _at_least("max_pixels", max_pixels, 64)
    sizes = st.integers(8, max_pixels // 8).flatmap(
        lambda height: st.tuples(st.just(height), st.integers(8, max_pixels // height))
    )
    return sizes.flatmap(
        lambda size: models(ImageSensor, height_px=st.just(size[0]), width_px=st.just(size[1])),
    )


@st.composite
def acquisitions(draw: st.DrawFn, max_pixels: int = 4096, max_frames: int = 20) -> Acquisition:
    """Acquisitions of at most so many pixels and frames."""
    _at_least("max_frames", max_frames, 1)
    frames = draw(st.integers(1, max_frames))
    fields = {"duration_s": st.just(1e5), "optics": optics(), "image_sensor": image_sensors(max_pixels)}
    flat = draw(models(Acquisition, **fields))
    curvature = draw(st.one_of(st.none(), _floats(1.01, 100)))
    radius_um = None if curvature is None else min(curvature * flat.field_radius_um, 1e5)
    curved = flat.optics.model_copy(update={"field_curvature_radius_um": radius_um})
    values = {name: getattr(flat, name) for name in Acquisition.model_fields}
    return _fitting(Acquisition, {**values, "duration_s": frames / flat.fps, "optics": curved})


# --- steps and specs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scene:
    """What a step is drawn for."""

    acquisition: Acquisition
    canvas: Canvas
    max_cells: int
    seed: int = 0


def steps(kind: str, acquisition: Acquisition | None = None, *, max_cells: int = 8) -> st.SearchStrategy[Any]:
    """Steps of one kind that fit an acquisition (the default one, where none is given)."""
    if kind not in step_classes():
        raise SpecError(f"unknown step kind {kind!r}; {nearest(kind, step_classes())}")
    given = Acquisition() if acquisition is None else acquisition
    return _step(step_classes()[kind], _Scene(given, Spec(acquisition=given).canvas, max_cells))


def specs(
    *,
    max_pixels: int = 4096,
    max_frames: int = 20,
    max_cells: int = 8,
    kinds: Collection[str] | None = None,
) -> st.SearchStrategy[Spec]:
    """Valid specs; :func:`~pytest_calsim.simulate` takes every one.

    Parameters
    ----------
    max_pixels, max_frames
        Bounds on the movie's size.
    max_cells
        Bound on the cells asked for, those outside the field of view included.
    kinds
        Kinds of steps that every spec has, with what they need, and no others where they can be had; ``None``: the
        cells and their light, and any of the others.
    """
    for name, value, least in (
        ("max_pixels", max_pixels, 64),
        ("max_frames", max_frames, 1),
        ("max_cells", max_cells, 0),
    ):
        _at_least(name, value, least)
    for kind in kinds or ():
        if kind not in step_classes():
            raise SpecError(f"unknown step kind {kind!r}; {nearest(kind, step_classes())}")
    return _specs(max_pixels, max_frames, max_cells, kinds)


@st.composite
def _specs(draw: st.DrawFn, max_pixels: int, max_frames: int, max_cells: int, kinds: Collection[str] | None) -> Spec:
    known = step_classes()
    wanted = _with_needs(["render"] if kinds is None else kinds, known)
    if kinds is None:
        wanted = _with_needs([*wanted, *draw(st.lists(st.sampled_from(sorted(known)), unique=True))], known)
    acquisition = draw(acquisitions(max_pixels, max_frames))
    seed = draw(st.integers(0, 2**32 - 1))
    # What moves the tissue comes first: it sets the canvas, and the canvas how many cells there is room for.
    movers = [kind for kind in wanted if known[kind].margin_um is not Step.margin_um]
    if movers:
        acquisition = _with_small_pixels(acquisition)
    scene = _Scene(acquisition, Spec(acquisition=acquisition).canvas, max_cells, seed)
    made: list[Step] = [draw(_step(known[kind], scene)) for kind in movers]
    free = [step for step in made if not dependencies(type(step)).requires]
    scene = replace(scene, canvas=_spec(acquisition, free, seed).canvas)
    made += [draw(_step(known[kind], scene)) for kind in wanted if kind not in movers]
    return _spec(acquisition, sorted(made, key=lambda step: wanted.index(step.kind)), seed)


def _with_small_pixels(acquisition: Acquisition) -> Acquisition:
    """The acquisition with pixels between which motion can be interpolated."""
    if acquisition.pixel_size_um <= LARGEST_PIXEL_UM:
        return acquisition
    magnification = acquisition.image_sensor.pixel_pitch_um / (0.9 * LARGEST_PIXEL_UM)
    optics = acquisition.optics.model_copy(update={"magnification": magnification})
    return acquisition.model_copy(update={"optics": optics})


def _with_needs(kinds: Iterable[str], known: Mapping[str, type[Step]]) -> list[str]:
    """The kinds and whatever they need, each behind its needs."""
    ordered: list[str] = []

    def add(kind: str) -> None:
        for need in dependencies(known[kind]).requires.values():
            makers = sorted(k for k, step in known.items() if issubclass(dependencies(step).provides, need))
            if makers and not set(makers) & set(ordered):
                add(makers[0])
        if kind not in ordered:
            ordered.append(kind)

    for kind in kinds:
        add(kind)
    return ordered


def _spec(acquisition: Acquisition, made: list[Step], seed: int) -> Spec:
    """The spec with all steps, or with those that fit: as drawn, else with their defaults, else without them.

    ``made`` has each step behind those that it needs.
    """

    def spec(steps: list[Step]) -> Spec:
        return Spec(acquisition=acquisition, steps=tuple(steps), seed=seed)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)
        with contextlib.suppress(ValidationError):
            return spec(made)
        fitting: list[Step] = []
        for drawn in made:
            for candidate in (lambda drawn=drawn: drawn, type(drawn)):
                with contextlib.suppress(ValidationError):
                    fitting = list(spec([*fitting, candidate()]).steps)
                    break
        return spec(fitting)


def _step(model: type[Step], scene: _Scene) -> st.SearchStrategy[Any]:
    return _FITTED[model](scene) if model in _FITTED else models(model)


def _neurons(scene: _Scene) -> st.SearchStrategy[PlaceNeurons]:
    """Cells at given positions, each of which can shrink away; or scattered ones, or given footprints."""
    canvas = scene.canvas
    most = scene.max_cells
    reach_y, reach_x = (size * canvas.pixel_size_um / 2 for size in canvas.shape)
    depth = st.one_of(st.just(100.0), _floats(0, 2000))
    at = st.tuples(depth, _floats(-reach_y, reach_y), _floats(-reach_x, reach_x))
    given = models(
        PlaceNeurons,
        populations=st.tuples(_populations(scene)),
        positions_um=st.lists(at, max_size=most).map(tuple),
        footprints=st.none(),
    )
    imaged = models(
        PlaceNeurons,
        populations=st.tuples(_populations(scene)),
        positions_um=st.none(),
        footprints=given_footprints(scene.acquisition.image_sensor, most),
    )
    layer = st.tuples(_populations(scene), st.integers(0, most), st.booleans())
    layers = st.lists(layer, min_size=1, max_size=_LONGEST)
    nothing: st.SearchStrategy[Any] = st.none()
    bare = models(PlaceNeurons, populations=st.just((Population(),)), positions_um=nothing, footprints=nothing)
    scattered = st.tuples(bare, layers)
    placed = scattered.map(lambda drawn: _scattered(scene, *drawn))
    # Given ones more often: a scene shrinks best if it was found with them.
    return st.integers(0, 4).flatmap(lambda choice: {3: placed, 4: imaged}.get(choice, given))


def _activities(scene: _Scene) -> st.SearchStrategy[CellActivity]:
    """Drawn spikes; or given ones, or given traces, of the first cells."""
    frames = scene.acquisition.n_frames
    end_s = frames / scene.acquisition.fps
    train = st.one_of(st.none(), st.lists(_floats(-min(end_s, 1e4), end_s), max_size=6).map(sorted).map(tuple))
    trains = st.lists(train, max_size=scene.max_cells).map(tuple)
    traces = given_arrays(st.tuples(st.integers(0, scene.max_cells), st.just(frames)), -1.0)
    nothing: st.SearchStrategy[Any] = st.none()
    drawn = models(CellActivity, spike_times_s=nothing, dff_traces=nothing)
    given_spikes = models(CellActivity, spike_times_s=trains, dff_traces=nothing)
    given_traces = models(CellActivity, spike_times_s=nothing, dff_traces=traces)
    return st.one_of(drawn, given_spikes, given_traces)


def _populations(scene: _Scene) -> st.SearchStrategy[Population]:
    """Draw populations whose somata are no larger than the field of view; beads where no soma fits."""
    largest_um = max(scene.acquisition.field_size_um) / 2

    def fitted(drawn: Population) -> Population:
        if drawn.morphology == "bead" or drawn.soma_radius_um <= largest_um:
            return drawn
        smaller = {"soma_radius_um": largest_um} if largest_um >= 1 else {"morphology": "bead"}
        return drawn.model_copy(update=smaller)

    return models(Population, snr=st.none(), n_cells=st.none()).map(fitted)


def _scattered(scene: _Scene, step: PlaceNeurons, layers: list[tuple[Population, int, bool]]) -> PlaceNeurons:
    """Layers with about so many cells each, or exactly so many in view, and never more than allowed in all."""
    canvas = scene.canvas
    step = step.model_copy(update={"populations": tuple(population for population, _, _ in layers)})
    reach_um = 2 * step.reach_um(scene.acquisition, canvas)
    height_um, width_um = scene.acquisition.field_size_um
    area_um2 = (height_um + reach_um) * (width_um + reach_um)
    share = 1.0
    while True:
        populations: list[Population] = []
        for population, count, is_exact in layers:
            some = share * count / len(layers)
            density = min(some / population.layer.volume_mm3(area_um2), 1e6)
            exact = round(some * height_um * width_um / area_um2) if is_exact else None
            fields = {"density_per_mm3": density, "labelled_fraction": 1.0, "n_cells": exact}
            populations.append(population.model_copy(update=fields))
        made = step.model_copy(update={"populations": tuple(populations)})
        if len(made.sample(scene.acquisition, scene.seed, canvas)) <= scene.max_cells:
            return made
        share /= 2


def _motions(scene: _Scene) -> st.SearchStrategy[BrainMotion]:
    """A trajectory, which can shrink to stillness; or random motion."""
    reach = min(min(scene.acquisition.field_size_um), 10_000.0)
    frames = scene.acquisition.n_frames
    shift = _floats(-reach, reach)
    knots = min(frames, _LONGEST_PATH)
    path = st.lists(st.tuples(shift, shift), min_size=knots, max_size=knots).map(tuple)
    end_s = frames / scene.acquisition.fps
    times_s = None if knots == frames else tuple(end_s * i / (knots - 1) for i in range(knots))
    given = path.map(
        lambda path: BrainMotion(
            trajectory_um=path, trajectory_time_s=times_s, max_shift_um=max(abs(v) for at in path for v in at)
        )
    )
    bound = st.one_of(st.just(min(5.0, reach)), _floats(0, reach))
    drawn = models(BrainMotion, max_shift_um=bound, trajectory_um=st.none(), trajectory_time_s=st.none())
    return st.one_of(given, drawn)


def _background_cells(scene: _Scene) -> st.SearchStrategy[BackgroundCells]:
    """Slabs with a few cells each, in and around the field of view."""
    slab = st.tuples(models(BackgroundPopulation), _floats(0, 4 * max(scene.max_cells, 1)))
    slabs = st.lists(slab, min_size=1, max_size=_LONGEST)

    def scattered(step: BackgroundCells, drawn: list[tuple[BackgroundPopulation, float]]) -> BackgroundCells:
        populations = tuple(slab.with_count(count, scene.canvas) for slab, count in drawn)
        return step.model_copy(update={"populations": populations})

    return st.builds(scattered, models(BackgroundCells, populations=st.just((BackgroundPopulation(),))), slabs)


def _neuropils(scene: _Scene) -> st.SearchStrategy[Neuropil]:
    """Neuropil, with some dozens of patches at most."""
    sparse = models(LocalBackground, density_per_mm2=_floats(10, 100))
    return models(Neuropil, local=st.one_of(st.none(), sparse))


_FITTED: Mapping[type[Step], Callable[[_Scene], st.SearchStrategy[Any]]] = {
    PlaceNeurons: _neurons,
    CellActivity: _activities,
    BrainMotion: _motions,
    BackgroundCells: _background_cells,
    Neuropil: _neuropils,
}
"""Steps of which a drawn one must fit the acquisition, and hardly ever would by chance."""


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise SpecError(f"{name} = {value} must be at least {least}")
