"""Sample and blur the shapes of many cells in one go."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.cell_shapes import CellShapes
from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Bools, Floats, Floats32, Ints, Ints32

__all__ = ["ImagedCells", "SamplingGrids", "WaveTables", "image_cells", "image_shape"]


_WAVE_TABLES = {"n_bessel": int, "bessel": array(np.float32, "n_bessel"), "bessel_step": float, "faint": float}
_image_cells = Kernel(
    "image_cells",
    returns=int,
    n=int,
    box=array(np.int64, "n", 4),
    samples=array(np.int64, "n"),
    part_um=array(np.float64, "n"),
    centre=array(np.float64, "n", 2),
    is_point=array(np.bool_, "n"),
    point_flux=array(np.float64, "n"),
    pad=array(np.int64, "n"),
    radius=array(np.float64, "n"),
    sigma=array(np.float64, "n"),
    waves=array(np.int64, "n"),
    mean_um=array(np.float64, "n"),
    half_thickness_um=array(np.float64, "n"),
    nucleus=array(np.float64, "n"),
    harmonics_um=array(np.float64, "n", 4, 2),
    segments=array(np.int64, "n", 2),
    segments_um=array(np.float64, "all segments", 6),
    circle_start=array(np.int64, "n"),
    circles=array(np.complex64, "all circles"),
    **_WAVE_TABLES,
    canvas=array(np.int64, 4),
    sensor=array(np.int64, 4),
    planted=output(np.float32, "pixels"),
    images=output(np.float32, "pixels of images"),
    image_box=output(np.int32, "n", 4),
    flux=output(np.float64, "n"),
    within=output(np.float64, "n"),
)
_image_shape = Kernel(
    "image_shape",
    returns=bool,
    parts_y=int,
    parts_x=int,
    parts=array(np.float32, "parts_y", "parts_x"),
    first_y=float,
    first_x=float,
    sigma=float,
    radius=float,
    waves=int,
    turns=int,
    circle=array(np.complex64, "turns"),
    **_WAVE_TABLES,
    flux=float,
    height=int,
    width=int,
    image=output(np.float32, "height", "width"),
)


class SamplingGrids(NamedTuple):
    """Grids on which ``n`` cells are sampled and imaged, each in its own pixels.

    Attributes
    ----------
    box
        First row, first column, height and width of the pixels that the shape is sampled on; int64 ``(n, 4)``.
    samples
        Parts of a pixel along its side; int64 ``(n,)``.
    part_um
        A part's side; float64 ``(n,)``.
    centre
        Row and column of the cell's centre (whole at a pixel's centre), px; float64 ``(n, 2)``.
    is_point
        Whether the shape is but its one pixel, of one part; bool ``(n,)``.
    point_flux
        A point's light; a shape's is measured. float64 ``(n,)``.
    pad
        Pixels by which the image begins before the shape; int64 ``(n,)``.
    radius, sigma
        Of the blur's disk and its Gaussian, px; float64 ``(n,)``.
    waves
        Waves that the image is made of along an axis, 0 for no image; int64 ``(n,)``.
    """

    box: Ints
    samples: Ints
    part_um: Floats
    centre: Floats
    is_point: Bools
    point_flux: Floats
    pad: Ints
    radius: Floats
    sigma: Floats
    waves: Ints

    def of(self, cells: Ints | slice) -> SamplingGrids:
        """Return the grids of some cells."""
        chosen: Any = (values[cells] for values in self)
        return SamplingGrids(*chosen)

    @property
    def turns(self) -> Ints:
        """Parts along each image's longer side, which is its period; int64 ``(n,)``."""
        return (self.box[:, 2:].max(axis=1) + 2 * self.pad) * self.samples


class WaveTables(NamedTuple):
    """Tables that the images of ``n`` cells look up.

    Attributes
    ----------
    circle_start
        Where each image's circle begins in ``circles``; int64 ``(n,)``.
    circles
        exp(2πi j/N), j < N, for every N in :attr:`SamplingGrids.turns`; complex64.
    bessel
        2·J₁(q)/q on a regular grid that begins at 0; float32.
    bessel_step
        Its step.
    faint
        Light below this share of an image's peak is cut; the rest is scaled up to the same sum.
    """

    circle_start: Ints
    circles: NDArray[np.complex64]
    bessel: Floats32
    bessel_step: float
    faint: float

    def of(self, cells: slice) -> WaveTables:
        """Return the tables of some cells."""
        return self._replace(circle_start=self.circle_start[cells])


class ImagedCells(NamedTuple):
    """Result of :func:`image_cells` for ``n`` cells.

    Attributes
    ----------
    planted
        Each shape's means over the pixels of its box, in C order, cell after cell; float32.
    images
        What is kept of each image, likewise.
    image_box
        First row, first column, height and width of that, px, zeros for nothing; int32 ``(n, 4)``.
    flux
        Sum of each shape's means; float64 ``(n,)``.
    within
        Sum of each image over the sensor; float64 ``(n,)``.
    """

    planted: Floats32
    images: Floats32
    image_box: Ints32
    flux: Floats
    within: Floats


