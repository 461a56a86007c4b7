"""The truth in a recording's file, each quantity read when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray

__all__ = ["FOOTPRINT_PARTS", "StoredQuantity", "StoredTruth"]

FOOTPRINT_PARTS = ("data", "indices", "indptr")
"""The arrays of sparse footprints, by name."""


@dataclass(frozen=True)
class StoredQuantity:
    """What is known of a quantity before it is read: axes and unit, and the dense shape if it is sparse footprints."""

    dims: tuple[str, ...]
    units: str
    footprints: tuple[int, int, int] | None = None


class StoredTruth(Mapping[str, "TruthArray | SparseFootprints"]):
    """Stored quantities by name, each read once.

    Parameters
    ----------
    quantities
        What there is.
    read_array
        Reads an array by its path, e.g. ``C`` or ``A_planted/data``.
    """

    def __init__(self, quantities: Mapping[str, StoredQuantity], read_array: Callable[[str], NDArray[Any]]) -> None:
        self._quantities = quantities
        self._read_array = read_array
        self._known: dict[str, TruthArray | SparseFootprints] = {}

    def __reduce__(self) -> tuple[type[StoredTruth], tuple[Any, ...]]:
        return StoredTruth, (self._quantities, self._read_array)

    def __iter__(self) -> Iterator[str]:
        return iter(self._quantities)

    def __len__(self) -> int:
        return len(self._quantities)

    def __contains__(self, name: object) -> bool:
        return name in self._quantities

    def __getitem__(self, name: str) -> TruthArray | SparseFootprints:
        if name not in self._known:
            quantity = self._quantities[name]
            if quantity.footprints is None:
                self._known[name] = _StoredArray(quantity, partial(self._read_array, name))
            else:
                parts = [self._read_array(f"{name}/{part}") for part in FOOTPRINT_PARTS]
                self._known[name] = SparseFootprints(parts[0], parts[1], parts[2], quantity.footprints)
        return self._known[name]


class _StoredArray(TruthArray):
    """A quantity whose values are read when they are first used."""

    def __init__(self, quantity: StoredQuantity, read: Callable[[], NDArray[Any]]) -> None:
        vars(self).update(dims=quantity.dims, units=quantity.units, _read=read)

    def __reduce__(self) -> tuple[type[TruthArray], tuple[Any, ...]]:
        return TruthArray, (self.dims, self.values, self.units)

    @cached_property
    def values(self) -> NDArray[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return vars(self)["_read"]()
