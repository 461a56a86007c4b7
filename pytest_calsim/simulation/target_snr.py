"""Solve for the brightness that gives each cell's typical transient a wanted snr.

A cell's snr is c·g/√(b + Σ_j a_j·g_j), where g is its own brightness and g_j that of every cell around it. So the
brightness that a cell needs grows with its neighbours' brightness, at most by a square root. Each round gives every
cell what it needs in the present light. This converges to the one solution, because every round at least halves the
logarithmic error. It starts from below: a cell that asks for too much in any round asks for too much in the end.
Near the full well more light gives less signal. There rounds converge more slowly, still from below, to the least
brightness that reaches the snr. A cell that no brightness brings there rises until it passes MAX_BRIGHTNESS.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_calsim.kernels.types import Bools, Floats
from pytest_calsim.simulation.detectability import snr
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells, PlaceNeurons
from pytest_calsim.steps.pixels import CellSources
from pytest_calsim.steps.step import dependencies

__all__ = ["MAX_BRIGHTNESS", "solve_for_snr"]

MAX_BRIGHTNESS = 1000.0
"""No cell is made brighter than this to reach an snr."""

_FIRST_BRIGHTNESS = 1e-6
"""Rounds start from next to no light, as they must approach the solution from below."""
_TOLERANCE = 0.01
"""Relative error of an snr that is left."""
_MAX_ROUNDS = 40
"""Halving the logarithmic error from the first brightness to the tolerance takes eleven; near the full well more."""
_IN_ROUNDS = (Activity, CellSources)
"""Artifacts that are planned again in each round. All others that depend on the cells are planned once, at the end."""


def solve_for_snr(scene: Scene) -> Scene:
    """Make the cells of populations that declare an ``snr`` as bright as that takes, to 1 %.

    Neither typical transients nor the light at rest depend on the recording's length, so neither does the result.

    Parameters
    ----------
    scene
        A scene whose cells are as bright as drawn.

    Returns
    -------
    Scene
        The same spec with other brightness; ``scene`` itself where no population declares an ``snr``.
    """
    step = next((step for step in scene.spec.steps if isinstance(step, PlaceNeurons)), None)
    if step is None or all(population.snr is None for population in step.populations):
        return scene
    drawn = scene.require(Cells)
    wanted = np.array([population.snr or np.nan for population in step.populations])[drawn.population]
    aimed = np.isfinite(wanted) & drawn.in_fov
    solved = aimed
    needed = np.full(len(drawn), _FIRST_BRIGHTNESS)
    brightness = needed
    cells = drawn
    off = ~solved
    for _ in range(_MAX_ROUNDS):
        brightness = _brightness(drawn, wanted, solved, needed)
        notes = _snr_notes(step, drawn, aimed, solved)
        cells = replace(drawn, brightness=brightness, snr_notes=notes)
        scene = _with_cells(scene, cells, _IN_ROUNDS)
        found = snr(scene)
        with np.errstate(over="ignore"):  # with next to no signal, the brightness needed is infinite, as with none
            needed = np.divide(brightness * wanted, found, out=np.full(len(drawn), np.inf), where=found > 0)
        within = solved & (needed <= MAX_BRIGHTNESS)
        off = np.abs(found - wanted) > _TOLERANCE * wanted
        if not off[solved].any() and (within == solved).all():
            break
        solved = within
    else:
        # A cell on the verge of saturation may creep up for ever. It is noted as one that cannot reach its snr.
        cells = replace(cells, snr_notes=_snr_notes(step, drawn, aimed, solved & ~off))
    return _with_cells(scene, cells, (Artifact,))


def _brightness(drawn: Cells, wanted: Floats, solved: Bools, needed: Floats) -> Floats:
    """Return what solved cells need; the others get the median of their population, times their drawn brightness."""
    brightness = np.where(solved, needed, drawn.brightness)
    for population in np.unique(drawn.population[np.isfinite(wanted)]):
        members = drawn.population == population
        if (members & solved).any():
            brightness[members & ~solved] *= np.median(needed[members & solved])
    return brightness


def _snr_notes(step: PlaceNeurons, drawn: Cells, aimed: Bools, solved: Bools) -> tuple[str, ...]:
    """Return a note for each population with cells that cannot be brought to their snr."""
    notes: list[str] = []
    for i, population in enumerate(step.populations):
        members = (drawn.population == i) & aimed
        short = np.count_nonzero(members & ~solved)
        if short:
            others = "as bright as the median of the others" if (members & solved).any() else "of brightness 1"
            notes.append(
                f"{step.kind}: {short} of {np.count_nonzero(members)} cells in view of populations.{i} would have to "
                f"be brighter than {MAX_BRIGHTNESS:g}, or than the sensor can show, to reach snr = {population.snr:g}, "
                f"and are {others}: bring them into focus, or lower snr"
            )
    return tuple(notes)


def _with_cells(scene: Scene, cells: Cells, planned: tuple[type[Artifact], ...]) -> Scene:
    """Replace the cells by the same ones of other brightness, and plan again what depends on that.

    Images are kept: they show cells of brightness 1.

    Parameters
    ----------
    scene
        The scene with other cells.
    cells
        The cells.
    planned
        Artifacts that are planned again if they depend on the cells.
    """
    known: dict[str, Artifact] = {}
    changed: list[type[Artifact]] = [Cells]
    for step in scene.spec.plan_order:
        needed = dependencies(type(step))
        needs = tuple(needed.takes.values())
        if issubclass(needed.provides, Cells):
            known[step.kind] = cells
        elif (
            issubclass(needed.provides, CellImages)
            or not issubclass(needed.provides, planned)
            or not any(issubclass(made, needs) for made in changed)
        ):
            known[step.kind] = scene.artifacts[step.kind]
        else:
            changed.append(needed.provides)
    return Scene.of(scene.spec, known)
