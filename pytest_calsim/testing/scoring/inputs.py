"""Estimates as people hand them over (numpy, xarray, dask, scipy.sparse), made plain; what cannot be scored is refused.

Every refusal is one line with the actual and the expected shape. xarray, dask and scipy are recognised by what they
offer, so that none of them is imported for a user who does not use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError, hide_refusals

__all__ = [
    "FootprintInput",
    "Unit",
    "as_footprints",
    "as_matrix",
    "as_shifts",
    "check_frame_labels",
    "footprint_units",
    "unit_labels",
]

__tracebackhide__ = hide_refusals

Unit = tuple[NDArray[Any], NDArray[Any]]
"""One unit's flat pixel indices (C order, ascending) and its non-zero values there."""

FootprintInput = Any
"""Footprints ``(unit_id, height, width)``: numpy, xarray (any order of dims), dask, a list of pictures, or
:class:`SparseFootprints`; or scipy.sparse ``(unit_id, height * width)`` with pixels in C order."""

# Dense footprints are read this many bytes at a time: the only dense memory that scoring takes.
_BLOCK_BYTES = 1 << 27
_LARGEST = float(np.finfo(np.float32).max)
_FOOTPRINT_DIMS = ("unit_id", "height", "width")


def _is_xarray(value: Any) -> bool:
    return hasattr(value, "dims") and hasattr(value, "transpose") and hasattr(value, "coords")


def _is_dask(value: Any) -> bool:
    return hasattr(value, "__dask_graph__") and hasattr(value, "to_delayed")


def _is_sparse(value: Any) -> bool:
    return hasattr(value, "tocsr")


def _ordered(value: Any, dims: tuple[str, ...], name: str) -> Any:
    """A DataArray with its dims in order."""
    if set(value.dims) != set(dims):
        raise EstimateError(f"{name} has dims {tuple(value.dims)}; expected {dims}, in any order")
    return value.transpose(*dims)


