"""Exact Poisson counts, each from words of its own.

Where light is bright (means from :data:`BRIGHT_E` electrons) a count is a Gaussian rounded down, corrected by rejection
(algorithm PD of Ahrens & Dieter 1982): nearly every pixel takes one path, without branches or look-ups. The few that
the squeeze leaves open are settled in double precision, with the probabilities of both distributions. The result is
Poisson's distribution but for the rounding of single precision in the Gaussian.

Where it is dim, a count is a sum of three independent ones whose means add up to its own: a multiple of 8 and one of
1/16 electrons, both drawn from alias tables (Walker 1977; built as in Vose 1991), and a rest below 1/16, by inversion.
Tables are exact to 2⁻³², rests to single precision (2⁻²⁷).
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.hashing import GAMMA, hash_row, mix, uniform
from pytest_calsim.compiled.jit import compiled

__all__ = ["BRIGHT_E", "PoissonTables", "bright_row", "dim_row", "poisson_tables"]

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Ints = NDArray[np.int32]
Words = NDArray[np.uint64]
f32, u64 = np.float32, np.uint64

BRIGHT_E = f32(128)
"""Least mean that is drawn as a corrected Gaussian, electrons."""
# Spacing of the means in the two sets of tables, electrons; they are cut out of a mean as bit fields.
_MIDDLE_E, _FINE_E = 8, 1 / 16
# Less than a column's 32 random bits resolve.
_LOWEST_PROBABILITY = 2.0**-38


class PoissonTables(NamedTuple):
    """Alias tables; a column is one word: 32 bits of threshold, 16 bits of alias, 16 bits of its own count.

    Attributes
    ----------
    middle
        256 columns for each of the means 0, 8, ..., 120.
    fine
        32 columns for each of the means 0, 1/16, ..., 127/16.
    """

    middle: Words
    fine: Words


@compiled
def _poisson_pmf(mean: float, into: Floats) -> int:
    """Write the probabilities of the counts from 0 on; give how many matter."""
    n, p, total = 0, math.exp(-mean), 0.0
    while n <= mean or p > _LOWEST_PROBABILITY:
        into[n] = p
        total += p
        n += 1
        p *= mean / n
    for i in range(n):
        into[i] /= total
    return n


@compiled
def _alias_columns(pmf: Floats, n: int, share: Floats, lists: NDArray[np.int64], into: Words) -> None:
    """Pack the first ``n`` probabilities as alias columns for the counts 0, 1, ..."""
    size = into.shape[0]
    poor, rich, alias = lists[0], lists[1], lists[2]
    n_poor = n_rich = 0
    for i in range(size):
        alias[i] = i
        share[i] = pmf[i] * size if i < n else 0.0
        if share[i] < 1:
            poor[n_poor] = i
            n_poor += 1
        else:
            rich[n_rich] = i
            n_rich += 1
    while n_poor > 0 and n_rich > 0:
        n_poor -= 1
        i, donor = poor[n_poor], rich[n_rich - 1]
        alias[i] = donor
        share[donor] -= 1 - share[i]
        if share[donor] < 1:
            n_rich -= 1
            poor[n_poor] = donor
            n_poor += 1
    for i in range(size):
        threshold = min(int(share[i] * 2.0**32 + 0.5), 2**32 - 1)
        into[i] = (u64(threshold) << u64(32)) | (u64(alias[i]) << u64(16)) | u64(i)


@compiled
def _build(pmf: Floats, share: Floats, lists: NDArray[np.int64], spacing_e: float, tables: Words) -> None:
    """Fill the tables ``(mean, column)`` of some spacing. The first three arrays are scratch."""
    for level in range(tables.shape[0]):
        _alias_columns(pmf, _poisson_pmf(level * spacing_e, pmf), share, lists, tables[level])


@cache
def poisson_tables() -> PoissonTables:
    """Tables for all means below :data:`BRIGHT_E`: 64 kB, built once per process in a fraction of a millisecond."""
    scratch = np.empty(256), np.empty(256), np.empty((3, 256), np.int64)
    middle, fine = np.empty((16, 256), np.uint64), np.empty((128, 32), np.uint64)
    _build(*scratch, float(_MIDDLE_E), middle)
    _build(*scratch, _FINE_E, fine)
    return PoissonTables(middle.ravel(), fine.ravel())


# Bright pixels.

_PD_SURE, _SIX = f32(1.1484), f32(6)
_PD_CENTRE, _PD_LEAST, _PD_HAT = 1.8, -0.6744, 0.1069
_33, _2_TO_MINUS_31 = u64(33), f32(2.0**-31)


@compiled
def _chances(mean: float, count: float) -> tuple[float, float]:
    """Probability of a count by Poisson's distribution, and as a Gaussian of the same mean and variance rounded down.

    Both are series that are exact to 10⁻¹⁰ for bright means: Stirling's, as arranged by Loader (2000), and the mean of
    the Gaussian over a unit in Hermite polynomials.
    """
    v = (count - mean) / mean
    deviance = mean * ((1 + v) * math.log1p(v) - v)
    stirling = (1 - 1 / (30 * count * count)) / (12 * count)
    poisson = math.exp(-deviance - stirling) / math.sqrt(2 * math.pi * count)
    x = (count + 0.5 - mean) / math.sqrt(mean)
    q, h = x * x, 1 / (4 * mean)
    he_2, he_4, he_6 = q - 1, (q - 6) * q + 3, ((q - 15) * q + 45) * q - 15
    average = 1 + h / 6 * (he_2 + h / 20 * (he_4 + h / 42 * he_6))
    return poisson, average * math.exp(-0.5 * q) / math.sqrt(2 * math.pi * mean)


@compiled
def _settle(mean: float, count: int, chance: float, word: np.uint64) -> int:
    """Accept a rounded Gaussian, or draw from what it lacks of a Poisson distribution, under a double exponential."""
    poisson, rounded = _chances(mean, count)
    if rounded * (1 - chance) <= poisson:
        return count
    while True:
        word = mix(word + GAMMA)
        depth = uniform(word)
        word = mix(word + GAMMA)
        height = 2 * uniform(word) - 1
        t = _PD_CENTRE - math.copysign(math.log(depth), height)
        if t > _PD_LEAST:
            candidate = math.floor(mean + math.sqrt(mean) * t)
            poisson, rounded = _chances(mean, candidate)
            if _PD_HAT / mean * abs(height) * depth <= poisson - rounded:
                return int(candidate)


@compiled
def bright_row(mean: Image, normal: Image, words: Words, chance: Image, open_: Ints, electrons: Ints) -> None:
    """Counts of the means from :data:`BRIGHT_E` on; what it writes for others means nothing.

    Parameters
    ----------
    mean
        Electrons, finite and not negative.
    normal
        Standard Gaussians.
    words
        One independent word a pixel.
    chance, open_
        Scratch.
    electrons
        The counts.
    """
    n = mean.shape[0]
    for x in range(n):
        chance[x] = np.float32(np.int32(words[x] >> _33)) * _2_TO_MINUS_31
    for x in range(n):
        whole = np.int32(mean[x])
        fraction = mean[x] - np.float32(whole)
        below = np.floor(fraction + np.sqrt(mean[x]) * normal[x])
        electrons[x] = whole + np.int32(below)
        # A count is certain at or above its mean, and a little below; further down it is nearly so.
        gap = fraction - below
        squeezed = _SIX * mean[x] * mean[x] * chance[x] >= gap * gap * gap
        open_[x] = (gap > _PD_SURE) & (not squeezed) & (mean[x] >= BRIGHT_E)
    n_open = 0
    for x in range(n):
        n_open += open_[x]
    if n_open > 0:
        for x in range(n):
            if open_[x] != 0:
                electrons[x] = _settle(mean[x], electrons[x], chance[x], words[x])


# Dim pixels.

_0, _7, _16 = (u64(n) for n in (0, 7, 16))
_BITS_5, _BITS_7, _BITS_8, _BITS_16 = (u64(2**n - 1) for n in (5, 7, 8, 16))
_ZERO, _ONE, _SIXTEEN, _2_TO_MINUS_4 = f32(0), f32(1), f32(16), f32(1 / 16)
# Coefficients of Horner's scheme for P(N >= k), a series in the mean.
_S1, _S2, _S3, _S4 = (f32(1 / k) for k in (2, 3, 4, 5))
_T0, _T1, _T2, _T3 = (f32(value) for value in (1 / 2, 2 / 3, 3 / 8, 4 / 15))
_U0, _U1, _U2, _V0, _V1, _W0 = (f32(value) for value in (1 / 6, 3 / 4, 2 / 5, 1 / 24, 4 / 5, 1 / 120))


@compiled
def dim_row(
    mean: Image,
    words: Words,
    first: np.uint64,
    step: np.uint64,
    tables: PoissonTables,
    scratch: Words,
    rest: Image,
    electrons: Ints,
) -> None:
    """Counts of the means below :data:`BRIGHT_E`; the others are left as they are.

    Parameters
    ----------
    mean
        Electrons, finite and not negative.
    words
        One independent word a pixel.
    first, step
        Counters of two more words a pixel: its own and the next one.
    tables
        From :func:`poisson_tables`.
    scratch, rest
        Scratch; the former ``(2, n)``.
    electrons
        The counts.
    """
    middle, fine = tables
    a, b = scratch[0], scratch[1]
    hash_row(first, step, a)
    hash_row(first + GAMMA, step, b)
    for x in range(mean.shape[0]):
        if mean[x] < BRIGHT_E:
            # A word's high half is compared with the column's threshold, its low bits choose the column.
            sixteenths = mean[x] * _SIXTEEN
            level = u64(np.int32(sixteenths))
            column = middle[((level >> _7) << u64(8)) | (a[x] & _BITS_8)]
            count = (column >> (_16 if a[x] >= column else _0)) & _BITS_16
            column = fine[((level & _BITS_7) << u64(5)) | (b[x] & _BITS_5)]
            count += (column >> (_16 if b[x] >= column else _0)) & _BITS_16
            electrons[x] = np.int32(count)
            rest[x] = (sixteenths - np.float32(level)) * _2_TO_MINUS_4
        else:
            rest[x] = _ZERO
    for x in range(mean.shape[0]):
        u, m = np.float32(np.int32(words[x] >> _33)) * _2_TO_MINUS_31, rest[x]
        square = m * m
        one = m * (_ONE - m * _S1 * (_ONE - m * _S2 * (_ONE - m * _S3 * (_ONE - m * _S4))))
        two = square * _T0 * (_ONE - m * _T1 * (_ONE - m * _T2 * (_ONE - m * _T3)))
        three = square * m * _U0 * (_ONE - m * _U1 * (_ONE - m * _U2))
        four = square * square * _V0 * (_ONE - m * _V1)
        five = square * square * m * _W0
        # Six or more have a chance below 2⁻³³.
        electrons[x] += (u < one) + (u < two) + (u < three) + (u < four) + (u < five)
