"""Light from the tissue beyond the cells that were placed: the same layer, evenly spread, as it glows on average."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats
from pytest_calsim.steps.pixels import GaussianSpots

__all__ = ["spots_beyond"]


_REACH = 4
"""How far Gaussians are followed, in σ."""


def spots_beyond(spots: GaussianSpots, gain: Floats, half_um: tuple[float, float]) -> GaussianSpots:
    """Continue a layer of spots evenly around the rectangle that holds their sources, as the spots of one source.

    Scattered light is wider than any field that cells are placed in. Spots are as dense, as bright and as wide beyond
    as they are inside; widths within half an octave count as one.

    Parameters
    ----------
    spots
        Those inside.
    gain
        Mean light of each of their sources ``(source,)``.
    half_um
        Half the height and half the width of the rectangle, about the optical axis.
    """
    per_um2 = spots.flux * gain[spots.source] / (4 * half_um[0] * half_um[1])
    bins = np.floor(elementary.log(np.maximum(spots.sigma_um, 1e-3)) / (np.log(2) / 2))
    parts: list[tuple[Floats, ...]] = [(np.zeros(0),) * 4]
    for one in np.unique(bins[per_um2 > 0]):
        weight = np.where(bins == one, per_um2, 0.0)
        density = float(weight.sum())
        sigma = float(np.sqrt((weight * spots.sigma_um**2).sum() / density))
        (y, height, is_in_y), (x, width, is_in_x) = (_cells_along(half, sigma) for half in half_um)
        area = np.outer(height, width)
        outside = ~np.outer(is_in_y, is_in_x)
        # Light that is even within a small cell is as wide as a Gaussian of the same variance.
        sigmas = np.sqrt(sigma**2 + (height[:, None] ** 2 + width**2) / 24)
        rows, columns = np.broadcast_arrays(y[:, None], x)
        parts.append((rows[outside], columns[outside], sigmas[outside], density * area[outside]))
    y, x, sigma, flux = (np.concatenate(column) for column in zip(*parts, strict=True))
    return GaussianSpots(1, np.zeros(len(y), np.int64), y, x, sigma, flux)


def _cells_along(half: float, sigma: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Centres and lengths of cells of at most σ, from 4 σ before −half to 4 σ beyond half; which lie in between."""
    ends = [np.linspace(-half - _REACH * sigma, -half, _REACH + 1)]
    ends.append(np.linspace(-half, half, int(np.ceil(2 * half / sigma)) + 1)[1:])
    ends.append(np.linspace(half, half + _REACH * sigma, _REACH + 1)[1:])
    edges = np.concatenate(ends)
    centre = (edges[1:] + edges[:-1]) / 2
    return centre, np.diff(edges), np.abs(centre) < half
