"""Arrays of any kind as NumPy arrays of real numbers.

xarray, pandas, dask and the sparse packages are recognised by what they offer, so that none of them is imported for a
user who does not use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError

__all__ = [
    "check_numbers",
    "is_dask",
    "is_data_array",
    "is_data_frame",
    "is_scipy_sparse",
    "is_series",
    "is_sparse",
    "plain_array",
    "positions_of",
]


def is_data_array(value: Any) -> bool:
    """Return whether this is an ``xarray.DataArray``."""
    return hasattr(value, "dims") and hasattr(value, "coords") and hasattr(value, "transpose")


def is_data_frame(value: Any) -> bool:
    """Return whether this is a ``pandas.DataFrame``."""
    return hasattr(value, "columns") and hasattr(value, "index") and hasattr(value, "to_numpy")


def is_series(value: Any) -> bool:
    """Return whether this is a ``pandas.Series``."""
    return hasattr(value, "index") and hasattr(value, "to_frame") and hasattr(value, "to_numpy")


def is_dask(value: Any) -> bool:
    """Return whether this is a dask array."""
    return hasattr(value, "__dask_graph__") and hasattr(value, "to_delayed")


def is_scipy_sparse(value: Any) -> bool:
    """Return whether this is an array or matrix of ``scipy.sparse``."""
    # The package sparse has tocsr, too, for two axes; scipy's zeros are always 0.
    return hasattr(value, "tocsr") and not hasattr(value, "fill_value")


def is_sparse(value: Any) -> bool:
    """Return whether this is an array of the package ``sparse``."""
    return hasattr(value, "todense") and hasattr(value, "fill_value")


def plain_array(value: Any, name: str) -> NDArray[Any]:
    """Convert to a NumPy array of real numbers.

    Raises
    ------
    EstimateError
        When it is ragged, holds no real numbers, or hides some of them under a mask.
    """
    given: Any = value.compute() if is_dask(value) else value
    if is_scipy_sparse(given):
        given = given.toarray()
    elif is_sparse(given):
        given = given.todense()
    elif type(given) in (list, tuple) and any(isinstance(part, np.ma.MaskedArray) for part in given):
        given = np.ma.stack(given)  # np.asarray would forget the masks
    if np.ma.isMaskedArray(given):
        n_hidden = int(np.ma.getmaskarray(given).sum())
        if n_hidden:
            raise EstimateError(f"{name} hides {n_hidden} values under its mask: fill them, .filled(0), or drop them")
    try:
        return np.asarray(given)
    except ValueError:
        shapes = sorted({part.shape for part in given if hasattr(part, "shape")})
        seen = f", {', '.join(map(str, shapes))}" if shapes else ""
        raise EstimateError(f"{name} is ragged: its parts are of different shapes{seen}") from None


def check_numbers(dtype: np.dtype[Any], name: str) -> None:
    """Refuse what holds no real numbers."""
    if dtype.kind not in "buif":
        raise EstimateError(f"{name} holds {dtype}, not real numbers")


def positions_of(bad: NDArray[np.bool_], dims: Sequence[str]) -> str:
    """Say how many values are NaN or infinite, and where the first is."""
    first = ", ".join(f"{dim} {i}" for dim, i in zip(dims, np.argwhere(bad)[0], strict=True))
    return f"{int(bad.sum())} NaN or infinite values, the first at {first}"