def _array(value: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:
        shapes = sorted({part.shape for part in value if hasattr(part, "shape")})
        seen = f", {', '.join(map(str, shapes))}" if shapes else ""
        raise EstimateError(f"{name} is ragged: its parts are of different shapes{seen}") from None


def _numbers(value: NDArray[Any], name: str) -> NDArray[Any]:
    if value.dtype.kind not in "buif":
        raise EstimateError(f"{name} holds {value.dtype}, not real numbers")
    return value


def _positions(bad: NDArray[np.bool_], dims: Sequence[str]) -> str:
    first = ", ".join(f"{d} {i}" for d, i in zip(dims, np.argwhere(bad)[0], strict=True))
    return f"{int(bad.sum())} NaN or infinite values, the first at {first}"


def unit_labels(value: Any) -> NDArray[Any] | None:
    """The ``unit_id`` coordinate of a DataArray; ``None`` when it has none."""
    return np.asarray(value.coords["unit_id"]) if _is_xarray(value) and "unit_id" in value.coords else None


def _check_unit(unit: int, values: NDArray[Any], name: str) -> None:
    if not np.isfinite(values).all():
        raise EstimateError(
            f"{name}: the footprint of unit {unit} has {int((~np.isfinite(values)).sum())} NaN or infinite pixels"
        )
    if values.size and float(values.max()) > _LARGEST:
        raise EstimateError(
            f"{name}: the footprint of unit {unit} reaches {values.max():.3g}, beyond float32: scale it down"
        )
    if values.size and values.min() < 0:
        raise EstimateError(
            f"{name}: the footprint of unit {unit} is negative at {int((values < 0).sum())} pixels "
            f"(lowest {values.min():.3g}): clip it, A.clip(0)"
        )


def _dense_units(block: NDArray[Any], first: int, name: str) -> Iterator[Unit]:
    for i, image in enumerate(np.ascontiguousarray(block)):
        flat = image.reshape(-1)
        pixels = np.flatnonzero(flat != 0)
        values = flat[pixels]
        _check_unit(first + i, values, name)
        yield pixels, values


def _array_units(array: NDArray[Any], name: str) -> Iterator[Unit]:
    step = max(1, _BLOCK_BYTES // max(1, array.shape[1] * array.shape[2] * array.itemsize))
    for first in range(0, len(array), step):
        yield from _dense_units(array[first : first + step], first, name)


def _dask_units(array: Any, name: str) -> Iterator[Unit]:
    """All chunks of units in one computation, each made sparse where it is computed."""
    dask: Any = import_module("dask")
    chunked = array.rechunk({1: -1, 2: -1})
    first = np.cumsum([0, *chunked.chunks[0]])

    def sparse(block: NDArray[Any], start: int) -> list[Unit]:
        return list(_dense_units(block, start, name))

    blocks = [dask.delayed(sparse)(b, int(a)) for b, a in zip(chunked.to_delayed().ravel(), first, strict=False)]
    try:
        computed = cast("tuple[list[Unit], ...]", dask.compute(*blocks))
    except EstimateError as error:
        raise error.with_traceback(None) from None  # without dask's frames
    for units in computed:
        yield from units


def _sparse_units(matrix: Any, name: str) -> Iterator[Unit]:
    csr = matrix.tocsr()
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    for unit in range(csr.shape[0]):
        span = slice(csr.indptr[unit], csr.indptr[unit + 1])
        pixels, values = csr.indices[span], csr.data[span]
        _check_unit(unit, values, name)
        yield pixels[values != 0], values[values != 0]


def _expect_picture(shape: tuple[int, ...], picture: tuple[int, int] | None, name: str) -> None:
    if len(shape) == 3 and picture in (None, shape[1:]):
        return
    sides = "height, width" if picture is None else f"{picture[0]}, {picture[1]}"
    hint = ""
    if picture is None:
        hint = ": a single footprint needs its unit axis, A[None]" if len(shape) == 2 else ""
    elif shape == picture:
        hint = ": a single footprint needs its unit axis, A[None]"
    elif len(shape) == 3 and shape[:2] == picture:
        hint = ": units come first, np.moveaxis(A, -1, 0)"
    elif len(shape) == 3 and shape[1:] == picture[::-1]:
        hint = ": height and width are swapped, A.transpose(0, 2, 1)"
    elif len(shape) == 2 and picture[0] * picture[1] in shape:
        hint = ": flattened footprints are taken as scipy.sparse, or by Estimate.from_caiman (Fortran order)"
    raise EstimateError(f"{name} has shape {shape}; expected (units, {sides}) = (unit_id, height, width){hint}")


def footprint_units(
    A: FootprintInput, picture: tuple[int, int] | None = None, *, name: str = "A"
) -> tuple[Iterator[Unit], tuple[int, int, int]]:
    """Each unit's pixels and values, read unit by unit, and the shape (units, height, width).

    Parameters
    ----------
    A
        Footprints; see :data:`FootprintInput`.
    picture
        Height and width that they must have. Without it scipy.sparse footprints count as one row of pixels.
    name
        What to call them in an error.

    Raises
    ------
    EstimateError
        When the shape is wrong, or (while iterating) a value is NaN, infinite or negative.
    """
    if isinstance(A, SparseFootprints):
        if picture is not None:
            _expect_picture(A.shape, picture, name)
        return _sparse_units(A.csr, name), A.shape
    if _is_sparse(A):
        height, width = picture or (1, int(A.shape[-1]))
        pixels = height * width
        if A.ndim != 2 or A.shape[1] != pixels:
            turned = ": units come first, A.T (from CaImAn: Estimate.from_caiman)" if A.shape[0] == pixels else ""
            raise EstimateError(
                f"{name} has shape {A.shape}; expected (units, {pixels}) = (unit_id, height * width){turned}"
            )
        return _sparse_units(A, name), (int(A.shape[0]), height, width)
    array = A
    if _is_xarray(A):
        array = _ordered(A, _FOOTPRINT_DIMS, name).data
    if not _is_dask(array):
        array = _array(array, name)
        if array.size == 0 and array.ndim < 3 and picture is not None:
            array = np.zeros((0, *picture))  # an empty list: nothing was found
    shape: tuple[int, ...] = tuple(array.shape)
    _expect_picture(shape, picture, name)
    _numbers(array, name)
    units = _dask_units(array, name) if _is_dask(array) else _array_units(array, name)
    return units, cast("tuple[int, int, int]", shape)


def as_footprints(A: FootprintInput, picture: tuple[int, int] | None = None, *, name: str = "A") -> SparseFootprints:
    """Footprints in sparse form; parameters and errors as :func:`footprint_units`."""
    if isinstance(A, SparseFootprints) and (picture is None or A.shape[1:] == picture):
        for unit in range(len(A)):
            _check_unit(unit, A.unit(unit)[1], name)
        return A
    units, shape = footprint_units(A, picture, name=name)
    return SparseFootprints.from_units(list(units), shape[1:])


def as_matrix(
    value: Any, *, dims: tuple[str, str] = ("unit_id", "frame"), shape: tuple[int | None, int | None], name: str
) -> NDArray[np.float64]:
    """A finite float64 matrix of two named dims.

    Parameters
    ----------
    value
        numpy, xarray (any order of dims), dask, scipy.sparse or nested lists.
    dims
        Names of the axes.
    shape
        What each axis must be; ``None`` for any.
    name
        What to call it in an error.
    """
    array: Any = _ordered(value, dims, name).data if _is_xarray(value) else value
    if _is_sparse(array):
        array = array.toarray()
    array = _numbers(_array(array, name), name)
    if array.size == 0 and array.ndim == 1 and shape[1] is not None:
        array = array.reshape(0, shape[1])
    wanted = (
        "("
        + ", ".join(d if n is None else str(n) for d, n in zip(dims, shape, strict=True))
        + f") = ({dims[0]}, {dims[1]})"
    )
    fits = array.ndim == 2 and all(n is None or n == m for n, m in zip(shape, array.shape, strict=True))
    if not fits:
        turned = array.ndim == 2 and all(n is None or n == m for n, m in zip(shape, array.shape[::-1], strict=True))
        raise EstimateError(
            f"{name} has shape {array.shape}; expected {wanted}{': it is transposed' if turned else ''}"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        raise EstimateError(f"{name} has {_positions(bad, dims)}")
    return array.astype(np.float64)


def as_shifts(value: Any, *, n_frames: int | None = None, name: str = "shifts") -> NDArray[np.float64]:
    """Shifts ``(frame, shift_dim)`` in px, columns (height, width); a DataArray's own labels decide the order."""
    if _is_xarray(value) and "shift_dim" in value.coords:
        labels = [str(label) for label in value.coords["shift_dim"].values]
        if sorted(labels) != ["height", "width"]:
            raise EstimateError(f"{name} has shift_dim {labels}; expected ['height', 'width'], in any order")
        value = value.sel(shift_dim=["height", "width"])
    return as_matrix(value, dims=("frame", "shift_dim"), shape=(n_frames, 2), name=name)


def check_frame_labels(value: Any, name: str = "shifts") -> None:
    """Refuse a DataArray whose ``frame`` labels are not those of a whole recording, 0, 1, 2, ..."""
    if not (_is_xarray(value) and "frame" in value.coords):
        return
    labels = np.atleast_1d(value.coords["frame"].values)
    if not np.array_equal(labels, np.arange(len(labels))):
        raise EstimateError(
            f"{name} has frame labels {labels[0]} to {labels[-1]}; expected 0 to {len(labels) - 1} in order, "
            "those of the recording: if these are its frames, .drop_vars('frame')"
        )
