"""Shot and read noise of one frame: exact Poisson and Gaussian draws from a hash of (key, frame, row, column).

Every pixel has three 64-bit words of its own, whatever its light and whatever the other pixels do. A count of mean λ is
a sum of four independent Poisson counts whose means add up to λ: multiples of 256, of 8 and of 1/16 electrons, each
drawn from alias tables (:mod:`~pytest_calsim.compiled.poisson`), and the rest below 1/16, drawn by inversion. Each of
the four has at least 32 random bits, so every probability is exact to 2⁻³². Gaussians come from a ziggurat (Marsaglia
& Tsang 2000) that hashes its own word anew where it rejects.
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
u64 = np.uint64

# Multipliers and shifts of splitmix64 (Steele, Lea & Flood 2014), and one more odd multiplier for derived bits.
_GAMMA, _MUL_1, _MUL_2 = u64(0x9E3779B97F4A7C15), u64(0xBF58476D1CE4E5B9), u64(0x94D049BB133111EB)
_MUL_3 = u64(0xD6E8FEB86659FD93)
_WORDS_PER_PIXEL = u64(3)
_5, _7, _8, _11, _12, _16, _27, _30, _31, _32 = (u64(n) for n in (5, 7, 8, 11, 12, 16, 27, 30, 31, 32))
_0, _1, _BITS_5, _BITS_7, _BITS_8, _BITS_16, _BITS_32 = (u64(2**n - 1) for n in (0, 1, 5, 7, 8, 16, 32))
_BITS_5_TO_31 = u64(2**32 - 2**5)
# The level of a mean in sixteenths, cut into digits: 7 bits for the fine tables, 5 for the middle, the rest for the
# coarse ones; and columns beside them. Halves of the wide integers above, so that twice as many fit a register.
_ONES, _TENS, _COLUMN_8, _COLUMN_5, _LOW_HALF = (np.uint32(n) for n in (0x7F, 0xF80, 0xFF, 0x1F, 0xFFFF))
_ONE, _FIVE, _HUNDREDS, _HALF = (np.uint32(n) for n in (1, 5, 12, 16))
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


_TAIL = 3.6541528853610088
"""Where the lowest of the 256 layers of equal area begins its tail."""


def _layers() -> tuple[Floats, Floats]:
    """Right edges and heights of the ziggurat's layers; edge 0 is that of a rectangle as large as base and tail."""
    height = math.exp(-_TAIL * _TAIL / 2)
    area = _TAIL * height + math.sqrt(math.pi / 2) * math.erfc(_TAIL / math.sqrt(2))
    edges = [area / height, _TAIL]
    for _ in range(254):
        height += area / edges[-1]
        edges.append(math.sqrt(-2 * math.log(height)))
    x = np.array([*edges, 0.0])
    return x, np.exp(-x * x / 2)


_EDGE, _HEIGHT = _layers()
_SCALE = _EDGE[:256] * 2.0**-31
_INSIDE = np.minimum(_EDGE[1:] / _EDGE[:256] * 2.0**31, 2.0**31 - 1).astype(np.int32)


@compiled
def _normal_anew(signed: np.int64, layer: np.uint64, word: np.uint64) -> float:
    """Finish a Gaussian whose first try left its layer's core: wedge, tail, or a fresh try from a fresh hash."""
    while True:
        x = signed * _SCALE[layer]
        if abs(signed) < _INSIDE[layer]:
            return x
        word = _mix(word + _GAMMA)
        if layer == _0:
            while True:
                beyond = -math.log(_uniform(word)) / _TAIL
                word = _mix(word + _GAMMA)
                if -2 * math.log(_uniform(word)) > beyond * beyond:
                    return _TAIL + beyond if signed > 0 else -_TAIL - beyond
                word = _mix(word + _GAMMA)
        height = _HEIGHT[layer] + _uniform(word) * (_HEIGHT[layer + _1] - _HEIGHT[layer])
        if height < math.exp(-0.5 * x * x):
            return x
        word = _mix(word + _GAMMA)
        signed = np.int64(np.int32(word >> _32))
        layer = word & _BITS_8


@compiled
def _normal(word: np.uint64) -> float:
    """A standard Gaussian from one word."""
    return _normal_anew(np.int64(np.int32(word >> _32)), word & _BITS_8, word)


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
def _small_poisson(uniform: float, mean: float) -> int:
    """Poisson count of a mean below 1/16, by inversion from above."""
    # 1 - exp(-mean) by its series, to 1e-12: uniform numbers have 32 bits here.
    above = mean * (1 - mean / 2 * (1 - mean / 3 * (1 - mean / 4 * (1 - mean / 5 * (1 - mean / 6)))))
    count, p = 0, 1 - above
    while uniform < above and count < 8:
        count += 1
        p *= mean / count
        above -= p
    return count


@compiled
def _address_row(level: Ints, a: Words, b: Words, address: NDArray[np.uint32]) -> None:
    """Places in the middle tables (high half) and in the fine ones (low half)."""
    for x in range(address.shape[0]):
        digits = np.uint32(level[x])
        middle = ((digits & _TENS) << _ONE) | (np.uint32(a[x]) & _COLUMN_8)
        fine = ((digits & _ONES) << _FIVE) | (np.uint32(b[x]) & _COLUMN_5)
        address[x] = (middle << _HALF) | fine


