"""Re-render recordings with other planted cells, and with every other draw kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import SpecError
from pytest_calsim.recording.frames import HeldFrames
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.simulate import truth_of_scene
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.steps.cells.planted_cells import Cells

__all__ = ["exchanged", "silenced", "with_cell", "with_cells"]


def with_cells(recording: Recording, cells: Cells, altered: str) -> Recording:
    """Re-render a recording with other cells; the random streams of all other steps stay as they were.

    Parameters
    ----------
    recording
        A recording as it was simulated, to its end.
    cells
        What is planted instead.
    altered
        How the two differ, in words.

    Returns
    -------
    Recording
        It is held in memory, whole.

    Raises
    ------
    SpecError
        If the recording has no cells, or is altered already.
    """
    if recording.altered or recording.until is not None:
        why = recording.altered or f"simulated until {recording.until!r}"
        raise SpecError(
            f"only a whole recording as it was simulated is re-rendered with other cells; this one is {why}"
        )
    old = recording.scene
    kind = next(kind for kind, artifact in old.artifacts.items() if artifact is old.require(Cells))
    scene = Scene.of(recording.spec, {kind: cells})
    frames = scene.paint(threads=os.cpu_count() or 1)
    return Recording(recording.spec, HeldFrames(frames), truth_of_scene(scene), scene=scene, altered=altered)


def silenced(recording: Recording, units: Sequence[int]) -> Recording:
    """Re-render a recording with some cells dark, at rest too: what the others would look like without them.

    Parameters
    ----------
    recording
        A recording with cells, as it was simulated.
    units
        Numbers of the cells.
    """
    cells = recording.scene.require(Cells)
    brightness = cells.brightness.copy()
    brightness[list(units)] = 0.0
    names = ", ".join(str(unit) for unit in units)
    return with_cells(recording, replace(cells, brightness=brightness), f"units {names} dark")


def exchanged(recording: Recording) -> Recording:
    """Re-render a recording whose cells in view have changed places: the first lies where the last did, and so on.

    Each keeps its depth, shape, brightness and activity.

    Parameters
    ----------
    recording
        A recording with cells, as it was simulated.
    """
    cells = _movable(recording)
    seen = np.flatnonzero(cells.in_fov)
    center = cells.center_um.copy()
    center[seen, 1:] = center[seen[::-1], 1:]
    return with_cells(recording, replace(cells, center_um=center), "cells have changed places")


def _movable(recording: Recording) -> Cells:
    """Return the cells; refuse those of given footprints, which stay where they are."""
    cells = recording.scene.require(Cells)
    if cells.footprints is not None:
        raise SpecError("cells with given footprints can be darkened, but not moved, and none is added to them")
    return cells


def _columns(cells: Cells) -> dict[str, NDArray[Any]]:
    """Return the cells' arrays by name; each has one entry a cell."""
    columns: dict[str, NDArray[Any]] = {}
    for field in fields(cells):
        values: Any = getattr(cells, field.name)
        if isinstance(values, np.ndarray):
            columns[field.name] = values
    return columns


def with_cell(
    recording: Recording,
    center_um: tuple[float, float, float],
    *,
    like: int | None = None,
    scale: float = 1.0,
    brighter: float = 1.0,
) -> Recording:
    """Re-render a recording with one more cell, the last.

    Parameters
    ----------
    recording
        A recording with cells.
    center_um
        Its centre (z, y, x).
    like
        The unit whose shape and activity it shares; ``None``: it has its own.
    scale, brighter
        Its radius and brightness, in those of that unit, or of the first.

    Raises
    ------
    SpecError
        If there is no cell to be like.
    """
    cells = _movable(recording)
    if not len(cells):
        raise SpecError("a cell is added to others, and this recording has none; add 'place_neurons'")
    twin = 0 if like is None else like
    added = {name: np.concatenate([values, values[[twin]]]) for name, values in _columns(cells).items()}
    added["center_um"][-1] = center_um
    added["radius_um"][-1] *= scale
    added["brightness"][-1] *= brighter
    added["in_fov"][-1] = recording.spec.canvas.in_view(np.array(center_um[1]), np.array(center_um[2]))
    if like is None:
        added["identity"][-1, -1] = cells.identity[:, -1].max() + 1
    more = replace(cells, **added, requested=cells.requested + 1)
    return with_cells(recording, more, "with one more cell")
