"""Image cells: planted in focus on the sensor, and blurred on the canvas."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pytest_calsim.arrays.parallel import in_parallel
from pytest_calsim.arrays.patches import Patch, Patches
from pytest_calsim.kernels.cell_images import ImagedCells, SamplingGrids, WaveTables, image_cells
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Bools, Floats, Image, Ints
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.wave_tables import (
    BESSEL_STEP,
    FAINT,
    LONGEST_SIDE,
    bessel_table,
    count_waves,
    reach_px,
    roots_of_unity,
)

__all__ = ["CellPatches", "odd_at_least", "plant_and_image"]

# Cells that a thread images at a time.
_BLOCK = 64
_EMPTY = Patch(np.zeros((0, 0), np.float32), 0, 0)
_EVERYWHERE = Rect(-(2**40), -(2**40), 2**41, 2**41)
# A sample is no larger than this, nor than this share of the soma's radius. Pixels of 1.66 um then have 5 x 5 samples,
# which give each pixel's mean to 0.015 (3 x 3: 0.03).
_SAMPLE_UM = 0.35
_SAMPLES_PER_RADIUS = 6


class CellPatches(NamedTuple):
    """Images of ``n`` cells of brightness 1, without losses.

    Attributes
    ----------
    planted
        Shapes in focus and unblurred, averaged over each pixel; on the sensor and beyond it.
    images
        Blurred images on the canvas, cut at its border; empty for cells without an image.
    flux
        The shape's area in pixels: all of its light on an infinite plane; float64 ``(n,)``.
    fov_fraction
        Share of that light that falls on the sensor at zero shift; float64 ``(n,)``.
    """

    planted: Patches
    images: Patches
    flux: Floats
    fov_fraction: Floats


def plant_and_image(
    cells: Cells,
    canvas: Canvas,
    center_px: tuple[Floats, Floats],
    disk_radius_um: Floats,
    sigma_um: Floats,
    has_image: Bools,
) -> CellPatches:
    """Sample the shapes of all cells in focus, and image them blurred.

    Parameters
    ----------
    cells
        The cells; ``n`` of them.
    canvas
        The grid on which images are cut.
    center_px
        Row and column of each cell's centre on the sensor, px; whole numbers are pixels' centres. float64 ``(n,)``.
    disk_radius_um, sigma_um
        Radius of each cell's disk of confusion, and σ of its Gaussian; float64 ``(n,)``.
    has_image
        Which cells have an image; bool ``(n,)``.
    """
    grids, bins = _sampling_grids(
        cells=cells,
        pixel_um=canvas.pixel_size_um,
        center_px=center_px,
        disk_radius_um=disk_radius_um,
        sigma_um=sigma_um,
        has_image=has_image,
    )
    margin = canvas.margin_px
    sensor = Rect(0, 0, *canvas.sensor_shape)
    whole = Rect(-margin, -margin, *canvas.shape)
    units = np.flatnonzero(bins == 1)
    found = _imaged(cells=cells, units=units, grids=grids, canvas=whole, sensor=sensor)
    if len(units) < len(cells):
        units = np.flatnonzero(bins > 1)
        found = _merged(
            found, _binned(cells=cells, units=units, bins=bins, center_px=center_px, canvas=canvas, grids=grids), units
        )
    return found._replace(images=found.images.moved(margin, margin))


def _sampling_grids(
    cells: Cells,
    pixel_um: float,
    center_px: tuple[Floats, Floats],
    disk_radius_um: Floats,
    sigma_um: Floats,
    has_image: Bools,
) -> tuple[SamplingGrids, Ints]:
    """Choose each cell's grid, and how many of the sensor's pixels a side of its pixels spans (1 for most)."""
    extent_um = cells.shapes.extent_um
    radius_um = cells.radius_um
    reach = reach_px(disk_radius_um / pixel_um, sigma_um / pixel_um)
    side = 2 * (extent_um / pixel_um + reach) + 2
    samples, bins = _samples_and_bins(side, _samples(pixel_um, radius_um))
    large_um = bins * pixel_um
    # A shape of less than two samples is imaged as a point of its flux.
    is_point = (extent_um == 0) | (radius_um < 2 * large_um / samples)
    samples = np.where(is_point, 1, samples)
    rows, columns = center_px
    y = (rows + 0.5) / bins - 0.5
    x = (columns + 0.5) / bins - 0.5
    half = np.where(is_point, 0, extent_um / large_um)
    top, height = _pixels_within(y, half)
    left, width = _pixels_within(x, half)
    disk_px = disk_radius_um / large_um
    sigma_px = sigma_um / large_um
    pad = reach_px(disk_px, sigma_px)
    # Images are periodic in the Fourier sum: the pad keeps one side's light from coming back at the other.
    longer = np.maximum(height, width) + 2 * pad
    flux = np.zeros(len(cells))
    for unit in np.flatnonzero(is_point).tolist():
        area_px = 1.0 if extent_um[unit] == 0 else _area_px(cells, unit, pixel_um)
        flux[unit] = area_px / bins[unit] ** 2
    grids = SamplingGrids(
        box=np.stack([top, left, height, width], axis=1),
        samples=samples,
        part_um=large_um / samples,
        centre=np.stack([y, x], axis=1),
        is_point=is_point,
        point_flux=flux,
        pad=pad,
        radius=disk_px,
        sigma=sigma_px,
        waves=np.where(has_image, count_waves(longer, samples, sigma_px, is_point), 0),
    )
    return grids, bins


def _samples_and_bins(side_px: Floats, samples: Ints) -> tuple[Ints, Ints]:
    """Keep images within their longest side, counted in samples.

    An image that is too wide gets fewer samples a pixel. One that is too wide even so is made of larger pixels.

    Parameters
    ----------
    side_px
        Side of each image, in pixels of the sensor; float64 ``(n,)``.
    samples
        Samples along a pixel's side that would resolve each soma; int64 ``(n,)``.

    Returns
    -------
    Samples along the side of an image's pixel, and how many of the sensor's pixels that side spans; int64 ``(n,)``.
    """
    fewer = np.maximum(3, (LONGEST_SIDE / side_px - 1).astype(np.int64) // 2 * 2 + 1)
    samples = np.where(side_px * samples > LONGEST_SIDE, fewer, samples)
    return samples, np.maximum(1, np.ceil(side_px * samples / LONGEST_SIDE).astype(np.int64))


def _pixels_within(center_px: Floats, half_px: Floats) -> tuple[Ints, Ints]:
    """Return the first pixel that a stretch about a centre touches, and how many it touches; each ``(n,)``."""
    first = np.floor(center_px + 0.5 - half_px).astype(np.int64)
    stop = np.floor(center_px + 0.5 + half_px).astype(np.int64) + 1
    return first, stop - first


def _imaged(cells: Cells, units: Ints, grids: SamplingGrids, canvas: Rect, sensor: Rect) -> CellPatches:
    """Image some cells, each on its grid, and cut the images to the canvas."""
    grids = grids.of(units)
    shapes = cells.shapes.of(units)
    roots, root_start = roots_of_unity(np.where(grids.waves > 0, grids.turns, 1))
    tables = WaveTables(
        circle_start=root_start, circles=roots, bessel=bessel_table(), bessel_step=BESSEL_STEP, faint=FAINT
    )

    def block(first: int) -> ImagedCells:
        own = slice(first, first + _BLOCK)
        return image_cells(
            grids=grids.of(own), shapes=shapes.of(own), tables=tables.of(own), canvas=canvas, sensor=sensor
        )

    # At least one block, even of no cells, as there must be something to concatenate.
    blocks = in_parallel(block, range(0, max(len(units), 1), _BLOCK))
    planted, images, box, flux, within = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return CellPatches(
        planted=Patches.laid_out(planted, grids.box),
        images=Patches.laid_out(images, box),
        flux=flux,
        fov_fraction=np.minimum(within / flux, 1),
    )


# --- images too wide for the sensor's pixels -------------------------------------------------------------------------


def _binned(
    cells: Cells,
    units: Ints,
    bins: Ints,
    center_px: tuple[Floats, Floats],
    canvas: Canvas,
    grids: SamplingGrids,
) -> CellPatches:
    """Image cells on pixels larger than the sensor's, and interpolate the images to the canvas."""
    # Whole images: they are cut only after interpolation, which needs the large pixels around the canvas.
    large = _imaged(cells=cells, units=units, grids=grids, canvas=_EVERYWHERE, sensor=_EVERYWHERE)
    rows, columns = center_px
    flux = large.flux * bins[units] ** 2
    planted: list[Patch] = []
    images: list[Patch] = []
    within = np.zeros(len(units))
    for i, unit in enumerate(units.tolist()):
        planted.append(_planted(cells, unit, canvas, row_px=float(rows[unit]), column_px=float(columns[unit])))
        if large.images.box[i, 2] == 0:
            images.append(_EMPTY)
            continue
        image = _interpolated(large.images.patch(i), int(bins[unit]), canvas)
        within[i] = image[canvas.window.slices].sum(dtype=np.float64)
        images.append(_cropped(image, canvas.margin_px))
    return CellPatches(Patches.of(planted), Patches.of(images), flux, np.minimum(within / flux, 1))


