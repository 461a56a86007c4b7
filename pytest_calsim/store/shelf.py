"""One cache folder: entries that appear and vanish whole.

::

    <root>/CACHEDIR.TAG
    <root>/v<format>/<key>/     entries
    <root>/tmp/                 entries being written, and removed ones on their way out
    <root>/quarantine/          damaged entries, each with the reason
    <root>/locks/, in-use/      who simulates what, who has what in hand

An entry is written under a unique name in ``tmp``, synced, and renamed into place; a reader sees all of it or
nothing. It leaves the same way: by one rename, and then it is deleted. Entries in hand are not evicted; should one
vanish all the same (somebody deleted the folder), its reader simulates it anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from pytest_calsim.errors import StoreError
from pytest_calsim.recording.recording import Recording
from pytest_calsim.spec.spec import Spec
from pytest_calsim.spec.versions import STORE_FORMAT
from pytest_calsim.store.disk import publish
from pytest_calsim.store.files import children, list_files, read_file, remove
from pytest_calsim.store.folder import Folder
from pytest_calsim.store.manifest import Manifest
from pytest_calsim.store.presence import Presence, keys_in_use
from pytest_calsim.store.turns import try_lock
from pytest_calsim.store.writing import MANIFEST, fill_folder

__all__ = ["CacheEntry", "Shelf"]

_KEY = re.compile(r"[0-9a-f]{64}")
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Recordings simulated by pytest-calsim; safe to delete. See https://bford.info/cachedir/\n"
)
# A writer touches its folder every few seconds; quarantined entries are kept for whoever wants to look.
_TEMPORARY_AGE_S, _QUARANTINE_AGE_S, _LOCK_AGE_S = 3600.0, 7 * 86400.0, 7 * 86400.0
_TRIES = 3


@dataclass(frozen=True)
class CacheEntry:
    """One stored recording.

    Attributes
    ----------
    key, label, path
        Content key, the name it was asked for under (a preset's; may be empty), and its folder.
    size_bytes, cost_s
        Size on disk, and the seconds that its simulation took (what a hit saves).
    created, used
        Seconds since the epoch of its creation and of its latest use.
    """

    key: str
    label: str
    path: Path
    size_bytes: int
    cost_s: float
    created: float
    used: float


class Shelf:
    """The entries under one root, by key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.presence = Presence(root / "in-use")

    def path(self, key: str) -> Path:
        """Where an entry is or would be. Keys are digests: no name from outside becomes part of a path."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key")
        return self.root / f"v{STORE_FORMAT}" / key

    def lock_path(self, key: str) -> Path:
        """The lock of an entry."""
        return self.root / "locks" / f"{key}.lock"

    def prepare(self) -> None:
        """Make the folders."""
        for name in ("tmp", "locks", f"v{STORE_FORMAT}"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        tag = self.root / "CACHEDIR.TAG"
        if not tag.exists():
            tag.write_text(_TAG)

    def open(self, spec: Spec) -> Folder | None:
        """A spec's entry, structure checked; ``None`` when there is none to be had, ``StoreError`` when it is bad."""
        key = spec.key()
        path = self.path(key)
        try:
            folder = Folder.open(path)
        except StoreError:
            raise
        except OSError:  # not there, or out of reach: then writing will tell
            return None
        if folder.manifest.key != key or folder.spec_json != spec.canonical_json() or folder.manifest.until:
            raise StoreError(f"{path}: holds the recording of another spec")
        with contextlib.suppress(OSError):
            os.utime(path / MANIFEST)
        return folder

    def add(self, recording: Recording, *, label: str, started: float) -> Folder:
        """Write an entry; when another process was faster, its entry is taken and this one thrown away."""
        spec = recording.spec
        final = self.path(spec.key())
        self.prepare()
        work = self.root / "tmp" / f"{spec.key()[:12]}-{uuid.uuid4().hex}"
        work.mkdir()
        try:
            manifest = fill_folder(recording, work, label=label, started=started)
            for _ in range(_TRIES):
                if publish(work, final):
                    return Folder(final, manifest, spec.canonical_json())
                try:
                    theirs = self.open(spec)
                except StoreError as error:
                    self.set_aside(final, str(error))
                else:
                    if theirs is not None:
                        return theirs
        finally:
            remove(work)
        raise StoreError(f"{final}: holds something that cannot be read")

    def set_aside(self, path: Path, reason: str) -> bool:
        """Move what is at a path into quarantine, with the reason; ``False`` when it is gone already."""
        place = self.root / "quarantine" / f"{path.name[:12]}-{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}"
        place.mkdir(parents=True)
        try:
            path.rename(place / "entry")
        except FileNotFoundError:
            remove(place)
            return False
        except OSError:
            remove(place)
            raise
        with contextlib.suppress(OSError):
            (place / "reason.txt").write_text(reason + "\n")
        return True

    def _paths(self) -> list[Path]:
        """Everything in an entry's place, other formats included."""
        with contextlib.suppress(OSError):
            return sorted(self.root.glob("v[0-9]*/*"))
        return []

    def entries(self) -> list[CacheEntry]:
        """What is stored, most recently used first."""
        found = [entry for path in self._paths() if (entry := _describe(path)) is not None]
        return sorted(found, key=lambda entry: -entry.used)

    def remove(self, paths: list[Path]) -> int:
        """Remove the entries among some that nobody has in hand; how many went."""
        if not paths:
            return 0
        kept = keys_in_use(self.root / "in-use")
        gone = 0
        for path in paths:
            if path.name in kept:
                continue
            trash = self.root / "tmp" / f"trash-{uuid.uuid4().hex}"
            with contextlib.suppress(OSError):
                trash.parent.mkdir(exist_ok=True)
                path.rename(trash)
                gone += 1
            remove(trash)
        return gone

    def sweep(self) -> int:
        """Remove abandoned temporaries, old quarantine, what dead processes left, and locks long unused; how many."""
        now = time.time()
        old = [path for path in children(self.root / "tmp") if now - _touched(path) > _TEMPORARY_AGE_S]
        old += [path for path in children(self.root / "quarantine") if now - _touched(path) > _QUARANTINE_AGE_S]
        for own in children(self.root / "in-use"):
            if not (own / "lock").exists() and now - _touched(own) > _TEMPORARY_AGE_S:
                remove(own)  # killed before it was locked
        for path in old:
            remove(path)
        keys_in_use(self.root / "in-use")
        for path in children(self.root / "locks"):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > _LOCK_AGE_S and (lock := try_lock(path)) is not None:
                    remove(path)
                    lock.release()
        return len(old)

    def quarantined_bytes(self) -> int:
        """Size of what was set aside."""
        size = 0
        for path in children(self.root / "quarantine"):
            with contextlib.suppress(OSError):
                size += sum(list_files(path).values())
        return size

    def empty_quarantine(self) -> None:
        """Remove what was set aside."""
        for path in children(self.root / "quarantine"):
            remove(path)

    def verify(self) -> list[str]:
        """Check every byte of every entry of this format; what is wrong is set aside, and told in one line each."""
        problems: list[str] = []
        for path in children(self.root / f"v{STORE_FORMAT}"):
            try:
                folder = Folder.open(path)
                if folder.manifest.key != path.name:
                    raise StoreError(f"{path}: holds the recording of another spec")
                folder.verify()
            except StoreError as error:
                gone = False
                with contextlib.suppress(OSError):
                    gone = not self.set_aside(path, str(error))
                if not gone:
                    problems.append(str(error))
            except FileNotFoundError:
                continue
            except OSError as error:
                problems.append(f"{path}: cannot be read ({error.strerror or error})")
        return problems


def _touched(path: Path) -> float:
    """When anything under a path was last written."""
    latest = 0.0
    with contextlib.suppress(OSError):
        latest = path.lstat().st_mtime
        for folder, _, names in os.walk(path):
            latest = max(latest, *(os.lstat(os.path.join(folder, name)).st_mtime for name in [".", *names]))
    return latest


def _describe(path: Path) -> CacheEntry | None:
    try:
        manifest = Manifest.from_bytes(read_file(path / MANIFEST))
        used = (path / MANIFEST).stat().st_mtime
    except OSError:
        return _describe_unreadable(path)
    size = manifest.size_bytes
    return CacheEntry(path.name, manifest.label, path, size, manifest.cost_s, manifest.created, used)


def _describe_unreadable(path: Path) -> CacheEntry | None:
    """An entry that is damaged or of another version: of no use, but it has a size."""
    size = 0
    with contextlib.suppress(OSError):
        size = sum(list_files(path).values())
    try:
        changed = path.lstat().st_mtime
    except OSError:
        return None
    return CacheEntry(path.name, "(unreadable)", path, size, 0.0, changed, changed)
