"""Brightness solved for: cells as bright as it takes for their typical transient to have a given snr.

A cell's snr is c·g/√(b + Σ_j a_j·g_j) in its own brightness g and that of all j around it, so what it needs grows with
their brightness, by a square root at most. Giving each cell what it needs in the present light therefore converges to
the one solution, every logarithmic error at least halved in a round; and from below, so that whoever asks for too much
on the way would do so in the end.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_calsim.kernels.types import Bools, Floats
from pytest_calsim.simulation.detectability import snr
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells, PlaceNeurons
from pytest_calsim.steps.step import dependencies

__all__ = ["MAX_BRIGHTNESS", "calibrated"]

MAX_BRIGHTNESS = 1000.0
"""No cell is made brighter than this to reach an snr."""

_FIRST_BRIGHTNESS = 1e-6
_TOLERANCE = 0.01
_MAX_ROUNDS = 40


def calibrated(scene: Scene) -> Scene:
    """The scene in which cells of a population that declares an ``snr`` are as bright as that takes, to 1 %.

    Neither typical transients nor the light at rest depend on the recording's length, so neither does the result.
    A scene without such a population is returned as it is.
    """
    step = next((step for step in scene.spec.steps if isinstance(step, PlaceNeurons)), None)
    if step is None or all(population.snr is None for population in step.populations):
        return scene
    drawn = scene.require(Cells)
    wanted = np.array([population.snr or np.nan for population in step.populations])[drawn.population]
    solved = aimed = np.isfinite(wanted) & drawn.in_fov
    needed = np.full(len(drawn), _FIRST_BRIGHTNESS)
    for _ in range(_MAX_ROUNDS):
        brightness = _brightness(drawn, wanted, solved, needed)
        remarks = _remarks(step, drawn, aimed, solved)
        scene = _with_cells(scene, replace(drawn, brightness=brightness, remarks=remarks))
        found = snr(scene)
        with np.errstate(over="ignore"):  # hardly any signal asks for endless brightness, like none at all
            needed = np.divide(brightness * wanted, found, out=np.full(len(drawn), np.inf), where=found > 0)
        within = solved & (needed <= MAX_BRIGHTNESS)
        off = np.abs(found - wanted) > _TOLERANCE * wanted
        if not off[solved].any() and (within == solved).all():
            break
        solved = within
    return scene


def _brightness(drawn: Cells, wanted: Floats, solved: Bools, needed: Floats) -> Floats:
    """What solved cells need; for the others of their population its median, spread as drawn."""
    brightness = np.where(solved, needed, drawn.brightness)
    for population in np.unique(drawn.population[np.isfinite(wanted)]):
        members = drawn.population == population
        if (members & solved).any():
            brightness[members & ~solved] *= np.median(needed[members & solved])
    return brightness


def _remarks(step: PlaceNeurons, drawn: Cells, aimed: Bools, solved: Bools) -> tuple[str, ...]:
    """Which populations have cells that cannot be brought to their snr."""
    remarks: list[str] = []
    for i, population in enumerate(step.populations):
        members = (drawn.population == i) & aimed
        short = np.count_nonzero(members & ~solved)
        if short:
            others = "as bright as the median of the others" if (members & solved).any() else "of brightness 1"
            remarks.append(
                f"{step.kind}: {short} of {np.count_nonzero(members)} cells in view of populations.{i} would have to "
                f"be brighter than {MAX_BRIGHTNESS:g} to reach snr = {population.snr:g}, and are {others}: "
                "bring them into focus, or lower snr"
            )
    return tuple(remarks)


def _with_cells(scene: Scene, cells: Cells) -> Scene:
    """The scene with cells of another brightness: what depends on them is planned anew, but for their images."""
    known: dict[str, Artifact] = {}
    changed: list[type[Artifact]] = [Cells]
    for step in scene.spec.plan_order:
        needed = dependencies(type(step))
        needs = (*needed.requires.values(), *needed.uses.values())
        if issubclass(needed.provides, Cells):
            known[step.kind] = cells
        elif issubclass(needed.provides, CellImages) or not any(issubclass(c, n) for c in changed for n in needs):
            known[step.kind] = scene.artifacts[step.kind]
        else:
            changed.append(needed.provides)
    return Scene.of(scene.spec, known)
