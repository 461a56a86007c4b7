"""Place spheres at random, none inside another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.ragged import starts
from pytest_calsim.kernels.types import Bools, Floats, Ints, Keys

__all__ = ["PLACED", "REFUSED", "UNCERTAIN", "Candidates", "PlacedSpheres", "draw_candidates", "place_spheres"]


REFUSED, PLACED, UNCERTAIN = range(3)
"""Outcome for a sphere, as in ``packing.c``. Uncertain: it depends on spheres outside the known part of the plane."""

_draw_candidates = Kernel(
    "draw_candidates",
    tiles=int,
    keys=array(np.uint64, "tiles"),
    rate=float,
    until=float,
    most=int,
    start=array(np.int64, "tiles + 1"),
    candidates=output(np.float64, "room", 6),
    count=output(np.int64, "tiles"),
)
_place_spheres = Kernel(
    "place_spheres",
    returns=int,
    n=int,
    center_um=array(np.float64, "n", 3),
    radius_um=array(np.float64, "n"),
    least_um=float,
    counts=array(np.bool_, "n"),
    stop_after=int,
    known_um=array(np.float64, 4),
    largest_um=float,
    placed_um=output(np.float64, "capacity", 3),
    placed_radius_um=output(np.float64, "capacity"),
    certain=output(np.bool_, "capacity"),
    n_placed=int,
    rows=int,
    columns=int,
    newest=output(np.int64, "rows", "columns"),
    older=output(np.int64, "capacity"),
    origin_y_um=float,
    origin_x_um=float,
    bin_um=float,
    state=output(np.uint8, "n"),
)


class Candidates(NamedTuple):
    """Spheres that request a place, tile after tile; in each tile in the order of their arrival.

    Attributes
    ----------
    tile, number
        Which tile each belongs to, and its number there; int64 ``(n,)``.
    arrival
        When it arrives; float64 ``(n,)``.
    place
        Requested position: in the layer's depth, down and along the tile, each in (0, 1]; float64 ``(n, 3)``.
    size
        A triangular number between −1 and 1, of variance 1/6; float64 ``(n,)``.
    normal
        A standard normal number; float64 ``(n,)``.
    """

    tile: Ints
    number: Ints
    arrival: Floats
    place: Floats
    size: Floats
    normal: Floats

    def of(self, which: Ints | Bools) -> Candidates:
        """Return some of the candidates."""
        chosen: Any = (values[which] for values in self)
        return Candidates(*chosen)


def draw_candidates(keys: Keys, rate: float, until: float, most: int | None = None) -> Candidates:
    """Draw the candidates of tiles that arrive until some time: in each tile a Poisson process.

    A later time only appends to a tile's candidates.

    Parameters
    ----------
    keys
        Name of each tile's stream, uint64 ``(tile,)``.
    rate
        Candidates in a tile per unit of time, positive.
    until
        The time.
    most
        How many of a tile's candidates are drawn at most; ``None``: all.

    Raises
    ------
    ValueError
        If the number of candidates has no bound.
    """
    if not rate > 0 or (most is None and not until < np.inf):
        raise ValueError(
            f"candidates at a rate of {rate:g} until {until:g} have no number: give a positive rate, and a "
            "finite time or `most`"
        )
    given = {"keys": keys, "rate": rate, "until": until, "most": -1 if most is None else most}
    count = np.empty(keys.size, np.int64)
    # Without room the kernel only counts; the same draws then fill the room that is made.
    no_room = np.zeros(keys.size + 1, np.int64)
    _draw_candidates(**given, start=no_room, candidates=np.empty((0, 6)), count=count)
    start = starts(count)
    values = np.empty((start[-1], 6))
    _draw_candidates(**given, start=start, candidates=values, count=count)
    tile = np.repeat(np.arange(keys.size), count)
    return Candidates(
        tile=tile,
        number=np.arange(start[-1]) - start[tile],
        arrival=values[:, 0],
        place=values[:, 1:4],
        size=values[:, 4],
        normal=values[:, 5],
    )


@dataclass(eq=False)
class PlacedSpheres:
    """Spheres that are placed already, in square bins of the plane so that neighbours are found quickly.

    Attributes
    ----------
    center_um, radius_um, certain
        Centres (z, y, x), radii, and whether each is placed for certain; of float64 ``(capacity, 3)``,
        ``(capacity,)`` and bool ``(capacity,)`` the first ``count``.
    newest
        The sphere that came last in each bin, −1 for none; int64 ``(rows, columns)``.
    older
        The sphere that came before each one in its bin, −1 for none; int64 ``(capacity,)``.
    origin_um
        Corner (y, x) of the bins; what lies outside them belongs to the nearest.
    bin_um
        Their side, at least the largest distance at which two spheres can meet.
    known_um
        Known part of the plane: first y, last y, first x, last x; float64 ``(4,)``.
    count
        Number of spheres.
    """

    center_um: Floats
    radius_um: Floats
    certain: Bools
    newest: Ints
    older: Ints
    origin_um: tuple[float, float]
    bin_um: float
    known_um: Floats
    count: int = 0

    @classmethod
    def none_yet(
        cls, box_um: tuple[float, float, float, float], bin_um: float, *, nothing_beyond: bool = False
    ) -> PlacedSpheres:
        """Divide a part of the plane into bins.

        Parameters
        ----------
        box_um
            First y, last y, first x, last x.
        bin_um
            Side of the bins.
        nothing_beyond
            Whether the plane beyond that part is known to be empty.

        Raises
        ------
        ValueError
            If the part or the bins have no size.
        """
        top, bottom, left, right = box_um
        if not (bin_um > 0 and bottom > top and right > left):
            raise ValueError(f"bin_um = {bin_um:g} and the sides of box_um = {box_um} must be positive")
        bins = [max(1, int(np.ceil(side / bin_um))) for side in (bottom - top, right - left)]
        # A plane that is known everywhere leaves no sphere uncertain.
        known = (-np.inf, np.inf, -np.inf, np.inf) if nothing_beyond else box_um
        return cls(
            center_um=np.empty((0, 3)),
            radius_um=np.empty(0),
            certain=np.empty(0, np.bool_),
            newest=np.full(bins, -1, np.int64),
            older=np.empty(0, np.int64),
            origin_um=(top, left),
            bin_um=bin_um,
            known_um=np.array(known, np.float64),
        )

    def make_room(self, n: int) -> None:
        """Make room for ``n`` more spheres."""
        short = self.count + n - len(self.radius_um)
        if short > 0:
            self.center_um = np.concatenate([self.center_um, np.empty((short, 3))])
            self.radius_um = np.concatenate([self.radius_um, np.empty(short)])
            self.certain = np.concatenate([self.certain, np.empty(short, np.bool_)])
            self.older = np.concatenate([self.older, np.empty(short, np.int64)])


def place_spheres(
    center_um: Floats,
    radius_um: Floats,
    min_distance_um: float | None,
    placed: PlacedSpheres,
    *,
    largest_um: float,
    counts: Bools | None = None,
    stop_after: int | None = None,
) -> NDArray[np.uint8]:
    """Place each sphere that no earlier one refuses, in their order, and append it to those placed.

    Parameters
    ----------
    center_um
        Centres (z, y, x); float64 ``(n, 3)``.
    radius_um
        Radii; float64 ``(n,)``.
    min_distance_um
        Least distance of their centres from earlier ones; ``None``: the sum of the two radii.
    placed
        The earlier spheres; filled on.
    largest_um
        Largest radius of a sphere that may lie outside what is known of the plane.
    counts, stop_after
        Stop when ``stop_after`` of the spheres that count, bool ``(n,)``, are placed; ``None``: never.

    Returns
    -------
    :data:`REFUSED`, :data:`PLACED` or :data:`UNCERTAIN` for each that was looked at, uint8; where it stopped, the last
    one is the last that counts.

    Raises
    ------
    ValueError
        If shapes do not agree.
    """
    n = len(radius_um)
    counts = np.zeros(n, np.bool_) if counts is None else counts
    placed.make_room(n)
    state = np.empty(n, np.uint8)
    origin_y_um, origin_x_um = placed.origin_um
    seen = _place_spheres(
        center_um=center_um,
        radius_um=radius_um,
        least_um=-1.0 if min_distance_um is None else min_distance_um,
        counts=counts,
        stop_after=-1 if stop_after is None else stop_after,
        known_um=placed.known_um,
        largest_um=largest_um,
        placed_um=placed.center_um,
        placed_radius_um=placed.radius_um,
        certain=placed.certain,
        n_placed=placed.count,
        newest=placed.newest,
        older=placed.older,
        origin_y_um=origin_y_um,
        origin_x_um=origin_x_um,
        bin_um=placed.bin_um,
        state=state,
    )
    state = state[:seen]
    placed.count += int(np.count_nonzero(state != REFUSED))
    return state
