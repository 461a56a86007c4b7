"""Taking turns: one process simulates a spec, the others wait, and say so.

The lock only saves work. A process that cannot lock, or has waited past the deadline, goes ahead all the same.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from pytest_calsim.store.folder import Folder

__all__ = ["Turn", "take_turn", "try_lock"]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25
_FIRST_MESSAGE_S, _MESSAGES_APART_S = 2.0, 60.0


@dataclass(frozen=True)
class Turn:
    """How a turn came about.

    Attributes
    ----------
    waited_s
        Seconds spent waiting for another process; 0 when there was nobody.
    found
        The recording that the other process left, when it did.
    """

    waited_s: float
    found: Folder | None


def try_lock(path: Path) -> BaseFileLock | None:
    """Take a lock if nobody has it; ``None`` when somebody does. ``OSError`` where there is no locking.

    The kernel drops the locks of a process that dies.
    """
    from filelock import FileLock, Timeout

    # Where there is no flock, a mere file would outlive a process that dies.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


@contextmanager
def take_turn(
    lock_path: Path, look: Callable[[], Folder | None], *, what: str, deadline_s: float, say: Callable[[str], None]
) -> Generator[Turn]:
    """Wait until it is this process's turn to simulate, or until the recording is there, or until the deadline.

    Parameters
    ----------
    lock_path
        The lock's file; beside it the holder leaves its name.
    look
        Opens the recording, or gives ``None`` while there is none.
    what, say
        What is waited for, and where to say so.
    deadline_s
        How long to wait at most.
    """
    holder = lock_path.with_suffix(".holder")
    began = time.monotonic()
    pause, next_message = _FIRST_PAUSE_S, _FIRST_MESSAGE_S
    lock: BaseFileLock | None = None
    found: Folder | None = None
    waited_s = 0.0
    with contextlib.suppress(OSError):
        while (lock := try_lock(lock_path)) is None:
            found = look()
            waited_s = time.monotonic() - began
            if found is not None:
                break
            if waited_s >= next_message or waited_s >= deadline_s:
                say(f"{what}: waiting for {_name_in(holder)}, {waited_s:.0f} s")
                next_message += min(next_message, _MESSAGES_APART_S)
            if waited_s >= deadline_s:
                say(f"{what}: waited long enough, simulating it here")
                break
            time.sleep(min(pause, max(0.0, deadline_s - waited_s)))
            pause = min(_LONGEST_PAUSE_S, 1.5 * pause)
    if lock is None:
        yield Turn(waited_s, found)
        return
    try:
        with contextlib.suppress(OSError):
            holder.write_text(os.environ.get("PYTEST_XDIST_WORKER") or f"process {os.getpid()}")
        yield Turn(waited_s, look())
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _name_in(holder: Path) -> str:
    try:
        return holder.read_text()[:40] or "another process"
    except OSError:
        return "another process"
