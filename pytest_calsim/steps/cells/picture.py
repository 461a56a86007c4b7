"""One cell's pictures: planted in focus on the sensor, and imaged on the canvas."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.canvas import Canvas
from pytest_calsim.footprints import Patch
from pytest_calsim.steps.base import Image
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.psf import LONGEST_SIDE, image_of_point, image_of_shape, odd_at_least, reach_px

__all__ = ["Picture", "picture"]

Floats = NDArray[np.float64]

_NOTHING = Patch(np.zeros((0, 0), np.float32), 0, 0)


class Picture(NamedTuple):
    """One cell of brightness 1 without losses.

    Attributes
    ----------
    planted
        In focus and unblurred, averaged over each pixel; on the sensor and beyond.
    image
        On the canvas, cut there.
    flux
        The shape's area in pixels, all of the light on an infinite plane.
    fov_fraction
        Share of that light that falls in the sensor's window at zero shift.
    """

    planted: Patch
    image: Patch
    flux: float
    fov_fraction: float


def picture(
    cells: Cells, unit: int, canvas: Canvas, at: tuple[float, float], disk_um: float, blur_um: float, imaged: bool
) -> Picture:
    """Plant one cell and image it.

    Parameters
    ----------
    cells, unit
        Which cell.
    canvas
        Where it is painted.
    at
        Its centre's row and column on the sensor (whole at a pixel's centre), px.
    disk_um, blur_um
        Radius of the disk of confusion and σ of the Gaussian.
    imaged
        Whether it has an image at all.
    """
    source = _source(cells, unit, canvas.pixel_size_um, at, disk_um, blur_um)
    in_focus = Patch(source.block, source.top, source.left)
    planted = in_focus if source.bins == 1 else _planted(cells, unit, canvas, at)
    if not imaged:
        return Picture(planted, _NOTHING, source.flux, 0.0)
    image = _image(source, canvas)
    inside = _cut(image, canvas.sensor_shape)
    # Flux is conserved, so an image that lies wholly in the window needs no sum.
    whole = inside.values.shape == image.values.shape
    fraction = 1.0 if whole else min(float(inside.values.sum(dtype=np.float64)) / source.flux, 1.0)
    margin = canvas.margin_px
    on_canvas = Patch(image.values, image.row + margin, image.column + margin)
    return Picture(planted, _cut(on_canvas, canvas.shape), source.flux, fraction)


class _Source(NamedTuple):
    """A shape (or point) on a grid of square parts, ready to be imaged.

    ``fine`` holds ``samples`` × ``samples`` parts of pixels ``bins`` times the sensor's, ``block`` means over such
    pixels; the first one is (``top``, ``left``), the centre is at ``at``; ``disk`` and ``blur`` are in such pixels,
    ``flux`` in the sensor's.
    """

    fine: Image
    block: Image
    samples: int
    bins: int
    top: int
    left: int
    at: tuple[float, float]
    disk: float
    blur: float
    flux: float
    is_point: bool


def _source(cells: Cells, unit: int, pixel: float, at: tuple[float, float], disk_um: float, blur_um: float) -> _Source:
    """Choose the grid and sample the shape on it."""
    extent, radius_um = cells.extent_um(unit), float(cells.radius_um[unit])
    side = 2 * (extent / pixel + reach_px(disk_um / pixel, blur_um / pixel)) + 2
    samples = _samples(pixel, radius_um)
    if side * samples > LONGEST_SIDE:
        samples = max(3, int(LONGEST_SIDE / side - 1) // 2 * 2 + 1)
    # An image too wide even so is made of larger pixels and interpolated.
    bins = max(1, math.ceil(side * samples / LONGEST_SIDE))
    large = bins * pixel
    y, x = (at[0] + 0.5) / bins - 0.5, (at[1] + 0.5) / bins - 0.5
    is_point = extent == 0 or radius_um < 2 * large / samples
    reach = 0.0 if is_point else extent / large
    top, bottom = math.floor(y + 0.5 - reach), math.floor(y + 0.5 + reach) + 1
    left, right = math.floor(x + 0.5 - reach), math.floor(x + 0.5 + reach) + 1
    if is_point:
        fine = block = np.ones((1, 1), np.float32)
        samples = 1
        flux = 1.0 if extent == 0 else _area_px(cells, unit, pixel)
    else:
        rows, columns = _parts_um(top, bottom, samples, y, large), _parts_um(left, right, samples, x, large)
        fine, block = cells.shape(unit).pixels(rows, columns, samples)
        flux = float(block.sum(dtype=np.float64)) * bins**2
    return _Source(fine, block, samples, bins, top, left, (y, x), disk_um / large, blur_um / large, flux, is_point)


def _image(source: _Source, canvas: Canvas) -> Patch:
    """All of the image that holds light, in sensor coordinates."""
    from pytest_calsim.compiled.imaging import lit_box

    (y, x), top, left = source.at, source.top, source.left
    flux = source.flux / source.bins**2
    if source.is_point:
        image, pad = image_of_point(y + 0.5 - top, x + 0.5 - left, source.disk, source.blur, flux)
    else:
        image, pad = image_of_shape(source.fine, source.samples, source.disk, source.blur, flux)
    if source.bins == 1:
        top, left = top - pad, left - pad
    else:
        image = _spread(image, source.bins, top - pad, left - pad, canvas)
        top = left = -canvas.margin_px
    first, stop, begin, end = lit_box(image)
    return Patch(image[first:stop, begin:end], top + first, left + begin)


def _planted(cells: Cells, unit: int, canvas: Canvas, at: tuple[float, float]) -> Patch:
    """The cell in focus, sampled anew where its image is made of larger pixels."""
    pixel, extent = canvas.pixel_size_um, cells.extent_um(unit)
    if extent == 0:
        return Patch(np.ones((1, 1), np.float32), math.floor(at[0] + 0.5), math.floor(at[1] + 0.5))
    ends = [(math.floor(v + 0.5 - extent / pixel), math.floor(v + 0.5 + extent / pixel) + 1) for v in at]
    (top, bottom), (left, right) = ((max(a, 0), min(b, n)) for (a, b), n in zip(ends, canvas.sensor_shape, strict=True))
    if bottom <= top or right <= left:
        return _NOTHING
    samples = _samples(pixel, float(cells.radius_um[unit]))
    rows, columns = _parts_um(top, bottom, samples, at[0], pixel), _parts_um(left, right, samples, at[1], pixel)
    return Patch(cells.shape(unit).pixels(rows, columns, samples)[1], top, left)


def _samples(pixel_um: float, radius_um: float) -> int:
    """Parts of a pixel along its side: no larger than 0.6 µm, or a sixth of the soma's radius."""
    return odd_at_least(pixel_um / min(0.6, radius_um / 6))