def _cropped(image: Image, margin_px: int) -> Patch:
    """Cut the part of a canvas that holds all that is not 0."""
    rows = np.flatnonzero(image.any(axis=1))
    columns = np.flatnonzero(image.any(axis=0))
    if len(rows) == 0:
        return _EMPTY
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # A copy: a view would keep all of the canvas in memory.
    return Patch(part.copy(), int(rows[0]) - margin_px, int(columns[0]) - margin_px)


def _planted(cells: Cells, unit: int, canvas: Canvas, row_px: float, column_px: float) -> Patch:
    """Sample a cell in focus on the sensor's pixels, cut to the sensor."""
    pixel_um = canvas.pixel_size_um
    extent_um = cells.shapes.extent_um[unit]
    if extent_um == 0:
        return Patch(np.ones((1, 1), np.float32), math.floor(row_px + 0.5), math.floor(column_px + 0.5))
    half_px = extent_um / pixel_um
    height, width = canvas.sensor_shape
    top = max(math.floor(row_px + 0.5 - half_px), 0)
    bottom = min(math.floor(row_px + 0.5 + half_px) + 1, height)
    left = max(math.floor(column_px + 0.5 - half_px), 0)
    right = min(math.floor(column_px + 0.5 + half_px) + 1, width)
    if bottom <= top or right <= left:
        return _EMPTY
    samples = int(_samples(pixel_um, cells.radius_um[unit]))
    y_um = _samples_um(first=top, stop=bottom, samples=samples, center_px=row_px, pixel_um=pixel_um)
    x_um = _samples_um(first=left, stop=right, samples=samples, center_px=column_px, pixel_um=pixel_um)
    covered = cells.coverage(unit, y_um, x_um).reshape(bottom - top, samples, right - left, samples)
    return Patch(covered.mean(axis=(1, 3), dtype=np.float64).astype(np.float32), top, left)


