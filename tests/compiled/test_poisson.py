"""The alias tables, and what corrects a Gaussian, against scipy's Poisson distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_calsim.compiled.poisson import BRIGHT_E, _chances, poisson_tables


def columns_pmf(columns, size=600):
    threshold = (columns >> np.uint64(32)).astype(float) / 2**32
    alias = ((columns >> np.uint64(16)) & np.uint64(0xFFFF)).astype(int)
    own = (columns & np.uint64(0xFFFF)).astype(int)
    pmf = np.zeros(size)
    np.add.at(pmf, own, threshold / len(columns))
    np.add.at(pmf, alias, (1 - threshold) / len(columns))
    return pmf


def test_every_alias_table_holds_its_poisson_distribution_to_32_bits():
    tables = poisson_tables()
    k = np.arange(600)
    for sets, spacing, size in ((tables.middle, 8, 256), (tables.fine, 1 / 16, 32)):
        for level, columns in enumerate(sets.reshape(-1, size)):
            expected = stats.poisson.pmf(k, level * spacing)
            np.testing.assert_allclose(columns_pmf(columns), expected, rtol=0, atol=1.5 * 2**-32)
    assert len(tables.middle) // 256 * 8 == BRIGHT_E
    assert len(tables.fine) // 32 / 16 == 8


@pytest.mark.parametrize("mean", [128.0, 128.9, 350.0, 2750.3, 12_000.0, 1e5])
def test_the_correction_of_a_rounded_gaussian_is_sound(mean):
    """What Ahrens & Dieter prove: counts that are certain, the squeeze, and the hat over what the Gaussian lacks."""
    s = np.sqrt(mean)
    k = np.arange(np.floor(mean - 8.5 * s), np.ceil(mean + 11 * s))
    poisson, rounded = np.array([_chances(mean, count) for count in k]).T
    exact, gaussian = stats.poisson.pmf(k, mean), np.diff(stats.norm.cdf((np.append(k, k[-1] + 1) - mean) / s))
    np.testing.assert_allclose(poisson, exact, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(rounded, gaussian, rtol=1e-7, atol=1e-13)
    certain, likely = mean - k <= 1.1484, (mean - k > 1.1484) & (gaussian > 1e-12)
    assert (exact >= gaussian - 1e-15)[certain].all()
    assert (gaussian - exact <= gaussian * (mean - k) ** 3 / (6 * mean**2))[likely].all()
    t = np.linspace(-0.6744, 10, 100_001)
    lack = (exact - gaussian)[(np.floor(mean + s * t) - k[0]).astype(int)]
    assert (lack <= 0.1069 / mean * np.exp(-abs(t - 1.8))).all()
    assert (exact <= gaussian + 1e-15)[k < np.floor(mean - 0.6744 * s)].all()
