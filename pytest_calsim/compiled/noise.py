"""Shot and read noise of one frame: exact Poisson and Gaussian draws from a hash of (key, frame, row, column).

Every pixel has three 64-bit words of its own, whatever its light and whatever the other pixels do. A count of mean λ is
a sum of four independent Poisson counts whose means add up to λ: multiples of 256, of 8 and of 1/16 electrons, each
drawn from alias tables (:mod:`~pytest_calsim.compiled.poisson`), and the rest below 1/16, drawn by inversion. Each of
the four has at least 32 random bits, so every probability is exact to 2⁻³² (the last one's, in single precision, to
2⁻²⁷). Gaussians are Box and Muller's (1958), from 27 and 24 bits that the counts left over; they end at 6.2 σ.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled
from pytest_calsim.compiled.poisson import COARSE_BIAS, PoissonTables

__all__ = ["expose", "normal_map", "uniform_map"]

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Ints = NDArray[np.int32]
Words = NDArray[np.uint64]
f32, u64 = np.float32, np.uint64

# Multipliers and shifts of splitmix64 (Steele, Lea & Flood 2014), and one more odd multiplier for derived bits.
_GAMMA, _MUL_1, _MUL_2 = u64(0x9E3779B97F4A7C15), u64(0xBF58476D1CE4E5B9), u64(0x94D049BB133111EB)
_MUL_3 = u64(0xD6E8FEB86659FD93)
_WORDS_PER_PIXEL = u64(3)
_5, _8, _11, _16, _27, _30, _31, _32, _40 = (u64(n) for n in (5, 8, 11, 16, 27, 30, 31, 32, 40))
_0, _BITS_16, _BITS_32 = (u64(2**n - 1) for n in (0, 16, 32))
# The level of a mean in sixteenths, cut into digits: 7 bits for the fine tables, 5 for the middle, the rest for the
# coarse ones; and columns beside them. Halves of the wide integers above, so that twice as many fit a register.
_ONES, _TENS, _COLUMN_8, _COLUMN_5, _LOW_HALF = (np.uint32(n) for n in (0x7F, 0xF80, 0xFF, 0x1F, 0xFFFF))
_ONE, _FIVE, _HUNDREDS, _UPPER = (np.uint32(n) for n in (1, 5, 12, 16))
_PIECE = 192
"""Most pixels of a row that are drawn together."""


@compiled
def _mix(word: np.uint64) -> np.uint64:
    """Hash of 64 bits: the finaliser of splitmix64."""
    word = (word ^ (word >> _30)) * _MUL_1
    word = (word ^ (word >> _27)) * _MUL_2
    return word ^ (word >> _31)


@compiled
def _uniform(word: np.uint64) -> float:
    """A word as a number inside (0, 1)."""
    return (np.float64(word >> _11) + 0.5) * 2.0**-53


# Single-precision constants: with others numba would compute in double precision, half as many at a time.
_ZERO, _HALF, _QUARTER, _UNIT, _MINUS_2, _LN_2 = (f32(value) for value in (0, 0.5, 0.25, 1, -2, math.log(2)))
_2_TO_MINUS_24, _2_TO_MINUS_27, _2_TO_MINUS_32 = (f32(2.0**-n) for n in (24, 27, 32))
# 2·artanh(s)/s and sin(2πy)/y, in powers of s² and y².
_LOG_0, _LOG_1, _LOG_2, _LOG_3, _LOG_4 = (f32(2 / (2 * k + 1)) for k in range(5))
_SIN_0, _SIN_1, _SIN_2, _SIN_3, _SIN_4, _SIN_5 = (
    f32((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1)) for k in range(6)
)
_MANTISSA, _EXPONENT_OF_1, _EXPONENT_OF_HALF, _ROOT_2 = (
    np.int32(n) for n in (0x7FFFFF, 0x3F800000, 0x3F000000, 0x3504F3)
)


@compiled
def _gaussian(radius: np.int32, angle: np.int32) -> np.float32:
    """A standard Gaussian from 27 and 24 bits: √(−2 ln u)·cos(2πv)."""
    u = np.float32((np.float32(radius) + _HALF) * _2_TO_MINUS_27)
    # u = 2^e·m with m within √2 of 1, and ln m = 2·artanh((m − 1)/(m + 1)).
    bits = np.int32(u.view(np.int32))
    mantissa = np.int32(bits & _MANTISSA)
    near_1 = np.int32(mantissa | (_EXPONENT_OF_HALF if mantissa > _ROOT_2 else _EXPONENT_OF_1))
    exponent = np.float32(np.int32(bits - near_1) >> 23)
    m = near_1.view(np.float32)
    s = (m - _UNIT) / (m + _UNIT)
    q = s * s
    log = exponent * _LN_2 + s * (_LOG_0 + q * (_LOG_1 + q * (_LOG_2 + q * (_LOG_3 + q * _LOG_4))))
    # The cosine as a sine within a quarter turn; its sign is as random as v.
    y = _QUARTER - abs(np.float32(angle) * _2_TO_MINUS_24 - _HALF)
    q = y * y
    sine = y * (_SIN_0 + q * (_SIN_1 + q * (_SIN_2 + q * (_SIN_3 + q * (_SIN_4 + q * _SIN_5)))))
    return np.sqrt(_MINUS_2 * log) * sine


@compiled
def _normal(word: np.uint64) -> np.float32:
    """A standard Gaussian from one word."""
    return _gaussian(np.int32((word & _BITS_32) >> _5), np.int32(word >> _40))


@compiled
def _row_words(key: np.uint64, frame: int, row: int) -> np.uint64:
    """Where a row's sequence of words begins."""
    return _mix(_mix(_mix(key) + u64(frame) * _GAMMA) + u64(row) * _GAMMA)


