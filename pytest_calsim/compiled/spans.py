"""Cells as spans of lit pixels in the order of the image's rows, as they are painted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["count_spans", "lay_spans"]

Floats32 = NDArray[np.float32]
Ints32 = NDArray[np.int32]
Ints64 = NDArray[np.int64]


@compiled
def _lit(line: Floats32) -> tuple[int, int]:
    """First and past-the-last place that holds anything but zeros; both are the length where none does."""
    first, stop = 0, line.shape[0]
    while first < stop and line[first] == 0:
        first += 1
    while stop > first and line[stop - 1] == 0:
        stop -= 1
    return first, stop


@compiled
def _length(lit: int, image_width: int) -> int:
    """Pixels of a span: whole vectors as far as the image is wide, as a few more pixels cost less than a remainder."""
    return min(lit + (-lit & 7), image_width)


@compiled
def count_spans(
    values: Floats32,
    start: Ints64,
    row: Ints32,
    height: Ints32,
    width: Ints32,
    image_width: int,
    spans: Ints64,
    pixels: Ints64,
) -> None:
    """Add to ``spans`` and ``pixels`` ``(image row,)`` how many lie in each row of the image.

    The patches are as in :class:`~pytest_calsim.steps.cells.cell_optics.CellImages`; every patch has at most one span
    in a row, which holds its first and its last lit pixel.
    """
    for i in range(row.shape[0]):
        for r in range(height[i]):
            begin = start[i] + r * width[i]
            first, stop = _lit(values[begin : begin + width[i]])
            if stop > first:
                spans[row[i] + r] += 1
                pixels[row[i] + r] += _length(stop - first, image_width)


@compiled
def lay_spans(
    values: Floats32,
    start: Ints64,
    row: Ints32,
    column: Ints32,
    height: Ints32,
    width: Ints32,
    image_width: int,
    next_span: Ints64,
    next_pixel: Ints64,
    unit: Ints32,
    left: Ints32,
    begin: Ints64,
    lit: Floats32,
) -> None:
    """Sort the patches' spans by image row, then by unit.

    Parameters
    ----------
    values, start, row, column, height, width
        The patches.
    image_width
        Pixels in a row of the image.
    next_span, next_pixel
        Where each image row's spans and their pixels begin ``(image row,)``; where they end, on return.
    unit, left, begin
        Each span's unit, its first column in the image, and where its pixels begin: filled.
    lit
        The spans' pixels, zero to begin with: filled.
    """
    for i in range(row.shape[0]):
        for r in range(height[i]):
            line = values[start[i] + r * width[i] : start[i] + (r + 1) * width[i]]
            first, stop = _lit(line)
            if stop > first:
                k, at = next_span[row[i] + r], next_pixel[row[i] + r]
                n = _length(stop - first, image_width)
                unit[k], left[k], begin[k] = i, min(column[i] + first, image_width - n), at
                for c in range(first, stop):
                    lit[at + column[i] + c - left[k]] = line[c]
                next_span[row[i] + r] += 1
                next_pixel[row[i] + r] += n
