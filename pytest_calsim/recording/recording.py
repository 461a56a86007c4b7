"""A recording: a movie that is read lazily, with its ground truth."""

from __future__ import annotations

from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

from pytest_calsim.recording.frames import FrameSource, SceneFrames
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.simulation.planning import plan
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.spec.spec import Spec

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Recording"]


class Recording:
    """A simulated movie and its truth; immutable, as the tests of a session share it."""

    def __init__(
        self,
        spec: Spec,
        source: FrameSource,
        truth: GroundTruth,
        *,
        notes: tuple[str, ...] = (),
        until: str | None = None,
        scene: Scene | None = None,
    ) -> None:
        self._spec = spec
        self._notes = notes
        self._until = until
        self._source = source
        self._truth = truth
        self._scene = scene

    def __repr__(self) -> str:
        frames, height, width = self._source.shape
        return f"<Recording {frames} frames of {height} x {width} px, {self.spec.key()[:12]}>"

    @property
    def spec(self) -> Spec:
        """What was simulated."""
        return self._spec

    @property
    def notes(self) -> tuple[str, ...]:
        """What the simulation had to say, e.g. that fewer cells were placed than asked for."""
        return self._notes

    @property
    def until(self) -> str | None:
        """The last stage simulated; ``None`` for all."""
        return self._until

    @property
    def frames(self) -> FrameSource:
        """Where the observed frames come from."""
        return self._source

    @property
    def truth(self) -> GroundTruth:
        """The ground truth."""
        return self._truth

    @property
    def observed(self) -> xr.DataArray:
        """The movie ``(frame, height, width)``, read lazily; every read gives a fresh, writable array.

        uint8 for ``bit_depth`` up to 8, else uint16; float32 when there is no sensor step. For dask:
        ``recording.observed.chunk({"frame": 64})``.
        """
        # Here, as xarray takes longer to import than a recording of seconds takes to simulate and save.
        from pytest_calsim.recording.lazy_array import lazy_movie

        return lazy_movie(self._source, "observed")

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages that change pixels, in the order of light."""
        every = self.spec.stages
        return every if self.until is None else every[: every.index(self.until) + 1]

    @cached_property
    def scene(self) -> Scene:
        """The planned scene; a loaded recording plans it anew from its spec, with the same bits."""
        return self._scene if self._scene is not None else plan(self.spec)

    def stage(self, name: str, frames: slice | None = None, *, canvas: bool = False) -> xr.DataArray:
        """The movie after one stage, painted on demand ``(frame, height, width)``, lazily.

        Parameters
        ----------
        name
            One of :attr:`stages`.
        frames
            Which frames; all by default.
        canvas
            Show the margin beyond the sensor too (for stages before ``brain_motion`` crops it).
        """
        from pytest_calsim.recording.lazy_array import lazy_movie

        lazy = lazy_movie(SceneFrames(self.scene, name, canvas=canvas), name)
        return lazy if frames is None else lazy.isel(frame=frames)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the recording to a folder (zarr format 2, with a digest per chunk), block by block.

        Raises
        ------
        StoreError
            When the folder exists already or cannot be written.
        """
        from pytest_calsim.store.disk import write_recording

        write_recording(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Recording:
        """Open a saved recording; chunks are read when asked for, and verified as they are.

        Raises
        ------
        StoreError
            When there is no recording, or it is damaged, foreign or of another version.
        """
        from pytest_calsim.store.disk import read_recording

        return read_recording(path)
