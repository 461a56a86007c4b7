"""Shapes of cells: physical and free of any grid; a picture samples them.

A shape is the thickness of the cell seen along the optical axis over the thickness of its soma's middle: what an
evenly filled cell shows when nothing is out of focus.
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
        Of each cell: ``"soma"``: an irregular soma; ``"cytosolic"``: the same with proximal dendrites, which lie in
        the plane of the soma's centre; ``"bead"``: a point, without extent.
    radius_um
        Radius of the circle that has the area of each soma's outline.
    rng
        Gives each cell's own stream, from its index. A soma and a cytosolic cell from equal streams have the same soma.
    """
    is_bead = np.array([morphology == "bead" for morphology in morphologies], bool)
    branching = np.array([morphology == "cytosolic" for morphology in morphologies], bool)
    uniforms = np.zeros((len(radius_um), cell_shapes.DRAWS))
    for i in np.flatnonzero(~is_bead).tolist():
        rng(i).random(out=uniforms[i])
    return cell_shapes.draw_shapes(uniforms, np.where(is_bead, 0.0, radius_um), branching)
