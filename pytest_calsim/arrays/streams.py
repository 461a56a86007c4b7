"""Make counter-based random streams, each named by (seed, step, entity).

A stream depends on its name alone. So the draws of one step or cell do not depend on how much another draws.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from pytest_calsim.kernels.types import Ints, Keys

__all__ = ["numbered_keys", "stream", "stream_key", "stream_keys"]

_NEXT = np.uint64(0xD1342543DE82EF95)
"""From the name of one numbered stream to that of the next: an odd number without a pattern."""


def _hashed(seed: int, name: tuple[str | int, ...]) -> hashlib.blake2b:
    """Begin the hash of a name; more parts may follow."""
    return hashlib.blake2b(str(seed).encode() + _text(name), digest_size=16)


def _text(name: Iterable[str | int]) -> bytes:
    """Write out parts of a name; the type of each part counts, so that 1 and "1" differ."""
    return "".join(f"\x1f{type(part).__name__}:{part}" for part in name).encode()


class _Key(ISeedSequence):
    """Hand a key to Philox unchanged. ``Philox(key=...)`` would also read entropy from the system, which takes time."""

    def __init__(self, words: Keys) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Keys:
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
    key = _Key(np.frombuffer(_hashed(seed, name).digest(), dtype=np.uint64))
    return np.random.Generator(np.random.Philox(cast("Any", key)))  # numpy takes any ISeedSequence; its stubs do not


def stream_key(seed: int, *name: str | int) -> int:
    """Return the name of a stream as a 64-bit key, for kernels that hash counters themselves.

    Parameters are those of :func:`stream`.
    """
    return int.from_bytes(_hashed(seed, name).digest()[:8], "little")


def stream_keys(seed: int, name: tuple[str | int, ...], entities: Ints) -> Keys:
    """Return the names of the streams of many entities, each as :func:`stream_key` gives it.

    Parameters
    ----------
    seed
        The spec's seed.
    name
        Parts of the name that all share.
    entities
        The others, int64 ``(n, part)``.

    Returns
    -------
    uint64 ``(n,)``.
    """
    shared = _hashed(seed, name)
    text = b"\x1fint:%d" * entities.shape[1]  # what _text writes, in less time
    keys = np.empty(len(entities), np.uint64)
    for i, entity in enumerate(entities.tolist()):
        hashed = shared.copy()
        hashed.update(text % tuple(entity))
        keys[i] = int.from_bytes(hashed.digest()[:8], "little")
    return keys


def numbered_keys(first: int, n: int) -> Keys:
    """Return the names of ``n`` streams that are counted on from a first one, uint64 ``(n,)``.

    Parameters
    ----------
    first
        Name of stream 0, as :func:`stream_key` gives it.
    n
        Number of streams. More of them leave the others as they are.
    """
    return np.uint64(first) + np.arange(n, dtype=np.uint64) * _NEXT
