"""Many small pictures on a large one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels.tissue import RowRuns

__all__ = ["Patch", "Patches"]


class Patch(NamedTuple):
    """A small picture, float32 ``(height, width)``, and the row and column of its upper left pixel on a large one."""

    values: NDArray[np.float32]
    row: int
    column: int


class Patches(NamedTuple):
    """Many small pictures on a large one; read-only.

    Attributes
    ----------
    values
        Patch ``i`` is ``values[start[i]:start[i + 1]]`` in C order; float32.
    start
        int64, one more than there are patches.
    box
        Row and column of the upper left pixel, which may lie outside, height and width of each; int32 ``(n, 4)``, px.
    """

    values: NDArray[np.float32]
    start: NDArray[np.int64]
    box: NDArray[np.int32]

    @classmethod
    def of(cls, patches: Sequence[Patch]) -> Patches:
        """Many patches put together."""
        box = np.array([(p.row, p.column, *p.values.shape) for p in patches], np.int32).reshape(-1, 4)
        start = np.zeros(len(patches) + 1, np.int64)
        np.cumsum([p.values.size for p in patches], out=start[1:])
        values = np.concatenate([np.zeros(0, np.float32), *(p.values.ravel() for p in patches)])
        return cls(read_only(values), read_only(start), read_only(box))

    def patch(self, i: int) -> Patch:
        """One of them."""
        row, column, height, width = self.box[i].tolist()
        return Patch(self.values[self.start[i] : self.start[i + 1]].reshape(height, width), row, column)

    def moved(self, rows: int, columns: int) -> Patches:
        """The same, so many rows down and columns to the right."""
        return self._replace(box=read_only(self.box + np.array([rows, columns, 0, 0], np.int32)))

    def cropped(self, shape: tuple[int, int]) -> Patches:
        """The same, dark where they lie beyond a large picture of some height and width."""
        height, width = shape
        patch = np.repeat(np.arange(len(self.box)), np.diff(self.start))
        top, left, _, wide = self.box.astype(np.int64).T
        row, column = np.divmod(np.arange(len(self.values)) - self.start[patch], wide[patch])
        row += top[patch]
        column += left[patch]
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return self._replace(values=read_only(np.where(inside, self.values, np.float32(0))))

    def row_runs(self, shape: tuple[int, int]) -> RowRuns:
        """Sort the rows of all patches by their row on a large picture of some height and width, which holds them."""
        height, width = shape
        unit, row, column, values = self.nonzero()
        first = np.flatnonzero(np.diff(unit * height + row, prepend=-1))
        count = np.diff(first, append=len(unit))
        left = column[first]
        length = column[first + count - 1] + 1 - left
        length = np.minimum(length + -length % 8, width)
        left = np.minimum(left, width - length)
        order = np.argsort(row[first], kind="stable")
        row_start = np.zeros(height + 1, np.int64)
        np.cumsum(np.bincount(row[first], minlength=height), out=row_start[1:])
        begin = np.zeros(len(first) + 1, np.int64)
        np.cumsum(length[order], out=begin[1:])
        to = np.empty_like(left)
        to[order] = begin[:-1]
        pixels = np.zeros(begin[-1], np.float32)
        pixels[np.repeat(to - left, count) + column] = values
        sources = unit[first][order].astype(np.int32)
        return RowRuns(row_start, sources, left[order].astype(np.int32), begin, pixels)

    def nonzero(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Patch, row, column and value of each pixel that is not 0, patch by patch in C order."""
        at = np.flatnonzero(self.values)
        patch = np.repeat(np.arange(len(self.box)), np.diff(self.start))[at]
        top, left, _, width = self.box.astype(np.int64).T
        row, column = np.divmod(at - self.start[patch], width[patch])
        return patch, row + top[patch], column + left[patch], self.values[at]
