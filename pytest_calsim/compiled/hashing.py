"""Random words by hashing a counter: each depends on its own name alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["GAMMA", "hash_row", "mix", "row_words", "uniform"]

u64 = np.uint64

# Multipliers and shifts of splitmix64 (Steele, Lea & Flood 2014).
GAMMA = u64(0x9E3779B97F4A7C15)
"""Step of a counter from one word to the next."""
_MUL_1, _MUL_2 = u64(0xBF58476D1CE4E5B9), u64(0x94D049BB133111EB)
_11, _27, _30, _31 = u64(11), u64(27), u64(30), u64(31)


@compiled
def mix(word: np.uint64) -> np.uint64:
    """Hash of 64 bits: the finaliser of splitmix64."""
    word = (word ^ (word >> _30)) * _MUL_1
    word = (word ^ (word >> _27)) * _MUL_2
    return word ^ (word >> _31)


@compiled
def uniform(word: np.uint64) -> float:
    """A word as a number inside (0, 1)."""
    return (np.float64(word >> _11) + 0.5) * 2.0**-53


@compiled
def row_words(key: np.uint64, frame: int, row: int) -> np.uint64:
    """Where the counter of a row of pixels begins."""
    return mix(mix(mix(key) + u64(frame) * GAMMA) + u64(row) * GAMMA)


@compiled
def hash_row(first: np.uint64, step: np.uint64, words: NDArray[np.uint64]) -> None:
    """Words of the counters ``first``, ``first + step``, ..."""
    for x in range(words.shape[0]):
        words[x] = mix(first + u64(x) * step)
