"""Sample smooth sources at the nodes of B-splines: disks of confusion with soft rims, and Gaussians.

Each is sampled as coarsely as it allows. What is sampled at nodes is sharper than what is shown: a node's B-spline adds
a variance of a third of the squared step along each axis. An image ends where its curve has fallen to nothing, so a
source has no light beyond it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pytest_calsim.arrays.patches import Patches
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.ragged import starts
from pytest_calsim.kernels.types import Floats, Ints
from pytest_calsim.steps.pixels import SplineImages

__all__ = ["GAUSSIAN_REACH", "RIM_REACH", "disk_images", "followed_share", "gaussian_images"]


GAUSSIAN_REACH = 4.0
"""Distance at which a Gaussian ends, in σ: 3·10⁻⁴ of its peak."""
RIM_REACH = 3.5
"""Distance at which a disk's rim ends, in σ: 0.3 % of the disk's height."""
_COARSEST = 30
_SPLINE_VARIANCE = 1 / 3
_LEAST_RIM = 0.4
"""A rim is no sharper than this σ, in steps: samples at nodes show nothing finer."""
_SPLINE_REACH = 2
"""Reach of a node's spline along an axis, in steps."""
_LEAST_STEPS = 6
"""Steps to the distance at which a Gaussian is cut off, at least."""
_TRACE = 0.05
"""A Gaussian that would keep no more than this share of its light when it is cut off is left out."""


def disk_images(y_px: Floats, x_px: Floats, radius_px: Floats, rim_px: Floats, flux: Floats) -> list[SplineImages]:
    """Sample evenly filled disks with soft rims.

    A rim is the logistic curve 1/(1 + exp(1.702 d/σ)) of the distance d beyond the radius, within 1 % of the disk's
    height of a Gaussian blur of σ along a straight rim. Where nodes make it softer than requested, the disk is made
    smaller, so that its variance along each axis stays R²/4 + σ².

    Parameters
    ----------
    y_px, x_px
        Centres from the optical axis, px; float64 ``(source,)``.
    radius_px
        Radii R of the disks, px.
    rim_px
        σ of each rim, px.
    flux
        Light of each disk, summed over all pixels of an infinite plane; a disk without light has no image.

    Returns
    -------
    list of SplineImages
        One for each level of which there are images.
    """
    # Six nodes to a radius show a disk and its rim. Small disks are hardly flat, as their rims are soft, and have down
    # to 1.5: finer grids cost more than all images together. Those of 6 to 12 px are then up to a fifth too bright in
    # the middle and too dim at the rim, at the right flux, variance and sum of squares.
    octave = np.floor(np.log2(np.maximum(np.maximum(radius_px, 2 * rim_px), 0.1) / 3))
    levels = np.where(octave < 2, octave + 1, np.maximum(octave - 1, 2))
    return _images(_Disks(radius_px, rim_px), y_px=y_px, x_px=x_px, levels=levels, flux=flux)


def gaussian_images(
    y_px: Floats, x_px: Floats, sigma_px: Floats, flux: Floats, end_px: float = math.inf
) -> list[SplineImages]:
    """Sample Gaussians; see :func:`disk_images`. Nodes lie 0.56 to 1.1 σ apart.

    Parameters
    ----------
    y_px, x_px, sigma_px, flux
        As there; σ counts for each axis.
    end_px
        Distance along either axis at which the light ends, px. It holds :func:`followed_share` of the flux then.
    """
    levels = np.minimum(np.floor(np.log2(np.maximum(sigma_px, 0.1) / 0.9)), _last_level(end_px))
    kept_flux = flux * followed_share(sigma_px, end_px)
    return _images(_Gaussians(sigma_px, end_px), y_px=y_px, x_px=x_px, levels=levels, flux=kept_flux)


def followed_share(sigma_px: Floats, end_px: float) -> Floats:
    """Return the share of Gaussians that is left when they are cut off at a distance.

    They are multiplied by 1 − (r/D)⁴, where D is the distance less two steps of the coarsest nodes. Those so wide that
    a twentieth or less would be left are left out.

    Parameters
    ----------
    sigma_px
        σ of each along an axis, px; float64 ``(source,)``.
    end_px
        The distance along either axis, px.
    """
    if end_px == math.inf:
        return np.ones_like(sigma_px)
    last = end_px - _SPLINE_REACH * 2.0 ** _last_level(end_px)
    a = np.minimum(last**2 / (2 * np.maximum(sigma_px, 1e-3 * last) ** 2), 700.0)
    # ∫₀ᵃ (1 − u²/a²) e⁻ᵘ du, with u = r²/2σ².
    share = 1 - 2 / a**2 + elementary.exp(-a) * (2 / a + 2 / a**2)
    return np.where((a > 0.02) & (share > _TRACE), share, 0.0)


