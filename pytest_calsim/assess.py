"""What can be seen of each cell, judged from the finished scene: snr, detectable, overlap."""

from __future__ import annotations

from pytest_calsim.scene import Scene
from pytest_calsim.steps.base import TruthArray

__all__ = ["assess"]


def assess(scene: Scene) -> dict[str, TruthArray]:
    """Per-cell verdicts from the finished scene."""
    return {}
