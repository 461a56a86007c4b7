"""Draw whole specs."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from pytest_calsim.errors import CalsimWarning, SpecWarning
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.motion.brain_motion import LARGEST_PIXEL_UM
from pytest_calsim.steps.registry import step_classes
from pytest_calsim.steps.step import Step, dependencies
from pytest_calsim.testing.strategies.acquisitions import acquisitions, at_least
from pytest_calsim.testing.strategies.fields import check_strategies
from pytest_calsim.testing.strategies.steps import RoomFor, check_kinds, fitted_step

__all__ = ["recordings", "specs"]

_SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class _Asked:
    """The arguments of :func:`specs`."""

    max_cells: int
    kinds: tuple[str, ...] | None
    acquisition: st.SearchStrategy[Acquisition]
    seed: st.SearchStrategy[int]
    steps: Mapping[str, st.SearchStrategy[Any]]


def specs(
    *,
    max_pixels: int = 4096,
    max_frames: int = 20,
    max_cells: int = 8,
    kinds: Collection[str] | None = None,
    acquisition: st.SearchStrategy[Acquisition] | None = None,
    seed: st.SearchStrategy[int] | None = None,
    **steps: st.SearchStrategy[Any],
) -> st.SearchStrategy[Spec]:
    """Draw valid specs; :func:`~pytest_calsim.simulate` takes every one.

    Parameters
    ----------
    max_pixels, max_frames
        Bounds on the movie's size.
    max_cells
        Largest number of requested cells, those outside the field of view included.
    kinds
        Kinds of steps that every spec has, with what they need, and no others where they can be had; ``None``: the
        cells and their light, and any of the others.
    acquisition, seed
        Strategies for these, in place of the bounds on the movie's size.
    **steps
        Strategies for single steps, by their kind; every spec then has them:
        ``brain_motion=sims.steps("brain_motion", max_shift_um=st.just(5))``.

    Raises
    ------
    SpecError
        For a bound that leaves nothing to draw, or an unknown kind, naming the nearest.
    """
    for name, value, least in (
        ("max_pixels", max_pixels, 64),
        ("max_frames", max_frames, 1),
        ("max_cells", max_cells, 0),
    ):
        at_least(name, value, least)
    check_kinds(kinds or ())
    check_kinds(steps)
    check_strategies({"acquisition": acquisition, "seed": seed, **steps})
    drawn = acquisitions(max_pixels, max_frames) if acquisition is None else acquisition
    asked = None if kinds is None else tuple(kinds)
    return _specs(
        _Asked(max_cells=max_cells, kinds=asked, acquisition=drawn, seed=_SEEDS if seed is None else seed, steps=steps)
    )


def recordings(of: st.SearchStrategy[Spec] | None = None) -> st.SearchStrategy[Recording]:
    """Draw simulated recordings. A failing one is printed as ``simulate(Spec(...))``.

    Parameters
    ----------
    of
        Strategy for the specs; by default :func:`specs`.
    """
    check_strategies({"of": of})
    return _recordings((specs() if of is None else of).map(simulate))


@st.composite
def _recordings(draw: st.DrawFn, simulated: st.SearchStrategy[Recording]) -> Recording:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)  # what is odd is drawn on purpose
        return draw(simulated)


@st.composite
def _specs(draw: st.DrawFn, asked: _Asked) -> Spec:
    known = step_classes()
    wanted = _with_needs([*(["render"] if asked.kinds is None else asked.kinds), *asked.steps], known)
    kinds = wanted if asked.kinds is not None else _with_needs([*wanted, *sorted(known)], known)
    acquisition = draw(asked.acquisition)
    seed = draw(asked.seed)
    least = draw(_LEAST_TURNS) if asked.kinds is None else 0
    made: dict[str, Step] = {}

    def step_of(kind: str, room: RoomFor) -> st.SearchStrategy[Any]:
        return asked.steps[kind] if kind in asked.steps else fitted_step(known[kind], room, {})

    def add(kind: str, room: RoomFor) -> bool:
        if kind in wanted:
            made[kind] = draw(step_of(kind, room))
            return True
        # Whether a step is there and the step itself are one draw, so that Hypothesis can take both away at once.
        step = draw(_TURN.flatmap(lambda turn: step_of(kind, room) if turn >= least else _NO_STEP))
        if step is not None:
            made[kind] = step
        return step is not None

    # What moves the tissue comes first: it sets the canvas, and the canvas how many cells there is room for.
    movers = [kind for kind in kinds if known[kind].margin_um is not Step.margin_um]
    for kind in movers:
        finer = _with_small_pixels(acquisition)
        if add(kind, RoomFor(finer, Spec(acquisition=finer).canvas, asked.max_cells, seed)):
            acquisition = finer
    free = [step for step in made.values() if not dependencies(type(step)).requires]
    room = RoomFor(acquisition, _spec(acquisition, free, seed).canvas, asked.max_cells, seed)
    for kind in kinds:
        if kind not in movers:
            add(kind, room)
    return _spec(acquisition, [made[kind] for kind in kinds if kind in made], seed)


_TURN = st.integers(0, 7)
_NO_STEP = st.none()
# Mostly one in four of the further steps is there; now and then all are, which shrinks to all but those of turn 0. Each
# of these can then be taken away alone.
_LEAST_TURNS = st.sampled_from((6, 6, 6, 6, 6, 4, 1, 0))


def _with_small_pixels(acquisition: Acquisition) -> Acquisition:
    """Return the acquisition with pixels between which motion can be interpolated."""
    if acquisition.pixel_size_um <= LARGEST_PIXEL_UM:
        return acquisition
    magnification = acquisition.image_sensor.pixel_pitch_um / (0.9 * LARGEST_PIXEL_UM)
    optics = acquisition.optics.model_copy(update={"magnification": magnification})
    return acquisition.model_copy(update={"optics": optics})


def _with_needs(kinds: Iterable[str], known: Mapping[str, type[Step]]) -> list[str]:
    """Return the kinds and all kinds that they need, each behind its needs."""
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
    """Return the spec with all steps, or with those that fit: as drawn, else with their defaults, else without them.

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
