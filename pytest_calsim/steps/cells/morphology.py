"""Shapes of cells: physical and free of any grid; a picture samples them.

A shape is the thickness of the cell seen along the optical axis over the thickness of its soma's middle: what an
evenly filled cell shows when nothing is out of focus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Morphology", "Shape", "draw_shape"]

Floats = NDArray[np.float64]
Morphology = Literal["soma", "cytosolic", "bead"]

_NO_SEGMENTS = np.zeros((0, 6))


@dataclass(frozen=True, eq=False)
class Shape:
    """One cell's shape relative to its centre.

    Attributes
    ----------
    mean_um, harmonics_um
        The soma's outline, r(θ) = mean + Σ_{m=2..5} c_m cos mθ + s_m sin mθ, θ from +x towards +y; rows (c_m, s_m).
    half_thickness_um
        Half the thickness in the middle of the soma, where the shape is 1.
    segments_um
        The dendrites: rows of (y, x, radius) at the begin and the end of each tapered segment.
    extent_um
        Radius of a circle that holds all of it.
    """

    mean_um: float
    harmonics_um: Floats
    half_thickness_um: float
    segments_um: Floats
    extent_um: float

    def coverage(self, y_um: Floats, x_um: Floats) -> NDArray[np.float32]:
        """Value at ascending positions relative to the centre, 0 to 1; float32 ``(len(y_um), len(x_um))``."""
        from pytest_calsim.compiled.morphology import sample_shape

        image = np.empty((len(y_um), len(x_um)), np.float32)
        sample_shape(y_um, x_um, self.mean_um, self.harmonics_um, self.segments_um, self.half_thickness_um, image)
        return image

    def pixels(self, y_um: Floats, x_um: Floats, samples: int) -> NDArray[np.float32]:
        """Means over pixels of ``samples`` × ``samples`` of such positions."""
        from pytest_calsim.compiled.imaging import block_mean

        mean = np.empty((len(y_um) // samples, len(x_um) // samples), np.float32)
        block_mean(self.coverage(y_um, x_um), samples, mean)
        return mean


def draw_shape(morphology: Morphology, radius_um: float, rng: np.random.Generator) -> Shape:
    """Draw one cell's shape.

    Parameters
    ----------
    morphology
        ``"soma"``: an irregular soma; ``"cytosolic"``: the same with proximal dendrites, which lie in the plane of
        the soma's centre; ``"bead"``: a point, without extent.
    radius_um
        Radius of the circle that has the area of the soma's outline.
    rng
        The cell's own stream. A soma and a cytosolic cell from equal streams have the same soma.
    """
    if morphology == "bead":
        return Shape(0.0, np.zeros((4, 2)), 0.0, _NO_SEGMENTS, 0.0)
    from pytest_calsim.compiled import morphology as compiled

    harmonics, segments = np.empty((4, 2)), np.empty((compiled.MOST_SEGMENTS, 6))
    branching = morphology == "cytosolic"
    mean_um, extent_um, n = compiled.draw_shape(rng.random(compiled.DRAWS), radius_um, branching, harmonics, segments)
    return Shape(mean_um, harmonics, radius_um, segments[:n], extent_um)
