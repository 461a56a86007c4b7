"""Share work that releases the GIL among the cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order", "in_parallel", "usable_cores"]

T = TypeVar("T")
R = TypeVar("R")


def usable_cores() -> int:
    """Return how many threads this process may run at once."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def in_parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply ``work`` to each item, on as many threads as there are cores.

    Parameters
    ----------
    work
        A function that releases the GIL for most of its time.
    items
        What it is applied to.

    Returns
    -------
    Its results, in the order of the items.
    """
    # Starting the threads takes longer than one item is worth.
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(usable_cores(), len(items))) as pool:
        return list(pool.map(work, items))


def in_order(work: Callable[[int], R], n_items: int) -> Iterator[R]:
    """Yield ``work(0)``, ``work(1)``, ... in order, computed on as many threads as there are cores.

    At most two results a core are held or being computed, so memory does not grow with the number of items.

    Parameters
    ----------
    work
        A function that releases the GIL for most of its time.
    n_items
        Number of items.
    """
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(usable_cores()) as pool:
        for item in range(n_items):
            if len(pending) == 2 * usable_cores():
                yield pending.popleft().result()
            pending.append(pool.submit(work, item))
        while pending:
            yield pending.popleft().result()
