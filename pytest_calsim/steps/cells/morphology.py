"""Draw shapes of cells, in µm and independent of any grid.

A shape is the thickness of a cell's dye along the optical axis, relative to the greatest of its soma. An evenly filled
cell looks like that when all of it is in focus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pytest_calsim.kernels import cell_shapes
from pytest_calsim.kernels.cell_shapes import CellShapes, ShapeFactors
from pytest_calsim.kernels.types import Floats

__all__ = ["DEFAULT_IRREGULARITY", "Form", "Morphology", "draw_shapes"]

Morphology = Literal["soma", "cytosolic", "bead"]

DEFAULT_IRREGULARITY = 0.18
"""Largest amplitude of an outline's second harmonic in the kernel."""

# What the kernel draws on average, in radii of the soma: the reach of a dendrite (trunk and branch) and the diameter of
# a trunk at its fork; and the longest reach that it draws.
_MEAN_LENGTH = 5.4
_MEAN_WIDTH = 0.42
_LONGEST = 6.8


@dataclass(frozen=True)
class Form:
    """Fields that decide the shapes of a population's cells, in addition to their radii and streams.

    Attributes
    ----------
    morphology
        ``"soma"`` is an irregular soma. ``"cytosolic"`` is the same soma with proximal dendrites in the plane of its
        centre. ``"bead"`` is a point without extent.
    irregularity
        Largest amplitude of the outline's second harmonic over the mean radius.
    n_dendrites
        Number that leaves a cytosolic soma; ``None``: 3 to 6 at random.
    dendrite_length_um
        Mean distance along a dendrite from the soma's centre to its tips; ``None``: 5.4 radii.
    dendrite_width_um
        Mean diameter of a dendrite where it forks; ``None``: 0.42 radii.
    nucleus_fraction
        Radius of a nucleus without dye over that of the soma.
    """

    morphology: Morphology = "soma"
    irregularity: float = DEFAULT_IRREGULARITY
    n_dendrites: int | None = None
    dendrite_length_um: float | None = None
    dendrite_width_um: float | None = None
    nucleus_fraction: float = 0.0

    def reach_um(self, radius_um: float) -> float:
        """Return how far a cell whose soma has some radius may reach from its centre, µm."""
        if self.morphology == "bead":
            return 0.0
        # All four harmonics at their largest are 1.92 times the second.
        soma_um = radius_um * (1 + self.irregularity / 0.36)
        if self.morphology == "soma" or self.n_dendrites == 0:
            return soma_um
        length_um = _MEAN_LENGTH * radius_um if self.dendrite_length_um is None else self.dendrite_length_um
        width_um = _MEAN_WIDTH * radius_um if self.dendrite_width_um is None else self.dendrite_width_um
        return max(soma_um, length_um * (_LONGEST / _MEAN_LENGTH) + width_um * 0.48)


def draw_shapes(forms: Sequence[Form], radius_um: Floats, rng: Callable[[int], np.random.Generator]) -> CellShapes:
    """Draw the shapes of cells.

    Parameters
    ----------
    forms
        Form of each of ``n`` cells.
    radius_um
        Radius of the circle that has the area of each soma's outline; float64 ``(n,)``.
    rng
        Returns the random stream of a cell, by its index. A soma and a cytosolic cell have the same soma if their
        streams are equal.
    """
    is_bead = np.array([form.morphology == "bead" for form in forms], bool)
    uniforms = np.zeros((len(radius_um), cell_shapes.DRAWS))
    for i in np.flatnonzero(~is_bead).tolist():
        rng(i).random(out=uniforms[i])
    factors = ShapeFactors(
        uneven=np.array([form.irregularity / DEFAULT_IRREGULARITY for form in forms], float),
        dendrites=np.array([_dendrites(form) for form in forms], np.int64),
        longer=_over(radius_um, _MEAN_LENGTH, [form.dendrite_length_um for form in forms]),
        wider=_over(radius_um, _MEAN_WIDTH, [form.dendrite_width_um for form in forms]),
        nucleus=np.array([form.nucleus_fraction for form in forms], float),
    )
    return cell_shapes.draw_shapes(uniforms, np.where(is_bead, 0.0, radius_um), factors)


def _dendrites(form: Form) -> int:
    """Return how many dendrites the kernel draws; negative: 3 to 6 at random."""
    if form.morphology != "cytosolic":
        return 0
    return -1 if form.n_dendrites is None else form.n_dendrites


def _over(radius_um: Floats, mean: float, wanted_um: Sequence[float | None]) -> Floats:
    """Return wanted lengths over the default ones, which are ``mean`` radii on average."""
    usual_um: list[float] = (mean * radius_um).tolist()
    both = zip(wanted_um, usual_um, strict=True)
    return np.array([1.0 if wanted is None else wanted / usual for wanted, usual in both], float)
