"""Compute defocus: each cell's distance from the curved focal surface, and the width of its blur there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_calsim.kernels.types import Bools, Floats
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.steps.cells.place_neurons import Cells

__all__ = ["Defocus", "focal_depth_um", "image_blur"]


@dataclass(frozen=True, eq=False)
class Defocus:
    """Blur of each of ``n`` cells by the microscope.

    Attributes
    ----------
    focal_depth_um
        Depth in focus on the optical axis.
    defocus_um
        Distance below the curved focal surface; float64 ``(n,)``.
    disk_radius_um
        Radius of the disk of confusion; float64 ``(n,)``.
    sigma_um
        σ of the Gaussian of diffraction and scatter; float64 ``(n,)``.
    """

    focal_depth_um: float
    defocus_um: Floats
    disk_radius_um: Floats
    sigma_um: Floats

    @classmethod
    def of(cls, acquisition: Acquisition, depth_um: Floats, defocus_um: Floats, focal_depth_um: float) -> Defocus:
        """Compute the blur of points at some depths and distances below the curved focal surface; float64 ``(n,)``.

        A point at defocus Δz is blurred by a uniform disk of radius |Δz|·NA/√(n² − NA²), the light cone's section, and
        by a Gaussian of diffraction (0.21 λ/NA) and scatter (a fraction of depth).
        """
        optics = acquisition.optics
        sigma_um = np.hypot(optics.diffraction_sigma_um, acquisition.tissue.scatter_sigma_um(depth_um))
        return cls(focal_depth_um, defocus_um, optics.defocus_radius_um(defocus_um), sigma_um)

    def in_focus(self, depth_of_field_um: float) -> Bools:
        """Tell which cells lie within half the depth of field; bool ``(n,)``. This is a point's criterion."""
        return np.abs(self.defocus_um) <= depth_of_field_um / 2

    def narrower_than(self, sigma_um: float) -> Bools:
        """Tell which cells are blurred less widely, per axis, than a Gaussian of some σ; bool ``(n,)``."""
        # A uniform disk of radius R has the variance R²/4 per axis.
        return np.hypot(self.disk_radius_um / 2, self.sigma_um) < sigma_um


def image_blur(acquisition: Acquisition, cells: Cells) -> Defocus:
    """Compute the blur of every cell."""
    focal_depth = float(focal_depth_um(acquisition, cells))
    defocus = _focus_for_um(acquisition, cells) - focal_depth
    return Defocus.of(acquisition, cells.center_um[:, 0], defocus, focal_depth)


def focal_depth_um(acquisition: Acquisition, cells: Cells) -> float:
    """Return the depth in focus on the optical axis, µm.

    ``"auto"`` is the median of z + curvature shift over the cells in the field of view; over all cells where none is
    in view; 0 where there are none. So it follows from geometry alone, not from how bright the cells are.
    """
    if acquisition.focal_depth_um != "auto":
        return acquisition.focal_depth_um
    focus = _focus_for_um(acquisition, cells)
    chosen = focus[cells.in_fov] if cells.in_fov.any() else focus
    return float(np.median(chosen)) if len(chosen) else 0.0


def _focus_for_um(acquisition: Acquisition, cells: Cells) -> Floats:
    """Return the focal depth that would bring each cell into focus, µm ``(n,)``."""
    z, y, x = cells.center_um.T
    return z + acquisition.curvature_shift_um(np.hypot(y, x))
