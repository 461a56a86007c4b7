"""Simulate each spec once, so that every worker, job and run shares the recording.

No fault of the disk makes a recording wrong: one that cannot be stored or read back is painted from its spec.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from pytest_calsim.arrays.plain import is_whole_number
from pytest_calsim.errors import CacheWarning, StoreError, as_path
from pytest_calsim.recording import simulate
from pytest_calsim.recording.cached_source import CachedSource
from pytest_calsim.recording.recording import Recording, data_of
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.spec.spec import Spec, check_spec
from pytest_calsim.store.cache_directory import CacheDirectory, CacheEntry
from pytest_calsim.store.recording_file import RecordingFile
from pytest_calsim.store.stored_truth import StoredTruth

__all__ = ["CacheCounters", "CacheEntry", "RecordingCache", "default_root", "simulate_cached"]

_N_IN_HAND = 16
"""Recordings that stay open between requests; each holds what was read of its truth, and one chunk."""


@dataclass
class CacheCounters:
    """Counts of what a cache did.

    Attributes
    ----------
    simulated, rebuilt
        Simulations because there was no recording, and because it was damaged. Together all simulations.
    hits, waited
        Requests served without one: at once, and after waiting for another process.
    seconds_saved
        Time that their simulations had taken, less the time spent waiting, s.
    """

    simulated: int = 0
    hits: int = 0
    waited: int = 0
    rebuilt: int = 0
    seconds_saved: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the counters by name, as plain numbers."""
        return dataclasses.asdict(self)


def default_root() -> Path:
    """Return the user's cache folder for pytest-calsim; it begins with ``~`` where there is no home directory."""
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("pytest-calsim", appauthor=False))
    except RuntimeError:  # neither HOME nor an entry in passwd
        return Path("~/.cache/pytest-calsim")


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=4)  # in the line that called get


def _say_nothing(message: str) -> None:
    del message


class _InHand(NamedTuple):
    """A recording that is open, and what its simulation had cost, s."""

    recording: Recording
    cost_s: float


