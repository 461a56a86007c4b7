"""Shot and read noise of one frame: exact Poisson and Gaussian draws from a hash of (key, frame, row, column).

Every pixel has four 64-bit words of its own, whatever its light and whatever the other pixels do: one for a pair of
Gaussians (the read noise, and a bright pixel's count), the others for what its count needs besides.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.gaussian import gaussian, gaussian_rows
from pytest_calsim.compiled.hashing import GAMMA, hash_row, mix, row_words, uniform
from pytest_calsim.compiled.jit import compiled
from pytest_calsim.compiled.poisson import BRIGHT_E, PoissonTables, bright_row, dim_row

__all__ = ["Chip", "Scratch", "expose_row", "normal_map", "uniform_map"]

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Ints = NDArray[np.int32]
Words = NDArray[np.uint64]
f32, u64 = np.float32, np.uint64

_STEP = u64(4 * int(GAMMA) % 2**64)
"""From a pixel's counter to its neighbour's."""
_PIECE = 192
"""Most pixels of a row that are drawn together."""
_ZERO = f32(0)


@compiled
def _draw_normals(key: np.uint64, out: Image) -> None:
    for y in range(out.shape[0]):
        first = row_words(key, 0, y)
        for x in range(out.shape[1]):
            out[y, x] = gaussian(mix(first + u64(x) * GAMMA))


@compiled
def _draw_uniforms(key: np.uint64, out: Floats) -> None:
    for y in range(out.shape[0]):
        first = row_words(key, 0, y)
        for x in range(out.shape[1]):
            out[y, x] = uniform(mix(first + u64(x) * GAMMA))


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


class Chip(NamedTuple):
    """What turns light into codes, as in :class:`~pytest_calsim.microscope.acquisition.ImageSensor`.

    Attributes
    ----------
    response, dark, offset
        Electrons per unit of light, dark electrons and black level, ``(height, width)`` or ``(1, width)``.
    key
        Name of the noise.
    full_well_e, read_noise_e, gain_adu_per_e, row_noise_adu
        See there.
    top_code, drop_bits
        The converter's highest code, and by how many bits codes are shifted right.
    tables
        From :func:`~pytest_calsim.compiled.poisson.poisson_tables`.
    """

    response: Image
    dark: Image
    offset: Image
    key: np.uint64
    full_well_e: float
    read_noise_e: float
    gain_adu_per_e: float
    row_noise_adu: float
    top_code: float
    drop_bits: int
    tables: PoissonTables


class Scratch(NamedTuple):
    """Memory that :func:`expose_row` writes over, for so many pixels at a time."""

    words: Words
    parts: Image
    whole: Ints

    @classmethod
    def of(cls, width: int) -> Scratch:
        """Enough for rows of some width."""
        n = math.ceil(width / math.ceil(width / _PIECE))
        return cls(np.empty((4, n), np.uint64), np.empty((5, n), np.float32), np.empty((3, n), np.int32))


@compiled
def _mean_row(light: Image, response: Image, dark: Image, highest: np.float32, mean: Image) -> int:
    """Write each pixel's mean electrons; give how many are dim."""
    n_dim = 0
    for x in range(light.shape[0]):
        lit = light[x] if light[x] > 0 else _ZERO
        electrons = lit * response[x] + dark[x]
        mean[x] = min(electrons if electrons > 0 else _ZERO, highest)
        n_dim += mean[x] < BRIGHT_E
    return n_dim


@compiled
def expose_row(light: Image, frame: int, y: int, chip: Chip, scratch: Scratch, out: NDArray[Any]) -> None:
    """Codes of a row: Poisson electrons, full well, read noise, gain, offsets, converter, dropped bits.

    Parameters
    ----------
    light
        ``(width,)``; negative light and NaN count as none.
    frame, y
        Which row of which frame.
    chip, scratch
        See there.
    out
        Where the codes go.
    """
    full_well_e, read_noise_e = np.float32(chip.full_well_e), np.float32(chip.read_noise_e)
    gain, top_code = np.float32(chip.gain_adu_per_e), np.float32(chip.top_code)
    # Brighter pixels fill their wells with all but a chance of 1e-15 as well.
    highest = np.float32(chip.full_well_e + 8 * math.sqrt(chip.full_well_e) + 64)
    kept = np.float32(1 / (1 << chip.drop_bits))
    words, parts, whole = scratch
    width, piece = light.shape[0], words.shape[1]
    response, dark = chip.response[y % chip.response.shape[0]], chip.dark[y % chip.dark.shape[0]]
    offset = chip.offset[y % chip.offset.shape[0]]
    first = row_words(chip.key, frame, y)
    row_offset = np.float32(chip.row_noise_adu) * gaussian(mix(~first))
    # Pieces of a row stay in the nearest cache, through short loops that vectorise.
    for k in range(-(-width // piece)):
        x, n = k * piece, min(piece, width - k * piece)
        a, b, electrons = words[0, :n], words[1, :n], whole[0, :n]
        mean, one, other = parts[0, :n], parts[1, :n], parts[2, :n]
        counter = first + u64(x) * _STEP
        hash_row(counter, _STEP, a)
        hash_row(counter + GAMMA, _STEP, b)
        n_dim = _mean_row(light[x : x + n], response[x : x + n], dark[x : x + n], highest, mean)
        gaussian_rows(a, whole[1, :n], parts[3, :n], one, other)
        bright_row(mean, one, b, parts[3, :n], whole[1, :n], electrons)
        if n_dim > 0:
            dim_row(mean, b, counter + GAMMA + GAMMA, _STEP, chip.tables, words[2:, :n], parts[3, :n], electrons)
        black, codes = offset[x : x + n], out[x : x + n]
        for i in range(n):
            signal = min(np.float32(electrons[i]), full_well_e) + read_noise_e * other[i]
            code = np.rint(signal * gain + (black[i] + row_offset))
            codes[i] = np.int32(np.floor(min(max(code, _ZERO), top_code) * kept))
