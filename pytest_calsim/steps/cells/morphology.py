"""Shapes of cells, in µm and independent of any grid.

A shape is the cell's thickness along the optical axis, relative to the thickness at the soma's middle. An evenly filled
cell looks like that when all of it is in focus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from pytest_calsim.kernels import cell_shapes
from pytest_calsim.kernels.cell_shapes import CellShapes
from pytest_calsim.kernels.types import Floats

__all__ = ["Morphology", "draw_shapes"]

Morphology = Literal["soma", "cytosolic", "bead"]


def draw_shapes(
    morphologies: Sequence[Morphology], radius_um: Floats, rng: Callable[[int], np.random.Generator]
) -> CellShapes:
    """Draw the shapes of cells.

    Parameters
    ----------
    morphologies
        Morphology of each of ``n`` cells. ``"soma"`` is an irregular soma. ``"cytosolic"`` is the same soma with
        proximal dendrites in the plane of its centre. ``"bead"`` is a point without extent.
    radius_um
        Radius of the circle that has the area of each soma's outline; float64 ``(n,)``.
    rng
        Returns the random stream of a cell, by its index. A soma and a cytosolic cell have the same soma if their
        streams are equal.
    """
    is_bead = np.array([morphology == "bead" for morphology in morphologies], bool)
    branching = np.array([morphology == "cytosolic" for morphology in morphologies], bool)
    uniforms = np.zeros((len(radius_um), cell_shapes.DRAWS))
    for i in np.flatnonzero(~is_bead).tolist():
        rng(i).random(out=uniforms[i])
    return cell_shapes.draw_shapes(uniforms, np.where(is_bead, 0.0, radius_um), branching)
