"""Transform the ground truth of a recording together with its movie, so that the two keep fitting one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.recording.transformation import Transformation

__all__ = ["transformed_truth"]

_Quantity: TypeAlias = "TruthArray | SparseFootprints"


def transformed_truth(arrays: Mapping[str, _Quantity], by: Transformation, canvas: Canvas) -> dict[str, _Quantity]:
    """Transform the ground truth.

    Images and footprints move with the pixels, shifts and positions about the optical axis turn with them. A cell
    whose centre leaves the window is not in the field of view any more, and so not detectable; ``fov_fraction`` is that
    of what is left. The ``snr`` columns stay those of the whole frames. Codes change no truth.

    Parameters
    ----------
    arrays
        Every quantity by name.
    by
        The transformation.
    canvas
        The grid on which positions in µm become pixels.
    """
    if not by.is_geometric:
        return dict(arrays)
    new: dict[str, _Quantity] = {}
    for name, value in arrays.items():
        if isinstance(value, SparseFootprints):
            new[name] = by.footprints(value)
        elif value.dims[-2:] == ("height", "width"):
            new[name] = TruthArray(value.dims, by.images(value.values), value.units)
        elif value.dims[-1:] == ("shift_dim",):
            turned = by.vectors(value.values[..., 0], value.values[..., 1])
            new[name] = TruthArray(value.dims, np.stack(turned, axis=-1), value.units)
        else:
            new[name] = value
    for y, x in _coordinates(arrays, "y_um", "x_um"):
        _put(new, (y, x), by.vectors(_values(arrays, y), _values(arrays, x)))
    for row, column in _coordinates(arrays, "row_px", "column_px"):
        _put(new, (row, column), by.points(_values(arrays, row), _values(arrays, column)))
    _put_in_view(new, arrays, by, canvas)
    return new


def _coordinates(arrays: Mapping[str, object], first: str, second: str) -> list[tuple[str, str]]:
    """Return the names of quantities that are two coordinates of one thing."""
    prefixes = [name.removesuffix(first) for name in arrays if name == first or name.endswith(f"_{first}")]
    return [(f"{prefix}{first}", f"{prefix}{second}") for prefix in prefixes if f"{prefix}{second}" in arrays]


def _values(arrays: Mapping[str, _Quantity], name: str) -> NDArray[Any]:
    value = arrays[name]
    assert isinstance(value, TruthArray)
    return value.values


def _put(new: dict[str, _Quantity], names: tuple[str, str], values: tuple[NDArray[Any], NDArray[Any]]) -> None:
    for name, turned in zip(names, values, strict=True):
        old = new[name]
        assert isinstance(old, TruthArray)
        new[name] = TruthArray(old.dims, turned, old.units)


def _put_in_view(
    new: dict[str, _Quantity], arrays: Mapping[str, _Quantity], by: Transformation, canvas: Canvas
) -> None:
    """Decide again which cells are in view, and how much of each."""
    if not {"y_um", "x_um", "in_fov"} <= arrays.keys() or not by.is_windowed:
        return
    row = canvas.rows(_values(arrays, "y_um")) - canvas.margin_px
    column = canvas.columns(_values(arrays, "x_um")) - canvas.margin_px
    rows, columns = by.kept
    inside = (row >= rows.start - 0.5) & (row <= rows.stop - 0.5)
    inside &= (column >= columns.start - 0.5) & (column <= columns.stop - 0.5)
    for name in ("in_fov", "detectable"):
        old = new.get(name)
        if isinstance(old, TruthArray):
            new[name] = TruthArray(old.dims, old.values & inside, old.units)
    before = arrays.get("A_observed")
    after = new.get("A_observed")
    share = new.get("fov_fraction")
    if isinstance(before, SparseFootprints) and isinstance(after, SparseFootprints) and isinstance(share, TruthArray):
        whole = before.sums(np.ones(before.shape[1:]))
        left = after.sums(np.ones(after.shape[1:]))
        kept = np.divide(left, whole, out=np.zeros(len(whole)), where=whole > 0)
        new["fov_fraction"] = TruthArray(share.dims, (share.values * kept).astype(share.dtype), share.units)
