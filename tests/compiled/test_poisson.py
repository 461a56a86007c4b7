"""The alias tables against scipy's Poisson distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_calsim.compiled.poisson import COARSE_BIAS, poisson_tables


def columns_pmf(columns, size=1 << 16):
    threshold = (columns >> np.uint64(32)).astype(float) / 2**32
    alias = ((columns >> np.uint64(16)) & np.uint64(0xFFFF)).astype(int)
    own = (columns & np.uint64(0xFFFF)).astype(int)
    pmf = np.zeros(size)
    np.add.at(pmf, own, threshold / len(columns))
    np.add.at(pmf, alias, (1 - threshold) / len(columns))
    return pmf


def test_every_alias_table_holds_its_poisson_distribution_to_32_bits():
    tables = poisson_tables(1e5)
    k = np.arange(1 << 16)
    for sets, spacing, size in ((tables.middle, 8, 256), (tables.fine, 1 / 16, 32)):
        for level, columns in enumerate(sets.reshape(-1, size)):
            np.testing.assert_allclose(
                columns_pmf(columns)[:600], stats.poisson.pmf(k[:600], level * spacing), rtol=0, atol=1.5 * 2**-32
            )
    for level in (0, 1, 2, 17, 39, 156, len(tables.coarse_index) - 1):
        start, n = int(tables.coarse_index[level]) >> 16, int(tables.coarse_index[level]) & 0xFFFF
        pmf = columns_pmf(tables.coarse[start : start + n])
        expected = stats.poisson.pmf(k - COARSE_BIAS + 256 * level, 256 * level)
        np.testing.assert_allclose(pmf, expected, rtol=0, atol=1.5 * 2**-32)
        assert (pmf * k).sum() - COARSE_BIAS == pytest.approx(0, abs=1e-4)


def test_tables_are_small_and_built_once():
    tables = poisson_tables(9000.0)
    assert sum(table.nbytes for table in tables) < 500_000
    assert poisson_tables(9001.0) is tables
