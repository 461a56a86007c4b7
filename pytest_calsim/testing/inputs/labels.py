"""Labels of axes (xarray's coordinates, pandas' index and columns): followed where they say an order, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import is_data_array, is_data_frame

__all__ = ["Labelled", "check_unique", "in_order_of", "pixel_span", "read_labels", "whole_axis_order"]

_WHAT_THEY_ARE = {"frame": "frames", "height": "rows", "width": "columns", "shift_dim": "columns", "unit_id": "units"}


@dataclass(frozen=True, eq=False)
class Labelled:
    """An array of any kind with its axes in order, and their labels where it has them.

    Attributes
    ----------
    values
        NumPy, dask or sparse array.
    labels
        Labels of an axis by the axis' name; an axis without labels is left out.
    """

    values: Any
    labels: Mapping[str, NDArray[Any]]


def read_labels(value: Any, dims: tuple[str, ...], name: str) -> Labelled:
    """Bring the axes of a DataArray or DataFrame in order and take its labels; what is neither has none.

    Raises
    ------
    EstimateError
        When the axes have other names, or labels of several levels.
    """
    if is_data_array(value):
        if set(value.dims) != set(dims):
            raise EstimateError(f"{name} has dims {tuple(value.dims)}; expected {dims}, in any order")
        ordered = value.transpose(*dims)
        labels = {dim: np.atleast_1d(ordered.coords[dim].values) for dim in dims if dim in ordered.coords}
        return Labelled(ordered.data, labels)
    if is_data_frame(value):
        return _read_frame(value, dims, name)
    return Labelled(value, {})


def _read_frame(frame: Any, dims: tuple[str, ...], name: str) -> Labelled:
    if len(dims) != 2:
        raise EstimateError(f"{name} is a table of two axes; expected {dims}")
    if frame.index.nlevels > 1 or frame.columns.nlevels > 1:
        raise EstimateError(f"{name} has labels of several levels: give its values, .to_numpy()")
    if (frame.index.name, frame.columns.name) == dims[::-1]:
        frame = frame.T
    axes = {dim: axis for dim, axis in zip(dims, (frame.index, frame.columns), strict=True) if not _is_default(axis)}
    return Labelled(frame.to_numpy(), {dim: axis.to_numpy() for dim, axis in axes.items()})


def _is_default(axis: Any) -> bool:
    """Return whether pandas made this index itself, 0, 1, 2, ...: it then labels nothing."""
    return type(axis).__name__ == "RangeIndex" and axis.start == 0 and axis.step == 1


def check_unique(labels: NDArray[Any] | None, name: str) -> None:
    """Refuse labels of which one stands for several units."""
    if labels is None:
        return
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise EstimateError(f"{name} has unit_id labels that are NaN: give every unit its own label")
    found, counts = np.unique(labels, return_counts=True)
    if (counts > 1).any():
        raise EstimateError(f"{name} has the unit_id labels {found[counts > 1][:5].tolist()} more than once")


def in_order_of(own: NDArray[Any] | None, wanted: NDArray[Any] | None, name: str) -> NDArray[np.intp] | None:
    """Find the rows of ``own`` labels in the order of the ``wanted``; ``None`` where one has none.

    Raises
    ------
    EstimateError
        When the two are not the same set.
    """
    if own is None or wanted is None:
        return None
    rows: dict[Any, int] = {label: row for row, label in enumerate(own.tolist())}
    if rows.keys() != set(wanted.tolist()):
        raise EstimateError(
            f"{name} has {len(own)} units whose unit_id labels are not the {len(wanted)} of the others: "
            f"select one set, A.sel(unit_id={name}.unit_id)"
        )
    return np.array([rows[label] for label in wanted.tolist()], np.intp)


def whole_axis_order(labels: NDArray[Any] | None, length: int, dim: str, name: str) -> NDArray[np.intp] | None:
    """Find the order that labels 0, 1, 2, ... of a whole axis say; ``None`` where it is the order they are in.

    Raises
    ------
    EstimateError
        When they are not the numbers of a whole axis.
    """
    if labels is None or np.array_equal(labels, np.arange(length)):
        return None
    if labels.dtype.kind in "iuf" and np.array_equal(np.sort(labels), np.arange(length)):
        return np.argsort(labels)
    first, last = (labels[0], labels[-1]) if labels.size else ("none", "none")
    raise EstimateError(
        f"{name} has {dim} labels {first} to {last}; expected 0 to {length - 1}, the recording's "
        f"{_WHAT_THEY_ARE[dim]}, in any order: if these are they all the same, drop the labels, .drop_vars({dim!r})"
    )


def pixel_span(labels: NDArray[Any], dim: str, name: str) -> tuple[NDArray[np.intp], int]:
    """Find the order of labelled rows or columns of a picture, and the number of the first.

    Raises
    ------
    EstimateError
        When the labels are not neighbouring whole numbers, from 0 or more on.
    """
    order = np.argsort(labels, kind="stable") if labels.dtype.kind in "iuf" else np.zeros(0, np.intp)
    sorted_labels = labels[order]
    first = int(sorted_labels[0]) if len(sorted_labels) else 0
    if first < 0 or not np.array_equal(sorted_labels, first + np.arange(len(labels))):
        raise EstimateError(
            f"{name} has {dim} labels {labels[0]} to {labels[-1]}; expected pixel numbers without gaps, 0 or more: "
            f"reindex it to the recording's {_WHAT_THEY_ARE[dim]}, or drop the labels, .drop_vars({dim!r})"
        )
    return order, first
