"""Keep recordings in a directory: one file for each, named by its key.

::

    <root>/CACHEDIR.TAG
    <root>/v<format>/<key>.zarr.zip                  recordings
    <root>/v<format>/<key>.zarr.zip.<id>.partial     one that is being written
    <root>/v<format>/<key>.lock                      held by the process that simulates it

A file appears whole, by one rename, and is never changed. Its time of modification is that of its last use. Readers
keep their files open, so removing one harms nobody. The lock only saves work: a process that cannot get it simulates
all the same.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pytest_calsim.errors import StoreError
from pytest_calsim.spec.spec import Spec
from pytest_calsim.spec.versions import STORE_FORMAT
from pytest_calsim.store.lock import acquired, file_lock, simulation_lock
from pytest_calsim.store.recording_file import RecordingFile
from pytest_calsim.store.writing import PARTIAL, RecordingData, publish_recording

__all__ = ["MOVIES", "CacheDirectory", "CacheEntry"]

MOVIES = "movies"
"""Folder under the root with movies in other programs' formats; they count for the size, and go with the rest."""

_SUFFIX = ".zarr.zip"
_LOCK = ".lock"
_KEY = re.compile(r"[0-9a-f]{64}")
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Recordings simulated by pytest-calsim; safe to delete. See https://bford.info/cachedir/\n"
)


@dataclass(frozen=True)
class CacheEntry:
    """One stored recording.

    Attributes
    ----------
    key, label, path
        Its key, the name under which it was requested (a preset's; may be empty), and its file.
    size_bytes
        Size on disk.
    cost_s
        Time that simulating and writing it took, s: what a hit saves.
    created, used
        When it was made and last used, seconds since the epoch.
    """

    key: str
    label: str
    path: Path
    size_bytes: int
    cost_s: float
    created: float
    used: float


class _Stored(NamedTuple):
    """A file of the cache: its size, bytes, and its last use, seconds since the epoch."""

    path: Path
    size_bytes: int
    used: float


