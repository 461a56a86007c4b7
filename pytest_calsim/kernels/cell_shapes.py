"""Draw cells' shapes at random, and sample them on a grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, check_shape, output
from pytest_calsim.kernels.types import Floats, Floats32, Ints

__all__ = ["DRAWS", "MOST_DENDRITES", "CellShapes", "ShapeFactors", "draw_shapes", "sample_shape"]

DRAWS = 148
"""Uniform numbers that :func:`draw_shapes` takes for a cell."""

MOST_DENDRITES = 6
"""Most dendrites that leave a soma."""

_SEGMENTS_OF_A_DENDRITE = 15

_draw_shapes = Kernel(
    "draw_shapes",
    returns=int,
    n=int,
    n_draws=int,
    u=array(np.float64, "n", "n_draws"),
    radius_um=array(np.float64, "n"),
    uneven=array(np.float64, "n"),
    dendrites=array(np.int64, "n"),
    longer=array(np.float64, "n"),
    wider=array(np.float64, "n"),
    mean_um=output(np.float64, "n"),
    extent_um=output(np.float64, "n"),
    harmonics_um=output(np.float64, "n", 4, 2),
    segments=output(np.int64, "n", 2),
    n_segments=int,
    segments_um=output(np.float64, "n_segments", 6),
)
_sample_shape = Kernel(
    "sample_shape",
    height=int,
    y_um=array(np.float64, "height"),
    width=int,
    x_um=array(np.float64, "width"),
    mean_um=float,
    harmonics_um=array(np.float64, 4, 2),
    half_thickness_um=float,
    nucleus=float,
    n_segments=int,
    segments_um=array(np.float64, "n_segments", 6),
    image=output(np.float32, "height", "width"),
)


class ShapeFactors(NamedTuple):
    """How the shapes of ``n`` cells differ from the default ones.

    Attributes
    ----------
    uneven
        Factor on the outline's amplitudes, which are up to 0.18, 0.09, 0.05 and 0.025 of the mean radius; below 2.89.
        float64 ``(n,)``.
    dendrites
        How many leave the soma, up to :data:`MOST_DENDRITES`; negative: 3 to 6 at random. int64 ``(n,)``.
    longer, wider
        Factors on the lengths of dendrites, and on their radii; float64 ``(n,)``.
    nucleus
        Radius of a nucleus without dye over that of the soma, below 1; 0: none. float64 ``(n,)``.
    """

    uneven: Floats
    dendrites: Ints
    longer: Floats
    wider: Floats
    nucleus: Floats


class CellShapes(NamedTuple):
    """Shapes of ``n`` cells, each relative to its centre.

    Attributes
    ----------
    mean_um, harmonics_um
        The somata's outlines, r(θ) = mean + Σ_{m=2..5} c_m cos mθ + s_m sin mθ, θ from +x towards +y; float64
        ``(n,)``, and rows (c_m, s_m) ``(n, 4, 2)``.
    half_thickness_um
        Half the thickness in the middle of the soma, nucleus and all; float64 ``(n,)``.
    nucleus
        Radius of the dark nucleus over that of the soma; 0: none. float64 ``(n,)``.
    extent_um
        Radius of a circle that holds all of a cell, 0 for a point; float64 ``(n,)``.
    segments
        Which rows of ``segments_um`` are a cell's: the first and one past the last; int64 ``(n, 2)``.
    segments_um
        Dendrites: (y, x, radius) at the begin and at the end of each tapered segment; float64 ``(total, 6)``.
    """

    mean_um: Floats
    half_thickness_um: Floats
    nucleus: Floats
    extent_um: Floats
    harmonics_um: Floats
    segments: Ints
    segments_um: Floats

    def of(self, cells: Ints | slice) -> CellShapes:
        """Return the shapes of some cells."""
        # Dendrites stay where they are: `segments` tells which rows are whose.
        each = {name: values[cells] for name, values in self._asdict().items() if name != "segments_um"}
        return CellShapes(**each, segments_um=self.segments_um)


def draw_shapes(uniforms: Floats, radius_um: Floats, factors: ShapeFactors) -> CellShapes:
    """Draw the outlines of ``n`` cells, and their dendrites.

    Parameters
    ----------
    uniforms
        Numbers in [0, 1); float64 ``(n, DRAWS)``. The soma uses the first, so that it is the same without dendrites.
    radius_um
        Radius of the circle that has the area of the soma's outline, 0 for a point; float64 ``(n,)``.
    factors
        How they differ from the default shapes.

    Raises
    ------
    ValueError
        If shapes do not agree, or a cell has too many dendrites.
    """
    n = len(radius_um)
    check_shape("uniforms", uniforms, n, DRAWS)
    check_shape("nucleus", factors.nucleus, n)
    most = int(factors.dendrites.max(initial=0))
    if most > MOST_DENDRITES:
        raise ValueError(f"a cell has {most} dendrites; at most {MOST_DENDRITES} can leave a soma")
    mean_um = np.empty(n)
    extent_um = np.empty(n)
    harmonics_um = np.empty((n, 4, 2))
    segments = np.empty((n, 2), np.int64)
    # Room for the most dendrites, as their number is drawn in the kernel.
    room = MOST_DENDRITES * _SEGMENTS_OF_A_DENDRITE * int(np.count_nonzero(factors.dendrites))
    segments_um = np.empty((room, 6))
    count = _draw_shapes(
        u=uniforms,
        radius_um=radius_um,
        uneven=factors.uneven,
        dendrites=factors.dendrites,
        longer=factors.longer,
        wider=factors.wider,
        mean_um=mean_um,
        extent_um=extent_um,
        harmonics_um=harmonics_um,
        segments=segments,
        segments_um=segments_um,
    )
    if count < 0:
        raise AssertionError("DRAWS or _SEGMENTS_OF_A_DENDRITE differs from its value in cell_shapes.c: set them equal")
    return CellShapes(
        mean_um=mean_um,
        half_thickness_um=radius_um,  # a soma is as thick as it is wide
        nucleus=factors.nucleus,
        extent_um=extent_um,
        harmonics_um=harmonics_um,
        segments=segments,
        segments_um=segments_um[:count].copy(),
    )


def sample_shape(shapes: CellShapes, cell: int, y_um: Floats, x_um: Floats) -> Floats32:
    """Sample the thickness of a cell's dye: its soma's, or a dendrite's where that is larger.

    Parameters
    ----------
    shapes, cell
        Shapes, and the position of the cell among them.
    y_um, x_um
        Ascending positions relative to its centre; float64.

    Returns
    -------
    float32 ``(len(y_um), len(x_um))``, 1 where the soma's dye is thickest; 0 for a point.
    """
    first, stop = shapes.segments[cell].tolist()
    image = np.empty((len(y_um), len(x_um)), np.float32)
    _sample_shape(
        y_um=y_um,
        x_um=x_um,
        mean_um=shapes.mean_um[cell],
        harmonics_um=shapes.harmonics_um[cell],
        half_thickness_um=shapes.half_thickness_um[cell],
        nucleus=shapes.nucleus[cell],
        n_segments=stop - first,
        segments_um=shapes.segments_um[first:stop],
        image=image,
    )
    return image
