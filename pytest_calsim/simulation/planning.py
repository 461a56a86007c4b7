"""From a spec to its planned scene."""

from __future__ import annotations

import copyreg
from collections.abc import Callable

from pytest_calsim.simulation.scene import Scene
from pytest_calsim.simulation.target_snr import calibrated
from pytest_calsim.spec.spec import Spec

__all__ = ["plan"]


def plan(spec: Spec) -> Scene:
    """Plan every step once, then make cells as bright as the ``snr`` asks for that their population declares.

    Parameters
    ----------
    spec
        What to simulate.
    """
    return calibrated(Scene.of(spec))


def _reduce(scene: Scene) -> tuple[Callable[[Spec], Scene], tuple[Spec]]:
    return plan, (scene.spec,)


# A scene is a function of its spec: a remote worker plans it anew rather than receiving it.
copyreg.pickle(Scene, _reduce)
