"""The alias tables, and what corrects a Gaussian, against scipy's Poisson distribution."""

import numpy as np
import pytest
from scipy import stats

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.poisson import BRIGHT_E, poisson_tables

COUNTS = np.arange(600)


def columns_pmf(columns):
    """The probability of each count by the columns of one table."""
    threshold = (columns >> np.uint64(32)).astype(float) / 2**32
    alias = ((columns >> np.uint64(16)) & np.uint64(0xFFFF)).astype(int)
    own = (columns & np.uint64(0xFFFF)).astype(int)
    pmf = np.zeros(len(COUNTS))
    np.add.at(pmf, own, threshold / len(columns))
    np.add.at(pmf, alias, (1 - threshold) / len(columns))
    return pmf


def test_every_alias_table_holds_its_poisson_distribution_to_32_bits():
    tables = poisson_tables()
    for levels, spacing, size in ((tables.middle, 8, 256), (tables.fine, 1 / 16, 32)):
        assert levels.dtype == np.uint64
        assert levels.shape[1] == size
        for level, columns in enumerate(levels):
            expected = stats.poisson.pmf(COUNTS, level * spacing)
            np.testing.assert_allclose(columns_pmf(columns), expected, rtol=0, atol=1.5 * 2**-32)
    assert len(tables.middle) * 8 == BRIGHT_E
    assert len(tables.fine) / 16 == 8


def test_tables_are_built_once():
    assert poisson_tables() is poisson_tables()


def chances(mean, counts):
    """The kernel's probabilities of counts: Poisson's, and a rounded Gaussian's."""
    poisson_chances = Kernel(
        "poisson_chances",
        n=int,
        mean=np.float32,
        counts=array(np.float64, "n"),
        poisson=output(np.float64, "n"),
        rounded=output(np.float64, "n"),
    )
    poisson, rounded = np.empty((2, len(counts)))
    poisson_chances(n=len(counts), mean=mean, counts=counts, poisson=poisson, rounded=rounded)
    return poisson, rounded


@pytest.mark.parametrize("mean", [128.0, 128.9, 350.0, 2750.3, 12_000.0, 1e5])
def test_the_correction_of_a_rounded_gaussian_is_sound(mean):
    """What Ahrens & Dieter prove: counts that are certain, the squeeze, and the hat over what the Gaussian lacks."""
    mean = float(np.float32(mean))
    s = float(np.sqrt(np.float32(mean)))  # the kernel's spread is a single-precision number
    k = np.arange(np.floor(mean - 8.5 * s), np.ceil(mean + 11 * s))
    poisson, rounded = chances(mean, k)
    exact = stats.poisson.pmf(k, mean)
    gaussian = np.diff(stats.norm.cdf((np.append(k, k[-1] + 1) - mean) / s))
    np.testing.assert_allclose(poisson, exact, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(rounded, gaussian, rtol=1e-7, atol=1e-13)
    certain = mean - k <= 1.1484
    likely = (mean - k > 1.1484) & (gaussian > 1e-12)
    assert (exact >= gaussian - 1e-15)[certain].all()
    assert (gaussian - exact <= gaussian * (mean - k) ** 3 / (6 * mean**2))[likely].all()
    t = np.linspace(-0.6744, 10, 100_001)
    lack = (exact - gaussian)[(np.floor(mean + s * t) - k[0]).astype(int)]
    assert (lack <= 0.1069 / mean * np.exp(-abs(t - 1.8))).all()
    assert (exact <= gaussian + 1e-15)[k < np.floor(mean - 0.6744 * s)].all()
