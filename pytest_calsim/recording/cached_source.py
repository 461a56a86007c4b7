"""Read a cached recording's frames and truth from its file, and paint them from its spec should the file fail."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.frame_source import FrameSource
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import PlacementWarning
from pytest_calsim.recording import simulate
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.recording_file import RecordingFile

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["CachedSource"]


class CachedSource:
    """Frames and truth read from a file; from the moment it fails, painted from the spec: the same bits.

    Another process that unpickles this opens the file by its name, and paints if it is gone or bad.

    Parameters
    ----------
    spec
        Spec of the recording.
    file
        Its file; ``None`` to paint.
    on_failure
        Called once, when the file has failed.
    """

    def __init__(
        self,
        spec: Spec,
        file: RecordingFile | None,
        on_failure: Callable[[Spec, RecordingFile, OSError], None] | None = None,
    ) -> None:
        self._spec = spec
        self._file = file
        self._on_failure = on_failure
        self._painted: Recording | None = None
        self._guard = threading.Lock()
        frames: FrameSource | None = file
        if frames is None:
            self._painted = _paint(spec)
            frames = self._painted.frames
        self.shape = frames.shape
        self.dtype = frames.dtype

    def __reduce__(self) -> tuple[Callable[..., CachedSource], tuple[Spec, Path | None]]:
        return _reopen, (self._spec, None if self._file is None else self._file.path)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return frames ``start`` to ``stop``, fresh and writable."""
        return self._try(lambda file: file.read(start, stop), lambda painted: painted.frames.read(start, stop))

    def read_array(self, path: str) -> NDArray[Any]:
        """Return an array of the truth by its path, e.g. ``C`` or ``A_planted/data``."""
        return self._try(lambda file: file.read_array(path), lambda painted: _truth_array(painted, path))

    def read_truth_frames(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return frames ``start`` to ``stop`` of a quantity of the truth that is stored in blocks of frames."""
        return self._try(
            lambda file: file.read_truth_frames(name, start, stop),
            lambda painted: _truth_by_frames(painted, name).read(start, stop),
        )

    def _try(
        self, read: Callable[[RecordingFile], NDArray[Any]], paint: Callable[[Recording], NDArray[Any]]
    ) -> NDArray[Any]:
        """Read from the file while it is sound; from then on take the same from the painted recording."""
        painted = self._painted
        if painted is None:
            assert self._file is not None
            try:
                return read(self._file)
            except OSError as error:
                painted = self._paint_instead(self._file, error)
        return paint(painted)

    def _paint_instead(self, file: RecordingFile, error: OSError) -> Recording:
        with self._guard:
            if self._painted is not None:
                return self._painted  # another thread painted it while this one waited
            self._painted = _paint(self._spec)
        # Without the guard held: the cache takes its own lock, and may be asking this source for frames.
        if self._on_failure is not None:
            self._on_failure(self._spec, file, error)
        return self._painted


def _paint(spec: Spec) -> Recording:
    with warnings.catch_warnings():  # its warnings were given when it was first simulated
        warnings.simplefilter("ignore", PlacementWarning)
        return simulate.simulate(spec)


def _truth_array(painted: Recording, path: str) -> NDArray[Any]:
    name, _, part = path.partition("/")
    value = painted.truth.arrays[name]
    return getattr(value, part) if isinstance(value, SparseFootprints) else value.values


def _truth_by_frames(painted: Recording, name: str) -> TruthArray:
    value = painted.truth.arrays[name]
    assert isinstance(value, TruthArray)
    return value


def _reopen(spec: Spec, path: Path | None) -> CachedSource:
    try:
        file = None if path is None else RecordingFile(path)
        if file is not None:
            file.expect(spec)
    except OSError:
        file = None
    return CachedSource(spec, file)