def odd_at_least(value: Floats) -> Ints:
    """Return the smallest odd whole numbers ≥ 3 that are not below some values.

    An odd number of samples puts one of them at each pixel's centre.
    """
    return np.maximum(3, 2 * np.ceil((value - 1) / 2).astype(np.int64) + 1)


def _samples(pixel_um: float, radius_um: Floats) -> Ints:
    """Choose how many samples along a pixel's side resolve a soma."""
    return odd_at_least(pixel_um / np.minimum(_SAMPLE_UM, radius_um / _SAMPLES_PER_RADIUS))


def _samples_um(first: int, stop: int, samples: int, center_px: float, pixel_um: float) -> Floats:
    """Return where the samples of pixels ``first`` to ``stop`` lie, from a cell's centre, µm."""
    parts = np.arange((stop - first) * samples, dtype=np.float64)
    return (parts + ((first - 0.5 - center_px) * samples + 0.5)) * (pixel_um / samples)


def _area_px(cells: Cells, unit: int, pixel_um: float) -> float:
    """Measure a shape's area in pixels, by 128 × 128 samples over its extent."""
    extent_um = cells.shapes.extent_um[unit]
    at_um = ((np.arange(128) + 0.5) / 64 - 1) * extent_um
    covered = float(cells.coverage(unit, at_um, at_um).mean(dtype=np.float64))
    return covered * (2 * extent_um / pixel_um) ** 2


def _interpolated(image: Patch, bins: int, canvas: Canvas) -> Image:
    """Interpolate an image of pixels ``bins`` times as large to all of the canvas' pixels, linearly."""

    def along_rows(values: Image, pixels: int, first: int) -> Image:
        at = (np.arange(pixels) - canvas.margin_px + 0.5) / bins - 0.5 - first
        padded = np.pad(values, ((1, 1), (0, 0)))
        at = np.clip(at + 1, 0, len(padded) - 1)
        below = np.minimum(at.astype(np.int64), len(padded) - 2)
        part = (at - below).astype(np.float32)[:, None]
        return np.asarray(padded[below] + part * (padded[below + 1] - padded[below]), np.float32)

    height, width = canvas.shape
    by_rows = along_rows(image.values, height, image.row)
    return np.ascontiguousarray(along_rows(by_rows.T, width, image.column).T)


def _merged(some: CellPatches, others: CellPatches, units_of_others: Ints) -> CellPatches:
    """Put the images of two disjoint sets of cells into the order of their units."""
    n = len(some.flux) + len(units_of_others)
    units = np.concatenate([np.setdiff1d(np.arange(n), units_of_others), units_of_others])
    order: list[int] = np.argsort(units).tolist()

    def patches(first: Patches, second: Patches) -> Patches:
        both = [parts.patch(i) for parts in (first, second) for i in range(len(parts.box))]
        return Patches.of([both[i] for i in order])

    def column(first: Floats, second: Floats) -> Floats:
        return np.concatenate([first, second])[order]

    return CellPatches(
        patches(some.planted, others.planted),
        patches(some.images, others.images),
        column(some.flux, others.flux),
        column(some.fov_fraction, others.fov_fraction),
    )
