"""Gaussians in pairs, by Box & Muller (1958), in single precision: loops over them vectorise and call no library."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["gaussian", "gaussian_rows"]

Image = NDArray[np.float32]
Ints = NDArray[np.int32]
Words = NDArray[np.uint64]
f32, u64 = np.float32, np.uint64

# Single-precision constants: with Python's numbers, half as many lanes would compute in double precision.
_HALF, _QUARTER, _ONE, _MINUS_2, _LN_2 = (f32(value) for value in (0.5, 0.25, 1, -2, math.log(2)))
_2_TO_MINUS_31 = f32(2.0**-31)
_BITS_31, _33 = u64(2**31 - 1), u64(33)
# 2·artanh(s)/s and sin(2πy)/y, in powers of s² and y².
_LOG_0, _LOG_1, _LOG_2, _LOG_3, _LOG_4 = (f32(2 / (2 * k + 1)) for k in range(5))
_SIN_0, _SIN_1, _SIN_2, _SIN_3, _SIN_4, _SIN_5 = (
    f32((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1)) for k in range(6)
)
_MANTISSA, _EXPONENT_OF_1, _EXPONENT_OF_HALF, _ROOT_2 = (
    np.int32(n) for n in (0x7FFFFF, 0x3F800000, 0x3F000000, 0x3504F3)
)


@compiled
def _radius(bits: np.int32) -> np.float32:
    """√(−2 ln u) from 31 bits: up to 6.7."""
    u = np.float32((np.float32(bits) + _HALF) * _2_TO_MINUS_31)
    # u = 2^e·m with m within √2 of 1, and ln m = 2·artanh((m − 1)/(m + 1)).
    pattern = np.int32(u.view(np.int32))
    mantissa = np.int32(pattern & _MANTISSA)
    near_1 = np.int32(mantissa | (_EXPONENT_OF_HALF if mantissa > _ROOT_2 else _EXPONENT_OF_1))
    exponent = np.float32(np.int32(pattern - near_1) >> 23)
    m = near_1.view(np.float32)
    s = (m - _ONE) / (m + _ONE)
    q = s * s
    log = exponent * _LN_2 + s * (_LOG_0 + q * (_LOG_1 + q * (_LOG_2 + q * (_LOG_3 + q * _LOG_4))))
    return np.sqrt(_MINUS_2 * log)


@compiled
def _sine(turn: np.float32) -> np.float32:
    """sin(2π·turn) within a quarter turn of 0, to 6·10⁻⁸."""
    q = turn * turn
    return turn * (_SIN_0 + q * (_SIN_1 + q * (_SIN_2 + q * (_SIN_3 + q * (_SIN_4 + q * _SIN_5)))))


@compiled
def gaussian(word: np.uint64) -> np.float32:
    """A standard Gaussian from one word."""
    turn = np.float32(np.int32(word & _BITS_31)) * _2_TO_MINUS_31 - _HALF
    return _radius(np.int32(word >> _33)) * _sine(_QUARTER - abs(turn))


@compiled
def gaussian_rows(words: Words, radius: Ints, turn: Image, one: Image, other: Image) -> None:
    """Two independent standard Gaussians from each word; ``radius`` and ``turn`` are scratch."""
    for x in range(words.shape[0]):
        radius[x] = np.int32(words[x] >> _33)
        turn[x] = np.float32(np.int32(words[x] & _BITS_31)) * _2_TO_MINUS_31 - _HALF
    for x in range(words.shape[0]):
        r, v = _radius(radius[x]), turn[x]
        # Cosine and sine of 2πv, v within half a turn, by sines within a quarter; both signs are as random as v.
        folded = (_HALF if v > 0 else -_HALF) - v
        one[x] = r * _sine(_QUARTER - abs(v))
        other[x] = r * _sine(folded if abs(v) > _QUARTER else v)
