"""Images of cells: planted in focus on the sensor, and as the microscope shows them on the canvas."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pytest_calsim.arrays.parallel import in_parallel
from pytest_calsim.arrays.patches import Patch, Patches
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels.cell_images import ImagedCells, SamplingGrids, WaveTables, image_cells
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Bools, Floats, Image, Ints
from pytest_calsim.microscope.canvas import Canvas
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

__all__ = ["CellPatches", "plant_and_image"]

_BLOCK = 64
"""Cells that a thread images at a time."""
_NOTHING = Patch(np.zeros((0, 0), np.float32), 0, 0)
_EVERYWHERE = Rect(-(2**40), -(2**40), 2**41, 2**41)


class CellPatches(NamedTuple):
    """Images of ``n`` cells of brightness 1 without losses.

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


def plant_and_image(
    cells: Cells, canvas: Canvas, at: tuple[Floats, Floats], disk_um: Floats, blur_um: Floats, imaged: Bools
) -> CellPatches:
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
    grids, bins = _sampling_grids(cells, canvas.pixel_size_um, at, disk_um, blur_um, imaged)
    margin = canvas.margin_px
    sensor = Rect(0, 0, *canvas.sensor_shape)
    whole = Rect(-margin, -margin, *canvas.shape)
    units = np.flatnonzero(bins == 1)
    found = _imaged(cells, units, grids, whole, sensor)
    if len(units) < len(cells):
        units = np.flatnonzero(bins > 1)
        found = _merged(found, _enlarged(cells, units, bins, at, canvas, grids), units)
    return found._replace(images=found.images.moved(margin, margin))


def _sampling_grids(
    cells: Cells, pixel: float, at: tuple[Floats, Floats], disk_um: Floats, blur_um: Floats, imaged: Bools
) -> tuple[SamplingGrids, Ints]:
    """Choose each cell's grid; also by how much its pixels are larger than the sensor's."""
    extent, radius_um = cells.shapes.extent_um, cells.radius_um
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
    flux = np.zeros(len(cells))
    for unit in np.flatnonzero(is_point).tolist():
        flux[unit] = (1.0 if extent[unit] == 0 else _area_px(cells, unit, pixel)) / bins[unit] ** 2
    grids = SamplingGrids(
        box=np.stack([top, left, height, width], axis=1),
        samples=samples,
        part_um=large / samples,
        centre=np.stack([y, x], axis=1),
        is_point=is_point,
        point_flux=flux,
        pad=pad,
        radius=radius,
        sigma=sigma,
        waves=np.where(imaged, waves(longer, samples, sigma, is_point), 0),
    )
    return grids, bins


def _imaged(cells: Cells, units: Ints, grids: SamplingGrids, canvas: Rect, sensor: Rect) -> CellPatches:
    """Image some cells in their own pixels, cut to the canvas."""
    grids, shapes = grids.of(units), cells.shapes.of(units)
    circles, circle_start = turns(np.where(grids.waves > 0, grids.turns, 1))
    tables = WaveTables(circle_start, circles, bessel(), BESSEL_STEP, FAINT)

    def block(first: int) -> ImagedCells:
        own = slice(first, first + _BLOCK)
        return image_cells(grids.of(own), shapes.of(own), tables.of(own), canvas, sensor)

    # At least one, so that nothing comes of no cells.
    blocks = in_parallel(block, range(0, max(len(units), 1), _BLOCK))
    planted, images, box, flux, within = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    planted_box = grids.box.astype(np.int32)
    return CellPatches(
        Patches(read_only(planted), read_only(_starts(grids.box[:, 2:].prod(axis=1))), read_only(planted_box)),
        Patches(read_only(images), read_only(_starts(box[:, 2] * box[:, 3])), read_only(box)),
        flux,
        np.minimum(within / flux, 1),
    )


