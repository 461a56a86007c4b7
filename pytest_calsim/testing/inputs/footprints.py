"""Footprints in any form, made sparse unit by unit; what cannot be scored is refused in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.arrays import (
    check_numbers,
    is_dask,
    is_data_array,
    is_data_frame,
    is_scipy_sparse,
    is_sparse,
    plain_array,
)
from pytest_calsim.testing.inputs.images import check_image_shape, label_image_units, refuse_flat_labels
from pytest_calsim.testing.inputs.labelled import Labelled, read_labels, stack_labelled
from pytest_calsim.testing.inputs.labels import check_unique, pixel_span
from pytest_calsim.testing.inputs.types import FootprintForm, FootprintsLike, Unit
from pytest_calsim.testing.inputs.whole_results import refuse_whole_result

__all__ = ["Footprints", "as_footprints", "read_footprints"]

# Dense footprints are read this many bytes at a time: the only dense memory that scoring takes.
_BLOCK_BYTES = 1 << 27
# Footprints are kept as float32, in which anything larger is infinite.
_LARGEST = float(np.finfo(np.float32).max)
_DIMS = ("unit_id", "height", "width")
_UNLABELLED = (None, None)


class Footprints(NamedTuple):
    """Footprints as they were read.

    Attributes
    ----------
    A
        The footprints, with the labels of their units if they have any.
    first
        Number of their first row and of their first column in the recording, as labels say it; ``None``: they have no
        labels, so that they must be all of the recording's.
    form
        In which form they were given.
    """

    A: SparseFootprints
    first: tuple[int | None, int | None]
    form: FootprintForm

    def on(self, image_shape: tuple[int, int], name: str = "A") -> SparseFootprints:
        """Put them in their place in the recording's frames ``(height, width)``, px.

        Raises
        ------
        EstimateError
            When they do not fit there.
        """
        for dim, first, length, side in zip(_DIMS[1:], self.first, self.A.shape[1:], image_shape, strict=True):
            if first is None and length != side:
                given = self.A.shape[1:] if self.form == "label image" else self.A.shape
                check_image_shape(given, image_shape, name)
            if first is not None and first + length > side:
                raise EstimateError(
                    f"{name} has {dim} labels {first} to {first + length - 1}; the recording has 0 to {side - 1}"
                )
        row, column = self.first
        return self.A if self.A.shape[1:] == image_shape else self.A.moved(row or 0, column or 0, image_shape)


def as_footprints(
    A: FootprintsLike, image_shape: tuple[int, int] | None = None, *, name: str = "A"
) -> SparseFootprints:
    """Read footprints in frames of known size; parameters and errors as :func:`read_footprints`."""
    read = read_footprints(A, image_shape, name=name)
    return read.A if image_shape is None else read.on(image_shape, name)


def read_footprints(A: FootprintsLike, image_shape: tuple[int, int] | None = None, *, name: str = "A") -> Footprints:
    """Read footprints ``(unit_id, height, width)``.

    Parameters
    ----------
    A
        Footprints; see :data:`~pytest_calsim.testing.inputs.types.FootprintsLike`. Masked pixels are 0.
    image_shape
        Height and width of the recording, px. Without it scipy.sparse footprints count as one row of pixels.
    name
        What to call them in an error.

    Raises
    ------
    EstimateError
        When the shape or a label does not fit, or a value is NaN, infinite, negative or no real number.
    """
    given: Any = A
    if isinstance(given, SparseFootprints):
        check_unique(given.unit_id, name)
        # Through the same checks as any other form: whoever made it may have put NaN or negative values in.
        found = _from_units(_csr_units(given.csr, name), given.shape[1:], given.unit_id)
        return Footprints(found, _UNLABELLED, "sparse")
    refuse_whole_result(given, name)
    if is_scipy_sparse(given):
        found = _from_units(_csr_units(given, name), _sparse_size(given, image_shape, name), None)
        return Footprints(found, _UNLABELLED, "flat rows")
    form: FootprintForm = "xarray" if is_data_array(given) else "array"
    if isinstance(given, list | tuple):
        given = _stacked(cast("list[Any]", given), name)
        form = "list"
    if is_data_frame(given) or (is_data_array(given) and set(given.dims) == {"height", "width"}):
        return _read_label_image(given, image_shape, name)
    return _read_images(given, image_shape, name, form)


def _read_images(value: Any, image_shape: tuple[int, int] | None, name: str, form: FootprintForm) -> Footprints:
    """Read an array ``(unit_id, height, width)``, or a label image without labels on its axes."""
    read = read_labels(value, _DIMS, name)
    check_unique(read.labels.get("unit_id"), name)
    is_made_sparse_later = is_dask(read.values) or is_sparse(read.values)
    values: Any = read.values if is_made_sparse_later else _image_array(read.values, name)
    if is_dask(values) and any(np.isnan(n) for n in values.shape):
        values = values.copy().compute_chunk_sizes()  # of the copy: the user's array stays as it is
    if getattr(values, "ndim", 0) == 2 and values.dtype.kind in "iu" and image_shape in (None, values.shape):
        return _read_label_image(values, image_shape, name)
    if values.ndim < 3 and values.size == 0 and image_shape is not None:
        values = np.zeros((0, *image_shape))  # an empty list: nothing was found
    # Where labels say which rows and columns these are, the size is checked when they are put in their place.
    check_image_shape(values.shape, None if read.labels.keys() & {"height", "width"} else image_shape, name)
    check_numbers(values.dtype, name)
    values, first = _by_pixel_labels(values, read, name)
    return Footprints(_from_units(_units(values, name), values.shape[1:], read.labels.get("unit_id")), first, form)


def _by_pixel_labels(values: Any, read: Labelled, name: str) -> tuple[Any, tuple[int | None, int | None]]:
    """Sort the rows and columns of images ``(..., height, width)`` by their labels; return the first labels, too."""
    first_row: int | None = None
    first_column: int | None = None
    # By indexing, as dask and sparse arrays have no other way in common; axes are counted as in one image.
    if "height" in read.labels:
        order, first_row = pixel_span(read, "height", 0, name)
        values = values[..., order, :]
    if "width" in read.labels:
        order, first_column = pixel_span(read, "width", 1, name)
        values = values[..., order]
    return values, (first_row, first_column)


def _from_units(
    units: Iterable[Unit], image_shape: tuple[int, ...], unit_id: NDArray[np.generic] | None
) -> SparseFootprints:
    return replace(SparseFootprints.from_units(list(units), image_shape), unit_id=unit_id)


def _image_array(value: Any, name: str) -> NDArray[Any]:
    """Return a NumPy array; what a mask hides lies outside every footprint."""
    return plain_array(np.ma.filled(value, 0) if np.ma.isMaskedArray(value) else value, name)


def _stacked(parts: list[Any], name: str) -> Any:
    """Return a list of images as one array."""
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        return [np.ma.filled(part, 0) for part in parts]
    return stack_labelled(parts, "unit_id", name)


def _read_label_image(value: Any, image_shape: tuple[int, int] | None, name: str) -> Footprints:
    read = read_labels(value, _DIMS[1:], name)
    image = _image_array(read.values, name)
    if not read.labels:
        check_image_shape((1, *image.shape), image_shape, name)
    image, first = _by_pixel_labels(image, read, name)
    units, labels = label_image_units(image, name)
    return Footprints(_from_units(units, image.shape, labels), first, "label image")


def _units(values: Any, name: str) -> Iterator[Unit]:
    if is_sparse(values):
        n_units, height, width = values.shape
        # All pixels that are not listed have this value.
        if values.fill_value != 0:
            raise EstimateError(f"{name} is sparse with the fill value {values.fill_value}; expected 0")
        return _csr_units(values.asformat("coo").reshape((n_units, height * width)).to_scipy_sparse(), name)
    if is_dask(values):
        return _dask_units(values, name)
    return _array_units(values, name)


def _check_unit(unit: int, values: NDArray[Any], name: str) -> None:
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        raise EstimateError(f"{name}: the footprint of unit {unit} has {n_bad} NaN or infinite pixels")
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
    for i, image in enumerate(np.ascontiguousarray(np.ma.filled(block, 0))):
        flat = image.reshape(-1)
        pixels = np.flatnonzero(flat != 0)
        values = flat[pixels]
        _check_unit(first + i, values, name)
        yield pixels, values


def _array_units(array: NDArray[Any], name: str) -> Iterator[Unit]:
    refuse_flat_labels(array, name)
    step = max(1, _BLOCK_BYTES // max(1, array.shape[1] * array.shape[2] * array.itemsize))
    for first in range(0, len(array), step):
        yield from _dense_units(array[first : first + step], first, name)


def _dask_units(array: Any, name: str) -> Iterator[Unit]:
    """Return all chunks of units in one computation, each made sparse where it is computed."""
    dask: Any = import_module("dask")
    chunked = array.rechunk({1: -1, 2: -1})
    starts = np.cumsum([0, *chunked.chunks[0][:-1]]).tolist()

    def sparse(block: NDArray[Any], start: int) -> list[Unit]:
        return list(_units_of_block(block, start, name))

    parts = zip(chunked.to_delayed().ravel(), starts, strict=True)
    blocks = [dask.delayed(sparse)(block, start) for block, start in parts]
    for units in cast("tuple[list[Unit], ...]", dask.compute(*blocks)):
        yield from units


def _units_of_block(block: Any, start: int, name: str) -> Iterator[Unit]:
    # Pipelines keep footprints as dask arrays of the package sparse.
    return _dense_units(block.todense() if is_sparse(block) else block, start, name)


def _sparse_size(matrix: Any, image_shape: tuple[int, int] | None, name: str) -> tuple[int, int]:
    height, width = (1, int(matrix.shape[-1])) if image_shape is None else image_shape
    if len(matrix.shape) != 2 or matrix.shape[1] != height * width:
        turned = ": it is transposed, A.T; CaImAn's is read by Estimate.from_caiman"
        hint = turned if matrix.shape[0] == height * width else ""
        raise EstimateError(
            f"{name} has shape {matrix.shape}; expected (units, {height * width}) = (unit_id, height * width){hint}"
        )
    return height, width


def _csr_units(matrix: Any, name: str) -> Iterator[Unit]:
    check_numbers(matrix.dtype, name)
    csr = matrix.tocsr()
    if not csr.has_canonical_format:
        csr = csr.copy()  # tocsr gives the user's own matrix where it is one
        csr.sum_duplicates()  # what scipy means by a pixel that is listed twice
    for unit in range(csr.shape[0]):
        span = slice(csr.indptr[unit], csr.indptr[unit + 1])
        pixels = csr.indices[span]
        values = csr.data[span]
        _check_unit(unit, values, name)
        # Zeros that are listed are no pixels of a cell.
        yield pixels[values != 0], values[values != 0]
