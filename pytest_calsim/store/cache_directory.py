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
from dataclasses import dataclass
from pathlib import Path

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
        return [_describe(path, size, used) for path, size, used in reversed(self._by_use())]

    def evict(self, max_bytes: int) -> int:
        """Remove the least recently used recordings until the rest fits; return how many were removed."""
        stored = self._by_use()
        excess = sum(size for _, size, _ in stored) - max_bytes
        n_removed = 0
        for path, size, _ in stored:
            if excess > 0 and _remove(path):
                excess -= size
                n_removed += 1
        return n_removed

    def clear(self) -> tuple[int, int]:
        """Remove every recording; return how many were removed, and how many the system would not remove."""
        removed = [_remove(path) for path, _, _ in self._by_use()]
        self.sweep()
        return sum(removed), len(removed) - sum(removed)

    def sweep(self) -> int:
        """Remove half-written files of dead processes, and locks that nobody holds; return how many files."""
        n_removed = 0
        for path in reversed(_children(self.folder)):  # ".zarr.zip..." before ".lock": a file before its lock
            found = _KEY.match(path.name)
            if found is not None and path.suffix in (PARTIAL, _LOCK):
                lock = file_lock(self.folder / f"{found[0]}{_LOCK}")
                with contextlib.suppress(OSError):
                    if acquired(lock, 0):
                        n_removed += _remove(path) and path.suffix == PARTIAL
                        lock.release()
        return n_removed

    def verify(self) -> list[str]:
        """Read every byte of every recording of this format; remove bad files, and return a line for each."""
        problems: list[str] = []
        for path, _, _ in self._by_use():
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

    def _by_use(self) -> list[tuple[Path, int, float]]:
        """Return the path, size and last use of every recording, of any format, least recently used first."""
        found: list[tuple[Path, int, float]] = []
        for folder in _children(self.root):
            if not re.fullmatch(rf"v\d+|{MOVIES}", folder.name):
                continue
            for path in _children(folder):
                if folder != self.folder or (path.suffix == ".zip" and _KEY.fullmatch(path.name.removesuffix(_SUFFIX))):
                    with contextlib.suppress(OSError):
                        found.append((path, _size_of(path), path.lstat().st_mtime))
        return sorted(found, key=lambda item: item[2])


def _describe(path: Path, size_bytes: int, used: float) -> CacheEntry:
    key = path.name.removesuffix(_SUFFIX)
    if path.parent.name == MOVIES:
        return CacheEntry(
            key=path.name[:64],
            label="(a movie's file)",
            path=path,
            size_bytes=size_bytes,
            cost_s=0.0,
            created=used,
            used=used,
        )
    try:
        found = RecordingFile(path).provenance
    except OSError:  # damaged, or of another format
        return CacheEntry(
            key=key, label="(unreadable)", path=path, size_bytes=size_bytes, cost_s=0.0, created=used, used=used
        )
    return CacheEntry(
        key=key,
        label=found.label,
        path=path,
        size_bytes=size_bytes,
        cost_s=found.cost_s,
        created=found.created,
        used=used,
    )


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