def _parts_um(first: int, stop: int, samples: int, centre: float, pixel_um: float) -> Floats:
    """Centres of the equal parts of pixels ``first`` to ``stop`` of some size, from a cell's centre."""
    return (np.arange((stop - first) * samples, dtype=np.float64) + ((first - 0.5 - centre) * samples + 0.5)) * (
        pixel_um / samples
    )


def _area_px(cells: Cells, unit: int, pixel_um: float) -> float:
    """A shape's area in pixels, from 128 × 128 samples over its extent."""
    extent = cells.extent_um(unit)
    at = ((np.arange(128) + 0.5) / 64 - 1) * extent
    return float(cells.coverage(unit, at, at).mean(dtype=np.float64)) * (2 * extent / pixel_um) ** 2


def _spread(image: Image, bins: int, top: int, left: int, canvas: Canvas) -> Image:
    """Interpolate an image of pixels ``bins`` times as large to all of the canvas' pixels, linearly."""

    def along_rows(values: Image, pixels: int, first: int) -> Image:
        at = (np.arange(pixels) - canvas.margin_px + 0.5) / bins - 0.5 - first
        padded = np.pad(values, ((1, 1), (0, 0)))
        at = np.clip(at + 1, 0, len(padded) - 1.001)
        below = at.astype(np.int64)
        part = (at - below).astype(np.float32)[:, None]
        return np.asarray(padded[below] + part * (padded[below + 1] - padded[below]), np.float32)

    height, width = canvas.shape
    return np.ascontiguousarray(along_rows(along_rows(image, height, top).T, width, left).T)


def _cut(patch: Patch, shape: tuple[int, int]) -> Patch:
    """The part of a patch that lies within a picture of some shape."""
    (height, width), top, left = patch.values.shape, patch.row, patch.column
    if top >= 0 and left >= 0 and top + height <= shape[0] and left + width <= shape[1]:
        return patch
    part = patch.values[max(-top, 0) : max(shape[0] - top, 0), max(-left, 0) : max(shape[1] - left, 0)]
    return Patch(part, max(top, 0), max(left, 0)) if part.size else _NOTHING