@compiled
def _draw_normals(key: np.uint64, out: Image) -> None:
    for y in range(out.shape[0]):
        first = _row_words(key, 0, y)
        for x in range(out.shape[1]):
            out[y, x] = _normal(_mix(first + u64(x) * _GAMMA))


@compiled
def _draw_uniforms(key: np.uint64, out: Floats) -> None:
    for y in range(out.shape[0]):
        first = _row_words(key, 0, y)
        for x in range(out.shape[1]):
            out[y, x] = _uniform(_mix(first + u64(x) * _GAMMA))


def normal_map(key: np.uint64, height: int, width: int) -> Image:
    """A standard Gaussian per pixel, named by its row and column: a larger map continues a smaller one."""
    out = np.empty((height, width), np.float32)
    _draw_normals(key, out)
    return out


def uniform_map(key: np.uint64, height: int, width: int) -> Floats:
    """A number inside (0, 1) per pixel, named by its row and column."""
    out = np.empty((height, width))
    _draw_uniforms(key, out)
    return out


@compiled
def _hash_row(first: np.uint64, a: Words, b: Words, c: Words, d: Image) -> None:
    """Three words a pixel, and 32 bits derived from all three, as a number below 2³²."""
    for x in range(a.shape[0]):
        counter = first + u64(x) * (_WORDS_PER_PIXEL * _GAMMA)
        a[x] = _mix(counter)
        b[x] = _mix(counter + _GAMMA)
        c[x] = _mix(counter + _GAMMA + _GAMMA)
        d[x] = np.float32(((a[x] ^ b[x] ^ c[x]) * _MUL_3) >> _32)


@compiled
def _mean_row(light: Image, response: Image, dark: Image, highest: np.float32, level: Ints, rest: Image) -> None:
    """Cut each pixel's mean electrons into whole sixteenths and a rest, the latter in units of 2⁻³² electrons."""
    for x in range(light.shape[0]):
        lit = light[x] if light[x] > 0 else np.float32(0)
        mean = lit * response[x] + dark[x]
        sixteenths = min(mean if mean > 0 else np.float32(0), highest) * np.float32(16)
        level[x] = np.int32(sixteenths)
        rest[x] = (sixteenths - np.float32(level[x])) * np.float32(2.0**28)


