"""Build the alias tables (Walker 1977) from which the sensor kernel draws the electrons of dim pixels."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from pytest_calsim.kernels.types import Floats, Words

__all__ = ["BRIGHT_E", "PoissonTables", "poisson_tables"]

BRIGHT_E = 128
"""Least mean that is drawn without tables, electrons; as in ``poisson.h``."""


class PoissonTables(NamedTuple):
    """Alias tables; a column is one word: 32 bits of threshold, 16 bits of alias, 16 bits of its own count.

    Attributes
    ----------
    middle
        Columns of the means 0, 8, ..., 120 electrons, uint64 ``(16, 256)``.
    fine
        Columns of the means 0, 1/16, ..., 127/16 electrons, uint64 ``(128, 32)``.
    """

    middle: Words
    fine: Words


@cache
def poisson_tables() -> PoissonTables:
    """Return the tables for all means below :data:`BRIGHT_E`, 64 kB; they are built once per process, in some ms."""
    middle = np.stack([_alias_columns(_poisson_pmf(8.0 * level, 256)) for level in range(16)])
    fine = np.stack([_alias_columns(_poisson_pmf(level / 16, 32)) for level in range(128)])
    return PoissonTables(middle, fine)


def _poisson_pmf(mean: float, size: int) -> Floats:
    """Return the probabilities of the counts 0 to ``size`` − 1, from their ratios, in IEEE arithmetic alone."""
    ratios = mean / np.arange(1, size)
    # From the count 0 upward: no factorial overflows, and no exp enters, whose last digit would vary.
    relative = np.cumprod(np.concatenate([[1.0], ratios]))
    return relative / math.fsum(relative)


def _alias_columns(pmf: Floats) -> Words:
    """Pack probabilities as one alias column for each of the counts 0, 1, ..., by the method of Vose (1991).

    All columns are equally likely. A count whose probability is below average shares its column with another.
    """
    size = len(pmf)
    share: list[float] = (pmf * size).tolist()
    alias = list(range(size))
    poor = [count for count in range(size) if share[count] < 1]
    rich = [count for count in range(size) if share[count] >= 1]
    # Each poor column is filled up by a rich one, which may become poor by that.
    while poor and rich:
        count = poor.pop()
        donor = rich[-1]
        alias[count] = donor
        share[donor] -= 1 - share[count]
        if share[donor] < 1:
            poor.append(rich.pop())
    # A whole column has the threshold 2^32, one more than half a word holds. One less will do: its alias is itself.
    threshold = np.minimum(np.floor(np.array(share) * 2.0**32 + 0.5), 2.0**32 - 1).astype(np.uint64)
    own = np.arange(size, dtype=np.uint64)
    return threshold << np.uint64(32) | np.array(alias, np.uint64) << np.uint64(16) | own
