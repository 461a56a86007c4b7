"""Cells scattered at random through a slab of tissue, by tiles that are anchored to the optical axis.

A tile's stream is a list of candidates with arrival times, of rate 1 for each unit of density and volume. Those that
arrive before the slab's density are there. So more density adds cells and moves none, and what lies in a tile does not
depend on the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels import elementary
from pytest_calsim.steps.step import Context

__all__ = ["TILE_UM", "SlabCells", "draw_slab"]

Floats = NDArray[np.float64]

TILE_UM = 100.0
"""Side of a tile."""
_DRAWS = 8
"""Uniform numbers that a candidate takes: its arrival, place (3), radius (2), and two for normal ones."""
_NEXT_CELL = np.uint64(0xD1342543DE82EF95)


@dataclass(frozen=True, eq=False)
class SlabCells:
    """Cells of a slab.

    Attributes
    ----------
    place
        Where each is: from 0 to 1 through the slab, then y and x, µm; float64 ``(cell, 3)``.
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
    key: NDArray[np.uint64]


def draw_slab(ctx: Context, slab: int, per_um2: float, reach_um: float) -> SlabCells:
    """Draw the cells of one slab in all tiles that come within reach of the canvas.

    Parameters
    ----------
    ctx
        The step's, which names the streams.
    slab
        The slab's number, part of their names.
    per_um2
        Expected cells for each µm² of the plane.
    reach_um
        How far beyond the canvas.
    """
    height, width = (n * ctx.canvas.pixel_size_um / 2 + reach_um for n in ctx.canvas.shape)
    rows, columns = (range(int(-half // TILE_UM), int(half // TILE_UM) + 1) for half in (height, width))
    drawn: list[Floats] = [np.zeros((0, _DRAWS))]
    keys: list[NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
    for row in rows:
        for column in columns:
            own = _arrived(ctx.stream("tile", slab, row, column), per_um2 * TILE_UM**2)
            own[:, 2] = (row + own[:, 2]) * TILE_UM
            own[:, 3] = (column + own[:, 3]) * TILE_UM
            drawn.append(own)
            first = np.uint64(ctx.stream_key("cell", slab, row, column))
            keys.append(first + np.arange(len(own), dtype=np.uint64) * _NEXT_CELL)
    cells = np.concatenate(drawn)
    key = np.concatenate(keys)
    near = (np.abs(cells[:, 2]) <= height) & (np.abs(cells[:, 3]) <= width)
    cells = cells[near]
    # Box & Muller 1958; 1 − u lies in (0, 1].
    radius = np.sqrt(-2 * elementary.log(1 - cells[:, 6]))
    turn = 2 * np.pi * cells[:, 7]
    normal = np.stack([radius * elementary.cos(turn), radius * elementary.sin(turn)], axis=1)
    return SlabCells(cells[:, 1:4], cells[:, 4] + cells[:, 5] - 1, normal, key[near])


def _arrived(rng: np.random.Generator, expected: float) -> Floats:
    """A tile's candidates that arrive before the expected number, ``(cell, _DRAWS)``."""
    parts: list[Floats] = []
    arrived = 0.0
    while arrived < expected:
        # More than are expected: mostly this is enough, and a longer list begins like a shorter one.
        part = rng.random((int(expected + 4 * np.sqrt(expected)) + 4, _DRAWS))
        arrival = arrived + np.cumsum(-elementary.log(1 - part[:, 0]))
        parts.append(part[arrival < expected])
        arrived = float(arrival[-1])
    return np.concatenate(parts) if parts else np.zeros((0, _DRAWS))
