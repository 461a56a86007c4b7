import numpy as np
import pytest

from pytest_calsim.kernels.overlap import image_products

SIDE = 50


def patches(n: int, seed: int, most: int = 14):
    rng = np.random.default_rng(seed)
    box = np.concatenate([rng.integers(-8, SIDE, (n, 2)), rng.integers(0, most, (n, 2))], axis=1).astype(np.int32)
    start = np.concatenate([[0], np.cumsum(box[:, 2] * box[:, 3])]).astype(np.int64)
    values = (rng.random(start[-1]) * (rng.random(start[-1]) < 0.6)).astype(np.float32)
    return values, start, box


def dense(values, start, box, window):
    """Each patch on a grid with a rim, cut to the window."""
    rim = 20
    (top, left, height, width) = window
    grid = np.zeros((len(box), SIDE + 2 * rim, SIDE + 2 * rim))
    for i, (r, c, h, w) in enumerate(box):
        grid[i, r + rim : r + rim + h, c + rim : c + rim + w] = values[start[i] : start[i + 1]].reshape(h, w)
    return grid[:, top + rim : top + rim + height, left + rim : left + rim + width].reshape(len(box), -1)


@pytest.mark.parametrize("window", [(0, 0, SIDE, SIDE), (-5, 3, 30, 41), (7, 9, 1, 3), (4, 4, 0, 8)])
@pytest.mark.parametrize("n", [1, 2, 40, 150])
def test_products_and_cosines_are_those_of_dense_images(n, window):
    some = patches(n, n)
    images = dense(*some, window)
    found = image_products(*some, window)
    products = images @ images.T
    np.testing.assert_allclose(found.square, products.diagonal(), rtol=1e-5)
    filled = np.zeros((n, n))
    filled[found.first, found.second] = found.product
    assert not (filled * filled.T).any()  # every pair stands there once
    np.fill_diagonal(products, 0)
    np.testing.assert_allclose(filled + filled.T, products, rtol=1e-5, atol=1e-6)

    norm = np.linalg.norm(images, axis=1)
    unit = images / np.where(norm > 0, norm, 1)[:, None]
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0)
    largest = found.largest_cosines()
    np.testing.assert_allclose(largest, cosines.max(axis=1), atol=1e-6)
    assert largest.max() <= 1
    if n == 150 and window[2] == SIDE:
        assert (largest > 0).mean() > 0.7


def test_pairs_that_do_not_meet_are_left_out():
    some = patches(150, 3)
    found = image_products(*some, (0, 0, SIDE, SIDE))
    assert 0 < len(found.first) < 150 * 149 / 4


def test_equal_patches_have_a_cosine_of_one_at_most():
    values, start, box = patches(12, 5)
    twice = np.concatenate([values, values])
    both = np.concatenate([start, start[-1] + start[1:]])
    found = image_products(twice, both, np.concatenate([box, box]), (-20, -20, 100, 100)).largest_cosines()
    filled = box[:, 2] * box[:, 3] > 0
    np.testing.assert_allclose(found[:12], filled, rtol=1e-6)
    assert found.max() <= 1


def test_no_patches_have_no_products():
    found = image_products(np.zeros(0, np.float32), np.zeros(1, np.int64), np.zeros((0, 4), np.int32), (0, 0, 4, 4))
    assert [len(part) for part in found] == [0, 0, 0, 0]
    assert found.largest_cosines().shape == (0,)


def test_patches_that_do_not_fit_their_values_are_refused():
    values, start, box = patches(5, 1)
    window = (0, 0, SIDE, SIDE)
    with pytest.raises(ValueError, match=r"box has shape \(\d+, 4\)"):
        image_products(values, start[:-1].copy(), box, window)
    with pytest.raises(ValueError, match=r"box has shape \(\d+, 3\)"):
        image_products(values, start, box[:, :3].copy(), window)
    for wrong in (start + 1, start - 1):
        with pytest.raises(ValueError, match=r"start = .* must give where patches"):
            image_products(values, wrong, box, window)
    with pytest.raises(ValueError, match=r"start = .* must give where patches"):
        image_products(values[:-1].copy(), start, box, window)
    taller = box + np.array([0, 0, 1, 0], np.int32)
    with pytest.raises(ValueError, match=r"start = .* must give where patches"):
        image_products(values, start, taller, window)
    turned = box * np.array([1, 1, -1, -1], np.int32)  # areas as before, and no patch
    with pytest.raises(ValueError, match=r"start = .* must give where patches"):
        image_products(values, start, turned, window)
