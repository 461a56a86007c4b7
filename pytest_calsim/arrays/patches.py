"""Many small images on a large one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels.ragged import starts, starts_of_groups
from pytest_calsim.kernels.rect import Rect
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
        """Put patches together, in their order."""
        box = np.array([(p.row, p.column, *p.values.shape) for p in patches], np.int32).reshape(-1, 4)
        values = np.concatenate([np.zeros(0, np.float32), *(p.values.ravel() for p in patches)])
        return cls.laid_out(values, box)

    @classmethod
    def laid_out(cls, values: Floats32, box: Ints | Ints32) -> Patches:
        """Make patches of their pixels, one patch after the other in C order, and of their boxes ``(n, 4)``."""
        start = starts(box[:, 2:].prod(axis=1, dtype=np.int64))
        return cls(read_only(values), read_only(start), read_only(box.astype(np.int32)))

    def patch(self, i: int) -> Patch:
        """Return patch ``i``."""
        row, column, height, width = self.box[i].tolist()
        return Patch(self.values[self.start[i] : self.start[i + 1]].reshape(height, width), row, column)

    def moved(self, rows: int, columns: int) -> Patches:
        """Return the patches moved down by some rows and to the right by some columns, px."""
        return self._replace(box=read_only(self.box + np.array([rows, columns, 0, 0], np.int32)))

    def cropped(self, shape: tuple[int, int]) -> Patches:
        """Return the patches with 0 in every pixel beyond a large image of some height and width, px."""
        height, width = shape
        top, left, tall, wide = self.box.T
        crossing = (top < 0) | (left < 0) | (top + tall > height) | (left + wide > width)
        if not crossing.any():
            return self
        values = self.values.copy()
        for i in np.flatnonzero(crossing):
            patch = values[self.start[i] : self.start[i + 1]].reshape(tall[i], wide[i])
            patch[: max(0, -top[i])] = 0
            patch[max(0, height - top[i]) :] = 0
            patch[:, : max(0, -left[i])] = 0
            patch[:, max(0, width - left[i]) :] = 0
        return self._replace(values=read_only(values))

    def row_runs(self, shape: tuple[int, int]) -> RowRuns:
        """Sort the rows of all patches by their row on the large image, as runs of pixels (run-length encoding).

        Parameters
        ----------
        shape
            Height and width of the large image, px. All patches must lie on it.
        """
        height, width = shape
        unit, first_pixel = self._rows()
        # Each row's first and last pixels that are not 0; rows without any are left out.
        lit = np.flatnonzero(self.values != 0)
        bounds = np.searchsorted(lit, np.append(first_pixel, self.values.size))
        seen = np.flatnonzero(np.diff(bounds))
        source = lit[bounds[seen]]
        count = lit[bounds[seen + 1] - 1] + 1 - source
        unit = unit[seen]
        patch_row, patch_column = np.divmod(source - self.start[unit], self.box[unit, 3])
        row = patch_row + self.box[unit, 0]
        column = patch_column + self.box[unit, 1]
        # Runs of whole eights keep the kernel's loops free of remainders. At the right rim a run begins earlier.
        length = np.minimum(count + -count % 8, width)
        left = np.minimum(column, width - length)
        # Stable: within a row, light is added in the order of the units, so sums have one set of bits.
        order = np.argsort(row, kind="stable")
        begin = starts(length[order])
        to = np.empty_like(left)
        to[order] = begin[:-1]
        pixels = np.zeros(begin[-1], np.float32)
        pixels[_consecutive(to + column - left, count)] = self.values[_consecutive(source, count)]
        return RowRuns(
            row_start=starts_of_groups(row, height),
            unit=unit[order],
            left=left[order].astype(np.int32),
            begin=begin,
            values=pixels,
        )

    def _rows(self) -> tuple[Ints32, Ints]:
        """Return patch and first pixel, in ``values``, of each row of each patch."""
        heights = self.box[:, 2].astype(np.int64)
        unit = np.repeat(np.arange(len(heights), dtype=np.int32), heights)
        row = _consecutive(np.zeros_like(heights), heights)
        return unit, self.start[unit] + row * self.box[unit, 3]

    def pixels_within(self, window: Rect) -> tuple[Ints, Ints32, Floats32]:
        """Gather what a window shows of the pixels that are not 0, patch by patch in C order.

        Returns
        -------
        How many there are of each patch, their flat indices in the window, and their values.
        """
        inside = self.moved(-window.row, -window.column).cropped((window.height, window.width))
        top, left, _, width = inside.box.T
        # Millions of pixels: 32-bit numbers take half the time and the memory.
        at = np.flatnonzero(inside.values)
        counts = np.diff(np.searchsorted(at, inside.start))
        values = inside.values[at]
        at -= np.repeat(inside.start[:-1], counts)
        indices = at.astype(np.int32)
        of_width = np.repeat(width, counts)
        row = indices // of_width
        indices += row * (np.int32(window.width) - of_width)
        indices += np.repeat(top * np.int32(window.width) + left, counts)
        return counts, indices, values


def _consecutive(first: Ints, count: Ints) -> Ints:
    """Return ranges of whole numbers, one after the other, each from its first one on."""
    numbers = np.repeat(first - starts(count)[:-1], count)
    numbers += np.arange(len(numbers))
    return numbers
