"""Find one's way among arrays of different lengths that are laid out one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_calsim.kernels.types import Bools, Ints, Ints32

__all__ = ["starts", "starts_of_groups"]


def starts(lengths: Ints | Ints32 | Bools | Sequence[int]) -> Ints:
    """Return where each of ``n`` parts begins, and where the last one ends.

    Parameters
    ----------
    lengths
        Length of each part ``(n,)``.

    Returns
    -------
    int64 ``(n + 1,)``; part i is ``starts[i]:starts[i + 1]``.
    """
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def starts_of_groups(group: Ints, n: int) -> Ints:
    """Return where the entries of each of ``n`` groups begin, and where the last ones end; see :func:`starts`.

    Parameters
    ----------
    group
        Group of each entry, ascending, from 0 to n − 1; int64 ``(entry,)``.
    n
        Number of groups. Some may have no entry.
    """
    return starts(np.bincount(group, minlength=n))
