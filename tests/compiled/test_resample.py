import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_calsim.compiled.resample import displaced_row, keys_weights


def weights(fraction):
    out = np.empty(4, np.float32)
    keys_weights(fraction, out)
    return out


def keys(x):
    """Keys' kernel with a = −0.5 as published, piecewise in the distance."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def shifted(image, row, column, height, width):
    """The window whose pixel (0, 0) looks at (row, column) of the image."""
    r, c = int(np.floor(row)), int(np.floor(column))
    out = np.empty((height, width), np.float32)
    ring = np.empty((4, width), np.float32)
    for i in range(height):
        displaced_row(image, i, r, c, weights(row - r), weights(column - c), ring, out[i])
    return out


@given(st.floats(0, 1))
def test_weights_are_keys_kernel(fraction):
    expected = [keys(fraction + 1), keys(fraction), keys(1 - fraction), keys(2 - fraction)]
    assert weights(fraction) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=30)
@given(st.floats(1, 5), st.floats(1, 6), st.integers(0, 2**32 - 1))
def test_against_a_direct_sum_in_double_precision(row, column, seed):
    image = np.random.default_rng(seed).random((20, 24), dtype=np.float32)
    got = shifted(image, row, column, 12, 15)
    for i, j in [(0, 0), (11, 14), (5, 9)]:
        y, x = row + i, column + j
        rows = np.array([keys(y - r) for r in range(20)])
        columns = np.array([keys(x - c) for c in range(24)])
        assert got[i, j] == pytest.approx(rows @ image.astype(float) @ columns, abs=2e-6)


def test_quadratics_are_reproduced():
    y, x = np.mgrid[0:30, 0:30].astype(np.float32)
    got = shifted((0.1 * y**2 - 0.2 * y * x + x).astype(np.float32), 3.3, 4.6, 20, 20)
    y, x = np.mgrid[0:20, 0:20] + np.array([3.3, 4.6])[:, None, None]
    np.testing.assert_allclose(got, 0.1 * y**2 - 0.2 * y * x + x, atol=2e-4)


def test_whole_pixels_are_copied_bit_for_bit():
    image = np.random.default_rng(0).standard_normal((20, 20)).astype(np.float32)
    assert np.array_equal(shifted(image, 3, 5, 10, 10), image[3:13, 5:15])
