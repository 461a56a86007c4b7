"""Matrices of traces, spikes, shifts and pictures: float64, finite, with their labels followed or refused."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.kernels.types import Floats
from pytest_calsim.testing.inputs.arrays import check_numbers, plain_array, positions_of
from pytest_calsim.testing.inputs.labels import check_unique, read_labels, whole_axis_order
from pytest_calsim.testing.inputs.types import MatrixLike
from pytest_calsim.testing.inputs.whole_results import refuse_whole_result

__all__ = ["Rows", "as_matrix", "as_shifts", "read_rows"]


class Rows(NamedTuple):
    """One row a unit.

    Attributes
    ----------
    values
        ``(unit_id, frame)``, float64.
    unit_id
        Labels of the units; ``None``: they have none.
    """

    values: Floats
    unit_id: NDArray[np.generic] | None


def read_rows(value: MatrixLike, *, shape: tuple[int | None, int | None], name: str) -> Rows:
    """Read traces or spikes ``(unit_id, frame)`` with the labels of their units; parameters as :func:`as_matrix`."""
    labels = read_labels(value, ("unit_id", "frame"), name).labels.get("unit_id")
    check_unique(labels, name)
    return Rows(as_matrix(value, shape=shape, name=name), labels)


def as_matrix(
    value: MatrixLike,
    *,
    dims: tuple[str, str] = ("unit_id", "frame"),
    shape: tuple[int | None, int | None],
    name: str,
) -> Floats:
    """Read a finite float64 matrix of two named axes.

    Labels of frames, rows and columns say their order, and must be those of a whole axis; units stay in the order
    they are in.

    Parameters
    ----------
    value
        NumPy, nested lists, xarray (dims in any order), pandas, dask or sparse.
    dims
        Names of the axes.
    shape
        What each axis must be; ``None`` for any.
    name
        What to call it in an error.

    Raises
    ------
    EstimateError
        When the shape or a label does not fit, or a value is NaN, infinite, masked or no real number.
    """
    refuse_whole_result(value, name)
    read = read_labels(value, dims, name)
    array = plain_array(read.values, name)
    check_numbers(array.dtype, name)
    if array.size == 0 and array.ndim == 1 and shape[1] is not None:
        array = array.reshape(0, shape[1])
    _check_shape(array, dims, shape, name)
    for axis, dim in enumerate(dims):
        if dim in ("frame", "height", "width"):
            order = whole_axis_order(read.labels.get(dim), array.shape[axis], dim, name)
            array = array if order is None else array.take(order, axis)
    bad = ~np.isfinite(array)
    if bad.any():
        raise EstimateError(f"{name} has {positions_of(bad, dims)}")
    return array.astype(np.float64)


def _check_shape(
    array: NDArray[np.generic], dims: tuple[str, str], shape: tuple[int | None, int | None], name: str
) -> None:
    def fits(found: tuple[int, ...]) -> bool:
        return len(found) == 2 and all(n is None or n == m for n, m in zip(shape, found, strict=True))

    if fits(array.shape):
        return
    wanted = ", ".join(dim if n is None else str(n) for dim, n in zip(dims, shape, strict=True))
    turned = ": it is transposed" if fits(array.shape[::-1]) else ""
    raise EstimateError(f"{name} has shape {array.shape}; expected ({wanted}) = ({dims[0]}, {dims[1]}){turned}")


def as_shifts(value: MatrixLike, *, n_frames: int | None = None, name: str = "shifts") -> Floats:
    """Read shifts ``(frame, shift_dim)`` in px, columns (height, width); labels of the columns say their order.

    Raises
    ------
    EstimateError
        As :func:`as_matrix`, or when the columns are labelled otherwise.
    """
    dims = ("frame", "shift_dim")
    refuse_whole_result(value, name)
    shifts = as_matrix(value, dims=dims, shape=(n_frames, 2), name=name)
    labels = read_labels(value, dims, name).labels.get("shift_dim")
    columns = ["height", "width"] if labels is None else [str(label) for label in labels]
    if sorted(columns) != ["height", "width"]:
        raise EstimateError(f"{name} has shift_dim labels {columns}; expected ['height', 'width'], in any order")
    return shifts if columns[0] == "height" else shifts[:, ::-1]
