"""Read a pipeline's background: put its images and their courses together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import is_data_array, is_data_frame, is_series, plain_array
from pytest_calsim.testing.inputs.labelled import Labels, Source, read_labels, stack_labelled
from pytest_calsim.testing.inputs.labels import check_unique, common_order, in_order_of
from pytest_calsim.testing.inputs.matrices import as_matrix
from pytest_calsim.testing.inputs.whole_results import refuse_whole_result

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Background", "read_background"]


_COMPONENT = "component"


class Background(NamedTuple):
    """A background ``b(height, width) · f(frame)``, or a sum of several.

    Attributes
    ----------
    field
        Its mean over time ``(height, width)``; ``None`` without images.
    course
        Its mean over the image ``(frame,)``; ``None`` without courses.
    """

    field: NDArray[np.float64] | None
    course: NDArray[np.float64] | None


def read_background(b: ArrayLike | xr.DataArray | None, f: ArrayLike | xr.DataArray | None) -> Background:
    """Read images ``([component,] height, width)`` and courses ``([component,] frame)``.

    Raises
    ------
    EstimateError
        When there are not as many courses as images, or a value or label cannot be read.
    """
    images = None if b is None else _images(b)
    courses = None if f is None else _courses(f)
    if images is None or courses is None:
        field = None if images is None else _only(images.values, "b", "f")
        course = None if courses is None else _only(courses.values, "f", "b")
        return Background(field, course)
    n_images = len(images.values)
    for name, given in (("b", images), ("f", courses)):
        check_unique(given.labels, name, _COMPONENT)
    if n_images != len(courses.values):
        raise EstimateError(f"b has {n_images} images and f {len(courses.values)} courses: give one for each")
    labels = common_order(("b", images.labels), {"f": (courses.labels, courses.source)}, _COMPONENT)
    order = in_order_of(courses.labels, labels, "f", _COMPONENT)
    rows = courses.values if order is None else courses.values[order]
    # Of the sum over components of image times course: its mean over frames, and its mean over pixels.
    field = (rows.mean(axis=1)[:, np.newaxis, np.newaxis] * images.values).sum(axis=0)
    course = images.values.mean(axis=(1, 2)) @ rows
    return Background(field, course)


class _Components(NamedTuple):
    """Images ``(component, height, width)`` or courses ``(component, frame)``, and labels of the components."""

    values: NDArray[np.float64]
    labels: Labels | None
    source: Source


def _only(parts: NDArray[np.float64], name: str, other: str) -> NDArray[np.float64]:
    if len(parts) != 1:
        raise EstimateError(
            f"{name} has {len(parts)} components: they are put together with {other}, give it too, or give one"
        )
    return parts[0]


def _with_components(array: Any, dims: tuple[str, ...], name: str) -> Any:
    """Return a DataArray whose one more dim, of any name, is that of the components."""
    extra = [dim for dim in array.dims if dim not in dims]
    if len(extra) > 1 or not set(dims) <= set(array.dims):
        raise EstimateError(f"{name} has dims {tuple(array.dims)}; expected {dims}, or one more for components")
    return array.rename({extra[0]: _COMPONENT}) if extra else array.expand_dims(_COMPONENT)


def _images(value: Any) -> _Components:
    """Read images; a single one has no axis of components."""
    refuse_whole_result(value, "b")
    dims = ("height", "width")
    given = stack_labelled(value, _COMPONENT, "b")
    labels: Labels | None = None
    parts: list[Any]
    if is_data_array(given):
        given = _with_components(given, dims, "b")
        labels = read_labels(given, (_COMPONENT, *dims), "b").labels.get(_COMPONENT)
        parts = [given.isel({_COMPONENT: i}) for i in range(given.sizes[_COMPONENT])]
    elif is_data_frame(given):
        parts = [given]
    # Tables have two axes, so several are a list; NumPy would drop their labels.
    elif isinstance(given, list | tuple) and any(is_data_frame(part) for part in cast("Sequence[Any]", given)):
        parts = list(cast("Sequence[Any]", given))
    else:
        array = plain_array(given, "b")
        _check_axes(array, dims, "b")
        parts = [array] if array.ndim == 2 else list(array)
    images = [as_matrix(part, dims=dims, shape=(None, None), name="b") for part in parts]
    return _Components(np.stack(images), labels, "xarray" if labels is not None else "")


def _courses(value: Any) -> _Components:
    """Read courses; a single one has no axis of components."""
    refuse_whole_result(value, "f")
    given = stack_labelled(value, _COMPONENT, "f")
    if is_data_array(given):
        given = _with_components(given, ("frame",), "f")
    elif is_series(given):
        given = given.to_frame().T.reset_index(drop=True)  # the Series' name labels no component
    elif not is_data_frame(given):
        given = plain_array(given, "f")
        _check_axes(given, ("frame",), "f")
        given = np.atleast_2d(given)
    dims = (_COMPONENT, "frame")
    read = read_labels(given, dims, "f")
    values = as_matrix(given, dims=dims, shape=(None, None), name="f")
    return _Components(values, read.labels.get(_COMPONENT), read.source)


def _check_axes(array: NDArray[Any], dims: tuple[str, ...], name: str) -> None:
    if array.ndim not in (len(dims), len(dims) + 1):
        raise EstimateError(f"{name} has shape {array.shape}; expected {dims}, or one more axis before for components")
