"""Spread the light of a fluorescent point in tissue: into a sharp core and three Gaussians around it.

All is relative to the light that would be collected through clear tissue, and fitted to a photon Monte Carlo
(``tests/microscope/photons.py``): Henyey-Greenstein scattering with g = 0.88 and a mean free path of 0.6 M_em (60 µm
where M_em = 100 µm), absorption of 0.3 per mm, an index of 1.36 everywhere, NA 0.3. With ζ = z/M_em::

    core       exp(−1.2 ζ)                                    σ = scatter_blur_fraction · z
    near       0.96 ζ^0.9 exp(−0.8 ζ)                          σ = 0.12 z
    middle     0.74 ζ^1.2 exp(−0.55 ζ)                         σ = 0.3 (M_em + z)
    diffuse    0.66 (M_em/100)^−0.45 (1 + 0.35 ζ) exp(−0.07 ζ)  σ = 450 (M_em/100)^0.8 µm

Core and near light within a soma's radius together are about exp(−ζ) there, which is what makes M_em the attenuation
length. More than all is collected, as tissue below the point sends back what was emitted downwards: that is the diffuse
part of light, whose dependence on M_em comes from absorption.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Floats

__all__ = ["Skirt", "core_share", "skirt"]


class Skirt(NamedTuple):
    """Light around the core of a point's image: near, middle and diffuse.

    Attributes
    ----------
    share
        Of the light that clear tissue would let through; float64 ``(3, ...)``.
    sigma_um
        Standard deviation of each Gaussian along an axis; float64 ``(3, ...)``.
    """

    share: Floats
    sigma_um: Floats


def core_share(depth_um: Floats, attenuation_um: float) -> Floats:
    """Return the share of emitted light from some depths that stays in the core of an image, ≤ 1.

    Parameters
    ----------
    depth_um
        Depths of the points; above the surface counts as at it.
    attenuation_um
        Of emitted light, M_em.
    """
    return elementary.exp(-1.2 * np.maximum(depth_um, 0.0) / attenuation_um)


def skirt(depth_um: Floats, attenuation_um: float) -> Skirt:
    """Return the light around the core for some depths ``(...)``.

    Parameters
    ----------
    depth_um
        Depths of the points; above the surface counts as at it.
    attenuation_um
        Of emitted light, M_em.
    """
    z = np.maximum(depth_um, 0.0)
    zeta = z / attenuation_um
    clarity = attenuation_um / 100
    near = 0.96 * elementary.power(zeta, 0.9) * elementary.exp(-0.8 * zeta)
    middle = 0.74 * elementary.power(zeta, 1.2) * elementary.exp(-0.55 * zeta)
    diffuse = 0.66 * elementary.power(clarity, -0.45) * (1 + 0.35 * zeta) * elementary.exp(-0.07 * zeta)
    widest = 450 * elementary.power(clarity, 0.8) * np.ones_like(zeta)
    return Skirt(np.stack([near, middle, diffuse]), np.stack([0.12 * z, 0.3 * (attenuation_um + z), widest]))
