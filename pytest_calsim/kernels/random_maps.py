"""Draw random numbers for every pixel of a map, each by a hash of the pixel's name.

Pixels of the sensor are counted from the optical axis, so a larger sensor continues a smaller one on all sides.
"""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.types import Floats, Floats32, Words

__all__ = ["about_axis", "gaussian_pairs", "mix", "normal_map", "pixel_words", "row_words", "uniform_map"]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MUL_1 = np.uint64(0xBF58476D1CE4E5B9)
_MUL_2 = np.uint64(0x94D049BB133111EB)
_11, _27, _30, _31 = (np.uint64(shift) for shift in (11, 27, 30, 31))

_gaussian_pairs = Kernel(
    "gaussian_pairs", n=int, words=array(np.uint64, "n"), one=output(np.float32, "n"), other=output(np.float32, "n")
)


def mix(words: Words) -> Words:
    """Hash words of 64 bits, elementwise: the finaliser of splitmix64 (Steele, Lea & Flood 2014)."""
    words = (words ^ (words >> _30)) * _MUL_1
    words = (words ^ (words >> _27)) * _MUL_2
    return words ^ (words >> _31)


def about_axis(size: int) -> range:
    """Return the numbers of the pixels along a side of the sensor: the optical axis is at 0, or half a pixel before."""
    return range(-(size // 2), size - size // 2)


def row_words(key: int, rows: range, frame: int = 0) -> Words:
    """Return a random word per row, named by (key, frame, row), uint64 ``(row,)``: its pixels' counters start there.

    Parameters
    ----------
    key
        Name of the map, 0 to 2⁶⁴ − 1.
    rows
        Numbers of the rows, also negative ones.
    frame
        Which of a series of maps.
    """
    of_frame = mix(mix(np.array([key], np.uint64)) + np.array([frame], np.uint64) * _GAMMA)
    return mix(of_frame + _counters(rows))


def pixel_words(key: int, rows: range, columns: range, frame: int = 0) -> Words:
    """Return a random word per pixel, named by (key, frame, row, column), uint64 ``(row, column)``."""
    return mix(row_words(key, rows, frame)[:, np.newaxis] + _counters(columns))


def _counters(numbers: range) -> Words:
    # A negative number is its complement, as in C: its product wraps to the right counter.
    return np.arange(numbers.start, numbers.stop, numbers.step).astype(np.uint64) * _GAMMA


def gaussian_pairs(words: Words) -> tuple[Floats32, Floats32]:
    """Turn each word into two independent standard Gaussians, by the method of ``gaussian.h``.

    Parameters
    ----------
    words
        uint64, any shape.

    Returns
    -------
    Two float32 arrays of the same shape.
    """
    flat = np.ascontiguousarray(words).ravel()
    one = np.empty(flat.size, np.float32)
    other = np.empty(flat.size, np.float32)
    _gaussian_pairs(words=flat, one=one, other=other)
    return one.reshape(words.shape), other.reshape(words.shape)


def normal_map(key: int, height: int, width: int) -> Floats32:
    """Draw a standard Gaussian per pixel of the sensor, float32 ``(height, width)``.

    Parameters
    ----------
    key
        Name of the map, 0 to 2⁶⁴ − 1.
    height, width
        Size of the sensor, px. A larger one continues the map on all sides.
    """
    return gaussian_pairs(pixel_words(key, about_axis(height), about_axis(width)))[0]


def uniform_map(key: int, height: int, width: int) -> Floats:
    """Draw a number inside (0, 1) per pixel of the sensor, float64 ``(height, width)``.

    Parameters are those of :func:`normal_map`.
    """
    words = pixel_words(key, about_axis(height), about_axis(width))
    return ((words >> _11).astype(np.float64) + 0.5) * 2.0**-53