@compiled
def _address_row(level: Ints, a: Words, b: Words, address: NDArray[np.uint32]) -> None:
    """Places in the middle tables (high half) and in the fine ones (low half)."""
    for x in range(address.shape[0]):
        digits = np.uint32(level[x])
        middle = ((digits & _TENS) << _ONE) | (np.uint32(a[x]) & _COLUMN_8)
        fine = ((digits & _ONES) << _FIVE) | (np.uint32(b[x]) & _COLUMN_5)
        address[x] = (middle << _UPPER) | fine


@compiled
def _fetch_row(level: Ints, c: Words, address: NDArray[np.uint32], tables: PoissonTables, columns: Words) -> None:
    """Look up each pixel's columns of the middle, fine and coarse tables."""
    coarse, coarse_index, middle, fine = tables[0], tables[1], tables[2], tables[3]
    of_middle, of_fine, of_coarse = columns[0], columns[1], columns[2]
    for x in range(address.shape[0]):
        of_middle[x] = middle[address[x] >> _UPPER]
        of_fine[x] = fine[address[x] & _LOW_HALF]
        index = coarse_index[np.uint32(level[x]) >> _HUNDREDS]
        of_coarse[x] = coarse[(index >> _16) + (((c[x] & _BITS_32) * (index & _BITS_16)) >> _32)]


@compiled
def _count_row(
    level: Ints, a: Words, b: Words, c: Words, middle: Words, fine: Words, coarse: Words, electrons: Ints
) -> None:
    """Poisson counts of the whole sixteenths: a word's high half meets its column's threshold."""
    for x in range(electrons.shape[0]):
        count = (middle[x] >> (_16 if a[x] >= middle[x] else _0)) & _BITS_16
        count += (fine[x] >> (_16 if b[x] >= fine[x] else _0)) & _BITS_16
        count += (coarse[x] >> (_16 if c[x] >= coarse[x] else _0)) & _BITS_16
        electrons[x] = np.int32(count) + np.int32((level[x] >> 12) << 8) - np.int32(COARSE_BIAS)


# Coefficients of Horner's scheme for P(N >= k), a series in the mean.
_S1, _S2, _S3, _S4 = (f32(1 / k) for k in (2, 3, 4, 5))
_T0, _T1, _T2, _T3 = (f32(value) for value in (1 / 2, 2 / 3, 3 / 8, 4 / 15))
_U0, _U1, _U2, _V0, _V1, _W0 = (f32(value) for value in (1 / 6, 3 / 4, 2 / 5, 1 / 24, 4 / 5, 1 / 120))


@compiled
def _add_rest_row(d: Image, rest: Image, electrons: Ints) -> None:
    """Add Poisson counts of means below 1/16, by inversion from above; six or more have a chance below 2⁻³³."""
    for x in range(electrons.shape[0]):
        u, m = d[x] * _2_TO_MINUS_32, rest[x] * _2_TO_MINUS_32
        square = m * m
        one = m * (_UNIT - m * _S1 * (_UNIT - m * _S2 * (_UNIT - m * _S3 * (_UNIT - m * _S4))))
        two = square * _T0 * (_UNIT - m * _T1 * (_UNIT - m * _T2 * (_UNIT - m * _T3)))
        three = square * m * _U0 * (_UNIT - m * _U1 * (_UNIT - m * _U2))
        four = square * square * _V0 * (_UNIT - m * _V1)
        five = square * square * m * _W0
        electrons[x] += (u < one) + (u < two) + (u < three) + (u < four) + (u < five)


@compiled
def _cut_row(words: Words, drop: np.uint64, bits: Ints) -> None:
    """The low halves of some words without their lowest bits."""
    for x in range(bits.shape[0]):
        bits[x] = np.int32(np.uint32(words[x]) >> np.uint32(drop))


@compiled
def _normal_row(radius: Ints, angle: Ints, normal: Image) -> None:
    for x in range(normal.shape[0]):
        normal[x] = _gaussian(radius[x], angle[x])


