"""Name the types of arrays that a test may give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pytest_calsim.arrays.footprints import SparseFootprints

__all__ = ["FootprintForm", "FootprintsLike", "MatrixLike", "Pairing", "SparseArray", "SparseMatrix", "Unit"]


class SparseMatrix(Protocol):
    """A ``scipy.sparse`` array or matrix, of any format."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        ...

    def tocsr(self) -> object:
        """Convert to compressed rows."""
        ...


class SparseArray(Protocol):
    """An array of the package ``sparse`` (``COO``, ``GCXS``, ``DOK``), of any number of axes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    def todense(self) -> NDArray[Any]:
        """Convert to a NumPy array."""
        ...


MatrixLike: TypeAlias = "ArrayLike | xr.DataArray | pd.DataFrame | SparseMatrix | SparseArray"
"""Real numbers with two axes: NumPy (masked too, if it hides nothing), nested lists, xarray and pandas (labels are
followed or refused), dask, scipy.sparse, ``sparse``."""

FootprintsLike: TypeAlias = "SparseFootprints | MatrixLike | Sequence[ArrayLike] | Sequence[xr.DataArray]"
"""Footprints ``(unit_id, height, width)`` in any form of :data:`MatrixLike`, a list of images, a label image of whole
numbers ``(height, width)``, :class:`SparseFootprints`; or scipy.sparse ``(unit_id, height * width)`` in C order."""

FootprintForm: TypeAlias = Literal[
    "array", "list", "xarray", "label image", "flat rows", "flat columns", "stat", "sparse"
]
"""In which form footprints were given, which says how a user hands them over otherwise: an array of images, a list of
them, xarray's, a label image, scipy.sparse ``(units, pixels)``, ``(pixels, units)`` to ``from_caiman``, suite2p's
``stat``, or :class:`SparseFootprints`."""

Pairing: TypeAlias = "Sequence[tuple[int, int]] | NDArray[np.integer]"
"""Pairs of a row of the estimate and a row of the truth."""

Unit: TypeAlias = "tuple[NDArray[Any], NDArray[Any]]"
"""One unit's flat pixel indices (C order, ascending) and its non-zero values there."""
