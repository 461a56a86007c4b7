"""Scatter cells at random through a slab of tissue, by :mod:`tiles <pytest_calsim.steps.tiles>`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_calsim.arrays.streams import numbered_keys
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats, Keys
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tiles import arrivals, tiles_within

__all__ = ["TILE_UM", "SlabCells", "draw_slab"]


TILE_UM = 100.0
"""Side of a tile."""
_DRAWS = 8
"""Uniform numbers that a candidate takes: its arrival, place (3), radius (2), and two for normal ones."""


@dataclass(frozen=True, eq=False)
class SlabCells:
    """Cells of a slab.

    Attributes
    ----------
    place
        Position of each: from 0 to 1 through the slab, then y and x, µm; float64 ``(cell, 3)``.
    triangular
        A triangular number of mean 0 between −1 and 1 for each, float64 ``(cell,)``.
    normal
        Two standard normal numbers for each, float64 ``(cell, 2)``.
    key
        Name of each cell's own streams, uint64 ``(cell,)``.
    """

    place: Floats
    triangular: Floats
    normal: Floats
    key: Keys


def draw_slab(ctx: Context, slab: int, per_um2: float, reach_um: float) -> SlabCells:
    """Draw the cells of one slab in all tiles that come within reach of the canvas.

    Parameters
    ----------
    ctx
        The step's context, which names the streams.
    slab
        The slab's number, part of their names.
    per_um2
        Expected cells for each µm² of the plane.
    reach_um
        Distance beyond the canvas up to which cells are drawn.
    """
    half_y, half_x = ctx.canvas.half_um
    height = half_y + reach_um
    width = half_x + reach_um
    drawn: list[Floats] = []
    keys: list[Keys] = []
    for row, column in tiles_within((height, width), TILE_UM):
        own = arrivals(ctx.stream("tile", slab, row, column), per_um2 * TILE_UM**2, _DRAWS)
        own[:, 2] = (row + own[:, 2]) * TILE_UM
        own[:, 3] = (column + own[:, 3]) * TILE_UM
        drawn.append(own)
        keys.append(numbered_keys(ctx.stream_key("cell", slab, row, column), len(own)))
    cells = np.concatenate(drawn)
    key = np.concatenate(keys)
    near = (np.abs(cells[:, 2]) <= height) & (np.abs(cells[:, 3]) <= width)
    cells = cells[near]
    # Box & Muller 1958; 1 − u lies in (0, 1].
    radius = np.sqrt(-2 * elementary.log(1 - cells[:, 6]))
    turn = 2 * np.pi * cells[:, 7]
    normal = np.stack([radius * elementary.cos(turn), radius * elementary.sin(turn)], axis=1)
    return SlabCells(cells[:, 1:4], cells[:, 4] + cells[:, 5] - 1, normal, key[near])
