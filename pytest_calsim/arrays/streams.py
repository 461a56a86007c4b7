"""Make counter-based random streams, each named by (seed, step, entity).

A stream depends on its name alone. So the draws of one step or cell do not depend on how much another draws.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

__all__ = ["stream", "stream_key"]


def _digest(seed: int, name: tuple[str | int, ...]) -> bytes:
    """Hash a name to 16 bytes; the type of each part counts, so that 1 and "1" differ."""
    text = str(seed)
    for part in name:
        text += f"\x1f{type(part).__name__}:{part}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class _Key(ISeedSequence):
    """Hand a key to Philox unchanged. ``Philox(key=...)`` would also read entropy from the system, which takes time."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[np.uint64]:
        return self._words


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """Return a generator whose draws depend on the seed and the name alone.

    Parameters
    ----------
    seed
        The spec's seed.
    *name
        What the stream is for: the step's kind, then the entity, e.g. ``"place_neurons", "cell", 12``.
    """
    key = _Key(np.frombuffer(_digest(seed, name), dtype=np.uint64))
    return np.random.Generator(np.random.Philox(cast("Any", key)))  # numpy takes any ISeedSequence; its stubs do not


def stream_key(seed: int, *name: str | int) -> int:
    """Return the name of a stream as a 64-bit key, for kernels that hash counters themselves.

    Parameters are those of :func:`stream`.
    """
    return int.from_bytes(_digest(seed, name)[:8], "little")
