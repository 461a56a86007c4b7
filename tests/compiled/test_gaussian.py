import numpy as np
import pytest
from scipy import stats

from pytest_calsim.compiled.gaussian import gaussian, gaussian_rows


@pytest.fixture(scope="module")
def drawn():
    words = np.random.default_rng(0).integers(0, 2**64, 2_000_000, dtype=np.uint64)
    n = len(words)
    one, other = np.empty((2, n), np.float32)
    gaussian_rows(words, np.empty(n, np.int32), np.empty(n, np.float32), one, other)
    return words, one, other


def test_both_are_what_the_library_makes_of_the_same_bits(drawn):
    words, one, other = drawn
    radius = np.sqrt(-2 * np.log(((words >> np.uint64(33)) + 0.5) / 2**31))
    angle = 2 * np.pi * (words & np.uint64(2**31 - 1)) / 2**31
    np.testing.assert_allclose(one, -radius * np.cos(angle), atol=3e-4)
    np.testing.assert_allclose(other, -radius * np.sin(angle), atol=3e-4)
    assert abs(one + radius * np.cos(angle)).mean() < 3e-7
    assert [gaussian(word) for word in words[:50]] == list(one[:50])


def test_both_are_gaussian_to_the_tails_and_independent(drawn):
    _, one, other = drawn
    for values in (one, other, (one + other) / np.sqrt(2), (one - other) / np.sqrt(2)):
        assert stats.kstest(values, "norm").pvalue > 1e-4
        for edge in (3, 4, 4.5):
            beyond = int((abs(values) > edge).sum())
            assert stats.binomtest(beyond, len(values), 2 * stats.norm.sf(edge)).pvalue > 1e-4
    table = np.histogram2d(stats.norm.cdf(one), stats.norm.cdf(other), 40, [[0, 1], [0, 1]])[0]
    assert stats.chisquare(table.ravel()).pvalue > 1e-4


def test_the_ends_of_the_bits_are_finite():
    words = np.array([0, 2**64 - 1, 2**63, 2**33, 2**31 - 1, 2**30, 3 << 29], np.uint64)
    n = len(words)
    one, other = np.empty((2, n), np.float32)
    gaussian_rows(words, np.empty(n, np.int32), np.empty(n, np.float32), one, other)
    assert np.isfinite(one).all()
    assert np.isfinite(other).all()
    assert max(abs(one).max(), abs(other).max()) < 6.7