class CacheDirectory:
    """The recordings under one root, by key. Nothing is written before it must be."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / f"v{STORE_FORMAT}"

    def path(self, key: str) -> Path:
        """Return where a recording is or would be. Keys are digests: no name from outside becomes part of a path."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key: give the 64 hexadecimal digits of spec.key()")
        return self.folder / f"{key}{_SUFFIX}"

    def open(self, spec: Spec) -> RecordingFile:
        """Open a spec's recording, and note that it was used.

        Raises
        ------
        FileNotFoundError
            When there is none.
        StoreError
            When what is there is damaged, or not this recording. It is removed.
        OSError
            When the system cannot read it just now.
        """
        path = self.path(spec.key())
        try:
            file = RecordingFile(path)
            file.expect(spec)
        except StoreError:
            _remove(path)
            raise
        with contextlib.suppress(OSError):
            os.utime(path)
        return file

    def discard(self, file: RecordingFile) -> None:
        """Remove a file that proved bad, unless another has taken its place."""
        if file.archive.is_named(file.path):
            _remove(file.path)

    @contextmanager
    def turn(self, key: str, *, name: str, deadline_s: float, say: Callable[[str], None]) -> Generator[float]:
        """Wait until no other process simulates a key, or until the deadline; then hold its lock, if there is one.

        Parameters and what it yields are those of :func:`~pytest_calsim.store.lock.simulation_lock`, but for the key.
        """
        with contextlib.suppress(OSError):  # a disk that cannot be written has no lock either
            self._prepare()
        with simulation_lock(self.folder / f"{key}{_LOCK}", name=name, deadline_s=deadline_s, say=say) as waited_s:
            yield waited_s

    def add(self, data: RecordingData) -> None:
        """Write a recording.

        Raises
        ------
        StoreError
            When the disk has less room than the movie may take.
        OSError
            When it cannot be written. Nothing is left behind.
        """
        self._prepare()
        movie_bytes = math.prod(data.frames.shape) * data.frames.dtype.itemsize
        free_bytes = shutil.disk_usage(self.folder).free
        if movie_bytes > free_bytes:
            raise StoreError(f"the movie may take {movie_bytes / 1e6:.0f} MB, and {free_bytes / 1e6:.0f} MB are free")
        path = self.path(data.provenance.key)
        try:
            publish_recording(path, data, overwrite=True)
        except FileNotFoundError:
            pass  # another process removed the folder meanwhile: then nothing is kept
        except PermissionError:
            if os.name != "nt" or not path.exists():
                raise
            # On Windows: another process has written it first, and reads it.

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        tag = self.root / "CACHEDIR.TAG"
        if not tag.exists():
            tag.write_text(_TAG)

    def entries(self) -> list[CacheEntry]:
        """List what is stored, files of other formats too, most recently used first."""
        return [_describe(file) for file in reversed(self._by_use())]

    def evict(self, max_bytes: int) -> int:
        """Remove the least recently used recordings until the rest fits; return how many were removed."""
        stored = self._by_use()
        excess_bytes = sum(file.size_bytes for file in stored) - max_bytes
        n_removed = 0
        for file in stored:
            if excess_bytes > 0 and _remove(file.path):
                excess_bytes -= file.size_bytes
                n_removed += 1
        return n_removed

    def clear(self) -> tuple[int, int]:
        """Remove every recording; return how many were removed, and how many the system would not remove."""
        removed = [_remove(file.path) for file in self._by_use()]
        self.sweep()
        return sum(removed), len(removed) - sum(removed)

    def sweep(self) -> int:
        """Remove half-written files of dead processes, and locks that nobody holds; return how many files."""
        n_removed = 0
        for path in reversed(_children(self.folder)):  # ".zarr.zip..." before ".lock": a file before its lock
            key = _KEY.match(path.name)
            if key is None or path.suffix not in (PARTIAL, _LOCK):
                continue
            lock = file_lock(self.folder / f"{key[0]}{_LOCK}")
            with contextlib.suppress(OSError):
                if acquired(lock, 0):
                    is_removed = _remove(path)
                    n_removed += is_removed and path.suffix == PARTIAL
                    lock.release()
        return n_removed

    def verify(self) -> list[str]:
        """Read every byte of every recording of this format; remove bad files, and return a line for each."""
        problems: list[str] = []
        for path in [file.path for file in self._by_use()]:
            if path.parent != self.folder:
                continue
            try:
                file = RecordingFile(path)
                if file.provenance.key != path.name.removesuffix(_SUFFIX):
                    raise StoreError(f"{path}: holds the recording of another spec")
                file.verify()
            except StoreError as error:
                _remove(path)
                problems.append(str(error))
            except FileNotFoundError:
                continue
            except OSError as error:
                problems.append(f"{path}: cannot be read ({error.strerror or error})")
        return problems

    def _by_use(self) -> list[_Stored]:
        """List every recording, of any format, and every movie's file, least recently used first."""
        found: list[_Stored] = []
        for folder in _children(self.root):
            if not re.fullmatch(rf"v\d+|{MOVIES}", folder.name):
                continue
            for path in _children(folder):
                if folder == self.folder and not _is_recording(path):
                    continue
                with contextlib.suppress(OSError):  # removed meanwhile
                    found.append(_Stored(path, _size_of(path), path.lstat().st_mtime))
        return sorted(found, key=lambda file: file.used)


def _is_recording(path: Path) -> bool:
    """Tell a recording of this format by its name from locks, partial files and files of the system."""
    return path.name.endswith(_SUFFIX) and _KEY.fullmatch(path.name.removesuffix(_SUFFIX)) is not None


def _describe(file: _Stored) -> CacheEntry:
    unread = CacheEntry(
        key=file.path.name.removesuffix(_SUFFIX),
        label="(unreadable)",
        path=file.path,
        size_bytes=file.size_bytes,
        cost_s=0.0,
        created=file.used,
        used=file.used,
    )
    if file.path.parent.name == MOVIES:
        return replace(unread, key=file.path.name[:64], label="(a movie's file)")
    try:
        found = RecordingFile(file.path).provenance
    except OSError:  # damaged, or of another format
        return unread
    return replace(unread, label=found.label, cost_s=found.cost_s, created=found.created)


def _children(folder: Path) -> list[Path]:
    """Return what a folder holds now; nothing where it is missing or out of reach."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files under a folder (the entries of format 1)."""
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    return sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(path) for name in names)


def _remove(path: Path) -> bool:
    """Remove a file, a link, or a folder with all it holds; return whether this call removed it."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return False
    return True
