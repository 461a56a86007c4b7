"""One cell's pictures: planted in focus on the sensor, and imaged on the canvas."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.canvas import Canvas
from pytest_calsim.steps.base import Image
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.psf import LONGEST_SIDE, image_of_point, image_of_shape, odd_at_least, reach_px

__all__ = ["Picture", "Pixels", "on_sensor", "picture"]

Floats = NDArray[np.float64]
Pixels = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Flat pixel indices and values on the sensor."""

_NOTHING = np.zeros((0, 0), np.float32)


class Picture(NamedTuple):
    """One cell of brightness 1 without losses.

    Attributes
    ----------
    planted
        In focus and unblurred, averaged over each pixel of the sensor.
    values
        The image, cut at the canvas; float32 ``(height, width)``.
    row, column
        Canvas pixel of its upper left corner.
    flux
        The shape's area in pixels, all of the light on an infinite plane.
    fov_fraction
        Share of that light that falls in the sensor's window at zero shift.
    """

    planted: Pixels
    values: Image
    row: int
    column: int
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
    if source.bins == 1:
        block = _averaged(source.fine, source.samples)
        planted = on_sensor(block, source.top, source.left, canvas)
    else:
        planted = _planted(cells, unit, canvas, at)
    if not imaged:
        return Picture(planted, _NOTHING, 0, 0, source.flux, 0.0)
    image, top, left = _image(source, canvas)
    inside = _overlap(image, top, left, canvas.sensor_shape)
    # Flux is conserved, so an image that lies wholly in the window needs no sum.
    whole = inside.shape == image.shape
    fraction = 1.0 if whole else min(float(inside.sum(dtype=np.float64)) / source.flux, 1.0)
    margin = canvas.margin_px
    values, row, column = _cut(image, top + margin, left + margin, canvas.shape)
    return Picture(planted, values, row, column, source.flux, fraction)


class _Source(NamedTuple):
    """A shape (or point) on a grid of square parts, ready to be imaged.

    ``fine`` holds ``samples`` × ``samples`` parts of pixels ``bins`` times the sensor's; its first such pixel is
    (``top``, ``left``), the centre is at ``at``; ``disk`` and ``blur`` are in such pixels, ``flux`` in the sensor's.
    """

    fine: Image
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
        fine, samples = np.ones((1, 1), np.float32), 1
        flux = 1.0 if extent == 0 else _area_px(cells, unit, pixel)
    else:
        fine = cells.coverage(
            unit, (_parts(top, bottom, samples) - y) * large, (_parts(left, right, samples) - x) * large
        )
        flux = float(fine.sum(dtype=np.float64)) * (bins / samples) ** 2
    return _Source(fine, samples, bins, top, left, (y, x), disk_um / large, blur_um / large, flux, is_point)


def _image(source: _Source, canvas: Canvas) -> tuple[Image, int, int]:
    """The image, and the sensor coordinates of its upper left pixel."""
    (y, x), top, left = source.at, source.top, source.left
    flux = source.flux / source.bins**2
    if source.is_point:
        image, pad = image_of_point(y + 0.5 - top, x + 0.5 - left, source.disk, source.blur, flux)
    else:
        image, pad = image_of_shape(source.fine, source.samples, source.disk, source.blur, flux)
    if source.bins == 1:
        return image, top - pad, left - pad
    return _spread(image, source.bins, top - pad, left - pad, canvas), -canvas.margin_px, -canvas.margin_px


def _planted(cells: Cells, unit: int, canvas: Canvas, at: tuple[float, float]) -> Pixels:
    """The cell in focus, sampled anew where its image is made of larger pixels."""
    pixel, extent = canvas.pixel_size_um, cells.extent_um(unit)
    if extent == 0:
        return on_sensor(np.ones((1, 1), np.float32), math.floor(at[0] + 0.5), math.floor(at[1] + 0.5), canvas)
    ends = [(math.floor(v + 0.5 - extent / pixel), math.floor(v + 0.5 + extent / pixel) + 1) for v in at]
    (top, bottom), (left, right) = ((max(a, 0), min(b, n)) for (a, b), n in zip(ends, canvas.sensor_shape, strict=True))
    if bottom <= top or right <= left:
        return on_sensor(_NOTHING, 0, 0, canvas)
    samples = _samples(pixel, float(cells.radius_um[unit]))
    fine = cells.coverage(
        unit, (_parts(top, bottom, samples) - at[0]) * pixel, (_parts(left, right, samples) - at[1]) * pixel
    )
    return on_sensor(_averaged(fine, samples), top, left, canvas)


def _samples(pixel_um: float, radius_um: float) -> int:
    """Parts of a pixel along its side: no larger than 0.6 µm, or a sixth of the soma's radius."""
    return odd_at_least(pixel_um / min(0.6, radius_um / 6))


def _parts(first: int, stop: int, samples: int) -> Floats:
    """Centres of the equal parts of pixels ``first`` to ``stop``, px."""
    return first - 0.5 + (np.arange((stop - first) * samples) + 0.5) / samples


def _averaged(fine: Image, samples: int) -> Image:
    """Means over blocks of ``samples`` × ``samples``."""
    from pytest_calsim.compiled.imaging import block_mean

    return block_mean(fine, samples)


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
    return along_rows(along_rows(image, height, top).T, width, left).T


def _overlap(image: Image, top: int, left: int, shape: tuple[int, int]) -> Image:
    """The part of an image that lies within a picture of some shape."""
    rows = slice(max(-top, 0), max(shape[0] - top, 0))
    columns = slice(max(-left, 0), max(shape[1] - left, 0))
    return image[rows, columns]


def _cut(image: Image, top: int, left: int, shape: tuple[int, int]) -> tuple[Image, int, int]:
    """The part of an image that holds light and lies within a picture, and where it begins there."""
    from pytest_calsim.compiled.imaging import lit_box

    part = _overlap(image, top, left, shape)
    y0, y1, x0, x1 = lit_box(part)
    if y1 == y0:
        return _NOTHING, 0, 0
    return part[y0:y1, x0:x1], max(top, 0) + y0, max(left, 0) + x0


def on_sensor(image: Image, top: int, left: int, canvas: Canvas) -> Pixels:
    """The pixels that an image lights on the sensor, its upper left pixel having these sensor coordinates."""
    part, top, left = _cut(image, top, left, canvas.sensor_shape)
    rows, columns = np.nonzero(part)
    return (rows + top) * canvas.sensor_width_px + columns + left, part[rows, columns]