def image_cells(
    grids: SamplingGrids, shapes: CellShapes, tables: WaveTables, canvas: Rect, sensor: Rect
) -> ImagedCells:
    """Sample cells, average them over pixels, blur them, and cut them to what is not dark.

    Parameters
    ----------
    grids, shapes, tables
        The cells: how and what is sampled, and the tables that all share.
    canvas, sensor
        Window in which images are kept, and window over which their light is summed.

    Raises
    ------
    ValueError
        If arrays do not fit each other.
    MemoryError
        If there is no memory for the largest cell.
    """
    inputs = {**grids._asdict(), **shapes._asdict(), **tables._asdict()}
    del inputs["extent_um"]  # boxes were chosen by it
    _image_cells.check(**inputs)
    _check_cells(grids, shapes, tables)
    n = len(grids.box)
    imaged = grids.waves > 0
    pixels = grids.box[:, 2:].prod(axis=1)
    image_pixels = (grids.box[:, 2:] + 2 * grids.pad[:, np.newaxis]).prod(axis=1)
    planted = np.empty(int(pixels.sum()), np.float32)
    images = np.empty(int(image_pixels.sum(where=imaged)), np.float32)
    image_box = np.empty((n, 4), np.int32)
    flux = np.empty(n)
    within = np.empty(n)
    written = _image_cells(
        **inputs,
        canvas=np.array(canvas.bounds, np.int64),
        sensor=np.array(sensor.bounds, np.int64),
        planted=planted,
        images=images,
        image_box=image_box,
        flux=flux,
        within=within,
    )
    # The kernel needs scratch memory for its largest image, and reports when there is none.
    if written < 0:
        raise MemoryError(f"no memory to image cells of up to {int(image_pixels.max(initial=0))} pixels")
    # Room was made for whole images; what lies beyond the canvas was cut, so most of it is often empty.
    images = images[:written].copy()
    return ImagedCells(planted=planted, images=images, image_box=image_box, flux=flux, within=within)


def _check_cells(grids: SamplingGrids, shapes: CellShapes, tables: WaveTables) -> None:
    """Refuse numbers by which the kernel would read or write beyond an array's end."""
    if (grids.box[:, 2:] < 1).any() or (grids.samples < 1).any() or (grids.pad < 0).any() or (grids.waves < 0).any():
        raise ValueError(
            "each cell needs at least 1 pixel along each side and 1 sample, and 0 or more for pad and waves"
        )
    if (grids.box[grids.is_point, 2:] != 1).any() or (grids.samples[grids.is_point] != 1).any():
        raise ValueError("a point needs exactly one pixel of one sample")
    first, stop = shapes.segments.T
    if (first < 0).any() or (stop < first).any() or (stop > len(shapes.segments_um)).any():
        raise ValueError(f"segments leave the {len(shapes.segments_um)} rows of segments_um")
    imaged = grids.waves > 0
    begin = tables.circle_start[imaged]
    end = (tables.circle_start + grids.turns)[imaged]
    if (begin < 0).any() or (end > len(tables.circles)).any():
        raise ValueError(f"circle_start leaves the {len(tables.circles)} values of circles")
    _check_bessel(tables.bessel)


def _check_bessel(bessel: Floats32) -> None:
    if len(bessel) < 2:
        raise ValueError(f"bessel has {len(bessel)} values; at least 2 are needed to interpolate")


def image_shape(
    parts: Floats32,
    shape: tuple[int, int],
    first: tuple[float, float],
    radius: float,
    sigma: float,
    waves: int,
    tables: WaveTables,
    flux: float,
) -> Floats32:
    """Image one shape behind a disk and a Gaussian, averaged over each pixel's area.

    Parameters
    ----------
    parts
        The shape at the centres of equal parts of pixels; float32.
    shape
        Height and width of the image, px.
    first
        Row and column of the first part's centre in the image (pixels' centres are whole numbers).
    radius, sigma
        Of the disk and the Gaussian, px.
    waves
        Waves that the image is made of along an axis.
    tables
        For this one image, whose circle is all of ``circles``; that sets how many parts its longer side has.
    flux
        The image's sum; the shape's own brightness means nothing.

    Returns
    -------
    float32 ``shape``.

    Raises
    ------
    ValueError
        If the circle is not a multiple of the image's longer side, or is shorter than the shape.
    MemoryError
        If there is no memory.
    """
    turns = len(tables.circles)
    # Pixels take every (turns/longer side)-th root of the circle, so the one must divide the other.
    if waves < 1 or turns < 1 or turns % max(shape) or turns < max(parts.shape):
        raise ValueError(
            f"{turns} parts of a turn and {waves} waves cannot image {parts.shape} parts at {shape} pixels"
        )
    _check_bessel(tables.bessel)
    image = np.empty(shape, np.float32)
    first_y, first_x = first
    done = _image_shape(
        parts=parts,
        first_y=first_y,
        first_x=first_x,
        sigma=sigma,
        radius=radius,
        waves=waves,
        circle=tables.circles,
        bessel=tables.bessel,
        bessel_step=tables.bessel_step,
        faint=tables.faint,
        flux=flux,
        image=image,
    )
    if not done:
        raise MemoryError(f"no memory for an image of {shape} pixels")
    return image
