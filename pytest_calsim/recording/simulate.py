"""Make a recording from a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import PlacementWarning, warn_user
from pytest_calsim.recording.frames import SceneFrames
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.simulation.detectability import assess_cells, saturation_notes
from pytest_calsim.simulation.planning import plan
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.spec.spec import Spec, check_spec

__all__ = ["simulate", "truth_of_scene"]


class _Planned(Mapping[str, "TruthArray | SparseFootprints"]):
    """A scene's truth, gathered and assessed when it is first read; reading frames alone never pays for it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[Mapping[str, Any]]]:
        return dict, (self._arrays,)

    @cached_property
    def _arrays(self) -> Mapping[str, TruthArray | SparseFootprints]:
        return {**self._scene.truth(), **assess_cells(self._scene)}

    def __getitem__(self, name: str) -> TruthArray | SparseFootprints:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def truth_of_scene(scene: Scene) -> GroundTruth:
    """Return the truth of a planned scene; it is gathered when it is first read."""
    return GroundTruth(_Planned(scene))


def simulate(spec: Spec, until: str | None = None) -> Recording:
    """Plan a spec. Frames are painted, and the truth is assessed, when they are first read or saved.

    Parameters
    ----------
    spec
        What to simulate.
    until
        Kind of the last step that light passes, any step of the spec: ``observed`` is then float32 light in the
        spec's units, or codes from the sensor on, before all that comes later. Before the first step that changes
        pixels (``spec.stages`` has those, in the order of light) frames are dark. ``None``: all steps.

    Returns
    -------
    Recording
        Its ``observed`` paints any block on demand; :meth:`Recording.save` paints block by block to disk, so that
        a recording may be larger than memory.

    Raises
    ------
    SpecError
        When the spec has no step ``until``, or this is no Spec.
    """
    check_spec(spec, "simulate")
    scene = plan(spec)
    source = SceneFrames(scene, until)
    planned = tuple(note for kind in sorted(scene.artifacts) for note in scene.artifacts[kind].notes())
    notes = (*planned, *saturation_notes(scene))
    for note in notes:
        warn_user(note, PlacementWarning)
    return Recording(spec, source, truth_of_scene(scene), notes=notes, until=until, scene=scene)