def _last_level(end_px: float) -> float:
    """Return the coarsest level whose nodes show light that ends at some distance."""
    return math.inf if end_px == math.inf else max(math.floor(math.log2(end_px / _LEAST_STEPS)), 0)


class _Profiles(Protocol):
    """Light of round sources by the distance from their centres, as it is sampled at nodes; any brightness will do."""

    def reach(self, sources: Ints, step_px: float) -> Floats:
        """Return the distance, in steps, at which the light of some sources ends."""
        ...

    def light(self, sources: Ints, step_px: float, distance: Floats, which: Ints) -> Floats:
        """Return the light of some sources at some distances in steps, each of the source ``sources[which]``."""
        ...


@dataclass(frozen=True)
class _Disks:
    """Disks of some radii with soft rims."""

    radius_px: Floats
    rim_px: Floats

    def reach(self, sources: Ints, step_px: float) -> Floats:
        radius, rim = self._sampled(sources, step_px)
        return np.asarray(radius + RIM_REACH * rim, np.float64)

    def light(self, sources: Ints, step_px: float, distance: Floats, which: Ints) -> Floats:
        radius, rim = self._sampled(sources, step_px)
        beyond = (distance - radius[which]) / rim[which]
        values = 1 / (1 + elementary.exp(1.702 * np.minimum(beyond, 40.0)))
        values[beyond > RIM_REACH] = 0.0
        return values

    def _sampled(self, sources: Ints, step_px: float) -> tuple[Floats, Floats]:
        """Return the radius and rim to sample, in steps, with which the splines show the requested variance."""
        radius = self.radius_px[sources] / step_px
        rim = self.rim_px[sources] / step_px
        sharp = np.sqrt(np.maximum(rim**2 - _SPLINE_VARIANCE, _LEAST_RIM**2))
        softer = sharp**2 + _SPLINE_VARIANCE - rim**2
        return np.sqrt(np.maximum(radius**2 - 4 * softer, 0.0)), sharp


@dataclass(frozen=True)
class _Gaussians:
    """Gaussians that fade to nothing at some distance."""

    sigma_px: Floats
    end_px: float

    def reach(self, sources: Ints, step_px: float) -> Floats:
        return np.minimum(GAUSSIAN_REACH * self._sampled(sources, step_px), self._last(step_px))

    def light(self, sources: Ints, step_px: float, distance: Floats, which: Ints) -> Floats:
        off = distance / self._sampled(sources, step_px)[which]
        values = elementary.exp(-0.5 * np.minimum(off, 10.0) ** 2)
        values[off > GAUSSIAN_REACH] = 0.0
        return values if self.end_px == math.inf else values * np.maximum(1 - (distance / self._last(step_px)) ** 4, 0)

    def _sampled(self, sources: Ints, step_px: float) -> Floats:
        """Return σ to sample, in steps, with which the splines show the requested one."""
        return np.sqrt(np.maximum((self.sigma_px[sources] / step_px) ** 2 - _SPLINE_VARIANCE, _LEAST_RIM**2))

    def _last(self, step_px: float) -> float:
        """Return the distance, in steps, up to which nodes have light, so that their splines end at ``end_px``."""
        return self.end_px / step_px - _SPLINE_REACH


def _images(profiles: _Profiles, y_px: Floats, x_px: Floats, levels: Floats, flux: Floats) -> list[SplineImages]:
    """Sample round sources at the nodes of their levels, from 0 to the coarsest there is."""
    coarseness = np.clip(levels, 0, _COARSEST).astype(np.int64)
    found: list[SplineImages] = []
    for level in range(_COARSEST + 1):
        own = np.flatnonzero((coarseness == level) & (flux > 0))
        if len(own) == 0:
            continue
        step = 2.0**level
        half = np.maximum(np.ceil(profiles.reach(own, step)), 1).astype(np.int64)
        y = y_px[own] / step
        x = x_px[own] / step
        top: Ints = np.rint(y).astype(np.int64) - half
        left: Ints = np.rint(x).astype(np.int64) - half
        side: Ints = 2 * half + 1
        first = starts(side * side)[:-1]
        which = np.repeat(np.arange(len(own)), side * side)
        row, column = np.divmod(np.arange(len(which)) - first[which], side[which])
        distance = np.sqrt((row + (top - y)[which]) ** 2 + (column + (left - x)[which]) ** 2)
        values = profiles.light(own, step, distance, which)
        total = np.bincount(which, values, len(own))
        # On pixels so large that a source's light ends before it comes to a node, the nearest node has it all.
        between = total == 0
        values[(first + half * (side + 1))[between]] = 1.0
        total[between] = 1.0
        # All nodes' splines together hold the flux.
        values *= (flux[own] / step**2 / total)[which]
        patches = Patches.laid_out(values.astype(np.float32), np.stack([top, left, side, side], axis=1))
        found.append(SplineImages(level, own, patches))
    return found
