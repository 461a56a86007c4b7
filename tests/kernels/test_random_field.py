"""Sums of cosines against cosines of sums."""

import numpy as np
import pytest

from pytest_calsim.kernels.random_field import sum_cosines


def parts(modes, height, width, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.uniform(-9, 9, (modes, height))
    b = rng.uniform(-9, 9, (modes, width))
    return (np.cos(a), np.sin(a), np.cos(b), np.sin(b)), np.cos(a[:, :, None] + b[:, None, :]).sum(0)


@pytest.mark.parametrize("sizes", [(4, 1, 1), (96, 13, 29), (8, 40, 3), (0, 3, 4), (4, 0, 5), (4, 5, 0)], ids=str)
def test_the_sum_is_that_of_the_cosines(sizes):
    waves, expected = parts(*sizes)
    np.testing.assert_allclose(sum_cosines(*waves), expected, atol=1e-12)


def test_a_value_depends_on_its_position_alone():
    waves, _ = parts(96, 20, 41)
    whole = sum_cosines(*waves)
    rows = slice(3, 9)
    columns = slice(5, 38)
    part = [np.ascontiguousarray(w[:, rows if i < 2 else columns]) for i, w in enumerate(waves)]
    np.testing.assert_array_equal(sum_cosines(*part), whole[rows, columns])


def test_shapes_are_refused():
    (a, b, c, d), _ = parts(8, 5, 7)
    with pytest.raises(ValueError, match=r"row_sin has shape \(4, 5\), not \(8, 5\)"):
        sum_cosines(a, b[:4], c, d)
    with pytest.raises(ValueError, match=r"column_sin has shape \(8, 5\), not \(8, 7\)"):
        sum_cosines(a, b, c, a)
    with pytest.raises(ValueError, match="multiple of four"):
        sum_cosines(a[:6], b[:6], c[:6], d[:6])
