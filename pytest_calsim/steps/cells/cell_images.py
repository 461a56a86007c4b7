"""The cells' pictures: planted in focus on the sensor, and imaged on the canvas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import Patch, Patches
from pytest_calsim.arrays.parallel import in_parallel
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.artifact import Image
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.psf import (
    BESSEL_STEP,
    FAINT,
    LONGEST_SIDE,
    bessel,
    odd_at_least,
    reach_px,
    turns,
    waves,
)

if TYPE_CHECKING:
    from pytest_calsim.compiled.pictures import Frames, Outlines

__all__ = ["Pictures", "picture_cells"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bounds = tuple[int, int, int, int]

_BLOCK = 32
"""Cells that a thread pictures at a time."""
_NOTHING = Patch(np.zeros((0, 0), np.float32), 0, 0)
_EVERYWHERE: Bounds = (-(2**40), 2**40, -(2**40), 2**40)


class Pictures(NamedTuple):
    """Pictures of ``n`` cells of brightness 1 without losses.

    Attributes
    ----------
    planted
        In focus and unblurred, averaged over each pixel; on the sensor and beyond.
    images
        On the canvas, cut there; empty for cells without an image of their own.
    flux
        The shape's area in pixels, all of the light on an infinite plane; float64 ``(n,)``.
    fov_fraction
        Share of that light that falls in the sensor's window at zero shift; float64 ``(n,)``.
    """

    planted: Patches
    images: Patches
    flux: Floats
    fov_fraction: Floats


def picture_cells(
    cells: Cells, canvas: Canvas, at: tuple[Floats, Floats], disk_um: Floats, blur_um: Floats, imaged: NDArray[np.bool_]
) -> Pictures:
    """Plant all cells and image them.

    Parameters
    ----------
    cells, canvas
        What is painted, and where.
    at
        Rows and columns of their centres on the sensor (whole at a pixel's centre), px.
    disk_um, blur_um
        Radius of each disk of confusion, and σ of each Gaussian.
    imaged
        Which cells have an image at all.
    """
    frames, bins = _frames(cells, canvas.pixel_size_um, at, disk_um, blur_um, imaged)
    margin, (height, width) = canvas.margin_px, canvas.sensor_shape
    whole = -margin, height + margin, -margin, width + margin
    units = np.flatnonzero(bins == 1)
    found = _pictured(cells, units, frames, whole, (0, height, 0, width))
    if len(units) < len(cells):
        units = np.flatnonzero(bins > 1)
        found = _merged(found, _enlarged(cells, units, bins, at, canvas, frames), units)
    return found._replace(images=found.images.moved(margin, margin))


def _frames(
    cells: Cells, pixel: float, at: tuple[Floats, Floats], disk_um: Floats, blur_um: Floats, imaged: NDArray[np.bool_]
) -> tuple[Frames, Ints]:
    """Choose each cell's grid; also by how much its pixels are larger than the sensor's."""
    from pytest_calsim.compiled.pictures import Frames

    extent, radius_um = np.array([cells.extent_um(unit) for unit in range(len(cells))]), cells.radius_um
    side = 2 * (extent / pixel + reach_px(disk_um / pixel, blur_um / pixel)) + 2
    samples = _samples(pixel, radius_um)
    fewer = np.maximum(3, (LONGEST_SIDE / side - 1).astype(np.int64) // 2 * 2 + 1)
    samples = np.where(side * samples > LONGEST_SIDE, fewer, samples)
    # An image too wide even so is made of larger pixels and interpolated.
    bins = np.maximum(1, np.ceil(side * samples / LONGEST_SIDE).astype(np.int64))
    large = bins * pixel
    is_point = (extent == 0) | (radius_um < 2 * large / samples)
    samples = np.where(is_point, 1, samples)
    y, x = ((v + 0.5) / bins - 0.5 for v in at)
    reach = np.where(is_point, 0, extent / large)
    top, left = (np.floor(v + 0.5 - reach).astype(np.int64) for v in (y, x))
    height, width = (np.floor(v + 0.5 + reach).astype(np.int64) + 1 - first for v, first in ((y, top), (x, left)))
    radius, sigma = disk_um / large, blur_um / large
    pad = reach_px(radius, sigma)
    longer = np.maximum(height, width) + 2 * pad
    middle = pad - 0.5 + 0.5 / samples
    flux = np.zeros(len(cells))
    for unit in np.flatnonzero(is_point).tolist():
        flux[unit] = (1.0 if extent[unit] == 0 else _area_px(cells, unit, pixel)) / bins[unit] ** 2
    frames = Frames(
        top=top,
        left=left,
        height=height,
        width=width,
        samples=samples,
        part_um=large / samples,
        y=y,
        x=x,
        is_point=is_point,
        imaged=imaged,
        pad=pad,
        first_y=np.where(is_point, y - top + pad, middle),
        first_x=np.where(is_point, x - left + pad, middle),
        radius=radius,
        sigma=sigma,
        waves=waves(longer, samples, sigma, is_point),
        flux=flux,
    )
    return frames, bins


def _pictured(cells: Cells, units: Ints, frames: Frames, canvas: Bounds, sensor: Bounds) -> Pictures:
    """Pictures of some cells in their own pixels, cut to a window (first row, one past the last, first column, ...)."""
    from pytest_calsim.compiled import pictures as compiled
    from pytest_calsim.compiled.imaging import Workspace

    frames = frames.of(units)
    outlines, n = _outlines(cells, units), len(units)
    sides = np.stack([frames.height, frames.width]) + 2 * frames.pad
    longer = sides.max(axis=0)
    circles, circle = turns(np.where(frames.imaged, longer * frames.samples, 1))
    parts = np.maximum(frames.height, frames.width) * frames.samples
    planted_size, image_size = frames.height * frames.width, np.where(frames.imaged, sides[0] * sides[1], 0)
    planted = np.empty(planted_size.sum(), np.float32)
    planted_start = _starts(planted_size)
    tables = circles, circle, bessel(), BESSEL_STEP, FAINT
    box, flux, within = np.zeros((n, 4), np.int32), np.empty(n), np.empty(n)

    def block(first: int) -> Image:
        own = slice(first, min(first + _BLOCK, n))
        most, pixels = int(parts[own].max()), int(longer[own].max(where=frames.imaged[own], initial=1))
        most_waves = int(frames.waves[own].max(where=frames.imaged[own], initial=1))
        scratch = compiled.Scratch(
            at_y=np.empty(most),
            at_x=np.empty(most),
            fine=np.empty(most**2, np.float32),
            image=np.empty(pixels**2, np.float32),
            work=Workspace.of(most, pixels, most_waves),
        )
        images = np.empty(image_size[own].sum(), np.float32)
        into = planted[planted_start[first] :]
        written = compiled.picture_cells(
            own.start, own.stop, frames, outlines, *tables, canvas, sensor, scratch, into, images, box, flux, within
        )
        return images[:written].copy()

    images = in_parallel(block, range(0, n, _BLOCK))
    corners = np.stack([frames.top, frames.left, frames.height, frames.width], axis=1).astype(np.int32)
    lit = np.concatenate([np.zeros(0, np.float32), *images])
    return Pictures(
        Patches(read_only(planted), read_only(planted_start), read_only(corners)),
        Patches(read_only(lit), read_only(_starts(box[:, 2] * box[:, 3])), read_only(box)),
        flux,
        np.minimum(within / flux, 1),
    )


def _outlines(cells: Cells, units: Ints) -> Outlines:
    """The shapes of some cells."""
    from pytest_calsim.compiled.pictures import Outlines

    shapes = [cells.shape(unit) for unit in units.tolist()]
    return Outlines(
        np.array([shape.mean_um for shape in shapes]),
        np.array([shape.half_thickness_um for shape in shapes]),
        np.array([shape.harmonics_um for shape in shapes]).reshape(-1, 4, 2),
        np.concatenate([np.zeros((0, 6)), *(shape.segments_um for shape in shapes)]),
        _starts([len(shape.segments_um) for shape in shapes]),
    )


def _starts(sizes: Ints | list[int]) -> Ints:
    """Where each of some parts begins in all of them, and where the last one ends."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


# Images too wide for the sensor's pixels.


def _enlarged(
    cells: Cells, units: Ints, bins: Ints, at: tuple[Floats, Floats], canvas: Canvas, frames: Frames
) -> Pictures:
    """Pictures of cells whose images are made of larger pixels, interpolated to the canvas."""
    from pytest_calsim.compiled.imaging import lit_box

    large, margin = _pictured(cells, units, frames, _EVERYWHERE, _EVERYWHERE), canvas.margin_px
    height, width = canvas.sensor_shape
    flux = large.flux * bins[units] ** 2
    planted: list[Patch] = []
    images: list[Patch] = []
    within = np.zeros(len(units))
    for i, unit in enumerate(units.tolist()):
        planted.append(_planted(cells, unit, canvas, (float(at[0][unit]), float(at[1][unit]))))
        if large.images.box[i, 2] == 0:
            images.append(_NOTHING)
            continue
        image = _spread(large.images.patch(i), int(bins[unit]), canvas)
        within[i] = image[margin : margin + height, margin : margin + width].sum(dtype=np.float64)
        first, stop, begin, end = lit_box(image)
        # A copy: a view would keep all of the canvas.
        images.append(Patch(image[first:stop, begin:end].copy(), first - margin, begin - margin))
    return Pictures(Patches.of(planted), Patches.of(images), flux, np.minimum(within / flux, 1))


def _planted(cells: Cells, unit: int, canvas: Canvas, at: tuple[float, float]) -> Patch:
    """The cell in focus, sampled anew where its image is made of larger pixels."""
    pixel, extent = canvas.pixel_size_um, cells.extent_um(unit)
    if extent == 0:
        return Patch(np.ones((1, 1), np.float32), math.floor(at[0] + 0.5), math.floor(at[1] + 0.5))
    ends = [(math.floor(v + 0.5 - extent / pixel), math.floor(v + 0.5 + extent / pixel) + 1) for v in at]
    (top, bottom), (left, right) = ((max(a, 0), min(b, n)) for (a, b), n in zip(ends, canvas.sensor_shape, strict=True))
    if bottom <= top or right <= left:
        return _NOTHING
    samples = int(_samples(pixel, cells.radius_um[unit]))
    rows, columns = _parts_um(top, bottom, samples, at[0], pixel), _parts_um(left, right, samples, at[1], pixel)
    return Patch(cells.shape(unit).pixels(rows, columns, samples), top, left)


def _samples(pixel_um: float, radius_um: Floats) -> Ints:
    """Parts of a pixel along its side: no larger than 0.6 µm, or a sixth of the soma's radius."""
    return odd_at_least(pixel_um / np.minimum(0.6, radius_um / 6))


def _parts_um(first: int, stop: int, samples: int, centre: float, pixel_um: float) -> Floats:
    """Centres of the equal parts of pixels ``first`` to ``stop`` of some size, from a cell's centre."""
    from pytest_calsim.compiled.pictures import place_parts

    at_um = np.empty((stop - first) * samples)
    place_parts(first, centre, samples, pixel_um / samples, at_um)
    return at_um


def _area_px(cells: Cells, unit: int, pixel_um: float) -> float:
    """A shape's area in pixels, from 128 × 128 samples over its extent."""
    extent = cells.extent_um(unit)
    at = ((np.arange(128) + 0.5) / 64 - 1) * extent
    return float(cells.coverage(unit, at, at).mean(dtype=np.float64)) * (2 * extent / pixel_um) ** 2


def _spread(image: Patch, bins: int, canvas: Canvas) -> Image:
    """Interpolate an image of pixels ``bins`` times as large to all of the canvas' pixels, linearly."""

    def along_rows(values: Image, pixels: int, first: int) -> Image:
        at = (np.arange(pixels) - canvas.margin_px + 0.5) / bins - 0.5 - first
        padded = np.pad(values, ((1, 1), (0, 0)))
        at = np.clip(at + 1, 0, len(padded) - 1)
        below = np.minimum(at.astype(np.int64), len(padded) - 2)
        part = (at - below).astype(np.float32)[:, None]
        return np.asarray(padded[below] + part * (padded[below + 1] - padded[below]), np.float32)

    height, width = canvas.shape
    return np.ascontiguousarray(along_rows(along_rows(image.values, height, image.row).T, width, image.column).T)


def _merged(some: Pictures, others: Pictures, where: Ints) -> Pictures:
    """Pictures in the order of their units; ``where`` are the units of the others."""
    n = len(some.flux) + len(where)
    units = np.concatenate([np.setdiff1d(np.arange(n), where), where])
    order: list[int] = np.argsort(units).tolist()

    def patches(some: Patches, others: Patches) -> Patches:
        both = [some.patch(i) for i in range(len(some.box))] + [others.patch(i) for i in range(len(where))]
        return Patches.of([both[i] for i in order])

    def column(some: Floats, others: Floats) -> Floats:
        return np.concatenate([some, others])[order]

    return Pictures(
        patches(some.planted, others.planted),
        patches(some.images, others.images),
        column(some.flux, others.flux),
        column(some.fov_fraction, others.fov_fraction),
    )
