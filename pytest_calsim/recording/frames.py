"""Frames painted from the truth."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pytest_calsim.simulation.scene import Scene

__all__ = ["SceneFrames"]


class SceneFrames:
    """Frames painted from the truth on demand, after any stage."""

    def __init__(self, scene: Scene, until: str | None = None, *, canvas: bool = False) -> None:
        self._scene, self._until, self._canvas = scene, until, canvas
        self.dtype = scene.dtype(until)
        self.shape = (scene.n_frames, *(scene.canvas.shape if canvas else scene.canvas.sensor_shape))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Paint the frames."""
        return self._scene.paint(start, stop, self._until, canvas=self._canvas)
