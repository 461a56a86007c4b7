"""From a spec to a recording."""

from __future__ import annotations

import warnings

from pytest_calsim.assess import assess
from pytest_calsim.errors import PlacementWarning, SpecError
from pytest_calsim.recording import Recording, SceneFrames
from pytest_calsim.scene import plan
from pytest_calsim.spec import Spec
from pytest_calsim.truth import GroundTruth

__all__ = ["simulate"]


def simulate(spec: Spec, until: str | None = None) -> Recording:
    """Plan a spec and assess its truth; frames are painted when they are read or saved.

    Parameters
    ----------
    spec
        What to simulate.
    until
        Stop after this stage (one of ``spec.stages``); ``observed`` is then the movie as it is there.

    Returns
    -------
    Recording
        Its ``observed`` paints any block on demand; :meth:`Recording.save` paints block by block to disk, so that
        a recording may be larger than memory.
    """
    if not isinstance(spec, Spec):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpecError(f"simulate takes a Spec, not {spec!r}; load_preset gives one by name")
    scene = plan(spec)
    source = SceneFrames(scene, until)
    truth = GroundTruth({**scene.truth(), **assess(scene)})
    notes = tuple(note for kind in sorted(scene.artifacts) for note in scene.artifacts[kind].notes())
    for note in notes:
        warnings.warn(note, PlacementWarning, stacklevel=2)
    return Recording(spec, source, truth, notes=notes, until=until, scene=scene)
