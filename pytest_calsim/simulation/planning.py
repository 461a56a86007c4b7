"""Plan a spec: from what to simulate to its scene."""

from __future__ import annotations

import copyreg
from collections.abc import Callable

from pytest_calsim.simulation.scene import Scene
from pytest_calsim.simulation.target_snr import solve_for_snr
from pytest_calsim.spec.spec import Spec, check_spec

__all__ = ["plan"]


def plan(spec: Spec) -> Scene:
    """Plan every step of a spec once, then solve for the brightness of cells whose population declares an ``snr``.

    Parameters
    ----------
    spec
        What to simulate.

    Returns
    -------
    Scene
        The planned truth. It paints frames on demand.

    Raises
    ------
    SpecError
        When this is no Spec.

    Examples
    --------
    >>> from pytest_calsim import load_preset
    >>> scene = plan(load_preset("tiny"))
    >>> scene.paint(0, 2).shape
    (2, 64, 64)
    """
    check_spec(spec, "plan")
    return solve_for_snr(Scene.of(spec))


def _reduce(scene: Scene) -> tuple[Callable[[Spec], Scene], tuple[Spec]]:
    return plan, (scene.spec,)


# Unpickling a scene plans its spec again: that takes less time than sending the truth to another process.
copyreg.pickle(Scene, _reduce)
