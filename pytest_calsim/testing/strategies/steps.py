"""Steps that fit an acquisition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from hypothesis import strategies as st

from pytest_calsim.errors import SpecError
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.background.background_cells import BackgroundCells, BackgroundPopulation
from pytest_calsim.steps.background.neuropil import LocalBackground, Neuropil
from pytest_calsim.steps.cells.cell_activity import CellActivity
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population
from pytest_calsim.steps.motion.brain_motion import BrainMotion
from pytest_calsim.steps.registry import step_classes, unknown_kind
from pytest_calsim.steps.step import Step
from pytest_calsim.steps.tissue.vasculature import Vasculature, VesselLayer
from pytest_calsim.testing.strategies.fields import LONGEST, check_fields, finite_floats, models
from pytest_calsim.testing.strategies.given import given_arrays, given_footprints
from pytest_calsim.testing.strategies.trajectories import trajectories

__all__ = ["RoomFor", "check_kinds", "fitted_step", "steps"]

Strategies = Mapping[str, st.SearchStrategy[Any]]

_LONGEST_PATH = 6
_MOST_TREES = 4
_MOST_SPIKES = 6
_LARGEST_MOTION_UM = 10_000.0
_FARTHEST_UM = 1e5
"""No position is farther from the optical axis."""


@dataclass(frozen=True)
class RoomFor:
    """Scene for which a step is drawn.

    Attributes
    ----------
    acquisition, canvas, seed
        Those of the spec.
    max_cells
        Most cells, those outside the field of view included.
    """

    acquisition: Acquisition
    canvas: Canvas
    max_cells: int
    seed: int = 0


def steps(
    kind: str, acquisition: Acquisition | None = None, *, max_cells: int = 8, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """Draw steps of one kind that fit an acquisition.

    Parameters
    ----------
    kind
        ``"brain_motion"``, ``"sensor"``, ...
    acquisition
        What they fit; the default one, where none is given.
    max_cells
        Largest number of requested cells, those outside the field of view included.
    **fields
        Strategies for single fields.

    Raises
    ------
    SpecError
        For a kind or a field that is not there, naming the nearest.
    """
    check_kinds([kind])
    check_fields(step_classes()[kind], fields)
    given = Acquisition() if acquisition is None else acquisition
    return fitted_step(step_classes()[kind], RoomFor(given, Spec(acquisition=given).canvas, max_cells), fields)


def check_kinds(kinds: Iterable[str]) -> None:
    """Refuse kinds of steps that nobody knows."""
    for kind in kinds:
        if kind not in step_classes():
            raise SpecError(unknown_kind(kind))


def fitted_step(model: type[Step], room: RoomFor, fields: Strategies) -> st.SearchStrategy[Any]:
    """Draw steps of a class, with strategies for some of its fields."""
    fit = _FITTED.get(model)
    return models(model, **fields) if fit is None else fit(room, fields)


def _neurons(room: RoomFor, fields: Strategies) -> st.SearchStrategy[PlaceNeurons]:
    """Draw cells at given positions, each of which can shrink away; or, where no field is given, scattered ones, or
    given footprints.
    """
    canvas = room.canvas
    most = room.max_cells
    reach_y, reach_x = (min(size * canvas.pixel_size_um / 2, _FARTHEST_UM) for size in canvas.shape)
    at = st.tuples(_DEPTHS, finite_floats(-reach_y, reach_y), finite_floats(-reach_x, reach_x))
    # Where cells are comes first, in layers too: Hypothesis then turns the first layer into the first given cell.
    own = {
        "positions_um": st.lists(at, max_size=most).map(tuple),
        "populations": st.tuples(_populations(room)),
        "footprints": st.none(),
    }
    given = models(PlaceNeurons, **{**own, **fields})
    if fields:
        return given

    def chosen(choice: int) -> st.SearchStrategy[PlaceNeurons]:
        if choice == _SCATTERED_CELLS:
            layer = st.tuples(_populations(room), st.integers(0, most), st.booleans())
            layers = st.lists(layer, min_size=1, max_size=LONGEST)
            return st.tuples(layers, _SCATTERED, _MOSTLY).map(lambda drawn: _scattered(room, *drawn))
        if choice == _IMAGED_CELLS:
            footprints = given_footprints(room.acquisition.image_sensor, most)
            return models(PlaceNeurons, **{**own, "positions_um": st.none(), "footprints": footprints})
        # Given ones more often: a scene shrinks best if it was found with them.
        return given

    return _ONE_OF_FIVE.flatmap(chosen)


_DEPTHS = st.one_of(st.just(100.0), finite_floats(0, 2000))
_ONE_OF_FIVE = st.integers(0, 4)
_SCATTERED_CELLS = 3
_IMAGED_CELLS = 4
_SPIKES_GIVEN = 3
_TRACES_GIVEN = 4
_MOSTLY = st.integers(0, 4).map(bool)
_ONE_LAYER = st.just((Population(),))
_SCATTERED = models(PlaceNeurons, populations=_ONE_LAYER, positions_um=st.none(), footprints=st.none())


def _activities(room: RoomFor, fields: Strategies) -> st.SearchStrategy[CellActivity]:
    """Draw spikes; or, where no field is given, take given ones, or given traces, of the first cells."""
    own = {"spike_times_s": st.none(), "dff_traces": st.none()}
    if fields:
        return models(CellActivity, **{**own, **fields})
    frames = room.acquisition.n_frames

    def chosen(choice: int) -> st.SearchStrategy[CellActivity]:
        if choice == _SPIKES_GIVEN:
            end_s = frames / room.acquisition.fps
            times = st.lists(finite_floats(-min(end_s, 1e4), end_s), max_size=_MOST_SPIKES).map(sorted).map(tuple)
            trains = st.lists(st.one_of(st.none(), times), max_size=room.max_cells).map(tuple)
            return models(CellActivity, **{**own, "spike_times_s": trains})
        if choice == _TRACES_GIVEN:
            traces = given_arrays(st.tuples(st.integers(0, room.max_cells), st.just(frames)), -1.0)
            return models(CellActivity, **{**own, "dff_traces": traces})
        return _DRAWN_SPIKES

    return _ONE_OF_FIVE.flatmap(chosen)


_DRAWN_SPIKES = models(CellActivity, spike_times_s=st.none(), dff_traces=st.none())


def _populations(room: RoomFor) -> st.SearchStrategy[Population]:
    """Draw populations whose somata are no larger than the field of view; beads where no soma fits."""
    largest_um = max(room.acquisition.field_size_um) / 2

    def fitted(drawn: Population) -> Population:
        if drawn.morphology == "bead" or drawn.soma_radius_um <= largest_um:
            return drawn
        smaller = {"soma_radius_um": largest_um} if largest_um >= 1 else {"morphology": "bead"}
        return drawn.model_copy(update=smaller)

    return _POPULATIONS.map(fitted)


_POPULATIONS = models(Population, snr=st.none(), n_cells=st.none())


def _scattered(
    room: RoomFor, layers: list[tuple[Population, int, bool]], step: PlaceNeurons, in_layers: bool
) -> PlaceNeurons:
    """Make layers by density or by the number of cells in view, never with more cells than allowed in all.

    Or give the cells that such layers have in view, as default ones at their places: to that a scene can shrink whose
    fault asks for no layer.
    """
    canvas = room.canvas
    step = step.model_copy(update={"populations": tuple(population for population, _, _ in layers)})
    reach_um = 2 * step.reach_um(room.acquisition, canvas)
    height_um, width_um = room.acquisition.field_size_um
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
        cells = made.sample(room.acquisition, room.seed, canvas)
        if len(cells) <= room.max_cells:
            # A default soma may be too large for a small field of view, and a place too far to be given in a large one.
            largest_um = max(room.acquisition.field_size_um)
            if in_layers or not 2 * Population().soma_radius_um <= largest_um <= 2 * _FARTHEST_UM:
                return made
            return PlaceNeurons(positions_um=tuple((z, y, x) for z, y, x in cells.center_um[cells.in_fov].tolist()))
        share /= 2


def _motions(room: RoomFor, fields: Strategies) -> st.SearchStrategy[BrainMotion]:
    """Draw a trajectory, which can shrink to stillness; or random motion, and that where a field is given."""
    reach = min(*room.acquisition.field_size_um, _LARGEST_MOTION_UM)
    bound = st.one_of(st.just(min(5.0, reach)), finite_floats(0, reach))
    own = {"max_shift_um": bound, "trajectory_um": st.none(), "trajectory_time_s": st.none()}
    drawn = models(BrainMotion, **{**own, **fields})
    if fields:
        return drawn
    frames = room.acquisition.n_frames
    knots = min(frames, _LONGEST_PATH)
    end_s = frames / room.acquisition.fps
    times_s = None if knots == frames else tuple(end_s * i / (knots - 1) for i in range(knots))
    given = trajectories(knots, max_shift_um=reach).map(partial(_along, times_s))
    return st.one_of(given, drawn)


def _along(times_s: tuple[float, ...] | None, path: tuple[tuple[float, float], ...]) -> BrainMotion:
    """Move the tissue along a path, within the bound that it needs."""
    bound = max(abs(v) for at in path for v in at)
    return BrainMotion(trajectory_um=path, trajectory_time_s=times_s, max_shift_um=bound)


def _background_cells(room: RoomFor, fields: Strategies) -> st.SearchStrategy[BackgroundCells]:
    """Draw slabs with a few cells each, in and around the field of view."""
    if "populations" in fields:
        return models(BackgroundCells, **fields)
    slab = st.tuples(_SLABS, finite_floats(0, 4 * max(room.max_cells, 1)))
    slabs = st.lists(slab, min_size=1, max_size=LONGEST)

    def scattered(step: BackgroundCells, drawn: list[tuple[BackgroundPopulation, float]]) -> BackgroundCells:
        populations = tuple(slab.with_count(count, room.canvas) for slab, count in drawn)
        return step.model_copy(update={"populations": populations})

    return st.builds(scattered, models(BackgroundCells, populations=_ONE_SLAB, **fields), slabs)


_SLABS = models(BackgroundPopulation)
_ONE_SLAB = st.just((BackgroundPopulation(),))


def _neuropils(room: RoomFor, fields: Strategies) -> st.SearchStrategy[Neuropil]:
    """Draw neuropil, with some dozens of patches at most."""
    return models(Neuropil, **{"local": _SPARSE_PATCHES, **fields})


_SPARSE_PATCHES = st.one_of(st.none(), models(LocalBackground, density_per_mm2=finite_floats(10, 100)))


def _vessels(room: RoomFor, fields: Strategies) -> st.SearchStrategy[Vasculature]:
    """Draw few trees of few twigs: trees grow in number with all the ground from which they reach the field of view,
    twigs by the cube of the ratio of the radii.
    """
    cone_slope = room.acquisition.optics.cone_slope

    def few(layer: _L, given: Strategies) -> _L:
        share = _MOST_TREES / layer.expected_trees(room.canvas, cone_slope)
        fewer = {
            "min_radius_um": max(layer.min_radius_um, layer.root_radius_um / 2),
            "trees_per_mm2": max(layer.trees_per_mm2 * min(share, 1.0), 0.01),
        }
        return layer.model_copy(update={name: value for name, value in fewer.items() if name not in given})

    def few_in_each_layer(step: Vasculature) -> Vasculature:
        if "more_layers" not in fields:
            step = step.model_copy(update={"more_layers": tuple(few(layer, {}) for layer in step.more_layers)})
        return few(step, fields)

    return models(Vasculature, **{"more_layers": _ONE_LAYER_MORE, **fields}).map(few_in_each_layer)


_L = TypeVar("_L", bound=VesselLayer)
_ONE_LAYER_MORE = st.lists(models(VesselLayer), max_size=1).map(tuple)


_FITTED: Mapping[type[Step], Callable[[RoomFor, Strategies], st.SearchStrategy[Any]]] = {
    PlaceNeurons: _neurons,
    CellActivity: _activities,
    BrainMotion: _motions,
    BackgroundCells: _background_cells,
    Neuropil: _neuropils,
    Vasculature: _vessels,
}
"""Steps of which a drawn one must fit the acquisition, and hardly ever would by chance, or takes long."""
