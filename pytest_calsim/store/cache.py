"""The content-addressed cache: each spec is simulated once, and every worker, job and version shares the recording.

Whatever happens to the disk, a request gives the right recording. What is damaged is set aside and rebuilt from the
spec, in the middle of a test too; where nothing can be written recordings live in a temporary folder, and where that
fails too they are painted when they are read. Each of these is told in one :class:`~pytest_calsim.errors.CacheWarning`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import threading
import time
import warnings
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_calsim.errors import CacheWarning, StoreError
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.files import remove
from pytest_calsim.store.folder import Folder, StoredFrames, StoredTruth
from pytest_calsim.store.kept import KeptFolder
from pytest_calsim.store.shelf import CacheEntry, Shelf
from pytest_calsim.store.turns import take_turn

__all__ = ["CacheCounters", "CacheEntry", "RecordingCache", "default_root"]

# Recordings that stay in memory between requests; each holds what was read of its truth, and one chunk.
_IN_HAND = 16


@dataclass
class CacheCounters:
    """What a cache did.

    Attributes
    ----------
    simulated, rebuilt
        Simulations run because there was no recording, and because it was damaged. Together all simulations.
    hits, waited
        Requests served without one: at once, and after waiting for another process.
    seconds_saved
        What their simulation had cost, less the time spent waiting.
    """

    simulated: int = 0
    hits: int = 0
    waited: int = 0
    rebuilt: int = 0
    seconds_saved: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """The counters by name, as plain numbers (JSON, xdist's ``workeroutput``)."""
        return dataclasses.asdict(self)

    def add(self, other: CacheCounters) -> None:
        """Add another cache's counters to these."""
        for name, value in other.as_dict().items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class _Outcome:
    """What a request came to: a stored recording, or one in memory; the counter it belongs to; and the wait."""

    made: Folder | Recording
    counter: str
    waited_s: float = 0.0


def default_root() -> Path:
    """The user's cache directory for pytest-calsim."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-calsim", appauthor=False))


def _silent(message: str) -> None:
    del message


def _simulate(spec: Spec) -> Recording:
    # A hit needs none of the physics: it is imported when something must be simulated.
    from pytest_calsim.recording.simulate import simulate

    return simulate(spec)


class RecordingCache:
    """Recordings by spec, simulated once across all processes. Safe for threads; picklable (by its settings).

    Parameters
    ----------
    root
        Its folder; ``None`` for no disk at all: recordings are painted when they are read.
    max_bytes
        What :meth:`evict` leaves by default; ``None`` for no limit.
    deadline_s
        How long to wait for another process that simulates the same spec before doing it here too, s.
    say
        Where to say what is waited for.
    announce
        Entered around each simulation, with a description of it.
    note
        Where to put what else there is to say; a :class:`~pytest_calsim.errors.CacheWarning` by default.
    """

    def __init__(
        self,
        root: Path | None,
        *,
        max_bytes: int | None = None,
        deadline_s: float = 600.0,
        say: Callable[[str], None] | None = None,
        announce: Callable[[str], AbstractContextManager[None]] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self.deadline_s = deadline_s
        self.counters = CacheCounters()
        self._say = say or _silent
        self._announce = announce or nullcontext
        self._note_to = note
        # Where to look, in order; the last is where to write, unless writing failed there too.
        self._shelves = [] if root is None else [Shelf(root)]
        self._writable = root is not None
        self._guard = threading.RLock()
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._in_hand: OrderedDict[str, tuple[Recording, float]] = OrderedDict()
        self._pending: dict[str, str] = {}

    def __reduce__(self) -> tuple[Callable[..., RecordingCache], tuple[Any, ...]]:
        return _remake, (self.root, self.max_bytes, self.deadline_s)

    def get(self, spec: Spec, *, label: str = "") -> Recording:
        """The recording of a spec: from memory, from disk, or simulated once across all processes.

        Parameters
        ----------
        spec
            What to simulate.
        label
            A name to list it under, e.g. the preset's.
        """
        key = spec.key()
        with self._guard:
            busy = self._busy[key]
        with busy:
            known = self._recall(key)
            if known is not None:
                recording, cost_s = known
                self._count("hits", cost_s)
                return recording
            outcome = self._obtain(spec, label)
            if isinstance(outcome.made, Folder):
                recording, cost_s = self._serve(spec, label, outcome.made), outcome.made.manifest.cost_s
            else:
                recording, cost_s = outcome.made, 0.0
            self._count(outcome.counter, cost_s - outcome.waited_s)
            self._remember(key, recording, cost_s)
        self.tell()
        return recording

    def _recall(self, key: str) -> tuple[Recording, float] | None:
        with self._guard:
            if key in self._in_hand:
                self._in_hand.move_to_end(key)
            return self._in_hand.get(key)

    def _remember(self, key: str, recording: Recording, cost_s: float) -> None:
        with self._guard:
            self._in_hand[key] = recording, cost_s
            while len(self._in_hand) > _IN_HAND:
                self._in_hand.popitem(last=False)

    def _count(self, counter: str, saved_s: float = 0.0) -> None:
        with self._guard:
            setattr(self.counters, counter, getattr(self.counters, counter) + 1)
            if counter in ("hits", "waited"):
                self.counters.seconds_saved += max(0.0, saved_s)

    def _serve(self, spec: Spec, label: str, folder: Folder) -> Recording:
        backing = KeptFolder(folder, spec, label, self)
        self._shelves[0].presence.hold(spec.key(), backing)
        return Recording(spec, StoredFrames(backing), GroundTruth(StoredTruth(backing)), notes=folder.manifest.notes)

    def mend(self, spec: Spec, label: str, bad: Folder, reason: str) -> Folder | Recording:
        """A good entry in place of one in hand that turned out damaged, or vanished."""
        outcome = self._obtain(spec, label, (bad.manifest.id, reason))
        if outcome.counter in ("simulated", "rebuilt"):
            self._count(outcome.counter)
        return outcome.made

    def paint(self, spec: Spec) -> Recording:
        """A recording that is painted when it is read."""
        self._count("simulated")
        return _simulate(spec)

    def _obtain(self, spec: Spec, label: str, bad: tuple[str, str] | None = None) -> _Outcome:
        """From disk, from another process, or simulated here. ``bad``: id of an entry not to take, and why."""
        found, damaged = self._look(spec, bad)
        if found is not None:
            return _Outcome(found, "hits")
        if not self._writable:
            return _Outcome(_simulate(spec), "simulated")
        shelf = self._shelves[-1]
        with contextlib.suppress(OSError):
            shelf.prepare()
        key = spec.key()
        with take_turn(
            shelf.lock_path(key),
            lambda: self._look(spec, bad)[0],
            what=label or key[:12],
            deadline_s=self.deadline_s,
            say=self._say,
        ) as turn:
            if turn.found is not None:
                return _Outcome(turn.found, "waited" if turn.waited_s > 0 else "hits", turn.waited_s)
            _, damaged = self._look(spec, bad)
            return _Outcome(self._make(spec, label, damaged), "rebuilt" if damaged else "simulated")

    def _look(self, spec: Spec, bad: tuple[str, str] | None) -> tuple[Folder | None, dict[Path, str]]:
        """A good entry, or the damaged ones with what is wrong with them."""
        damaged: dict[Path, str] = {}
        for shelf in self._shelves:
            try:
                folder = shelf.open(spec)
            except StoreError as error:
                damaged[shelf.path(spec.key())] = str(error)
                continue
            if folder is not None and bad is not None and folder.manifest.id == bad[0]:
                damaged[folder.path] = bad[1]
            elif folder is not None:
                return folder, {}
        return None, damaged

    def _make(self, spec: Spec, label: str, damaged: dict[Path, str]) -> Folder | Recording:
        """Simulate, and write an entry where that can be done; what is damaged is set aside first."""
        sensor = spec.acquisition.image_sensor
        size = f"{spec.acquisition.n_frames} frames of {sensor.height_px} x {sensor.width_px} px"
        with self._announce(f"{label or spec.key()[:12]} ({size})"):
            return self._simulate_and_write(spec, label, damaged)

    def _simulate_and_write(self, spec: Spec, label: str, damaged: dict[Path, str]) -> Folder | Recording:
        started = time.perf_counter()
        recording = _simulate(spec)
        while self._writable:
            shelf = self._shelves[-1]
            try:
                for path, reason in damaged.items():
                    if path.is_relative_to(shelf.root) and shelf.set_aside(path, reason):
                        self._note(reason, f"{reason}; set aside in {shelf.root / 'quarantine'} and rebuilt")
                return shelf.add(recording, label=label, started=started)
            except OSError as error:
                self._degrade(shelf, error)
        return recording

    def _degrade(self, shelf: Shelf, error: OSError) -> None:
        """Do without a folder that cannot be written for the rest of the session."""
        why = f"the recording cache {self.root} cannot be written ({error.strerror or error})"
        with self._guard:
            if shelf is not self._shelves[-1]:
                return  # another thread was here
            if len(self._shelves) == 1:
                with contextlib.suppress(OSError):
                    folder = Path(tempfile.mkdtemp(prefix="pytest-calsim-"))
                    weakref.finalize(self, _discard, folder, os.getpid())
                    self._shelves.append(Shelf(folder))
                    self._note("degraded", f"{why}; this session's recordings go to {folder}")
                    return
            self._writable = False
            self._note("degraded", f"{why}, nor a temporary folder; recordings are painted when they are read")

    def _note(self, about: str, message: str) -> None:
        """Keep a warning until the request is done: under ``-W error`` it must not undo the work."""
        with self._guard:
            self._pending[about] = message

    def tell(self) -> None:
        """Give the warnings that are due."""
        with self._guard:
            due = list(self._pending.values())
            self._pending.clear()
        for message in due:
            if self._note_to is not None:
                self._note_to(message)
                continue
            warnings.warn(message, CacheWarning, stacklevel=3)

    def entries(self) -> list[CacheEntry]:
        """What is stored, most recently used first."""
        return [entry for shelf in self._shelves[:1] for entry in shelf.entries()]

    def clear(self) -> tuple[int, int]:
        """Remove every entry that no process has in hand; how many were removed and how many kept."""
        removed = kept = 0
        for shelf in self._shelves[:1]:
            entries = shelf.entries()
            removed = shelf.remove([entry.path for entry in entries])
            kept = len(entries) - removed
            shelf.empty_quarantine()
        return removed, kept

    def evict(self, max_bytes: int | None = None) -> int:
        """Remove what was set aside, then what was not used for longest, until the rest fits; how many entries went.

        An entry that some process has in hand is never removed.

        Parameters
        ----------
        max_bytes
            What may stay; by default the cache's own limit.
        """
        limit = self.max_bytes if max_bytes is None else max_bytes
        gone = 0
        if limit is None:
            return gone
        for shelf in self._shelves[:1]:
            entries = shelf.entries()
            size = sum(entry.size_bytes for entry in entries)
            if size + shelf.quarantined_bytes() > limit:
                shelf.empty_quarantine()
            for entry in reversed(entries):
                if size > limit and shelf.remove([entry.path]):
                    size -= entry.size_bytes
                    gone += 1
        return gone

    def sweep(self) -> int:
        """Remove abandoned temporaries (after an hour) and old quarantined entries (after a week); how many."""
        return sum(shelf.sweep() for shelf in self._shelves[:1])

    def verify(self) -> list[str]:
        """Check every byte of every entry, set damaged ones aside; one line a problem."""
        return [problem for shelf in self._shelves[:1] for problem in shelf.verify()]


def _remake(root: Path | None, max_bytes: int | None, deadline_s: float) -> RecordingCache:
    return RecordingCache(root, max_bytes=max_bytes, deadline_s=deadline_s)


def _discard(folder: Path, pid: int) -> None:
    if pid == os.getpid():  # not in a forked child
        remove(folder)
