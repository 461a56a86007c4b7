"""Provide a movie's frames: painted from the truth on demand, or held in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.simulation.scene import Scene

__all__ = ["HeldFrames", "SceneFrames"]


class SceneFrames:
    """Frames painted from the truth on demand, after any stage."""

    def __init__(self, scene: Scene, until: str | None = None, *, canvas: bool = False) -> None:
        self._scene = scene
        self._until = until
        self._canvas = canvas
        self.dtype = scene.dtype(until)
        self.shape = (scene.n_frames, *scene.shape(until, canvas=canvas))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Paint frames ``start`` to ``stop``."""
        return self._scene.paint(start, stop, self._until, canvas=self._canvas)


class HeldFrames:
    """Frames in memory: unlike painted ones they need no spec to be sent to another process."""

    def __init__(self, frames: NDArray[np.generic]) -> None:
        self._frames = frames
        self.shape: tuple[int, int, int] = (frames.shape[0], frames.shape[1], frames.shape[2])
        self.dtype = frames.dtype

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return frames ``start`` to ``stop``, fresh and writable."""
        return self._frames[start:stop].copy()
