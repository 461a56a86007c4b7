"""Lock a recording, so that one process simulates it while the others wait for its file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["acquired", "file_lock", "simulation_lock"]

_QUIET_S = 2.0
"""Time to wait before a message says so, s."""


@contextmanager
def simulation_lock(path: Path, *, name: str, deadline_s: float, say: Callable[[str], None]) -> Generator[float]:
    """Wait until no other process holds a lock, or until the deadline; then hold it, if there is one.

    The lock only saves work: a process that cannot get it simulates all the same.

    Parameters
    ----------
    path
        The lock's file. It need not exist.
    name, say
        Name of the recording in messages, and the function that shows them.
    deadline_s
        Longest wait, s.

    Yields
    ------
    float
        Seconds waited; 0 when nobody held the lock.
    """
    lock = file_lock(path)
    began = time.monotonic()
    waited_s = 0.0
    try:
        with contextlib.suppress(OSError):  # a disk that cannot be written, or has no locks
            if not acquired(lock, 0):
                if not acquired(lock, min(_QUIET_S, deadline_s)):
                    say(f"{name}: waiting for another process that simulates it")
                    if not acquired(lock, deadline_s - _QUIET_S):
                        say(f"{name}: waited {deadline_s:.0f} s, simulating it here")
                waited_s = time.monotonic() - began
        yield waited_s
    finally:
        lock.release()


def file_lock(path: Path) -> BaseFileLock:
    """Make the lock of a file, not yet held."""
    from filelock import FileLock  # here, as a hit needs no lock

    # Where there is no flock, a mere file would outlive a process that dies.
    return FileLock(path, fallback_to_soft=False)


def acquired(lock: BaseFileLock, timeout_s: float) -> bool:
    """Try to get a lock within ``timeout_s`` seconds; return whether it is held.

    Raises
    ------
    OSError
        When the disk cannot be written, or has no locks.
    """
    from filelock import Timeout

    try:
        lock.acquire(max(0.0, timeout_s))
    except Timeout:
        return False
    return True
