"""Which entries this process has in hand, told to others, so that none of them is evicted.

A process keeps one folder ``in-use/<name>/`` with a lock that it holds as long as it lives, and an empty file for
each entry in hand. Where the lock can be taken its process is dead, and the folder is swept.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
import weakref
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_calsim.store.files import children, remove
from pytest_calsim.store.turns import try_lock

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["Presence", "keys_in_use"]

_LOCK = "lock"


class Presence:
    """The marks of this process in one cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.RLock()  # a finalizer may run in the middle of it
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._own = self._folder / uuid.uuid4().hex
        self._held: Counter[str] = Counter()
        self._lock: BaseFileLock | None = None

    def hold(self, key: str, owner: object) -> None:
        """Mark an entry for as long as ``owner`` exists. Where nothing can be written there is nothing to evict."""
        with self._guard, contextlib.suppress(OSError):
            if self._pid != os.getpid():  # a forked child has marks of its own
                self._begin()
            if self._lock is None and not self._settle():
                return
            (self._own / key).touch()
            self._held[key] += 1
            weakref.finalize(owner, self._drop, key, self._pid)

    def _settle(self) -> bool:
        """Make the folder and lock it; ``False`` where that cannot be done (a disk without locks)."""
        self._own.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            self._lock = try_lock(self._own / _LOCK)
        if self._lock is None:
            remove(self._own)
            return False
        weakref.finalize(self, _leave, self._own, self._lock, self._pid)
        return True

    def _drop(self, key: str, pid: int) -> None:
        if pid != os.getpid():
            return
        with self._guard, contextlib.suppress(OSError):
            self._held[key] -= 1
            if self._held[key] == 0:
                (self._own / key).unlink()


def _leave(own: Path, lock: BaseFileLock, pid: int) -> None:
    if pid == os.getpid():
        lock.release()
        remove(own)


def keys_in_use(folder: Path) -> set[str]:
    """Keys that some living process has in hand; what dead ones left is removed."""
    keys: set[str] = set()
    for own in children(folder):
        if not (own / _LOCK).exists():
            continue  # its process is about to lock it
        lock = None
        with contextlib.suppress(OSError):
            lock = try_lock(own / _LOCK)
        if lock is None:
            keys.update(path.name for path in children(own))
        else:
            lock.release()
            remove(own)
    return keys - {_LOCK}
