"""Make scenes at the edge of what a pipeline may meet, where it must not fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_calsim.recording.counterfactual import with_cell
from pytest_calsim.spec.spec import Spec
from pytest_calsim.testing.relations.clause import Change, NotApplicableError, Trial, made
from pytest_calsim.testing.relations.outcome import Outcome

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["EDGE_SCENES", "EdgeScene"]

_DARK = 1e-9
_DAZZLING = 1e3
_APART = 1.2
"""Distance of neighbours, in their diameters."""


@dataclass(frozen=True)
class EdgeScene:
    """A scene in which a pipeline must give a result that can be right: finite, not negative, of the right shape.

    Attributes
    ----------
    name
        What is special about it, in a word or two.
    reason
        Where such movies come from.
    change
        Makes it.
    """

    name: str
    reason: str
    change: Change

    def __str__(self) -> str:
        return self.name

    def check(self, trial: Trial) -> None:
        """Run the pipeline on it.

        Raises
        ------
        NotApplicableError
            When the scene cannot be made of this recording.
        RecoveryError
            When the pipeline raises, or its result can in no way be right.
        """
        Outcome.of(trial.run, made(self.change, trial))


def _planted(spec: Spec, *places_um: tuple[float, float]) -> Spec:
    """Return the spec with cells at given places (y, x) alone, in its first population's layer and its focus."""
    if "place_neurons" not in spec.kinds:
        raise NotApplicableError("no cells are planted: the spec has no 'place_neurons'")
    step: Any = spec.step("place_neurons")
    population = step.populations[0].model_copy(update={"snr": None, "n_cells": None})
    at = tuple((population.depth_um, y, x) for y, x in places_um)
    return spec.edit({"place_neurons.populations": [population.model_dump()], "place_neurons.positions_um": at})


def _no_cell(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    """Plant none, above and below the focus neither."""
    spec = _planted(recording.spec)
    return record(spec.edit(drop=[kind for kind in ("background_cells", "neuropil") if kind in spec.kinds]))


def _one_cell(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return record(_planted(recording.spec, (0.0, 0.0)))


def _at_the_edge(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    height_um, width_um = recording.spec.acquisition.field_size_um
    return record(_planted(recording.spec, (-height_um / 2, 0.0), (height_um / 2, width_um / 2)))


def _beside(recording: Recording, record: Callable[[Spec], Recording], *, scale: float, brighter: float) -> Recording:
    """Plant two cells side by side that share their activity."""
    one = record(_planted(recording.spec, (0.0, 0.0)))
    radius = float(one.truth["radius_um"].values[0])
    depth = float(one.truth["depth_um"].values[0])
    return with_cell(one, (depth, 0.0, _APART * radius * (1 + scale)), like=0, scale=scale, brighter=brighter)


def _identical_neighbours(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return _beside(recording, record, scale=1.0, brighter=1.0)


def _synchronous_neighbours(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return _beside(recording, record, scale=0.8, brighter=2.0)


def _lit(recording: Recording, record: Callable[[Spec], Recording], times: float) -> Recording:
    if "sensor" not in recording.spec.kinds:
        raise NotApplicableError("there are no photons: the spec has no 'sensor'")
    sensor: Any = recording.spec.step("sensor")
    return record(recording.spec.edit({"sensor.photon_rate_per_s_um2": times * sensor.photon_rate_per_s_um2}))


def _saturated(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return _lit(recording, record, _DAZZLING)


def _dark(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return _lit(recording, record, _DARK)


def _frames(recording: Recording, record: Callable[[Spec], Recording], n: int) -> Recording:
    return record(recording.spec.edit({"acquisition.duration_s": n / recording.spec.acquisition.fps}))


def _one_frame(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return _frames(recording, record, 1)


def _two_frames(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return _frames(recording, record, 2)


def _odd_size(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    _, height, width = recording.frames.shape
    return recording.transformed(crop=(slice(0, height - 1 + height % 2), slice(0, width // 2 + 1 - width // 2 % 2)))


def _constant_rim(recording: Recording, record: Callable[[Spec], Recording]) -> Recording:
    return recording.transformed(pad_px=5, fill=0)


EDGE_SCENES = (
    EdgeScene("no cell", "A field of view beside the injection, or an indicator that is not expressed.", _no_cell),
    EdgeScene("one cell", "Sparse labelling.", _one_cell),
    EdgeScene("cells at the edge", "The sensor ends where it ends: half a cell, and a quarter of one.", _at_the_edge),
    EdgeScene(
        "identical neighbours", "Two cells alike that fire together: only their places differ.", _identical_neighbours
    ),
    EdgeScene(
        "synchronous neighbours", "Cells of one assembly, of unlike size and brightness.", _synchronous_neighbours
    ),
    EdgeScene("saturated", "An LED turned up too far: every pixel is full.", _saturated),
    EdgeScene("dark", "An LED that is off: read noise and the black level alone.", _dark),
    EdgeScene("one frame", "A test shot, or the last file of a session.", _one_frame),
    EdgeScene("two frames", "The last file of a session.", _two_frames),
    EdgeScene("odd size", "A region of interest cut by hand.", _odd_size),
    EdgeScene("constant rim", "Pixels that never change: masked ones, or what registration filled in.", _constant_rim),
)
"""Scenes in which every pipeline must give a result that can be right."""