class RecordingCache:
    """Recordings by spec, simulated once across all processes. Safe for threads; picklable by its settings.

    Parameters
    ----------
    root
        Its folder; ``None`` for no disk at all: recordings are painted when they are read.
    max_bytes
        What :meth:`evict` leaves by default; ``None`` for no limit.
    deadline_s
        How long to wait for another process that simulates the same spec before doing it here too, s.
    say
        Where to say that it waits; nowhere by default.
    announce
        Entered around each simulation, with a description of it.
    note
        Where to tell of damage and of disks that cannot be used; by default a
        :class:`~pytest_calsim.errors.CacheWarning`.

    Raises
    ------
    TypeError
        When ``root`` is no path.
    ValueError
        When ``max_bytes`` is no size.
    """

    def __init__(
        self,
        root: str | PathLike[str] | None,
        *,
        max_bytes: int | None = None,
        deadline_s: float = 600.0,
        say: Callable[[str], None] | None = None,
        announce: Callable[[str], AbstractContextManager[None]] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        if max_bytes is not None and (not is_whole_number(max_bytes) or max_bytes < 0):
            raise ValueError(f"max_bytes = {max_bytes!r} must be a whole number of bytes, 0 or more, or None")
        self.root = None if root is None else as_path(root, "root")
        self.max_bytes = max_bytes
        self.deadline_s = deadline_s
        self.counters = CacheCounters()
        self._say = say or _say_nothing
        self._announce = announce or nullcontext
        self._note = note or _warn
        self._directory = None if self.root is None else CacheDirectory(self.root)
        self._writable = self._directory is not None
        self._lock = threading.RLock()
        self._in_hand: OrderedDict[str, _InHand] = OrderedDict()
        self._bad_keys: set[str] = set()
        self._pending_notes: list[str] = []
        if self.root is not None and self.root.parts[:1] == ("~",):
            self._directory = None
            self._do_without(f"the recording cache {self.root} cannot be used (there is no home directory)")

    def __reduce__(self) -> tuple[Callable[[], RecordingCache], tuple[()]]:
        return partial(RecordingCache, self.root, max_bytes=self.max_bytes, deadline_s=self.deadline_s), ()

    def get(self, spec: Spec, *, label: str = "") -> Recording:
        """Return the recording of a spec: from memory, from disk, or simulated once across all processes.

        Parameters
        ----------
        spec
            What to simulate.
        label
            A name to list it under, e.g. the preset's.

        Raises
        ------
        SpecError
            When this is no Spec.
        """
        check_spec(spec, "RecordingCache.get")
        key = spec.key()
        with self._lock:  # held while it simulates: other threads then find what this one made
            if key in self._in_hand:
                self._in_hand.move_to_end(key)
                self._count_hit(self._in_hand[key].cost_s)
            else:
                self._in_hand[key] = self._obtain(spec, label)
                while len(self._in_hand) > _N_IN_HAND:
                    self._in_hand.popitem(last=False)
            recording = self._in_hand[key].recording
        self._give_notes()
        return recording

    def _obtain(self, spec: Spec, label: str) -> _InHand:
        """Open a recording on disk, wait for the process that simulates it, or simulate it here."""
        directory = self._directory
        if directory is None:
            return _InHand(self._simulate(spec), 0.0)
        found = self._open(directory, spec)
        if found is not None:
            self._count_hit(found.provenance.cost_s)
            return self._serve(spec, found)
        if not self._writable:
            return _InHand(self._simulate(spec), 0.0)
        name = label or spec.key()[:12]
        with directory.turn(spec.key(), name=name, deadline_s=self.deadline_s, say=self._say) as waited_s:
            found = self._open(directory, spec)
            if found is not None:
                self._count_hit(found.provenance.cost_s, waited_s=waited_s)
                return self._serve(spec, found)
            sensor = spec.acquisition.image_sensor
            size = f"{spec.acquisition.n_frames} frames of {sensor.height_px} x {sensor.width_px} px"
            with self._announce(f"{name} ({size})"):
                return self._make(directory, spec, label)

    def _make(self, directory: CacheDirectory, spec: Spec, label: str) -> _InHand:
        """Simulate, and store the recording if the disk allows it."""
        began = time.perf_counter()
        painted = self._simulate(spec)
        try:
            directory.add(data_of(painted, label, time.perf_counter() - began))
        except StoreError as error:
            self._pending_notes.append(
                f"{label or spec.key()[:12]} is not kept in {self.root}, and painted when it is read: {error}"
            )
        except OSError as error:
            self._do_without(f"the recording cache {self.root} cannot be written ({error.strerror or error})")
        else:
            found = self._open(directory, spec)
            if found is not None:
                return self._serve(spec, found)
        return _InHand(painted, 0.0)

    def _open(self, directory: CacheDirectory, spec: Spec) -> RecordingFile | None:
        try:
            return directory.open(spec)
        except StoreError as error:
            self._bad_keys.add(spec.key())
            self._pending_notes.append(f"{error}; simulated again instead")
        except OSError:
            pass  # missing, or out of reach; if the disk is at fault, writing to it will tell
        return None

    def _serve(self, spec: Spec, file: RecordingFile) -> _InHand:
        source = CachedSource(spec, file, self._on_failure)
        truth = GroundTruth(StoredTruth(file.quantities, source))
        recording = Recording(spec, source, truth, notes=file.provenance.notes)
        return _InHand(recording, file.provenance.cost_s)

    def _on_failure(self, spec: Spec, file: RecordingFile, error: OSError) -> None:
        """Remove a file that failed while it was read; the recording goes on without it."""
        with self._lock:
            self.counters.rebuilt += 1
            self._in_hand.pop(spec.key(), None)  # so that the next request writes it again
            if self._directory is not None:
                self._directory.discard(file)
            self._pending_notes.append(f"{error}; painted from its spec instead")
        self._give_notes()

    def _simulate(self, spec: Spec) -> Recording:
        recording = simulate.simulate(spec)
        if spec.key() in self._bad_keys:
            self._bad_keys.remove(spec.key())
            self.counters.rebuilt += 1
        else:
            self.counters.simulated += 1
        return recording

    def _count_hit(self, cost_s: float, *, waited_s: float = 0.0) -> None:
        if waited_s > 0:
            self.counters.waited += 1
        else:
            self.counters.hits += 1
        self.counters.seconds_saved += max(0.0, cost_s - waited_s)

    def _do_without(self, why: str) -> None:
        """Write nothing for the rest of the session."""
        self._writable = False
        self._pending_notes.append(f"{why}; recordings are painted when they are read")

    def _give_notes(self) -> None:
        """Give the pending notes, after all work is done: under ``-W error`` a warning must not undo it."""
        with self._lock:
            notes = self._pending_notes
            self._pending_notes = []
        for note in notes:
            self._note(note)

    def entries(self) -> list[CacheEntry]:
        """List what is stored, most recently used first."""
        return [] if self._directory is None else self._directory.entries()

    def clear(self) -> tuple[int, int]:
        """Remove every recording on disk; return how many went and how many did not (open ones, on Windows)."""
        return (0, 0) if self._directory is None else self._directory.clear()

    def evict(self, max_bytes: int | None = None) -> int:
        """Remove the least recently used recordings until the rest fits; return how many were removed.

        A recording that is open stays readable (or, on Windows, stays).

        Parameters
        ----------
        max_bytes
            Size that may stay, bytes; by default the cache's own limit.
        """
        limit = self.max_bytes if max_bytes is None else max_bytes
        return 0 if self._directory is None or limit is None else self._directory.evict(limit)

    def sweep(self) -> int:
        """Remove half-written files of processes that died; return how many."""
        return 0 if self._directory is None else self._directory.sweep()

    def verify(self) -> list[str]:
        """Read every byte of every recording, and remove bad ones; return one line a problem."""
        return [] if self._directory is None else self._directory.verify()


@cache
def _cache_at(root: Path) -> RecordingCache:
    return RecordingCache(root)


def simulate_cached(spec: Spec, root: str | PathLike[str] | None = None) -> Recording:
    """Simulate a spec once: later calls, in any process, read the recording from disk.

    A fault of the disk gives a :class:`~pytest_calsim.errors.CacheWarning`; the recording is right nevertheless.

    Parameters
    ----------
    spec
        What to simulate.
    root
        The folder to keep recordings in; by default that of pytest's fixtures, in the user's cache folder.

    See Also
    --------
    simulate : The same without a disk.
    """
    check_spec(spec, "simulate_cached")
    return _cache_at(default_root() if root is None else as_path(root, "root").expanduser()).get(spec)
