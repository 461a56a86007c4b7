"""The Fourier series of a blurred cell against the same sums written out in complex numbers."""

import numpy as np
import pytest
from blurred import image_of_point, image_of_shape
from scipy.special import j1

from pytest_calsim.compiled.imaging import block_mean, lit_box, trim

RNG = np.random.default_rng(0)


def series(fine, samples, first, size, radius, sigma, most):
    """Σ over all frequencies up to ``most``, on a period of ``size`` pixels; float64."""
    k = np.arange(-most, most + 1)
    f = k / size
    axis = [
        np.exp(-2j * np.pi * f[:, None] * (first[i] + np.arange(fine.shape[i]) / samples))
        * (np.exp(-2 * (np.pi * sigma * f) ** 2) * np.sinc(f))[:, None]
        for i in (0, 1)
    ]
    q = 2 * np.pi * radius * np.hypot(f[:, None], f)
    disk = np.where(q > 0, 2 * j1(q) / np.where(q > 0, q, 1), 1)
    waves = axis[0] @ fine @ axis[1].T * disk
    at_pixels = np.exp(2j * np.pi * f * np.arange(size)[:, None])
    return (at_pixels @ waves @ at_pixels.T).real


def scaled(image, flux):
    kept = np.where(image < 1e-4 * image.max(), 0, image)
    return kept * flux / kept.sum()


@pytest.mark.parametrize("samples", [3, 5])
@pytest.mark.parametrize(("radius", "sigma"), [(0.0, 0.22), (2.3, 0.22), (0.0, 1.3), (4.1, 2.2)])
def test_an_image_is_its_fourier_series(samples, radius, sigma):
    fine = (RNG.random((4 * samples, 4 * samples)) * (RNG.random((4 * samples, 4 * samples)) < 0.7)).astype(np.float32)
    image, pad = image_of_shape(fine, samples, radius, sigma, 7.0)
    size, first = len(image), pad - 0.5 + 0.5 / samples
    expected = series(fine, samples, (first, first), size, radius, sigma, (size * samples - 1) // 2)
    assert size == 4 + 2 * pad
    np.testing.assert_allclose(image, scaled(expected, 7.0), atol=1.1e-4 * image.max())
    assert image.sum(dtype=float) == pytest.approx(7, rel=1e-6)


def test_an_oblong_image_is_part_of_the_square_one():
    fine = RNG.random((6, 30)).astype(np.float32)
    image, pad = image_of_shape(fine, 3, 1.0, 0.8, 1.0)
    assert image.shape == (2 + 2 * pad, 10 + 2 * pad)
    first = pad - 1 / 3
    expected = series(fine, 3, (first, first), image.shape[1], 1.0, 0.8, (3 * image.shape[1] - 1) // 2)
    expected = scaled(expected[: image.shape[0]], 1.0)
    np.testing.assert_allclose(image, expected, atol=1.1e-4 * image.max())


def test_a_point_is_its_fourier_series():
    image, pad = image_of_point(0.8, 0.35, 1.7, 0.6, 3.0)
    expected = series(np.ones((1, 1)), 1, (pad + 0.3, pad - 0.15), len(image), 1.7, 0.6, 60)
    np.testing.assert_allclose(image, scaled(expected, 3.0), atol=1.1e-4 * image.max())


def test_trimming_cuts_what_is_faint_and_keeps_the_flux():
    image = np.array([[1, 0.2, -0.3], [0.05, 0.1, 0.0999]], np.float32)
    trim(image, 0.1, 2.6, np.empty(3))
    np.testing.assert_allclose(image, [[2, 0.4, 0], [0, 0.2, 0]], rtol=1e-6)


def test_block_means():
    fine = RNG.random((6, 9)).astype(np.float32)
    mean = np.empty((2, 3), np.float32)
    block_mean(fine, 3, mean)
    np.testing.assert_allclose(mean, fine.reshape(2, 3, 3, 3).mean((1, 3)), rtol=1e-6)


def test_the_lit_box_holds_all_light_tightly():
    image = np.zeros((5, 7), np.float32)
    assert lit_box(image) == (0, 0, 0, 0)
    image[1, 4] = image[3, 2] = 1
    assert lit_box(image) == (1, 4, 2, 5)
    assert lit_box(np.ones((2, 3), np.float32)) == (0, 2, 0, 3)
