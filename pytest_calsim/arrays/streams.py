"""Counter-based random streams, each named by (seed, step, entity).

A stream depends on its name alone, so no draw of one step, cell or frame can move another's.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

__all__ = ["stream", "stream_key"]


def _digest(seed: int, name: tuple[str | int, ...]) -> bytes:
    text = str(seed)
    for part in name:
        text += f"\x1f{type(part).__name__}:{part}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class _Key(ISeedSequence):
    """A key as it is: what ``Philox(key=...)`` takes, without the entropy that it asks the system for beside."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[np.uint64]:
        return self._words


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """A generator whose draws depend only on the seed and the name.

    Parameters
    ----------
    seed
        The spec's seed.
    *name
        What the stream is for: the step's kind, then the entity (``"cell", 12``).
    """
    key = _Key(np.frombuffer(_digest(seed, name), dtype=np.uint64))
    return np.random.Generator(np.random.Philox(cast("Any", key)))  # numpy takes any ISeedSequence; its stubs do not


def stream_key(seed: int, *name: str | int) -> int:
    """The same name as a 64-bit key, for kernels that hash counters itself."""
    return int.from_bytes(_digest(seed, name)[:8], "little")
