"""Read the truth in a recording's file, each quantity when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.lazy import FrameValues, LazyTruth
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.store.zarr_array import ArrayLayout

__all__ = ["FOOTPRINT_PARTS", "StoredQuantity", "StoredTruth", "TruthSource"]

FOOTPRINT_PARTS = ("data", "indices", "indptr")
"""The arrays of sparse footprints, by name."""


@dataclass(frozen=True)
class StoredQuantity:
    """Facts about a quantity that are known before it is read.

    Attributes
    ----------
    dims, units
        Its axes and its unit.
    footprints
        The dense shape of sparse footprints.
    by_frames
        Layout of a quantity that is stored in blocks of frames.
    """

    dims: tuple[str, ...]
    units: str
    footprints: tuple[int, int, int] | None = None
    by_frames: ArrayLayout | None = None


class TruthSource(Protocol):
    """Source of a recording's truth."""

    def read_array(self, path: str) -> NDArray[Any]:
        """Return an array by its path, e.g. ``snr`` or ``A_planted/data``."""
        ...

    def read_truth_frames(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return frames ``start`` to ``stop`` of a quantity that is stored in blocks of frames."""
        ...


class StoredTruth(Mapping[str, "TruthArray | SparseFootprints"]):
    """Stored quantities by name, each read once; those stored in blocks of frames are read at each request.

    Parameters
    ----------
    quantities
        Quantities that are stored, by name.
    source
        Reads their arrays.
    """

    def __init__(self, quantities: Mapping[str, StoredQuantity], source: TruthSource) -> None:
        self._quantities = quantities
        self._source = source
        self._known: dict[str, TruthArray | SparseFootprints] = {}

    def __reduce__(self) -> tuple[type[StoredTruth], tuple[Any, ...]]:
        return StoredTruth, (self._quantities, self._source)

    def __iter__(self) -> Iterator[str]:
        return iter(self._quantities)

    def __len__(self) -> int:
        return len(self._quantities)

    def __contains__(self, name: object) -> bool:
        return name in self._quantities

    def __getitem__(self, name: str) -> TruthArray | SparseFootprints:
        if name not in self._known:
            self._known[name] = self._open(name)
        return self._known[name]

    def _open(self, name: str) -> TruthArray | SparseFootprints:
        quantity = self._quantities[name]
        if quantity.footprints is not None:
            data, indices, indptr = (self._source.read_array(f"{name}/{part}") for part in FOOTPRINT_PARTS)
            return SparseFootprints(data, indices, indptr, quantity.footprints)
        layout = quantity.by_frames
        if layout is not None:
            read = partial(self._source.read_truth_frames, name)
            return LazyTruth(quantity.dims, FrameValues(layout.shape, np.dtype(layout.dtype), read), quantity.units)
        return _StoredArray(quantity, partial(self._source.read_array, name))


class _StoredArray(TruthArray):
    """A quantity whose values are read when they are first used."""

    def __init__(self, quantity: StoredQuantity, read: Callable[[], NDArray[Any]]) -> None:
        # The base class is frozen, and its __init__ would ask for the values.
        vars(self).update(dims=quantity.dims, units=quantity.units, _read=read)

    def __reduce__(self) -> tuple[type[TruthArray], tuple[Any, ...]]:
        return TruthArray, (self.dims, self.values, self.units)

    @cached_property
    def values(self) -> NDArray[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return vars(self)["_read"]()
