"""Make xarray's arrays of frames that are painted, computed or read when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

if TYPE_CHECKING:
    from pytest_calsim.arrays.frame_source import FrameSource
    from pytest_calsim.arrays.lazy import LazyArray
    from pytest_calsim.microscope.acquisition import Acquisition

__all__ = ["lazy_array", "lazy_movie"]

_DIMS = ("frame", "height", "width")


class _LazyFrames(BackendArray):
    """Adapter by which xarray reads frames lazily; whole frames are read, and parts are cut from them."""

    def __init__(self, source: LazyArray, axis: int) -> None:
        self.source = source
        self.axis = axis
        self.shape = source.shape
        self.dtype = source.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._basic)

    def _basic(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Return what integers and slices, one an axis, select."""
        before = key[: self.axis]
        frames = key[self.axis]
        behind = key[self.axis + 1 :]
        n_frames = self.shape[self.axis]
        if not isinstance(frames, slice):
            index = int(frames) % n_frames
            return self.source.read(index, index + 1)[(*before, 0, *behind)]
        wanted = range(*frames.indices(n_frames))
        if not wanted:
            return self.source.read(0, 0)[(*before, slice(None), *behind)]
        # From the first to the last frame in one read; the step, which may be negative, is taken from that.
        ends = (wanted[0], wanted[-1])
        block = self.source.read(min(ends), max(ends) + 1)
        return block[(*before, slice(None, None, wanted.step), *behind)]


def lazy_movie(source: FrameSource, name: str, acquisition: Acquisition) -> xr.DataArray:
    """Return the movie ``(frame, height, width)`` of some source under a name.

    Its coordinate ``time`` is when each frame's exposure begins, s; its attributes are ``units`` (ADU of codes, 1 of
    light), ``fps`` and ``pixel_size_um``.
    """
    # An index, not an array, for the same reason as below.
    times = pd.Index(np.arange(source.shape[0]) / acquisition.fps)
    time_s = xr.IndexVariable("frame", times, {"units": "s"}).to_base_variable()
    movie = lazy_array(source, _DIMS, name, time=time_s)
    units = "ADU" if source.dtype.kind == "u" else "1"
    movie.attrs = {"units": units, "fps": acquisition.fps, "pixel_size_um": acquisition.pixel_size_um}
    return movie


def lazy_array(source: LazyArray, dims: tuple[str, ...], name: str, **more_coords: xr.Variable) -> xr.DataArray:
    """Return an array of some source, one of whose axes is ``frame``, under a name."""
    # As in movies that xarray opens from disk: the first assignment copies the whole movie into memory.
    lazy: Any = indexing.LazilyIndexedArray(_LazyFrames(source, dims.index("frame")))
    data = indexing.CopyOnWriteArray(lazy)
    # Ranges, not arrays: xarray imports dask to look at an array, which costs more than reading a small recording.
    coords: dict[str, Any] = {dim: pd.RangeIndex(size, name=dim) for dim, size in zip(dims, source.shape, strict=True)}
    if "shift_dim" in coords:  # stored shifts are read by blocks, too
        coords["shift_dim"] = pd.Index(["height", "width"], name="shift_dim")
    return xr.DataArray(xr.Variable(dims, data), coords={**coords, **more_coords}, name=name)
