"""Matrices of traces, spikes, shifts and images: float64, finite, with their labels followed or refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.kernels.types import Floats
from pytest_calsim.testing.inputs.arrays import check_numbers, plain_array, positions_of
from pytest_calsim.testing.inputs.labelled import Labelled, Labels, Source, read_labels
from pytest_calsim.testing.inputs.labels import check_unique, common_order, in_order_of, whole_axis_order
from pytest_calsim.testing.inputs.types import MatrixLike
from pytest_calsim.testing.inputs.whole_results import refuse_whole_result

__all__ = ["Rows", "as_matrix", "as_shifts", "read_rows", "rows_of"]

_ROWS = ("unit_id", "frame")
_NUMBERS_AND_TIMES = "iufmM"
"""NumPy's kinds of whole numbers, floats, durations and dates."""


@dataclass(frozen=True, eq=False)
class Rows:
    """One row a unit.

    Attributes
    ----------
    values
        ``(unit_id, frame)``, float64.
    unit_id
        Labels of the units; ``None``: they have none.
    source
        Whose array it was.
    """

    values: Floats
    unit_id: Labels | None
    source: Source

    def in_order_of(self, labels: Labels | None, name: str) -> Floats:
        """Put the rows in the order of labels; rows without labels, or without any to follow, stay.

        Raises
        ------
        EstimateError
            When they are not those of the rows.
        """
        order = in_order_of(self.unit_id, labels, name)
        return self.values if order is None else self.values[order]


def read_rows(value: MatrixLike, *, n_units: int | None = None, name: str) -> Rows:
    """Read traces or spikes ``(unit_id, frame)`` with the labels of their units.

    Parameters
    ----------
    value
        As in :func:`as_matrix`.
    n_units
        How many units there are, where it is known; it tells tables that are the other way round.
    name
        What to call it in an error.

    Raises
    ------
    EstimateError
        As :func:`as_matrix`, and for tables of frames by units.
    """
    refuse_whole_result(value, name)
    read = read_labels(value, _ROWS, name)
    if read.source == "pandas":
        _refuse_turned_table(read, n_units, name)
    check_unique(read.labels.get("unit_id"), name)
    return Rows(_matrix(read, _ROWS, (None, None), name), read.labels.get("unit_id"), read.source)


def rows_of(value: MatrixLike, n_units: int, *, whose: str, name: str) -> Floats:
    """Read traces or spikes of a known number of units, which are numbered 0, 1, 2, ...; labels say the order.

    Parameters
    ----------
    value, name
        As in :func:`as_matrix`.
    n_units
        Number of units.
    whose
        What numbers them, in an error.

    Raises
    ------
    EstimateError
        As :func:`read_rows`, or when there are more or fewer rows.
    """
    rows = read_rows(value, n_units=n_units, name=name)
    return rows.in_order_of(common_order((whose, None), {name: (rows.unit_id, rows.source)}), name)


def as_matrix(
    value: MatrixLike,
    *,
    dims: tuple[str, str] = _ROWS,
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
    return _matrix(read_labels(value, dims, name), dims, shape, name)


def _matrix(read: Labelled, dims: tuple[str, str], shape: tuple[int | None, int | None], name: str) -> Floats:
    array = plain_array(read.values, name)
    check_numbers(array.dtype, name)
    if array.size == 0 and array.ndim == 1 and shape[1] is not None:  # an empty list: no rows
        array = array.reshape(0, shape[1])
    _check_shape(array, dims, shape, name)
    for axis, dim in enumerate(dims):
        # Units are put in order by whoever knows the others' labels; columns of shifts by their names.
        if dim in ("frame", "height", "width"):
            order = whole_axis_order(read, dim, axis, name)
            array = array if order is None else array.take(order, axis)
    bad = ~np.isfinite(array)
    if bad.any():
        raise EstimateError(f"{name} has {positions_of(bad, dims)}")
    return array.astype(np.float64)


def _refuse_turned_table(read: Labelled, n_units: int | None, name: str) -> None:
    """Refuse a table of frames by units, as most programs write it, and say how to turn it so that it is read."""
    n_rows, n_columns = read.values.shape
    index = read.labels.get("unit_id")
    columns = read.labels.get("frame")
    is_turned_by_size = n_columns == n_units and n_rows != n_units
    # Text names units: frames have numbers or times.
    columns_name_units = columns is not None and columns.dtype.kind not in _NUMBERS_AND_TIMES
    index_may_be_frames = index is None or index.dtype.kind in _NUMBERS_AND_TIMES
    is_turned_by_name = columns_name_units and index_may_be_frames and n_units in (None, n_columns)
    if not (is_turned_by_size or is_turned_by_name):
        return
    # An index in seconds would be refused next: it is no number of a frame.
    numbers: list[int] = list(range(n_rows))
    is_frames = index is None or (index.dtype.kind in "iuf" and np.sort(index).tolist() == numbers)
    turned = f"{name}.T" if is_frames else f"{name}.reset_index(drop=True).T"
    seen = f", columns {columns[0]} to {columns[-1]}" if columns is not None and n_columns else ""
    raise EstimateError(
        f"{name} has shape {(n_rows, n_columns)}{seen}; expected (unit_id, frame): it is transposed, give {turned}"
    )


def _check_shape(
    array: NDArray[np.generic], dims: tuple[str, str], shape: tuple[int | None, int | None], name: str
) -> None:
    def fits(found: tuple[int, ...]) -> bool:
        return len(found) == 2 and all(n is None or n == m for n, m in zip(shape, found, strict=True))

    if fits(array.shape):
        return
    axes = f"({dims[0]}, {dims[1]})"
    wanted = ", ".join(dim if n is None else str(n) for dim, n in zip(dims, shape, strict=True))
    expected = axes if shape == (None, None) else f"({wanted}) = {axes}"
    turned = f": it is transposed, give {name}.T" if fits(array.shape[::-1]) else ""
    raise EstimateError(f"{name} has shape {array.shape}; expected {expected}{turned}")


def as_shifts(value: MatrixLike, *, n_frames: int | None = None, name: str = "shifts") -> Floats:
    """Read shifts ``(frame, shift_dim)`` in px, columns (height, width); labels of the columns say their order.

    Raises
    ------
    EstimateError
        As :func:`as_matrix`, or when the columns are labelled otherwise.
    """
    dims = ("frame", "shift_dim")
    refuse_whole_result(value, name)
    read = read_labels(value, dims, name)
    shifts = _matrix(read, dims, (n_frames, 2), name)
    labels = read.labels.get("shift_dim")
    # A file of text has numbers for columns without names.
    named = {"0": "height", "1": "width"}
    columns = ["height", "width"] if labels is None else [named.get(label, label) for label in map(str, labels)]
    if sorted(columns) != ["height", "width"]:
        raise EstimateError(f"{name} has shift_dim labels {columns}; expected ['height', 'width'], in any order")
    return shifts if columns[0] == "height" else shifts[:, ::-1]
