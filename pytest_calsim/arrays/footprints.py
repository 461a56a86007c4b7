"""Spatial footprints of many cells, sparse inside, dense on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pytest_calsim.arrays.patches import Patches
from pytest_calsim.arrays.read_only import freeze_arrays
from pytest_calsim.kernels.footprints import weighted_sums
from pytest_calsim.kernels.ragged import starts
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Bools, Floats, Floats32, Ints, Ints32

if TYPE_CHECKING:
    import xarray as xr
    from scipy.sparse import csr_array

__all__ = ["SparseFootprints"]

UnitSelection = Sequence[int] | Sequence[bool] | NDArray[np.integer] | Bools | slice


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
    unit_id
        Labels of the units ``(unit_id,)``, which a selection keeps; ``None``: they have none.
    """

    data: Floats32
    indices: Ints32
    indptr: Ints
    shape: tuple[int, int, int]
    unit_id: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        units, height, width = self.shape
        return f"<SparseFootprints of {units} units on {height} x {width} px, {len(self.data)} values>"

    def __len__(self) -> int:
        return self.shape[0]

    @overload
    def __getitem__(self, unit: int | np.integer) -> Floats32: ...

    @overload
    def __getitem__(self, unit: UnitSelection) -> SparseFootprints: ...

    def __getitem__(self, unit: int | np.integer | UnitSelection) -> Floats32 | SparseFootprints:
        """Return one unit's dense image ``(height, width)``, fresh and writable, or several units' sparse footprints.

        Parameters
        ----------
        unit
            A unit's position; or positions, a slice or a boolean mask ``(unit_id,)``, as for a NumPy array's first
            axis. For pixels, select from :meth:`dense`.

        Raises
        ------
        IndexError
            When there is no such unit, or pixels are selected as well.
        """
        if isinstance(unit, tuple):
            raise IndexError(
                f"footprints are selected by unit alone, not by {unit!r}: for pixels, select from A.dense()"
            )
        if not isinstance(unit, int | np.integer):
            return self.select(unit)
        if not -len(self) <= unit < len(self):
            raise IndexError(f"unit {unit} is out of range: there are {len(self)} units, counted from 0")
        pixels, values = self.unit(int(unit) % len(self))
        image = np.zeros(self.shape[1] * self.shape[2], dtype=np.float32)
        image[pixels] = values
        return image.reshape(self.shape[1:])

    def __iter__(self) -> Iterator[Floats32]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        dense = np.stack(list(self)) if len(self) else np.zeros(self.shape, np.float32)
        return dense if dtype is None else dense.astype(dtype)

    def unit(self, unit: int) -> tuple[Ints32, Floats32]:
        """Return the non-zero pixels of one unit.

        Parameters
        ----------
        unit
            Position of the unit, 0 or more.

        Returns
        -------
        pixels, values
            Flat indices ``row * width + column``, int32, and values, float32; each ``(pixel,)``.
        """
        span = slice(self.indptr[unit], self.indptr[unit + 1])
        return self.indices[span], self.data[span]

    def sums(self, weight: Floats, *, squared: bool = False) -> Floats:
        """Compute Σ v·w, or Σ v²·w, over each unit's pixels.

        Parameters
        ----------
        weight
            Image w, ``(height, width)``.
        squared
            Whether the values v are squared.

        Returns
        -------
        float64 ``(unit,)``.
        """
        flat = np.ascontiguousarray(weight, np.float64).ravel()
        return weighted_sums(self.indptr, self.data, self.indices, flat, squared=squared)

    def select(self, units: UnitSelection) -> SparseFootprints:
        """Select units in a given order; their labels go with them.

        Parameters
        ----------
        units
            Positions, a slice, or a boolean mask ``(unit_id,)``.

        Raises
        ------
        IndexError
            When a position or a mask does not fit the number of units.
        """
        key = units if isinstance(units, slice) else np.asarray(units)
        if not isinstance(key, slice) and key.size == 0:
            key = key.astype(np.intp)  # NumPy makes an empty list one of floats, which selects nothing
        if not isinstance(key, slice) and (key.ndim != 1 or key.dtype.kind not in "iub"):
            raise IndexError(f"select units by a list of positions or a mask, not by {key.dtype} of shape {key.shape}")
        chosen = np.arange(len(self))[key]
        parts = [self.unit(int(i)) for i in chosen]
        labels = None if self.unit_id is None else self.unit_id[chosen]
        return replace(SparseFootprints.from_units(parts, self.shape[1:]), unit_id=labels)

    def moved(self, rows: int, columns: int, onto: tuple[int, int] | None = None) -> SparseFootprints:
        """Move all footprints by some rows down and some columns to the right; what leaves the image is lost.

        Parameters
        ----------
        rows, columns
            Whole pixels, of either sign.
        onto
            Height and width of the image on which they come to lie, px; the same as before by default.
        """
        height, width = self.shape[1:] if onto is None else onto
        row, column = np.divmod(self.indices.astype(np.int64), max(self.shape[2], 1))
        row += rows
        column += columns
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return replace(
            self,
            data=self.data[inside],
            indices=(row * width + column)[inside].astype(np.int32),
            indptr=starts(inside)[self.indptr],
            shape=(len(self), height, width),
        )

    @property
    def csr(self) -> csr_array:
        """The footprints as a scipy ``csr_array`` ``(unit, height · width)``, sharing memory."""
        # Here, for start-up time: scipy.sparse is slow to import, and most recordings are used without it.
        from scipy.sparse import csr_array

        return csr_array((self.data, self.indices, self.indptr), shape=(len(self), self.shape[1] * self.shape[2]))

    def dense(self) -> xr.DataArray:
        """Return a dense float32 DataArray ``(unit_id, height, width)``; it takes units · height · width · 4 bytes."""
        # Here, as xarray imports pandas, and planning a scene needs neither.
        import xarray as xr

        coords: dict[str, NDArray[Any]] = {
            dim: np.arange(n) for dim, n in zip(("unit_id", "height", "width"), self.shape, strict=True)
        }
        if self.unit_id is not None:
            coords["unit_id"] = self.unit_id
        return xr.DataArray(np.asarray(self), dims=("unit_id", "height", "width"), coords=coords, name="A")

    @classmethod
    def from_units(cls, units: list[tuple[NDArray[Any], NDArray[Any]]], shape: tuple[int, ...]) -> SparseFootprints:
        """Make footprints of each unit's pixels.

        Parameters
        ----------
        units
            Flat indices, ascending, and values of each unit's pixels.
        shape
            Height and width of the image, px.
        """
        indptr = starts([len(pixels) for pixels, _ in units])
        empty: list[NDArray[Any]] = [np.zeros(0)]
        data = np.concatenate([v for _, v in units] or empty).astype(np.float32)
        indices = np.concatenate([p for p, _ in units] or empty).astype(np.int32)
        return cls(data, indices, indptr, (len(units), int(shape[0]), int(shape[1])))

    @classmethod
    def from_patches(cls, patches: Patches, window: Rect) -> SparseFootprints:
        """Make footprints of the pixels of patches that are not 0 and lie in a window, which becomes the image."""
        counts, indices, values = patches.pixels_within(window)
        return cls(values, indices, starts(counts), (len(patches.box), *window.shape))