def expose(
    light: Image,
    response: Image,
    dark: Image,
    offset: Image,
    key: np.uint64,
    frame: int,
    tables: PoissonTables,
    full_well_e: float,
    read_noise_e: float,
    gain_adu_per_e: float,
    row_noise_adu: float,
    top_code: float,
    drop_bits: int,
    out: NDArray[Any],
) -> None:
    """Codes of one frame: Poisson electrons, full well, read noise, gain, offsets, converter, dropped bits.

    Parameters
    ----------
    light
        Picture ``(height, width)``; negative light and NaN count as none.
    response, dark, offset
        Electrons per unit of light, dark electrons and black level, ``(height, width)`` or ``(1, width)``.
    key, frame
        Name of the noise.
    tables
        From :func:`~pytest_calsim.compiled.poisson.poisson_tables`, for this full well.
    full_well_e, read_noise_e, gain_adu_per_e, row_noise_adu
        As in :class:`~pytest_calsim.acquisition.ImageSensor`.
    top_code, drop_bits
        The converter's highest code, and by how many bits codes are shifted right.
    out
        Where the codes go.
    """
    n = math.ceil(light.shape[1] / math.ceil(light.shape[1] / _PIECE))
    scratch = np.empty((6, n), np.uint64), np.empty((3, n), np.float32), np.empty((4, n), np.int32), np.empty(n, "u4")
    chip = full_well_e, read_noise_e, gain_adu_per_e, row_noise_adu, top_code
    _expose(light, response, dark, offset, key, frame, tables, chip, drop_bits, scratch, out)


@compiled
def _expose(
    light: Image,
    response: Image,
    dark: Image,
    offset: Image,
    key: np.uint64,
    frame: int,
    tables: PoissonTables,
    chip: tuple[float, float, float, float, float],
    drop_bits: int,
    scratch: tuple[Words, Image, Ints, NDArray[np.uint32]],
    out: NDArray[Any],
) -> None:
    full_well_e, read_noise_e, gain = np.float32(chip[0]), np.float32(chip[1]), np.float32(chip[2])
    row_noise_adu, top_code = np.float32(chip[3]), np.float32(chip[4])
    words, parts, whole, addresses = scratch
    height, width = light.shape
    piece = addresses.shape[0]
    for y in range(height):
        row_words = _row_words(key, frame, y)
        row_offset = row_noise_adu * _normal(_mix(~row_words))
        # Pieces of a row stay in the nearest cache. Each loop but the look-ups vectorises, as it is on its own.
        for k in range(-(-width // piece)):
            x, n = k * piece, min(piece, width - k * piece)
            a, b, c = words[0, :n], words[1, :n], words[2, :n]
            d, rest, normal, address = parts[0, :n], parts[1, :n], parts[2, :n], addresses[:n]
            level, electrons, radius, angle = whole[0, :n], whole[1, :n], whole[2, :n], whole[3, :n]
            _hash_row(row_words + u64(x) * (_WORDS_PER_PIXEL * _GAMMA), a, b, c, d)
            mean_response, mean_dark = response[y % response.shape[0], x : x + n], dark[y % dark.shape[0], x : x + n]
            _mean_row(light[y, x : x + n], mean_response, mean_dark, tables[4], level, rest)
            _address_row(level, a, b, address)
            _fetch_row(level, c, address, tables, words[3:])
            _count_row(level, a, b, c, words[3, :n], words[4, :n], words[5, :n], electrons)
            _add_rest_row(d, rest, electrons)
            _cut_row(b, _5, radius)
            _cut_row(a, _8, angle)
            _normal_row(radius, angle, normal)
            black, codes = offset[y % offset.shape[0], x : x + n], out[y, x : x + n]
            for i in range(n):
                signal = min(np.float32(electrons[i]), full_well_e) + read_noise_e * normal[i]
                code = np.rint(signal * gain + (black[i] + row_offset))
                codes[i] = np.int32(min(max(code, _ZERO), top_code)) >> drop_bits
