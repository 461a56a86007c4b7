import numpy as np
import pytest
from blurred import image_of_point, image_of_shape
from scipy.special import j1, ndtr

from pytest_calsim.steps.cells.cell_images import odd_at_least
from pytest_calsim.steps.cells.wave_tables import BESSEL_STEP, bessel_table


def _moments(image, pad):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5 - pad
    image = image / image.sum(dtype=float)
    return (image * y).sum(), (image * x).sum(), y, x, image


@pytest.mark.parametrize("sigma", [0.15, 0.22, 0.6, 2.0])
@pytest.mark.parametrize(("y", "x"), [(0.5, 0.5), (0.1, 0.83)])
def test_a_point_in_focus_is_the_gaussian_integrated_over_each_pixel(sigma, y, x):
    image, pad = image_of_point(y, x, 0.0, sigma, 1.0)
    edges = np.arange(image.shape[0] + 1) - pad
    expected = np.outer(np.diff(ndtr((edges - y) / sigma)), np.diff(ndtr((edges - x) / sigma)))
    np.testing.assert_allclose(image, expected, atol=2e-3 * expected.max())


@pytest.mark.parametrize(("radius", "sigma"), [(0.0, 0.22), (0.0, 1.0), (1.5, 0.22), (6.0, 0.5)])
def test_variance_about_a_point_is_that_of_disk_gaussian_and_pixel(radius, sigma):
    # About the true position, averaged over where in its pixel the point lies: R²/4 + σ² + 1/12 per axis.
    found = []
    for phase in (np.arange(16) + 0.5) / 16:
        image, pad = image_of_point(phase, 0.5, radius, sigma, 1.0)
        _, _, y, _, share = _moments(image, pad)
        found.append((share * (y - phase) ** 2).sum())
    assert np.mean(found) == pytest.approx(radius**2 / 4 + sigma**2 + 1 / 12, rel=0.01)


def _ring_error(image, counted, y, x, area):
    """Largest difference of two pictures over rings of equal area, wide enough to drown the counting noise."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    ring = (np.pi * ((rows - y) ** 2 + (columns - x) ** 2) / area).astype(int).ravel()
    pixels = np.maximum(np.bincount(ring), 1)
    seen, expected = (np.bincount(ring, picture.ravel()) / pixels for picture in (image, counted))
    return np.abs(seen - expected).max() / expected.max()


@pytest.mark.parametrize(("radius", "sigma"), [(0.0, 0.3), (0.7, 0.3), (3.0, 0.2), (12.0, 1.5), (45.0, 0.8)])
def test_a_point_is_what_counted_rays_make(radius, sigma):
    rng = np.random.default_rng(1)
    n = 2_000_000
    y = 0.3
    x = 0.6
    r = radius * np.sqrt(rng.random(n))
    angle = 2 * np.pi * rng.random(n)
    image, pad = image_of_point(y, x, radius, sigma, 1.0)
    size = image.shape[0]
    rows = np.floor(y + r * np.sin(angle) + sigma * rng.standard_normal(n)).astype(int) + pad
    columns = np.floor(x + r * np.cos(angle) + sigma * rng.standard_normal(n)).astype(int) + pad
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    counted = np.bincount(rows[inside] * size + columns[inside], minlength=size**2).reshape(size, size) / n
    assert _ring_error(image, counted, y + pad, x + pad, max(0.5, radius)) < 0.02
    assert image.sum(dtype=float) == pytest.approx(1, rel=1e-6)
    assert image.min() >= 0


def _ball(samples, side, radius, y, x):
    at = (np.arange(side * samples) + 0.5) / samples
    return np.sqrt(np.maximum(0, 1 - ((at[:, None] - y) ** 2 + (at - x) ** 2) / radius**2)).astype(np.float32)


@pytest.mark.parametrize(("radius", "sigma"), [(0.0, 0.22), (2.0, 0.22), (5.0, 1.5)])
def test_a_shape_is_what_counted_rays_make(radius, sigma):
    rng = np.random.default_rng(2)
    n = 1_000_000
    y = 4.2
    x = 3.9
    size = 3.3
    # Rays from points of a ball seen from above, whose projected thickness is the shape.
    u = rng.standard_normal((3, n))
    u *= size * rng.random(n) ** (1 / 3) / np.sqrt((u**2).sum(0))
    r = radius * np.sqrt(rng.random(n))
    angle = 2 * np.pi * rng.random(n)
    rows = y + u[0] + r * np.sin(angle) + sigma * rng.standard_normal(n)
    columns = x + u[1] + r * np.cos(angle) + sigma * rng.standard_normal(n)
    flux = 2 / 3 * np.pi * size**2
    image, pad = _imaged(_ball(3, 8, size, y, x), 3, radius, sigma)
    edges = np.arange(image.shape[0] + 1) - pad
    counted = np.histogram2d(rows, columns, (edges, edges))[0] / n * flux
    assert _ring_error(image, counted, y + pad, x + pad, 4.0) < 0.02
    assert image.sum(dtype=float) == pytest.approx(flux, rel=2e-3)


def _imaged(fine, samples, radius, sigma):
    return image_of_shape(fine, samples, radius, sigma, fine.sum(dtype=float) / samples**2)


def test_moving_a_shape_by_a_whole_pixel_moves_its_image():
    near, pad = _imaged(_ball(3, 12, 3.0, 4.3, 4.8), 3, 2.0, 0.7)
    far, _ = _imaged(_ball(3, 12, 3.0, 6.3, 5.8), 3, 2.0, 0.7)
    np.testing.assert_allclose(near[:-2, :-1], far[2:, 1:], atol=1e-4)
    assert pad == 7


def test_finer_sampling_changes_little():
    coarse, _ = _imaged(_ball(3, 8, 3.0, 4.3, 3.8), 3, 1.5, 0.3)
    fine, _ = _imaged(_ball(9, 8, 3.0, 4.3, 3.8), 9, 1.5, 0.3)
    np.testing.assert_allclose(coarse, fine, atol=3e-3)


@pytest.mark.parametrize(("value", "odd"), [(0.2, 3), (3.0, 3), (3.1, 5), (5.0, 5), (6.9, 7)])
def test_odd_at_least(value, odd):
    assert odd_at_least(np.array([value])) == odd


def test_the_disks_transfer_is_that_of_scipys_bessel_function():
    q = np.arange(len(bessel_table())) * BESSEL_STEP
    np.testing.assert_allclose(bessel_table()[1:], 2 * j1(q[1:]) / q[1:], rtol=0, atol=4e-8)
    assert bessel_table()[0] == 1
    assert q[-1] > 2200
