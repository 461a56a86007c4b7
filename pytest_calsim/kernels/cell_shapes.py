"""Draw cells' shapes at random, and sample them on a grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.library import array, check_shape, kernel, output

__all__ = ["DRAWS", "CellShapes", "draw_shapes", "sample_shape"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 148
"""Uniform numbers that :func:`draw_shapes` takes for a cell."""

_MOST_SEGMENTS = 90

_F64_1 = array(np.float64, 1)
_F64_2 = array(np.float64, 2)
_OUT_1 = output(np.float64, 1)
_draw_shapes = kernel(
    "draw_shapes",
    *(int, int, _F64_2, _F64_1, array(np.bool_, 1)),
    *(_OUT_1, _OUT_1, output(np.float64, 3), output(np.int64, 2), int, output(np.float64, 2)),
    returns=int,
)
_sample_shape = kernel(
    "sample_shape",
    *(int, _F64_1, int, _F64_1),
    *(float, _F64_2, float, int, _F64_2),
    output(np.float32, 2),
)


class CellShapes(NamedTuple):
    """Shapes of ``n`` cells, each relative to its centre.

    Attributes
    ----------
    mean_um, harmonics_um
        The somata's outlines, r(θ) = mean + Σ_{m=2..5} c_m cos mθ + s_m sin mθ, θ from +x towards +y; float64
        ``(n,)``, and rows (c_m, s_m) ``(n, 4, 2)``.
    half_thickness_um
        Half the thickness in the middle of the soma, where a shape is 1; float64 ``(n,)``.
    extent_um
        Radius of a circle that holds all of a cell, 0 for a point; float64 ``(n,)``.
    segments
        Which rows of ``segments_um`` are a cell's: the first and one past the last; int64 ``(n, 2)``.
    segments_um
        Dendrites: (y, x, radius) at the begin and at the end of each tapered segment; float64 ``(total, 6)``.
    """

    mean_um: Floats
    half_thickness_um: Floats
    extent_um: Floats
    harmonics_um: Floats
    segments: Ints
    segments_um: Floats

    def of(self, cells: Ints | slice) -> CellShapes:
        """Return those of some cells."""
        return CellShapes(
            self.mean_um[cells],
            self.half_thickness_um[cells],
            self.extent_um[cells],
            self.harmonics_um[cells],
            self.segments[cells],
            self.segments_um,
        )


def draw_shapes(uniforms: Floats, radius_um: Floats, branching: NDArray[np.bool_]) -> CellShapes:
    """Draw the outlines of ``n`` cells, and their dendrites.

    Parameters
    ----------
    uniforms
        Numbers in [0, 1); float64 ``(n, DRAWS)``. The soma's come first: it is the same with and without dendrites.
    radius_um
        Radius of the circle that has the area of the soma's outline, 0 for a point; float64 ``(n,)``.
    branching
        Which cells have dendrites; bool ``(n,)``.

    Raises
    ------
    ValueError
        If shapes do not agree.
    """
    n = len(radius_um)
    check_shape("uniforms", uniforms, n, DRAWS)
    check_shape("radius_um", radius_um, n)
    check_shape("branching", branching, n)
    mean_um = np.empty(n)
    extent_um = np.empty(n)
    harmonics_um = np.empty((n, 4, 2))
    segments = np.empty((n, 2), np.int64)
    segments_um = np.empty((_MOST_SEGMENTS * int(np.count_nonzero(branching)), 6))
    count = _draw_shapes(
        *(n, DRAWS, uniforms, radius_um, branching),
        *(mean_um, extent_um, harmonics_um, segments, len(segments_um), segments_um),
    )
    if count < 0:
        raise AssertionError("the numbers of draws or of segments differ from those in cell_shapes.c")
    return CellShapes(mean_um, radius_um, extent_um, harmonics_um, segments, segments_um[:count].copy())


def sample_shape(shapes: CellShapes, cell: int, y_um: Floats, x_um: Floats) -> NDArray[np.float32]:
    """Sample a cell's thickness: its soma's, or a dendrite's where that is larger.

    Parameters
    ----------
    shapes, cell
        Which cell of which.
    y_um, x_um
        Ascending positions relative to its centre; float64.

    Returns
    -------
    float32 ``(len(y_um), len(x_um))``, 1 in the soma's middle; 0 for a point.
    """
    first, stop = shapes.segments[cell].tolist()
    segments_um = shapes.segments_um[first:stop]
    harmonics_um = shapes.harmonics_um[cell]
    check_shape("harmonics_um", harmonics_um, 4, 2)
    check_shape("segments_um", segments_um, stop - first, 6)
    image = np.empty((len(y_um), len(x_um)), np.float32)
    _sample_shape(
        *(len(y_um), y_um, len(x_um), x_um),
        *(shapes.mean_um[cell], harmonics_um, shapes.half_thickness_um[cell], len(segments_um), segments_um),
        image,
    )
    return image
