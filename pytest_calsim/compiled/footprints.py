"""Sums over sparse footprints, and how dense patches become sparse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["count_lit", "dim", "gather_lit", "largest_cosines", "weighted_sums"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Starts = NDArray[np.int64]
Boxes = NDArray[np.int32]
"""First row, first column, height and width of each patch on their common grid ``(n, 4)``, px."""
Window = tuple[int, int, int, int]
"""First row, first column, height and width of what is seen of that grid, px."""


@compiled
def dim(
    values: Floats32,
    start: Starts,
    box: Boxes,
    patches: NDArray[np.int64],
    gain: Floats32,
    passed: Floats32,
    out: Floats32,
) -> None:
    """Write some patches times their ``gain``, and times the share that a map of the grid lets through."""
    for i in patches:
        height, width = box[i, 2], box[i, 3]
        for r in range(height):
            begin = start[i] + r * width
            line, dimmed = values[begin : begin + width], out[begin : begin + width]
            through = passed[box[i, 0] + r][box[i, 1] : box[i, 1] + width]
            for c in range(width):
                dimmed[c] = line[c] * gain[i] * through[c]


@compiled
def count_lit(values: Floats32, start: Starts, box: Boxes, window: Window, counts: NDArray[np.int64]) -> None:
    """Count each patch's pixels that are not 0 and lie in a window."""
    for i in range(counts.shape[0]):
        top, bottom, left, right = _seen(box, window, i)
        count = 0
        for r in range(top, bottom):
            begin = _begin(start, box, i, r)
            for c in range(left, right):
                count += values[begin + c] != 0
        counts[i] = count


@compiled
def gather_lit(
    values: Floats32, start: Starts, box: Boxes, window: Window, indices: NDArray[np.int32], data: Floats32
) -> None:
    """Write those pixels, patch by patch: their flat index in the window, and their value.

    Both arrays hold one more than there are; what is written there means nothing.
    """
    at = 0
    for i in range(box.shape[0]):
        top, bottom, left, right = _seen(box, window, i)
        for r in range(top, bottom):
            begin = _begin(start, box, i, r)
            first = (r - window[0]) * window[3] - window[1]
            for c in range(left, right):
                # Written in any case, and kept if lit: no branch to guess.
                indices[at], data[at] = first + c, values[begin + c]
                at += values[begin + c] != 0


@compiled
def largest_cosines(
    values: Floats32,
    start: Starts,
    box: Boxes,
    window: Window,
    order: NDArray[np.int64],
    lanes: Floats32,
    norm: Floats,
    largest: Floats,
) -> None:
    """Write each patch's largest cosine with another one in a window.

    Parameters
    ----------
    values, start, box, window
        The patches, and where they are compared.
    order
        The patches from the uppermost down.
    lanes
        Scratch, as long as the widest patch.
    norm, largest
        Where to write each patch's norm and cosine, 0 to begin with.
    """
    n = order.shape[0]
    for i in range(n):
        norm[i] = np.sqrt(_dot(values, start, box, window, i, i, lanes))
    for a in range(n):
        i = order[a]
        for b in range(a + 1, n):
            j = order[b]
            if box[j, 0] >= box[i, 0] + box[i, 2]:
                break
            if norm[i] > 0 and norm[j] > 0:
                cosine = min(_dot(values, start, box, window, i, j, lanes) / (norm[i] * norm[j]), 1.0)
                largest[i], largest[j] = max(largest[i], cosine), max(largest[j], cosine)


@compiled
def weighted_sums(
    values: Floats32,
    start: Starts,
    box: Boxes,
    window: Window,
    weight: Floats,
    squared: bool,
    lanes: Floats,
    out: Floats,
) -> None:
    """Write Σ v·w or Σ v²·w over each patch's pixels in a window.

    Parameters
    ----------
    values, start, box, window
        The patches, and where they are summed.
    weight
        w of the window's pixels ``(height, width)``.
    squared
        Which of both.
    lanes
        Scratch, as long as the widest patch.
    out
        Where to write ``(n,)``.
    """
    for i in range(out.shape[0]):
        top, bottom, left, right = _seen(box, window, i)
        width = max(right - left, 0)
        for c in range(width):
            lanes[c] = 0
        for r in range(top, bottom):
            begin = _begin(start, box, i, r) + left
            line, weights = values[begin : begin + width], weight[r - window[0], left - window[1] :]
            # Sums by column: no order of addition to keep within a row.
            if squared:
                for c in range(width):
                    v = np.float64(line[c])
                    lanes[c] += v * v * weights[c]
            else:
                for c in range(width):
                    lanes[c] += line[c] * weights[c]
        out[i] = 0
        for c in range(width):
            out[i] += lanes[c]


@compiled
def _seen(box: Boxes, window: Window, i: int) -> tuple[int, int, int, int]:
    """Rows and columns, first and one past the last, of what a window shows of a patch."""
    row, column = box[i, 0], box[i, 1]
    top, bottom = max(row, window[0]), min(row + box[i, 2], window[0] + window[2])
    left, right = max(column, window[1]), min(column + box[i, 3], window[1] + window[3])
    return top, bottom, left, right


@compiled
def _begin(start: Starts, box: Boxes, i: int, row: int) -> int:
    """Where the value at column 0 of a row would be, if the patch reached as far."""
    return start[i] + (row - box[i, 0]) * box[i, 3] - box[i, 1]


@compiled
def _dot(values: Floats32, start: Starts, box: Boxes, window: Window, i: int, j: int, lanes: Floats32) -> float:
    """Σ of the product of two patches within a window."""
    top, bottom, left, right = _seen(box, window, i)
    top_j, bottom_j, left_j, right_j = _seen(box, window, j)
    top, bottom, left, right = max(top, top_j), min(bottom, bottom_j), max(left, left_j), min(right, right_j)
    if top >= bottom or left >= right:
        return 0.0
    width = right - left
    lanes[:width] = 0
    for r in range(top, bottom):
        begin_i, begin_j = _begin(start, box, i, r) + left, _begin(start, box, j, r) + left
        ours, theirs = values[begin_i : begin_i + width], values[begin_j : begin_j + width]
        # Sums by column: no order of addition to keep within a row.
        for c in range(width):
            lanes[c] += ours[c] * theirs[c]
    total = 0.0
    for c in range(width):
        total += lanes[c]
    return total
