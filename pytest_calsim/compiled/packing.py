"""Random sequential placement of spheres, first come first served."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["place"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def place(
    tries_um: Floats,
    radius_um: Floats,
    min_distance_um: float,
    placed_um: Floats,
    placed_radius_um: Floats,
    n_placed: int,
    newest: Ints,
    older: Ints,
    origin_um: tuple[float, float],
    bin_um: float,
) -> Ints:
    """Give each sphere the first of its tries that no earlier sphere refuses, and append it to those placed.

    Parameters
    ----------
    tries_um
        Candidate centres (z, y, x) of each new sphere, ``(spheres, tries, 3)``.
    radius_um
        Their radii.
    min_distance_um
        Least distance of two centres; negative: the sum of the two radii.
    placed_um, placed_radius_um, n_placed
        The earlier spheres: the first ``n_placed`` rows; filled on.
    newest, older
        Linked lists of the placed spheres by bin in the plane: the last one of each bin ``(rows, columns)``, and
        before each sphere the one that came earlier in its bin; −1 ends a list.
    origin_um, bin_um
        Corner (y, x) of the bins and their side, which is at least the largest distance at which two spheres meet.

    Returns
    -------
    Which try each sphere took, −1 where all were refused.
    """
    taken = np.full(len(tries_um), -1)
    _place(
        tries_um,
        radius_um,
        min_distance_um,
        placed_um,
        placed_radius_um,
        n_placed,
        newest,
        older,
        origin_um,
        bin_um,
        taken,
    )
    return taken


@compiled
def _place(
    tries_um: Floats,
    radius_um: Floats,
    min_distance_um: float,
    placed_um: Floats,
    placed_radius_um: Floats,
    n_placed: int,
    newest: Ints,
    older: Ints,
    origin_um: tuple[float, float],
    bin_um: float,
    taken: Ints,
) -> None:
    rows, columns = newest.shape
    n, tries = tries_um.shape[0], tries_um.shape[1]
    for i in range(n):
        for t in range(tries):
            z, y, x = tries_um[i, t, 0], tries_um[i, t, 1], tries_um[i, t, 2]
            row = _bin(y - origin_um[0], bin_um, rows)
            column = _bin(x - origin_um[1], bin_um, columns)
            free = True
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    j = newest[r, c]
                    while j >= 0 and free:
                        least = min_distance_um if min_distance_um >= 0 else radius_um[i] + placed_radius_um[j]
                        dz, dy, dx = z - placed_um[j, 0], y - placed_um[j, 1], x - placed_um[j, 2]
                        free = dz * dz + dy * dy + dx * dx >= least * least
                        j = older[j]
            if free:
                placed_um[n_placed, 0], placed_um[n_placed, 1], placed_um[n_placed, 2] = z, y, x
                placed_radius_um[n_placed] = radius_um[i]
                older[n_placed] = newest[row, column]
                newest[row, column] = n_placed
                n_placed += 1
                taken[i] = t
                break


@compiled
def _bin(along_um: float, bin_um: float, bins: int) -> int:
    return min(max(int(along_um / bin_um), 0), bins - 1)