def _starts(sizes: Ints) -> Ints:
    """Where each of some parts begins in all of them, and where the last one ends."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


# Images too wide for the sensor's pixels.


def _enlarged(
    cells: Cells, units: Ints, bins: Ints, at: tuple[Floats, Floats], canvas: Canvas, grids: SamplingGrids
) -> CellPatches:
    """Image cells whose images are made of larger pixels, interpolated to the canvas."""
    large = _imaged(cells, units, grids, _EVERYWHERE, _EVERYWHERE)
    margin = canvas.margin_px
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
        within[i] = image[canvas.window.slices].sum(dtype=np.float64)
        images.append(_cropped(image, margin))
    return CellPatches(Patches.of(planted), Patches.of(images), flux, np.minimum(within / flux, 1))


def _cropped(image: Image, margin: int) -> Patch:
    """The part of a canvas that holds all that is not 0."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if len(rows) == 0:
        return _NOTHING
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # A copy: a view would keep all of the canvas.
    return Patch(part.copy(), int(rows[0]) - margin, int(columns[0]) - margin)


def _planted(cells: Cells, unit: int, canvas: Canvas, at: tuple[float, float]) -> Patch:
    """The cell in focus, sampled anew where its image is made of larger pixels."""
    pixel, extent = canvas.pixel_size_um, cells.shapes.extent_um[unit]
    if extent == 0:
        return Patch(np.ones((1, 1), np.float32), math.floor(at[0] + 0.5), math.floor(at[1] + 0.5))
    ends = [(math.floor(v + 0.5 - extent / pixel), math.floor(v + 0.5 + extent / pixel) + 1) for v in at]
    (top, bottom), (left, right) = ((max(a, 0), min(b, n)) for (a, b), n in zip(ends, canvas.sensor_shape, strict=True))
    if bottom <= top or right <= left:
        return _NOTHING
    samples = int(_samples(pixel, cells.radius_um[unit]))
    rows, columns = _parts_um(top, bottom, samples, at[0], pixel), _parts_um(left, right, samples, at[1], pixel)
    parts = cells.coverage(unit, rows, columns).reshape(bottom - top, samples, right - left, samples)
    return Patch(parts.mean(axis=(1, 3), dtype=np.float64).astype(np.float32), top, left)


def _samples(pixel_um: float, radius_um: Floats) -> Ints:
    """Parts of a pixel along its side: no larger than 0.6 µm, or a sixth of the soma's radius."""
    return odd_at_least(pixel_um / np.minimum(0.6, radius_um / 6))


def _parts_um(first: int, stop: int, samples: int, centre: float, pixel_um: float) -> Floats:
    """Centres of the equal parts of pixels ``first`` to ``stop`` of some size, from a cell's centre."""
    parts = np.arange((stop - first) * samples, dtype=np.float64)
    return (parts + ((first - 0.5 - centre) * samples + 0.5)) * (pixel_um / samples)


def _area_px(cells: Cells, unit: int, pixel_um: float) -> float:
    """A shape's area in pixels, from 128 × 128 samples over its extent."""
    extent = cells.shapes.extent_um[unit]
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


def _merged(some: CellPatches, others: CellPatches, where: Ints) -> CellPatches:
    """Return images in the order of their units; ``where`` are the units of the others."""
    n = len(some.flux) + len(where)
    units = np.concatenate([np.setdiff1d(np.arange(n), where), where])
    order: list[int] = np.argsort(units).tolist()

    def patches(some: Patches, others: Patches) -> Patches:
        both = [some.patch(i) for i in range(len(some.box))] + [others.patch(i) for i in range(len(where))]
        return Patches.of([both[i] for i in order])

    def column(some: Floats, others: Floats) -> Floats:
        return np.concatenate([some, others])[order]

    return CellPatches(
        patches(some.planted, others.planted),
        patches(some.images, others.images),
        column(some.flux, others.flux),
        column(some.fov_fraction, others.fov_fraction),
    )
