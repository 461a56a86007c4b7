"""Describe a rectangle of pixels."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Rect"]


class Rect(NamedTuple):
    """A rectangle of pixels on a larger image, parts of which may lie outside.

    Attributes
    ----------
    row, column
        Its upper left pixel.
    height, width
        Its size, px.
    """

    row: int
    column: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.height, self.width

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """First row, one past the last, first column, one past the last."""
        return self.row, self.row + self.height, self.column, self.column + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to select them from an image that holds all of it."""
        top, bottom, left, right = self.bounds
        return slice(top, bottom), slice(left, right)
