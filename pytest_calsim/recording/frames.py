"""Frames painted from the truth."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pytest_calsim.simulation.scene import Scene

__all__ = ["SceneFrames"]


class SceneFrames:
    """Frames painted from the truth on demand, after any stage."""

    def __init__(self, scene: Scene, until: str | None = None, *, canvas: bool = False) -> None:
        self._scene = scene
        self._until = until
        self._canvas = canvas
        self.dtype = scene.dtype(until)
        self.shape = (scene.n_frames, *scene.shape(until, canvas=canvas))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Paint the frames."""
        return self._scene.paint(start, stop, self._until, canvas=self._canvas)
