"""Share among all writers: blocks of frames in order, frame times, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.frame_source import FrameSource
from pytest_calsim.arrays.parallel import in_order
from pytest_calsim.errors import StoreError
from pytest_calsim.spec.spec import Spec

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Movie", "blocks_of", "frame_times_s", "images_of", "published"]

_BLOCK_BYTES = 4 << 20
"""Frames that are read at a time: several blocks are in flight, one on each core."""


class Movie(Protocol):
    """A movie to write: a :class:`~pytest_calsim.Recording`, or an object with the same three properties."""

    @property
    def spec(self) -> Spec:
        """Spec that was simulated."""
        ...

    @property
    def frames(self) -> FrameSource:
        """Source of the frames."""
        ...

    @property
    def observed(self) -> xr.DataArray:
        """The frames as a DataArray with its coordinates."""
        ...


def blocks_of(
    frames: FrameSource, first: int = 0, last: int | None = None, *, label: str, block_frames: int | None = None
) -> Iterator[NDArray[Any]]:
    """Yield a movie's frames in order, in blocks that all cores paint ahead.

    Parameters
    ----------
    frames
        The movie.
    first, last
        First frame, and the one behind the last; all by default.
    label
        Text of the progress bar. It is shown only on a terminal, and with tqdm installed.
    block_frames
        Length of a block; what fits into 4 MB by default. The last one may be shorter.
    """
    last = frames.shape[0] if last is None else last
    n = _fitting(frames) if block_frames is None else block_frames
    starts = range(first, last, n)
    with _progress(last - first, label) as advance:
        for block in in_order(lambda i: frames.read(starts[i], min(starts[i] + n, last)), len(starts)):
            yield block
            advance(len(block))


def _fitting(frames: FrameSource) -> int:
    """Return the number of frames that fit into a block, one at least."""
    return max(1, _BLOCK_BYTES // (frames.shape[1] * frames.shape[2] * frames.dtype.itemsize))


def images_of(frames: FrameSource, first: int = 0, last: int | None = None, *, label: str) -> Iterator[NDArray[Any]]:
    """Yield a movie's frames ``(height, width)`` one by one; see :func:`blocks_of`."""
    for block in blocks_of(frames, first, last, label=label):
        yield from block


class _Advance(Protocol):
    def __call__(self, n: int, /) -> object: ...


@contextlib.contextmanager
def _progress(total: int, label: str) -> Generator[_Advance]:
    """Show a bar on a terminal; elsewhere nothing, and tqdm is not imported."""
    bar: Any = None
    if sys.stderr is not None and sys.stderr.isatty():  # pyright: ignore[reportUnnecessaryComparison] (pythonw)
        with contextlib.suppress(ImportError):
            bar = import_module("tqdm").tqdm(total=total, desc=label, unit=" frames", leave=False)
    if bar is None:
        yield lambda n: None
        return
    with bar:
        yield bar.update


def frame_times_s(movie: Movie) -> NDArray[np.float64]:
    """Return when each frame's exposure begins ``(frame,)``, s: its ``time`` coordinate, else its index over fps."""
    observed: Any = movie.observed  # xarray's coordinates are typed in part
    if "time" in observed.coords:
        return np.asarray(observed.coords["time"].values, np.float64)
    return np.arange(movie.frames.shape[0]) / movie.spec.acquisition.fps


@contextlib.contextmanager
def published(path: Path, *, overwrite: bool = False) -> Generator[Path]:
    """Yield a name to write a file or folder under, and rename it to ``path`` once that has succeeded.

    Parameters
    ----------
    path
        What appears, whole or not at all. Missing folders are made.
    overwrite
        Replace a file that is there. A folder never is replaced.

    Raises
    ------
    StoreError
        When there is something already, or it cannot be written.
    """
    if os.path.lexists(path) and not (overwrite and path.is_file()):
        way = ", or give overwrite=True" if path.is_file() else ": folders are not replaced"
        raise StoreError(f"{path}: exists already; remove it, or choose another name{way}")
    # The suffix stays, as libraries choose the format by it.
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
