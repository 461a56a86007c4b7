"""What the instrument does to light that leaves the tissue, row by row while a row of some frames is at hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled
from pytest_calsim.compiled.noise import Chip, Scratch, expose_row
from pytest_calsim.compiled.resample import displaced_row

__all__ = ["View", "expose", "look"]

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]


class View(NamedTuple):
    """What the instrument shows of ``n`` canvases, through fields that are fixed to it.

    Attributes
    ----------
    row, column
        Canvas pixel of the window's pixel (0, 0), int64 ``(n,)``.
    whole
        Whether that is all; bool ``(n,)``.
    weights
        Else those of four rows, and of four columns, of which the named ones are the second; ``(n, 2, 4)``.
    fields, adds
        What each pixel is multiplied by, or what is added to it where ``adds``, one after the other;
        ``(field, height, width)`` and bool ``(field,)``.
    ring
        Scratch for the rows in between, ``(n, 4, width)``.
    """

    row: Ints
    column: Ints
    whole: NDArray[np.bool_]
    weights: Floats32
    fields: Floats32
    adds: NDArray[np.bool_]
    ring: Floats32


@compiled
def look(images: Floats32, view: View, out: Floats32) -> None:
    """Write the light that reaches the sensor, ``(n, height, width)``."""
    for r in range(out.shape[1]):
        for f in range(out.shape[0]):
            _look_at_row(images, f, r, view, out[f, r])


@compiled
def expose(
    images: Floats32, view: View, start: int, chip: Chip, line: Floats32, scratch: Scratch, out: NDArray[Any]
) -> None:
    """Write the codes that the sensor makes of it, ``(n, height, width)``.

    ``start`` is the first image's frame; ``line``, as long as a row, and ``scratch`` are written over.
    """
    for r in range(out.shape[1]):
        for f in range(out.shape[0]):
            _look_at_row(images, f, r, view, line)
            expose_row(line, start + f, r, chip, scratch, out[f, r])


@compiled
def _look_at_row(images: Floats32, f: int, r: int, view: View, line: Floats32) -> None:
    row, column = view.row[f], view.column[f]
    if view.whole[f]:
        source = images[f, row + r, column : column + line.shape[0]]
        for i in range(line.shape[0]):
            line[i] = source[i]
    else:
        displaced_row(images[f], r, row, column, view.weights[f, 0], view.weights[f, 1], view.ring[f], line)
    for k in range(view.fields.shape[0]):
        field = view.fields[k, r]
        if view.adds[k]:
            for i in range(line.shape[0]):
                line[i] += field[i]
        else:
            for i in range(line.shape[0]):
                line[i] *= field[i]
