"""Arrays with labelled axes (xarray's coordinates, pandas' index and columns), their axes in order."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import is_data_array, is_data_frame, is_series

__all__ = ["Labelled", "Labels", "Source", "read_labels", "stack_labelled"]

Labels: TypeAlias = "NDArray[Any]"
"""Labels of one axis, all different."""

Source: TypeAlias = Literal["xarray", "pandas", ""]
"""Whose array it is that has labels, which says how a user changes them; empty for arrays without."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """An array of any kind with its axes in order, and their labels where it has them.

    Attributes
    ----------
    values
        NumPy, dask or sparse array.
    labels
        Labels of an axis by the axis' name; an axis without labels is left out.
    source
        Whose array it was.
    """

    values: Any
    labels: Mapping[str, Labels]
    source: Source = ""


def read_labels(value: Any, dims: tuple[str, ...], name: str) -> Labelled:
    """Bring the axes of a DataArray or DataFrame in order and take its labels; what is neither has none.

    Of a list of DataArrays or Series, each is one entry along the first axis.

    Raises
    ------
    EstimateError
        When the axes have other names, labels of several levels, or are evidently the other way round.
    """
    given = stack_labelled(value, dims[0], name)
    if is_data_array(given):
        if set(given.dims) != set(dims):
            renamed = _renamed(given.dims, dims, name)
            raise EstimateError(f"{name} has dims {tuple(given.dims)}; expected {dims}, in any order{renamed}")
        ordered = given.transpose(*dims)
        # Only coordinates of the axis' own name say an order: others, such as minian's unit_labels, describe.
        labels = {dim: np.atleast_1d(ordered.coords[dim].values) for dim in dims if dim in ordered.coords}
        return Labelled(ordered.data, labels, "xarray")
    if is_data_frame(given):
        return _read_frame(given, dims, name)
    return Labelled(given, {})


def _renamed(found: Sequence[Hashable], dims: tuple[str, ...], name: str) -> str:
    """Write how to rename the one axis that has a wrong name; empty where there is not one such axis."""
    strange = [dim for dim in found if dim not in dims]
    lacking = [dim for dim in dims if dim not in found]
    if len(found) != len(dims) or len(strange) != 1:
        return ""
    return f": {name}.rename({{{strange[0]!r}: {lacking[0]!r}}})"


def stack_labelled(value: Any, dim: str, name: str) -> Any:
    """Put a list of DataArrays or of Series together along a new first axis, by their labels; others stay.

    Raises
    ------
    EstimateError
        When their labels or shapes differ.
    """
    parts: Sequence[Any] = cast("Sequence[Any]", value) if type(value) in (list, tuple) else ()
    if not parts:
        return value
    differ = f"{name} is a list of images whose labels or shapes differ: align them first"
    if all(is_data_array(part) for part in parts):
        xarray: Any = import_module("xarray")
        try:
            # Exact, as xarray's default, outer, would fill what one part lacks with NaN.
            return xarray.concat(parts, dim=dim, join="exact")
        except ValueError:
            raise EstimateError(differ) from None
    if all(is_series(part) for part in parts):
        if any(set(part.index) != set(parts[0].index) for part in parts):
            raise EstimateError(f"{name} is a list of rows whose labels or lengths differ: align them first")
        pandas: Any = import_module("pandas")
        table = pandas.concat(parts, axis=1).T
        # pandas numbers the rows of nameless Series, which would look like labels.
        return table if all(part.name is not None for part in parts) else table.reset_index(drop=True)
    return value


def _read_frame(frame: Any, dims: tuple[str, ...], name: str) -> Labelled:
    if len(dims) != 2:
        raise EstimateError(f"{name} is a table of two axes; expected {dims}")
    if frame.index.nlevels > 1 or frame.columns.nlevels > 1:
        raise EstimateError(f"{name} has labels of several levels: give its values, .to_numpy()")
    # A table says which axis is which by one name as well as by two.
    if dims[0] != frame.index.name and (frame.index.name == dims[1] or frame.columns.name == dims[0]):
        frame = frame.T
    axes = {dim: axis for dim, axis in zip(dims, (frame.index, frame.columns), strict=True) if not _is_default(axis)}
    labels = {dim: _as_numbers(axis.to_numpy(), dim) for dim, axis in axes.items()}
    return Labelled(frame.to_numpy(), labels, "pandas")


def _is_default(axis: Any) -> bool:
    """Return whether pandas made this index itself, 0, 1, 2, ...: it then labels nothing."""
    return type(axis).__name__ == "RangeIndex" and axis.start == 0 and axis.step == 1


def _as_numbers(labels: Labels, dim: str) -> Labels:
    """Return labels as numbers where a CSV file made them text; units keep names such as 007."""
    if labels.dtype.kind not in "OUT" or not all(isinstance(label, str) for label in labels):
        return labels
    text = labels.astype(str)
    try:
        numbers = text.astype(np.float64)
    except ValueError:
        return labels
    if not np.isfinite(numbers).all():
        return labels
    whole = numbers.astype(np.int64)
    if np.array_equal(whole, numbers):
        numbers = whole
    if dim == "unit_id" and not np.array_equal(numbers.astype(str), text):
        return labels
    return numbers
