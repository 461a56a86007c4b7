"""Pictures of small bodies far out of focus: disks of confusion with soft rims, on nodes as coarse as each allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.patches import Patches
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels import elementary
from pytest_calsim.steps.pixels import NodePictures

__all__ = ["disk_pictures"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NODES_PER_RADIUS = 3
_COARSEST = 4
_SPLINE_VARIANCE = 1 / 3
"""Of a node's B-spline along an axis, in squares of the step."""
_LEAST_RIM = 0.4
"""A rim is no sharper than this σ, in steps: samples at nodes show nothing finer."""
_RIM_REACH = 3.5
"""Where a rim ends, in σ; the logistic curve has fallen to 0.3 % there."""


def disk_pictures(y_px: Floats, x_px: Floats, radius_px: Floats, rim_px: Floats, flux: Floats) -> list[NodePictures]:
    """Picture evenly filled disks with soft rims.

    A rim is the logistic curve 1/(1 + exp(1.702 d/σ)) of the distance d beyond the radius, within 1 % of the disk's
    height of a Gaussian blur of σ along a straight rim. Of σ² the B-spline of a node gives its own share.

    Parameters
    ----------
    y_px, x_px
        Centres from the optical axis, px; float64 ``(source,)``.
    radius_px
        Radii of the disks, px.
    rim_px
        σ of each rim, px.
    flux
        Light of each disk, summed over all pixels of an infinite plane.

    Returns
    -------
    list of NodePictures
        For each level of which there are pictures; sources without flux have none.
    """
    levels = np.clip(np.floor(np.log2(np.maximum(radius_px / _NODES_PER_RADIUS, 1))), 0, _COARSEST).astype(np.int64)
    chosen = [np.flatnonzero((levels == level) & (flux > 0)) for level in range(_COARSEST + 1)]
    found: list[NodePictures] = []
    for level, own in enumerate(chosen):
        if len(own):
            step = 2.0**level
            at = np.stack([y_px[own], x_px[own]]) / step
            rim = np.sqrt(np.maximum((rim_px[own] / step) ** 2 - _SPLINE_VARIANCE, _LEAST_RIM**2))
            patches = _sampled(at, radius_px[own] / step, rim, flux[own] / step**2)
            found.append(NodePictures(level, own, patches))
    return found


def _sampled(at: Floats, radius: Floats, rim: Floats, flux: Floats) -> Patches:
    """Sample disks at nodes; lengths are in steps, and the nodes' sum is the flux."""
    reach = np.ceil(radius + _RIM_REACH * rim).astype(np.int64)
    first = np.rint(at).astype(np.int64) - reach
    side = 2 * reach + 1
    start = np.concatenate([[0], np.cumsum(side * side)])
    disk = np.repeat(np.arange(len(side)), side * side)
    row, column = np.divmod(np.arange(start[-1]) - start[disk], side[disk])
    dy = row + (first[0] - at[0])[disk]
    dx = column + (first[1] - at[1])[disk]
    beyond = (np.sqrt(dy * dy + dx * dx) - radius[disk]) / rim[disk]
    values = 1 / (1 + elementary.exp(1.702 * np.minimum(beyond, 40.0)))
    # Cut to a circle: the corners of the square hold nothing that is seen.
    values[beyond > _RIM_REACH] = 0.0
    values *= (flux / np.bincount(disk, values, len(side)))[disk]
    box = np.stack([first[0], first[1], side, side], axis=1).astype(np.int32)
    return Patches(read_only(values.astype(np.float32)), read_only(start), read_only(box))
