"""One image at a time, as the package makes them for all cells."""

import numpy as np

from pytest_calsim.kernels.cell_images import WaveTables, image_shape
from pytest_calsim.steps.cells.wave_tables import (
    BESSEL_STEP,
    FAINT,
    bessel_table,
    count_waves,
    reach_px,
    roots_of_unity,
)


def image_of_shape(fine, samples, radius, sigma, flux):
    """Image of a shape given at ``samples`` × ``samples`` parts of each pixel; and by how much it begins before it."""
    pad = int(reach_px(np.array(radius), np.array(sigma)))
    shape = tuple(side // samples + 2 * pad for side in fine.shape)
    first = pad - 0.5 + 0.5 / samples
    return _image(fine, samples, (first, first), shape, radius, sigma, flux, is_point=False), pad


def image_of_point(y, x, radius, sigma, flux):
    """Image of a point at (y, x) from the upper left corner of its pixel; and by how much it begins before it."""
    pad = int(reach_px(np.array(radius), np.array(sigma)))
    fine = np.ones((1, 1), np.float32)
    shape = (1 + 2 * pad, 1 + 2 * pad)
    return _image(fine, 1, (y - 0.5 + pad, x - 0.5 + pad), shape, radius, sigma, flux, is_point=True), pad


def _image(fine, samples, first, shape, radius, sigma, flux, is_point):
    side = np.array([max(shape)])
    count = int(count_waves(side, np.array([samples]), np.array([sigma]), np.array([is_point]))[0])
    circle, _ = roots_of_unity(side * samples)
    tables = WaveTables(np.zeros(1, np.int64), circle, bessel_table(), BESSEL_STEP, FAINT)
    return image_shape(fine, shape, first, radius, sigma, count, tables, flux)
