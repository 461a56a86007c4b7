"""Labels of axes: followed where they say an order, or refused with what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.labelled import Labelled, Labels, Source

__all__ = ["check_unique", "common_order", "in_order_of", "pixel_span", "whole_axis_order"]

_WHAT_THEY_ARE = {
    "component": "components",
    "frame": "frames",
    "height": "rows",
    "shift_dim": "columns",
    "unit_id": "units",
    "width": "columns",
}


def check_unique(labels: Labels | None, name: str, dim: str = "unit_id") -> None:
    """Refuse labels of which one stands for several."""
    if labels is None:
        return
    # xarray's reindex and pandas' outer joins leave NaN where there is no label.
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise EstimateError(f"{name} has {dim} labels that are NaN: give each its own label")
    found, counts = np.unique(labels, return_counts=True)
    if (counts > 1).any():
        raise EstimateError(f"{name} has the {dim} labels {found[counts > 1][:5].tolist()} more than once")


def common_order(
    leader: tuple[str, Labels | None], others: Mapping[str, tuple[Labels | None, Source]], dim: str = "unit_id"
) -> Labels | None:
    """Find the labels in whose order several arrays are put: those of the first, the leader.

    A leader without labels is numbered 0, 1, 2, ...: labels that are these numbers in any order say which of its
    entries each row is. Other labels that ascend are names of its entries in their order. Any others are refused.

    Parameters
    ----------
    leader
        What the first array is called, and its labels.
    others
        Labels of the others, and whose array each is, by name.
    dim
        Which axis it is about.

    Returns
    -------
    labels
        ``None``: nobody has any.

    Raises
    ------
    EstimateError
        When labels do not say which entry of the leader they stand for.
    """
    first, labels = leader
    if labels is not None:
        return labels
    for name, (own, source) in others.items():
        if own is None:
            continue
        numbers = np.arange(len(own))
        # A permutation of all numbers can be meant in one way alone: each label is the number of the leader's entry.
        if own.dtype.kind in "iuf" and np.array_equal(np.sort(own), numbers):
            return numbers
        # Pipelines that drop units keep the numbers of the rest (0, 2, 5): in order, so that row i is entry i.
        if _ascends(own):
            return own
        dropped = {"xarray": f"{name}.drop_vars({dim!r})", "pandas": f"{name}.reset_index(drop=True)"}.get(source)
        what = _WHAT_THEY_ARE[dim]
        raise EstimateError(
            f"{name} has {dim} labels {_some(own)}, in no order, and {first} none that say which of its {what} they "
            f"are: label {first} too, or give {name} in the order of {first} without labels, {dropped}"
        )
    return None


def _ascends(labels: Labels) -> bool:
    """Return whether labels are in order: by size, or as text in which ROI2 comes before ROI10."""
    if labels.dtype.kind in "iuf":
        return bool((np.diff(labels) > 0).all())
    keys = [_natural(str(label)) for label in labels]
    return keys == sorted(keys)


def _natural(text: str) -> list[tuple[int, str]]:
    """Split text into pieces, of which those of digits sort by their number."""
    return [(int(piece) if piece.isdecimal() else -1, piece) for piece in re.split(r"(\d+)", text)]


def _some(labels: Labels) -> str:
    """Write out the first labels."""
    return ", ".join(map(str, labels[:3])) + (", ..." if len(labels) > 3 else "")


def in_order_of(own: Labels | None, wanted: Labels | None, name: str, dim: str = "unit_id") -> NDArray[np.intp] | None:
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
        n_shared = len(rows.keys() & set(wanted.tolist()))
        raise EstimateError(
            f"{name} has {len(own)} {_WHAT_THEY_ARE[dim]} whose {dim} labels are not the {len(wanted)} of the others "
            f"({_some(own)} here, {_some(wanted)} there, {n_shared} in both): select one set, or drop the labels "
            "where rows are in one order"
        )
    return np.array([rows[label] for label in wanted.tolist()], np.intp)


def whole_axis_order(read: Labelled, dim: str, axis: int, name: str) -> NDArray[np.intp] | None:
    """Find the order that labels 0, 1, 2, ... of a whole axis say; ``None`` where it is the order they are in.

    Raises
    ------
    EstimateError
        When they are not the numbers of a whole axis.
    """
    labels = read.labels.get(dim)
    if labels is None:
        return None
    length = len(labels)
    if np.array_equal(labels, np.arange(length)):
        return None
    if labels.dtype.kind in "iuf" and np.array_equal(np.sort(labels), np.arange(length)):
        return np.argsort(labels)
    first = labels[0] if labels.size else "none"
    last = labels[-1] if labels.size else "none"
    times = dim == "frame" and _are_times(labels)
    hint = "these are evidently times; number them" if times else "in any order; if these are they all, number them"
    raise EstimateError(
        f"{name} has {dim} labels {first} to {last}; expected 0 to {length - 1}, the recording's "
        f"{_WHAT_THEY_ARE[dim]}: {hint}, {_numbered(read, dim, axis, name)}"
    )


def _are_times(labels: Labels) -> bool:
    """Return whether labels ascend evenly by something other than 1, or are dates or durations."""
    if labels.dtype.kind in "mM":
        return True
    if labels.dtype.kind not in "iuf" or len(labels) < 2:
        return False
    steps = np.diff(labels)
    # Uneven by a fifth: time stamps of cameras jitter. Steps of 1 are numbers of frames, from another first one.
    return bool(steps.min() > 0 and np.allclose(steps, steps.mean(), rtol=0.2) and not np.allclose(steps, 1))


def _numbered(read: Labelled, dim: str, axis: int, name: str) -> str:
    """Write the call that numbers a labelled axis 0, 1, 2, ... anew."""
    length = len(read.labels[dim])
    if read.source == "pandas":
        return f"{name}.set_axis(range({length}), axis={axis})"
    return f"{name}.assign_coords({dim}=range({length}))"


def pixel_span(read: Labelled, dim: str, axis: int, name: str) -> tuple[NDArray[np.intp], int]:
    """Find the order of labelled rows or columns of an image, and the number of the first.

    Raises
    ------
    EstimateError
        When the labels are not neighbouring whole numbers, from 0 or more on.
    """
    labels = read.labels[dim]
    order = np.argsort(labels, kind="stable") if labels.dtype.kind in "iuf" else np.zeros(0, np.intp)
    sorted_labels = labels[order]
    first = int(sorted_labels[0]) if len(sorted_labels) else 0
    if first < 0 or not np.array_equal(sorted_labels, first + np.arange(len(labels))):
        raise EstimateError(
            f"{name} has {dim} labels {labels[0]} to {labels[-1]}; expected pixel numbers without gaps, 0 or more: "
            f"reindex it to the recording's {_WHAT_THEY_ARE[dim]}, or number them, {_numbered(read, dim, axis, name)}"
        )
    return order, first
