"""Draw what lies at random in the tissue, by square tiles from the optical axis on.

Each tile has its own stream, so its contents do not depend on which other tiles are drawn. A stream is a list of
candidates with arrival times, as a Poisson process; those that arrive before the density are present. So more density
adds some and moves none.
"""

from __future__ import annotations

import math

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats

__all__ = ["arrivals", "tiles_within"]


def tiles_within(half_um: tuple[float, float], side_um: float) -> list[tuple[int, int]]:
    """Return (row, column) of all tiles that a rectangle about the optical axis touches, row by row.

    Parameters
    ----------
    half_um
        Half its height and half its width.
    side_um
        Side of a tile. Tile (0, 0) begins at the axis.
    """
    rows, columns = (range(math.floor(-half / side_um), math.floor(half / side_um) + 1) for half in half_um)
    return [(row, column) for row in rows for column in columns]


def arrivals(rng: np.random.Generator, expected: float, draws: int) -> Floats:
    """Draw a tile's candidates in the order of their arrival.

    Parameters
    ----------
    rng
        The tile's stream.
    expected
        How many are expected.
    draws
        Uniform numbers that each candidate takes; the first is spent on its arrival.

    Returns
    -------
    ndarray
        float64 ``(candidate, draws)``.
    """
    parts = [np.zeros((0, draws))]
    arrived = 0.0
    while arrived < expected:
        # More than are expected: mostly this is enough, and a longer list begins like a shorter one.
        part = rng.random((int(expected + 4 * np.sqrt(expected)) + 4, draws))
        arrival = arrived + np.cumsum(-elementary.log(1 - part[:, 0]))
        parts.append(part[arrival < expected])
        arrived = float(arrival[-1])
    return np.concatenate(parts)
