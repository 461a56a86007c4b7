"""Hold a recording: a movie that is read lazily, with its ground truth."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

from pytest_calsim.arrays.frame_source import FrameSource
from pytest_calsim.arrays.html_table import html_table
from pytest_calsim.arrays.plain import is_whole_number
from pytest_calsim.errors import SpecError, StoreError, as_path
from pytest_calsim.recording.exports.writes_files import WritesFiles
from pytest_calsim.recording.frames import SceneFrames
from pytest_calsim.recording.plots.recording_plots import RecordingPlots
from pytest_calsim.recording.transformation import (
    Axis,
    Transformation,
    TransformedFrames,
    check_codes,
)
from pytest_calsim.recording.transformed_truth import transformed_truth
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.simulation.planning import plan
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.recording_file import Provenance, RecordingFile
from pytest_calsim.store.stored_truth import StoredTruth
from pytest_calsim.store.writing import RecordingData, publish_recording

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import DTypeLike

__all__ = ["Recording", "data_of"]


class Recording(WritesFiles):
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
        transformation: Transformation | None = None,
        chunks: Mapping[str, int] | None = None,
        altered: str = "",
    ) -> None:
        self._spec = spec
        self._notes = notes
        self._until = until
        self._source = source
        self._truth = truth
        self._scene = scene
        self._transformation = transformation
        self._chunks = chunks
        self._altered = altered

    def __repr__(self) -> str:
        frames, height, width = self._source.shape
        how = f", {self._altered}" if self._altered else ""
        fps = f"{self.spec.acquisition.fps:g} fps"
        return f"<Recording of {frames} frames of {height} x {width} px at {fps}, {self.spec.key()[:12]}{how}>"

    def _repr_html_(self) -> str:
        rows = [
            ("acquisition", self.spec.acquisition),
            ("stages", ", ".join(self.stages)),
            ("cells", self.truth.n_units),
            ("seed", self.spec.seed),
            ("key", self.spec.key()[:12]),
            *(("note", note) for note in self.notes),
        ]
        return html_table(repr(self)[1:-1], rows)

    @property
    def spec(self) -> Spec:
        """Spec that was simulated."""
        return self._spec

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the simulation for its user, e.g. that fewer cells were placed than requested."""
        return self._notes

    @property
    def until(self) -> str | None:
        """The last stage simulated; ``None`` for all."""
        return self._until

    @property
    def frames(self) -> FrameSource:
        """Source of the observed frames, which paints them on demand or reads them from disk."""
        return self._source

    @property
    def truth(self) -> GroundTruth:
        """The ground truth."""
        return self._truth

    @property
    def observed(self) -> xr.DataArray:
        """The movie ``(frame, height, width)``, read lazily; every read gives a fresh, writable array.

        uint8 for ``bit_depth`` up to 8, else uint16; float32 when there is no sensor step. The coordinate ``time`` is
        when each exposure begins, s; attributes are ``units``, ``fps`` and ``pixel_size_um``. For dask:
        ``recording.observed.chunk({"frame": 64})``.
        """
        # Here, as xarray takes longer to import than a recording of seconds takes to simulate and save.
        from pytest_calsim.recording.lazy_array import lazy_movie

        movie = lazy_movie(self._source, "observed", self._spec.acquisition)
        return movie if self._chunks is None else movie.chunk(self._chunks)  # pyright: ignore[reportUnknownMemberType]

    @property
    def transformation(self) -> Transformation | None:
        """Transformation by :meth:`transformed`, or ``None``."""
        return self._transformation

    @property
    def altered(self) -> str:
        """How the recording differs from its spec (transformed, or with other cells); empty if it does not."""
        return self._altered

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages that change pixels, in the order of light."""
        every = self.spec.stages
        return every if self.until is None else every[: every.index(self.until) + 1]

    @cached_property
    def scene(self) -> Scene:
        """The planned scene; a loaded recording plans it again from its spec, with the same bits."""
        return self._scene if self._scene is not None else plan(self.spec)

    def stage(self, name: str, frames: slice | None = None, *, canvas: bool = False) -> xr.DataArray:
        """Return the movie after one stage, painted on demand ``(frame, height, width)``, lazily.

        Parameters
        ----------
        name
            One of :attr:`stages`.
        frames
            Frames to show; all by default.
        canvas
            Show the margin beyond the sensor too (for stages before ``brain_motion`` crops it).

        Raises
        ------
        SpecError
            When there is no such stage or no margin, ``frames`` are no slice, or the recording was altered.
        """
        from pytest_calsim.recording.lazy_array import lazy_movie  # start-up: xarray, as for observed

        self._refuse_if_altered("shows no stages")
        if frames is not None and not isinstance(frames, slice):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SpecError(f"frames = {frames!r} must be a slice, such as slice(0, 10)")
        lazy = lazy_movie(SceneFrames(self.scene, name, canvas=canvas), name, self._spec.acquisition)
        return lazy if frames is None else lazy.isel(frame=frames)

    @cached_property
    def plot(self) -> RecordingPlots:
        """Pictures of the movie and its truth, such as ``recording.plot.frame()`` (the extra ``plot``)."""
        return RecordingPlots(self)

    def transformed(
        self,
        *,
        crop: tuple[slice, slice] | None = None,
        pad_px: int | tuple[int, int, int, int] = 0,
        fill: float = 0,
        mirror: Axis | Sequence[Axis] = (),
        transpose: bool = False,
        gain: float = 1.0,
        offset: float = 0.0,
        dtype: DTypeLike | None = None,
        chunks: int | Mapping[str, int] | None = None,
    ) -> Recording:
        """Transform movie and truth together, lazily: what a pipeline finds should be transformed likewise.

        The order is that of the parameters. Noise moves with its pixels: no draw changes.

        Parameters
        ----------
        crop
            Rows and columns to keep, each a slice without a step. Cells whose centre is cut off are not in the field of
            view any more.
        pad_px
            Pixels added at each side, or at (top, bottom, left, right).
        fill
            Code of the pixels that are added.
        mirror
            ``"height"``, ``"width"`` or both: the axes along which the order of the pixels is reversed.
        transpose
            Rows become columns.
        gain, offset
            Codes become gain · code + offset, rounded where they are whole numbers; the gain is above 0.
        dtype
            Type of the codes.
        chunks
            Let ``observed`` be a dask array of such chunks, as xarray takes them: a size for every axis, or
            ``{"frame": 50, "height": 16}``. Needs dask.

        Returns
        -------
        Recording
            With the same spec. It has no stages, is not saved, and is transformed no further.

        Raises
        ------
        SpecError
            For codes that do not fit the type, a window without pixels, or a recording that is transformed already.

        Examples
        --------
        >>> from pytest_calsim import load_preset, simulate
        >>> recording = simulate(load_preset("tiny"))
        >>> turned = recording.transformed(crop=(slice(0, 40), slice(None)), transpose=True)
        >>> turned.observed.shape, turned.truth.A_observed.shape[1:]
        ((100, 64, 40), (64, 40))
        """
        self._refuse_if_altered("is transformed no further: give all changes in one call")
        _, height, width = self._source.shape
        by = Transformation.of(
            (height, width),
            crop=crop,
            pad_px=pad_px,
            fill=fill,
            mirror=mirror,
            transpose=transpose,
            gain=gain,
            offset=offset,
            dtype=dtype,
        )
        sizes = {"frame": chunks, "height": chunks, "width": chunks} if is_whole_number(chunks) else chunks
        if sizes is not None and not isinstance(sizes, Mapping):
            raise SpecError(f"chunks = {chunks!r} must be a size, or sizes by axis such as {{'frame': 50}}")
        check_codes(by, self._source, 2**self.spec.acquisition.image_sensor.bit_depth - 1)
        in_chunks = "" if sizes is None else f"in chunks of {' x '.join(f'{n} ({axis})' for axis, n in sizes.items())}"
        return Recording(
            self.spec,
            TransformedFrames(self._source, by),
            GroundTruth(transformed_truth(self.truth.arrays, by, self.spec.canvas)),
            notes=self.notes,
            until=self.until,
            scene=self._scene,
            transformation=by,
            altered=f"transformed: {', '.join(filter(None, [str(by), in_chunks])) or 'as it was'}",
            chunks=sizes,
        )

    def _refuse_if_altered(self, what: str) -> None:
        if self._altered:
            raise SpecError(f"a recording that was altered ({self._altered}) {what}; use the one it comes from")

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the recording to one file: a zip of zarr (format 2) arrays, which zarr and xarray open as well.

        The movie is painted block by block on all cores and never held in memory. The file appears whole or not at all.

        Parameters
        ----------
        path
            The file, by custom ``NAME.zarr.zip``. Missing folders are made.
        overwrite
            Replace a file that is there.

        Raises
        ------
        StoreError
            When there is a file already, or it cannot be written.
        """
        self._refuse_if_altered("is not saved")
        path = as_path(path)
        if os.path.lexists(path) and not (overwrite and path.is_file()):
            ways = "remove it, choose another name, or give overwrite=True to replace a file"
            raise StoreError(f"{path}: exists already; {ways}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            publish_recording(path, data_of(self), overwrite=overwrite)
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Recording:
        """Open a saved recording; frames and truth are read when they are asked for, and checked as they are.

        Raises
        ------
        StoreError
            When there is no recording, or it is damaged or of another version; also later, when a damaged part of it
            is read.
        """
        try:
            file = RecordingFile(as_path(path))
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from None
        spec = Spec.make(json.loads(file.spec_json))
        if spec.key() != file.provenance.key:
            raise StoreError(
                f"{path}: was simulated by another version of this package or its steps; simulate it again"
            )
        truth = GroundTruth(StoredTruth(file.quantities, file))
        return cls(spec, file, truth, notes=file.provenance.notes, until=file.provenance.until)


def data_of(recording: Recording, label: str = "", cost_s: float = 0.0) -> RecordingData:
    """Return the content of a recording's file.

    Parameters
    ----------
    recording
        Recording to store.
    label
        Name under which it was requested.
    cost_s
        Time spent on it so far, s.
    """
    provenance = Provenance(
        key=recording.spec.key(),
        label=label,
        until=recording.until,
        notes=recording.notes,
        cost_s=cost_s,
        created=time.time(),
    )
    return RecordingData(recording.spec, recording.frames, recording.truth.arrays, provenance)
