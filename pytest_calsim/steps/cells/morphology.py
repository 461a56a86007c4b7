"""Shapes of cells: physical and free of any grid; a picture samples them.

A shape is the thickness of the cell seen along the optical axis over the thickness of its soma's middle: what an
evenly filled cell shows when nothing is out of focus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Morphology", "Shape", "draw_shape"]

Floats = NDArray[np.float64]
Morphology = Literal["soma", "cytosolic", "bead"]

_AMPLITUDES = (0.18, 0.09, 0.05, 0.025)
"""Largest amplitude of the outline's harmonics of order 2 to 5, as a fraction of its mean radius: an ellipse first,
then corners. Their sum stays below 1, so the outline never meets the centre."""

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
        sample_shape(
            y_um, x_um, self.mean_um, self.harmonics_um, self.segments_um, self.half_thickness_um, image
        )
        return image


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
    u = rng.random(8).tolist()
    amplitude = [largest * u[m] for m, largest in enumerate(_AMPLITUDES)]
    # Area of r(θ) = r_0·(1 + Σ a_m cos(mθ − φ_m)): π·r_0²·(1 + Σ a_m²/2).
    mean_um = radius_um / math.sqrt(1 + sum(a * a for a in amplitude) / 2)
    phase = [2 * math.pi * v for v in u[4:]]
    harmonics = [(mean_um * a * math.cos(p), mean_um * a * math.sin(p)) for a, p in zip(amplitude, phase, strict=True)]
    extent = mean_um * (1 + sum(amplitude))
    segments = _NO_SEGMENTS
    if morphology == "cytosolic":
        segments = radius_um * _draw_dendrites(rng)
        extent = max(extent, float(np.max(np.hypot(segments[:, 3], segments[:, 4]) + segments[:, 5])))
    return Shape(mean_um, np.array(harmonics), radius_um, segments, extent)


def _draw_dendrites(rng: np.random.Generator) -> Floats:
    """Tapered segments (y, x, r, y, x, r) of all dendrites of one cell, in soma radii."""
    from pytest_calsim.compiled.morphology import DENDRITE_DRAWS, MOST_DENDRITES, STEPS, grow_dendrites

    segments = np.empty((MOST_DENDRITES * 3 * STEPS, 6))
    return segments[: grow_dendrites(rng.random(2 + MOST_DENDRITES * DENDRITE_DRAWS), segments)]
