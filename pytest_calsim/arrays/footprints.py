"""Spatial footprints of many cells, sparse inside, dense on request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pytest_calsim.arrays.patches import Patches
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels.footprints import weighted_sums
from pytest_calsim.kernels.rect import Rect

if TYPE_CHECKING:
    import xarray as xr
    from scipy.sparse import csr_array

__all__ = ["SparseFootprints"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SparseFootprints:
    """Footprints ``(unit_id, height, width)`` in compressed rows: one row a unit, one column a pixel (C order).

    Attributes
    ----------
    data
        Non-zero values, float32.
    indices
        Flat pixel index ``row * width + column`` of each value, int32, ascending within a unit.
    indptr
        Where each unit begins in ``data``; int64, one more than there are units.
    shape
        Units, height, width.
    """

    data: NDArray[np.float32]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        for name in ("data", "indices", "indptr"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, unit: int) -> NDArray[np.float32]:
        """One unit's dense picture ``(height, width)``, fresh and writable."""
        if not -len(self) <= unit < len(self):
            raise IndexError(f"unit {unit} of {len(self)}")
        pixels, values = self.unit(unit % len(self))
        image = np.zeros(self.shape[1] * self.shape[2], dtype=np.float32)
        image[pixels] = values
        return image.reshape(self.shape[1:])

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        dense = np.stack(list(self)) if len(self) else np.zeros(self.shape, np.float32)
        return dense if dtype is None else dense.astype(dtype)

    def unit(self, unit: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Flat pixel indices and values of one unit."""
        span = slice(self.indptr[unit], self.indptr[unit + 1])
        return self.indices[span], self.data[span]

    def sums(self, weight: Floats, *, squared: bool = False) -> Floats:
        """Σ v·w, or Σ v²·w, of each unit ``(unit,)``; w is a picture ``(height, width)``."""
        flat = np.ascontiguousarray(weight, np.float64).ravel()
        return weighted_sums(self.indptr, self.data, self.indices, flat, squared=squared)

    def select(self, units: NDArray[Any]) -> SparseFootprints:
        """The footprints of some units (indices or a boolean mask), in that order."""
        chosen = np.arange(len(self))[units]
        parts = [self.unit(int(i)) for i in chosen]
        return SparseFootprints.from_units(parts, self.shape[1:])

    @property
    def csr(self) -> csr_array:
        """The same as a scipy ``csr_array`` (units, pixels), sharing memory."""
        from scipy.sparse import csr_array

        return csr_array((self.data, self.indices, self.indptr), shape=(len(self), self.shape[1] * self.shape[2]))

    def dense(self) -> xr.DataArray:
        """All of them as a dense float32 DataArray ``(unit_id, height, width)``: units · height · width · 4 bytes."""
        import xarray as xr

        return xr.DataArray(
            np.asarray(self),
            dims=("unit_id", "height", "width"),
            coords={d: np.arange(n) for d, n in zip(("unit_id", "height", "width"), self.shape, strict=True)},
            name="A",
        )

    @classmethod
    def from_units(cls, units: list[tuple[NDArray[Any], NDArray[Any]]], shape: tuple[int, ...]) -> SparseFootprints:
        """From each unit's flat pixel indices and values on a picture of ``shape`` (height, width)."""
        indptr = np.zeros(len(units) + 1, dtype=np.int64)
        indptr[1:] = np.cumsum([len(pixels) for pixels, _ in units])
        empty: list[NDArray[Any]] = [np.zeros(0)]
        data = np.concatenate([v for _, v in units] or empty).astype(np.float32)
        indices = np.concatenate([p for p, _ in units] or empty).astype(np.int32)
        return cls(data, indices, indptr, (len(units), int(shape[0]), int(shape[1])))

    @classmethod
    def from_patches(cls, patches: Patches, window: Rect) -> SparseFootprints:
        """Gather what is not 0 of patches where a window shows it."""
        counts, indices, values = patches.pixels_within(window)
        indptr = np.zeros(len(patches.box) + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        return cls(values, indices, indptr, (len(patches.box), *window.shape))
