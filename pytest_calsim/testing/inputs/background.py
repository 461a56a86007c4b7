"""A pipeline's background: pictures and their courses, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import is_data_array, is_data_frame, plain_array
from pytest_calsim.testing.inputs.matrices import as_matrix
from pytest_calsim.testing.inputs.whole_results import refuse_whole_result

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Background", "read_background"]


class Background(NamedTuple):
    """A background ``b(height, width) · f(frame)``, or a sum of several.

    Attributes
    ----------
    field
        Its mean over time ``(height, width)``; ``None`` without pictures.
    course
        Its mean over the picture ``(frame,)``; ``None`` without courses.
    """

    field: NDArray[np.float64] | None
    course: NDArray[np.float64] | None


def read_background(b: ArrayLike | xr.DataArray | None, f: ArrayLike | xr.DataArray | None) -> Background:
    """Read pictures ``([component,] height, width)`` and courses ``([component,] frame)``.

    Raises
    ------
    EstimateError
        When there are not as many courses as pictures, or a value cannot be read.
    """
    pictures = None if b is None else _stack(b, 2, ("height", "width"), "b")
    courses = None if f is None else _stack(f, 1, ("frame",), "f")
    if pictures is None or courses is None:
        field = None if pictures is None else _only(pictures, "b", "f")
        return Background(field, None if courses is None else _only(courses, "f", "b"))
    if len(pictures) != len(courses):
        raise EstimateError(f"b has {len(pictures)} pictures and f {len(courses)} courses: give one for each")
    levels = pictures.mean(axis=(1, 2))
    return Background((courses.mean(axis=1)[:, np.newaxis, np.newaxis] * pictures).sum(axis=0), levels @ courses)


def _only(parts: NDArray[np.float64], name: str, other: str) -> NDArray[np.float64]:
    if len(parts) != 1:
        raise EstimateError(f"{name} has {len(parts)} components: they are put together with {other}, give it too")
    return parts[0]


def _stack(value: Any, n_axes: int, dims: tuple[str, ...], name: str) -> NDArray[np.float64]:
    """Put the axis of components first; one component has no such axis."""
    parts: list[Any]
    if is_data_array(value):
        extra = [dim for dim in value.dims if dim not in dims]
        if len(extra) > 1:
            raise EstimateError(f"{name} has dims {tuple(value.dims)}; expected {dims}, or one more for components")
        value = value.transpose(*extra, *dims) if set(dims) <= set(value.dims) else value
        parts = [value.isel({extra[0]: i}) for i in range(value.sizes[extra[0]])] if extra else [value]
    elif is_data_frame(value):  # its labels are followed below
        parts = [value] if n_axes == 2 else [value.iloc[[i]].reset_index(drop=True) for i in range(len(value))]
    else:
        refuse_whole_result(value, name)
        array = plain_array(value, name)
        if array.ndim not in (n_axes, n_axes + 1):
            raise EstimateError(
                f"{name} has shape {array.shape}; expected {dims}, or one more axis before for components"
            )
        parts = [array] if array.ndim == n_axes else list(array)
    if n_axes == 2:
        return np.stack([as_matrix(part, dims=("height", "width"), shape=(None, None), name=name) for part in parts])
    return np.vstack([as_matrix(_row(part), dims=("component", "frame"), shape=(1, None), name=name) for part in parts])


def _row(part: Any) -> Any:
    """Return one course with an axis for its component."""
    if is_data_frame(part):
        return part
    return part.expand_dims("component") if is_data_array(part) else np.atleast_2d(part)
