"""Many small images on a large one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels.tissue import RowRuns
from pytest_calsim.kernels.types import Floats32, Ints, Ints32

__all__ = ["Patch", "Patches"]


class Patch(NamedTuple):
    """A small image, float32 ``(height, width)``, and the row and column of its upper left pixel on a large one, px."""

    values: Floats32
    row: int
    column: int


class Patches(NamedTuple):
    """Many small images on a large one, in three read-only arrays.

    Attributes
    ----------
    values
        Pixels of all patches, float32. Patch ``i`` is ``values[start[i]:start[i + 1]]`` in C order.
    start
        Where each patch begins in ``values``, and where the last one ends; int64 ``(n + 1,)``.
    box
        Row and column of each patch's upper left pixel, its height and its width, px; int32 ``(n, 4)``. A patch may
        reach beyond the large image.
    """

    values: Floats32
    start: Ints
    box: Ints32

    @classmethod
    def of(cls, patches: Sequence[Patch]) -> Patches:
        """Put patches together."""
        box = np.array([(p.row, p.column, *p.values.shape) for p in patches], np.int32).reshape(-1, 4)
        start = np.zeros(len(patches) + 1, np.int64)
        np.cumsum([p.values.size for p in patches], out=start[1:])
        values = np.concatenate([np.zeros(0, np.float32), *(p.values.ravel() for p in patches)])
        return cls(read_only(values), read_only(start), read_only(box))

    def patch(self, i: int) -> Patch:
        """Return patch ``i``."""
        row, column, height, width = self.box[i].tolist()
        return Patch(self.values[self.start[i] : self.start[i + 1]].reshape(height, width), row, column)

    def moved(self, rows: int, columns: int) -> Patches:
        """Return the patches moved down by some rows and to the right by some columns, px."""
        return self._replace(box=read_only(self.box + np.array([rows, columns, 0, 0], np.int32)))

    def row_runs(self, shape: tuple[int, int]) -> RowRuns:
        """Sort the rows of all patches by their row on the large image, as runs of pixels (run-length encoding).

        Parameters
        ----------
        shape
            Height and width of the large image, px. All patches must lie on it.
        """
        height, width = shape
        unit, row, column, values = self.nonzero()
        first = np.flatnonzero(np.diff(unit * height + row, prepend=-1))
        count = np.diff(first, append=len(unit))
        left = column[first]
        length = column[first + count - 1] + 1 - left
        # Runs of whole eights keep the kernel's loops free of remainders.
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

    def nonzero(self) -> tuple[Ints, Ints, Ints, Floats32]:
        """Return patch, row, column and value of each pixel that is not 0, patch by patch in C order."""
        at = np.flatnonzero(self.values)
        patch = np.repeat(np.arange(len(self.box)), np.diff(self.start))[at]
        top, left, _, width = self.box.astype(np.int64).T
        row, column = np.divmod(at - self.start[patch], width[patch])
        return patch, row + top[patch], column + left[patch], self.values[at]
