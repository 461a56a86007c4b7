"""Shapes of images: what a wrong one means, and label images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.types import Unit

__all__ = ["as_size", "check_image_shape", "label_image_units", "refuse_flat_labels"]


def as_size(value: object, name: str) -> tuple[int, int]:
    """Read height and width, px: two whole numbers above 0."""
    sides = np.asarray(value).ravel()
    if sides.shape != (2,) or sides.dtype.kind not in "iuf" or (sides != np.trunc(sides)).any() or (sides < 1).any():
        raise EstimateError(f"{name} must be (height, width) in whole pixels, not {value!r}")
    return int(sides[0]), int(sides[1])


def check_image_shape(shape: tuple[int, ...], image_shape: tuple[int, int] | None, name: str) -> None:
    """Refuse footprints of another shape than (units, height, width), and say what to do."""
    if len(shape) == 3 and image_shape in (None, shape[1:]):
        return
    sides = "height, width" if image_shape is None else f"{image_shape[0]}, {image_shape[1]}"
    hint = _hint(shape, image_shape)
    raise EstimateError(f"{name} has shape {shape}; expected (units, {sides}) = (unit_id, height, width){hint}")


def _hint(shape: tuple[int, ...], image_shape: tuple[int, int] | None) -> str:
    if len(shape) == 2 and image_shape in (None, shape):
        flat = "" if image_shape else "; flattened footprints are read by Estimate.from_caiman(A, dims=(height, width))"
        return (
            f": a single footprint needs its unit axis, A[None]; a label image holds whole numbers, A.astype(int){flat}"
        )
    if image_shape is None:
        return ""
    if len(shape) == 3 and shape[:2] == image_shape:
        return ": units come first, np.moveaxis(A, -1, 0)"
    if shape[-2:] == image_shape[::-1] and len(shape) in (2, 3):
        return f": height and width are swapped, {'A.T' if len(shape) == 2 else 'A.transpose(0, 2, 1)'}"
    if len(shape) == 2 and image_shape[0] * image_shape[1] in shape:
        columns = "A" if image_shape[0] * image_shape[1] == shape[0] else "A.T"
        rows = "A.T" if columns == "A" else "A"
        return (
            f": flattened footprints are read by Estimate.from_caiman({columns}, dims={image_shape}) "
            f"in CaImAn's Fortran order, or given as {rows}.reshape(-1, {image_shape[0]}, {image_shape[1]}) in C order"
        )
    if len(shape) in (2, 3) and shape[-2] <= image_shape[0] and shape[-1] <= image_shape[1]:
        return ": if this is a crop, label its rows and columns (xarray's height and width), or pad it, np.pad"
    return ""


def label_image_units(image: NDArray[Any], name: str) -> tuple[Iterator[Unit], NDArray[np.intp]]:
    """Read a label image ``(height, width)``: each whole number above 0 is one unit, 0 is none.

    Returns
    -------
    units, labels
        Each unit's mask, and its number.
    """
    if image.ndim != 2 or image.dtype.kind not in "iu":
        raise EstimateError(
            f"{name} is one image of {image.dtype}: a single footprint needs its unit axis, A[None]; a label image "
            "holds whole numbers, A.astype(int)"
        )
    if image.size and image.min() < 0:
        raise EstimateError(
            f"{name} is a label image with the label {image.min()}; expected 0 for none, 1, 2, ... for cells"
        )
    # One sort for all units: an image of a thousand cells is not searched a thousand times.
    flat = image.ravel()
    lit = np.flatnonzero(flat)
    by_label = lit[np.argsort(flat[lit], kind="stable")]
    labels, first = np.unique(flat[by_label], return_index=True)
    masks = np.split(by_label, first[1:]) if len(labels) else []
    return ((mask, np.ones(len(mask), np.float32)) for mask in masks), labels.astype(np.intp)


def refuse_flat_labels(array: NDArray[Any], name: str) -> None:
    """Refuse one footprint that looks like a label image with a unit axis."""
    # Only a single unit can be a label image with an axis too many; several are masks or counts.
    if len(array) != 1 or array.dtype.kind not in "iu":
        return
    n_labels = len(np.unique(array[array != 0]))
    if n_labels > 1:
        raise EstimateError(
            f"{name} is one image of {n_labels} different whole numbers: give a label image without the unit axis, "
            "A[0], or a single footprint as floats, A.astype(float)"
        )
