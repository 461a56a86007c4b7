"""A movie as an xarray array whose frames are painted or read when they are asked for."""

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

__all__ = ["lazy_movie"]

_DIMS = ("frame", "height", "width")


class _LazyFrames(BackendArray):
    """What xarray needs to read frames lazily; whole frames are read, the rest is cut from them."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = source.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._basic)

    def _basic(self, key: tuple[Any, ...]) -> NDArray[Any]:
        frames, *rest = key
        if isinstance(frames, slice):
            wanted = range(*frames.indices(self.shape[0]))
            if len(wanted) == 0:
                return np.zeros((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
            low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1])
            block = self.source.read(low, high + 1)
            step = wanted.step
            block = block[::step] if step > 0 else block[::-1][::-step]
            return block[(slice(None), *rest)]
        index = int(frames) % self.shape[0]
        return self.source.read(index, index + 1)[(0, *rest)]


def lazy_movie(source: FrameSource, name: str) -> xr.DataArray:
    """The movie ``(frame, height, width)`` of some source under a name."""
    # As in movies that xarray opens from disk: whoever assigns to it gets a copy in memory, of the whole movie.
    lazy: Any = indexing.LazilyIndexedArray(_LazyFrames(source))
    data = indexing.CopyOnWriteArray(lazy)
    # Ranges, not arrays: xarray imports dask to look at an array, which costs more than reading a small recording.
    coords = {dim: pd.RangeIndex(size, name=dim) for dim, size in zip(_DIMS, source.shape, strict=True)}
    return xr.DataArray(xr.Variable(_DIMS, data), coords=coords, name=name)
