"""Place cells: candidates arrive tile by tile, and each is accepted if earlier ones left room.

The plane is divided into square tiles from the optical axis on. A tile's stream is a list of candidates, each with a
time of arrival in units of density: until time ρ as many arrive as a density of ρ has cells. A candidate is accepted
unless one that was accepted before is too near. So neither more tissue nor a longer list changes what was accepted,
and a list may be cut by density as well as by number.

Those refused are made up for: in a layer of density ρ the list goes on until ρ are accepted on average. When that is
depends on the layers alone, and is measured on a patch of tissue kept for that purpose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.packing import (
    PLACED,
    UNCERTAIN,
    Candidates,
    PlacedSpheres,
    draw_candidates,
    place_spheres,
)
from pytest_calsim.kernels.random_maps import pixel_words
from pytest_calsim.kernels.types import Bools, Floats, Ints, Keys

__all__ = ["TRIES", "Layer", "PlacedLayer", "place_layers", "radii_um"]

TRIES = 16
"""Candidates that may come for each requested cell."""

_TILE_UM = 64.0
_MOST_TILES = 1024
"""Along a side of the tissue; a field of more than centimetres has larger tiles."""
_NOTHING_UM = 0.1
"""A least distance up to this refuses hardly any cell, and counts as none."""
_PILOT_SPACES = 24_000
"""Size of the pilot patch, in cubes of the least distance: it gives the time of a density to 1 %."""
_PILOT_MOST = 200_000
"""Largest size of the patch in cubes of the smallest of several least distances: a bound on the cells in it."""


class Layer(NamedTuple):
    """The fields of a population that decide where its cells lie.

    Attributes
    ----------
    depth_um, thickness_um
        Middle and thickness of the layer in which centres lie.
    soma_radius_um, soma_radius_cv
        Mean and relative standard deviation of the radius.
    min_distance_um
        Least distance of its cells from all that were placed earlier; ``None``: the sum of the radii.
    density_per_mm3
        Labelled cells per volume, the layer being at least one soma thick.
    n_cells
        Exact number in view in place of the density; ``None``: as many as come.
    """

    depth_um: float
    thickness_um: float
    soma_radius_um: float
    soma_radius_cv: float
    min_distance_um: float | None
    density_per_mm3: float
    n_cells: int | None

    @property
    def largest_radius_um(self) -> float:
        """No soma is larger than this."""
        return self.soma_radius_um * (1 + math.sqrt(6) * self.soma_radius_cv)

    @property
    def least_um(self) -> float:
        """Usual distance at which a cell refuses another."""
        return 2 * self.soma_radius_um if self.min_distance_um is None else self.min_distance_um

    def at_density(self, view_um2: float) -> Layer:
        """Return the layer with the density that it has in a field of view, in place of a number."""
        if self.n_cells is None:
            return self
        return self._replace(density_per_mm3=self.n_cells / self.volume_mm3(view_um2), n_cells=None)

    def last_arrival(self, view_um2: float, at_density: float) -> float:
        """Return the time at which the list of candidates ends, whether or not enough are accepted.

        Parameters
        ----------
        view_um2
            Area of the field of view.
        at_density
            The time until which candidates come for the density; it decides unless there is an exact number.
        """
        if self.n_cells is None:
            return at_density
        return TRIES * min(self.first_arrivals(view_um2), self.packed_per_mm3)

    @property
    def most_arrivals(self) -> float:
        """Latest time until which candidates come for the density, however little room there is."""
        return TRIES * min(self.density_per_mm3, self.packed_per_mm3)

    @property
    def packed_per_mm3(self) -> float:
        """A density that random placement does not reach (it ends at 0.73, but for the spread of radii)."""
        return 0.9e9 / max(self.least_um, _NOTHING_UM) ** 3

    def first_arrivals(self, view_um2: float) -> float:
        """Return the time by which ``n_cells`` candidates have all but certainly come in view: the mean plus 4 σ."""
        n = self.n_cells or 0
        return (n + 4 * math.sqrt(n) + 4 * (n > 0)) / self.volume_mm3(view_um2)

    def volume_mm3(self, area_um2: float) -> float:
        """Return the volume that the density refers to."""
        return area_um2 * max(self.thickness_um, 2 * self.soma_radius_um) * 1e-9


class PlacedLayer(NamedTuple):
    """The cells of a layer, in the order of their arrival.

    Attributes
    ----------
    center_um
        (z, y, x); float64 ``(n, 3)``.
    radius_um
        float64 ``(n,)``.
    normal
        A standard normal number of each one's own; float64 ``(n,)``.
    name
        Row and column of its tile, and its number there; int64 ``(n, 3)``.
    missing
        Cells for which there was no room.
    per_um2
        Cells that find room on average, for each µm² of the plane.
    """

    center_um: Floats
    radius_um: Floats
    normal: Floats
    name: Ints
    missing: int
    per_um2: float


class _Box(NamedTuple):
    """A part of the plane, µm."""

    top: float
    bottom: float
    left: float
    right: float

    @classmethod
    def about_axis(cls, half_height: float, half_width: float) -> _Box:
        return cls(-half_height, half_height, -half_width, half_width)

    @property
    def area_um2(self) -> float:
        return (self.bottom - self.top) * (self.right - self.left)

    def holds(self, center_um: Floats) -> Bools:
        """Return whether centres (z, y, x) lie inside."""
        y = center_um[:, 1]
        x = center_um[:, 2]
        return (y >= self.top) & (y <= self.bottom) & (x >= self.left) & (x <= self.right)


class _Ground(NamedTuple):
    """Tiles whose streams are drawn, the part of them in which cells are counted, and whether there are no others."""

    tile_um: float
    rows: range
    columns: range
    view: _Box
    is_all: bool = False

    @property
    def known(self) -> _Box:
        """All that is drawn."""
        rows = self.rows
        columns = self.columns
        side = self.tile_um
        return _Box(rows.start * side, rows.stop * side, columns.start * side, columns.stop * side)

    @property
    def corners(self) -> Ints:
        """Row and column of each tile, int64 ``(tile, 2)``."""
        row, column = np.meshgrid(self.rows, self.columns, indexing="ij")
        return np.stack([row.ravel(), column.ravel()], axis=1)


class _Arrivals(NamedTuple):
    """Until when candidates of a layer come, and how many are then accepted per volume on average."""

    until: float
    per_mm3: float


class _Filled(NamedTuple):
    """Candidates of a layer in the order of their arrival, and what became of them."""

    candidates: Candidates
    center_um: Floats
    tile: Ints
    state: NDArray[np.uint8]


def place_layers(
    layers: tuple[Layer, ...], keys: tuple[int, ...], view_um: tuple[float, float], reach_um: float
) -> list[PlacedLayer]:
    """Place the cells of all layers, in view and around it, the earlier layers first.

    Parameters
    ----------
    layers
        In order: a cell gives way to those of earlier layers, and to earlier ones of the same layer.
    keys
        Name of each layer's streams.
    view_um
        Half the height and half the width of the field of view.
    reach_um
        How far around it cells are placed. It changes none of those that lie nearer.
    """
    view = _Box.about_axis(*view_um)
    wanted = _Box.about_axis(*(half + reach_um for half in view_um))
    tile_um = _TILE_UM
    # On a very large field tiles of 64 µm would be millions.
    while max(wanted.bottom, wanted.right) > _MOST_TILES / 2 * tile_um:
        tile_um *= 2
    spread = tuple(layer.at_density(view.area_um2) for layer in layers)
    arrivals = _arrivals(spread)
    until = [layer.last_arrival(view.area_um2, own.until) for layer, own in zip(layers, arrivals, strict=True)]
    per_um2 = [own.per_mm3 * layer.volume_mm3(1.0) for layer, own in zip(spread, arrivals, strict=True)]
    rim = 1
    while True:
        tiles = (math.ceil(half / tile_um) + rim for half in (wanted.bottom, wanted.right))
        rows, columns = (range(-n, n) for n in tiles)
        ground = _Ground(tile_um, rows, columns, view)
        words = [pixel_words(key, rows, columns).ravel() for key in keys]
        filled = list(_fill_all(layers, ground, words, until))
        # Uncertain cells depend on tissue further out, which is drawn as well until no cell within reach is uncertain.
        if not any((own.state[wanted.holds(own.center_um)] == UNCERTAIN).any() for own in filled):
            return [_kept(*each, wanted, view) for each in zip(filled, layers, until, per_um2, strict=True)]
        rim *= 2


def radii_um(layer: Layer, size: Floats) -> Floats:
    """Return radii of somata: triangular about the mean, of the declared deviation."""
    return layer.soma_radius_um * (1 + math.sqrt(6) * layer.soma_radius_cv * size)


def _kept(filled: _Filled, layer: Layer, until: float, per_um2: float, wanted: _Box, view: _Box) -> PlacedLayer:
    """Return the accepted cells within reach."""
    kept = wanted.holds(filled.center_um) & (filled.state == PLACED)
    own = filled.candidates.of(kept)
    center = filled.center_um[kept]
    missing = 0
    if layer.n_cells is not None:
        missing = layer.n_cells - int(np.count_nonzero(view.holds(center)))
    # The list of candidates ended before the density was reached: report how many lack on average.
    elif until == layer.most_arrivals:
        missing = max(0, round(layer.density_per_mm3 * layer.volume_mm3(wanted.area_um2)) - len(center))
    name = np.column_stack([filled.tile[kept], own.number])
    return PlacedLayer(
        center_um=center,
        radius_um=radii_um(layer, own.size),
        normal=own.normal,
        name=name,
        missing=missing,
        per_um2=per_um2,
    )


def _fill_all(
    layers: tuple[Layer, ...], ground: _Ground, words: list[Keys], until: Sequence[float]
) -> Iterator[_Filled]:
    """Fill layer after layer; a layer finds the cells of those before it in place."""
    largest = max(layer.largest_radius_um for layer in layers)
    reach = max(
        layer.largest_radius_um + largest if layer.min_distance_um is None else layer.min_distance_um
        for layer in layers
    )
    # At least the reach, so that only neighbouring bins matter; else about one bin a cell, however large the plane.
    area = ground.known.area_um2
    count = sum(layer.at_density(ground.view.area_um2).density_per_mm3 * layer.volume_mm3(area) for layer in layers)
    bin_um = max(reach, math.sqrt(area / (count + 1)))
    placed = PlacedSpheres.none_yet(ground.known, bin_um, nothing_beyond=ground.is_all)
    for layer, own, time in zip(layers, words, until, strict=True):
        yield _fill(placed=placed, layer=layer, ground=ground, words=own, until=time, largest_um=largest)


def _fill(
    placed: PlacedSpheres, layer: Layer, ground: _Ground, words: Keys, until: float, largest_um: float
) -> _Filled:
    """Let the candidates of a layer come until a time, or until the requested number is accepted in view."""
    missing = layer.n_cells
    parts: list[_Filled] = []
    # With a number of cells the list is drawn until a time that mostly suffices, and twice as far whenever it does not.
    begin = 0.0
    end = until if missing is None else min(layer.first_arrivals(ground.view.area_um2), until)
    while True:
        drawn = draw_candidates(words, layer.volume_mm3(ground.tile_um**2), end)
        # Streams are drawn from their start each time; candidates until `begin` have had their turn.
        late = np.flatnonzero(drawn.arrival > begin)
        drawn = drawn.of(late[np.argsort(drawn.arrival[late], kind="stable")])
        tile = ground.corners[drawn.tile]
        z = layer.depth_um + (drawn.place[:, 0] - 0.5) * layer.thickness_um
        center = np.column_stack([z, (tile + drawn.place[:, 1:]) * ground.tile_um])
        counts = ground.view.holds(center)
        state = place_spheres(
            center,
            radii_um(layer, drawn.size),
            layer.min_distance_um,
            placed,
            largest_um=largest_um,
            counts=counts,
            stop_after=missing,
        )
        n = len(state)
        parts.append(_Filled(drawn.of(np.arange(n)), center[:n], tile[:n], state))
        if missing is not None:
            missing -= int(np.count_nonzero(counts[:n] & (state == PLACED)))
        if not missing or end >= until:
            return _joined(parts)
        begin = end
        end = min(2 * end, until)


def _joined(parts: list[_Filled]) -> _Filled:
    """Return all parts as one."""
    if len(parts) == 1:
        return parts[0]
    drawn = Candidates(*(np.concatenate(values) for values in zip(*(part.candidates for part in parts), strict=True)))
    return _Filled(
        drawn,
        np.concatenate([part.center_um for part in parts]),
        np.concatenate([part.tile for part in parts]),
        np.concatenate([part.state for part in parts]),
    )


@lru_cache(maxsize=256)
def _arrivals(layers: tuple[Layer, ...]) -> tuple[_Arrivals, ...]:
    """Return the candidates of each layer, for its density to be accepted on average."""
    arrivals: list[_Arrivals] = []
    for i in range(len(layers)):
        arrivals.append(_arrival(layers[: i + 1], [own.until for own in arrivals]))
    return tuple(arrivals)


def _arrival(layers: tuple[Layer, ...], until: Sequence[float]) -> _Arrivals:
    """Return the time until which the last layer is filled, with the others filled until the times given.

    Measured on a patch of tissue with its own streams: how many candidates come until enough are accepted.
    """
    *_, layer = layers
    # Cells that may overlap are never refused, so the time is the density.
    if layer.least_um <= _NOTHING_UM:
        return _Arrivals(layer.density_per_mm3, layer.density_per_mm3)
    most = layer.most_arrivals
    rim, side = _pilot_um(layers)
    inner = _Box(rim, side - rim, rim, side - rim)
    volume = layer.volume_mm3(inner.area_um2)
    # There is no room for more than twice what random placement reaches, however the radii differ.
    wanted = min(layer.density_per_mm3, 2 * layer.packed_per_mm3) * volume
    counted = layer._replace(n_cells=math.ceil(wanted))
    ground = _Ground(side, range(1), range(1), inner, is_all=True)
    words = [np.array([key], np.uint64) for key in range(1, len(layers) + 1)]
    # Enough for a few candidates even where hardly one is wanted.
    last = most + TRIES * 10 / volume
    *_, filled = _fill_all((*layers[:-1], counted), ground, words, (*until, last))
    accepted = np.flatnonzero(filled.state[inner.holds(filled.center_um)] == PLACED)
    if len(accepted) < wanted:
        return _Arrivals(most, len(accepted) / volume)
    # Candidates that came until each was accepted; and none until none was.
    came = np.interp(wanted, np.arange(len(accepted) + 1), np.concatenate([[0], accepted + 1]))
    return _Arrivals(min(float(came) / volume, most), layer.density_per_mm3)


def _pilot_um(layers: tuple[Layer, ...]) -> tuple[float, float]:
    """Return the width of the rim, and side, of the patch on which layers are tried out."""
    least = [layer.least_um for layer in layers if layer.least_um > _NOTHING_UM]
    rim = max(*least, *(2 * layer.largest_radius_um for layer in layers))
    thickness = max(*least, *(layer.thickness_um for layer in layers))
    area = min(_PILOT_SPACES * max(least) ** 3, _PILOT_MOST * min(least) ** 3) / thickness
    return rim, math.sqrt(area) + 2 * rim