@compiled
def _fetch_row(
    level: Ints,
    a: Words,
    c: Words,
    address: NDArray[np.uint32],
    tables: PoissonTables,
    columns: Words,
    normal: Floats,
    inside: Ints,
) -> None:
    """Look up each pixel's columns of the three tables, and the scale and the core of its ziggurat's layer."""
    coarse, coarse_index, middle, fine = tables[0], tables[1], tables[2], tables[3]
    of_middle, of_fine, of_coarse = columns[0], columns[1], columns[2]
    for x in range(address.shape[0]):
        of_middle[x] = middle[address[x] >> _HALF]
        of_fine[x] = fine[address[x] & _LOW_HALF]
        index = coarse_index[np.uint32(level[x]) >> _HUNDREDS]
        of_coarse[x] = coarse[(index >> _16) + (((c[x] & _BITS_32) * (index & _BITS_16)) >> _32)]
        layer = (a[x] >> _8) & _BITS_8
        normal[x] = _SCALE[layer]
        inside[x] = _INSIDE[layer]


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


@compiled
def _normal_row(b: Words, normal: Floats) -> None:
    """Gaussians, from their layers' scales and the bits that the counts left over."""
    for x in range(b.shape[0]):
        normal[x] *= np.float64(np.int32(b[x] & _BITS_5_TO_31))


@compiled
def _mark_row(b: Words, inside: Ints, d: Image, rest: Image, rare: NDArray[np.uint8]) -> None:
    """Mark pixels whose rest yields electrons, or whose Gaussian left its layer's core."""
    for x in range(b.shape[0]):
        rare[x] = (d[x] < rest[x]) | (abs(np.int32(b[x] & _BITS_5_TO_31)) >= inside[x])


@compiled
def _finish_rare(
    rare: NDArray[np.uint8],
    a: Words,
    b: Words,
    d: Image,
    rest: Image,
    inside: Ints,
    where: Ints,
    electrons: Ints,
    normal: Floats,
) -> None:
    """What takes branches, for the few pixels in twenty that need it."""
    n = 0
    for x in range(rare.shape[0]):
        where[n] = x
        n += rare[x]
    for i in range(n):
        x = int(where[i])
        if d[x] < rest[x]:
            electrons[x] += _small_poisson(d[x] * 2.0**-32, rest[x] * 2.0**-32)
        signed = np.int64(np.int32(b[x] & _BITS_5_TO_31))
        if abs(signed) >= inside[x]:
            normal[x] = _normal_anew(signed, (a[x] >> _8) & _BITS_8, a[x] ^ b[x])


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
    words, parts, normal = np.empty((6, n), np.uint64), np.empty((2, n), np.float32), np.empty(n)
    whole, address, rare = np.empty((4, n), np.int32), np.empty(n, np.uint32), np.empty(n, np.uint8)
    chip = full_well_e, read_noise_e, gain_adu_per_e, row_noise_adu, top_code
    scratch = words, parts, normal, whole, address, rare
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
    scratch: tuple[Words, Image, Floats, Ints, NDArray[np.uint32], NDArray[np.uint8]],
    out: NDArray[Any],
) -> None:
    full_well_e, read_noise_e, gain_adu_per_e, row_noise_adu, top_code = chip
    words, parts, normals, whole, addresses, marks = scratch
    height, width = light.shape
    for y in range(height):
        row_words = _row_words(key, frame, y)
        row_offset = row_noise_adu * _normal(_mix(~row_words))
        # Pieces of a row stay in the nearest cache. Each loop but the look-ups vectorises, as it is on its own.
        for piece in range(-(-width // normals.shape[0])):
            x = piece * normals.shape[0]
            n = min(normals.shape[0], width - x)
            a, b, c = words[0, :n], words[1, :n], words[2, :n]
            d, rest, normal, address, rare = parts[0, :n], parts[1, :n], normals[:n], addresses[:n], marks[:n]
            level, electrons, inside, where = whole[0, :n], whole[1, :n], whole[2, :n], whole[3, :n]
            _hash_row(row_words + u64(x) * (_WORDS_PER_PIXEL * _GAMMA), a, b, c, d)
            mean_response, mean_dark = response[y % response.shape[0], x : x + n], dark[y % dark.shape[0], x : x + n]
            _mean_row(light[y, x : x + n], mean_response, mean_dark, tables[4], level, rest)
            _address_row(level, a, b, address)
            _fetch_row(level, a, c, address, tables, words[3:], normal, inside)
            _count_row(level, a, b, c, words[3, :n], words[4, :n], words[5, :n], electrons)
            _normal_row(b, normal)
            _mark_row(b, inside, d, rest, rare)
            _finish_rare(rare, a, b, d, rest, inside, where, electrons, normal)
            black, codes = offset[y % offset.shape[0], x : x + n], out[y, x : x + n]
            for i in range(n):
                signal = min(np.float64(electrons[i]), full_well_e) + read_noise_e * normal[i]
                code = np.rint(signal * gain_adu_per_e + (black[i] + row_offset))
                codes[i] = np.int32(min(max(code, 0.0), top_code)) >> drop_bits
