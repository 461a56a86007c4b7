"""Elementary functions of the kernels, against NumPy's in extended precision."""

import numpy as np
import pytest

from pytest_calsim.kernels import elementary

pytestmark = pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="this system's long double is no wider")

RNG = np.random.default_rng(0)
WIDE = np.concatenate([RNG.uniform(-1, 1, 200_000), RNG.uniform(-700, 700, 200_000), RNG.uniform(-30, 30, 200_000)])
POSITIVE = np.concatenate(
    [np.exp(RNG.uniform(-700, 700, 200_000)), RNG.uniform(0.5, 2, 400_000), 1 + RNG.uniform(-1e-8, 1e-8, 100_000)]
)


def worst_ulp(got, exact, floor=0.0):
    unit = np.spacing(np.maximum(np.abs(exact).astype(np.float64), floor))
    return float(np.max(np.abs(got.astype(np.longdouble) - exact) / unit))


def test_exp_errs_by_its_last_place_at_most():
    assert worst_ulp(elementary.exp(WIDE), np.exp(WIDE.astype(np.longdouble))) < 1


def test_log_errs_by_its_last_place_at_most():
    assert worst_ulp(elementary.log(POSITIVE), np.log(POSITIVE.astype(np.longdouble))) < 1


def test_log1p_keeps_its_digits():
    x = np.concatenate(
        [POSITIVE[POSITIVE > 1e-9] - 1, RNG.uniform(-0.999, 3, 300_000), np.ldexp(1.0, np.arange(-1000, 100))]
    )
    assert worst_ulp(elementary.log1p(x), np.log1p(x.astype(np.longdouble))) < 4


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_keep_their_digits(name):
    x = np.concatenate([WIDE, RNG.uniform(-1e6, 1e6, 300_000), np.pi / 4 * np.arange(-2000, 2000)])
    exact = getattr(np, name)(x.astype(np.longdouble))
    assert worst_ulp(getattr(elementary, name)(x), exact, floor=1e-10) < 3


def test_asin_keeps_its_digits():
    x = np.concatenate([RNG.uniform(-1, 1, 300_000), 1 - np.ldexp(1.0, -np.arange(1, 53)), [-1.0, 0.0, 1.0, 1e-300]])
    assert worst_ulp(elementary.asin(x), np.arcsin(x.astype(np.longdouble))) < 6


def test_power_errs_by_no_more_than_its_header_says():
    x = np.exp(RNG.uniform(-10, 10, 300_000))
    y = RNG.uniform(-5, 5, 300_000)
    exact = x.astype(np.longdouble) ** y
    off = np.abs(elementary.power(x, y) - exact) / np.spacing(exact.astype(np.float64))
    assert np.all(off < 2 + 2 * np.abs(y * np.log(x)))


def test_special_values_have_their_limits():
    inf = np.inf
    nan = np.nan
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(
            elementary.exp(np.array([0, inf, -inf, nan, 710, -750])), [1, inf, 0, nan, inf, 0]
        )
        np.testing.assert_array_equal(elementary.log(np.array([1, inf, 0, -1, nan])), [0, inf, -inf, nan, nan])
    np.testing.assert_array_equal(elementary.log1p(np.array([0, 1e-300, inf, -1])), [0, 1e-300, inf, -inf])
    np.testing.assert_array_equal(elementary.sin(np.array([0, inf, nan])), [0, nan, nan])
    np.testing.assert_array_equal(elementary.cos(np.array([0.0])), [1])
    np.testing.assert_array_equal(
        elementary.power(np.array([0.0, 0, 0, 1]), np.array([0.0, 2, -1, 1e300])), [1, 0, inf, 1]
    )


def test_subnormal_numbers_are_taken_and_made():
    x = np.array([-720.5, -740.0, -745.0])
    np.testing.assert_allclose(elementary.exp(x), np.exp(x), rtol=0, atol=5e-324)
    np.testing.assert_allclose(elementary.log(np.array([5e-324, 1e-310])), np.log([5e-324, 1e-310]), rtol=1e-15)


def test_any_shape_is_kept():
    x = RNG.normal(size=(3, 4, 5))[:, ::2]
    assert elementary.exp(x).shape == x.shape
    np.testing.assert_allclose(elementary.exp(x), np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(elementary.power(abs(x), 2.0), x**2, rtol=1e-14)
