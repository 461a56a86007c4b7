"""Files that are whole or absent: the few primitives on which the store stands."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path

from pytest_calsim.errors import StoreError

__all__ = ["as_store_error", "children", "digest", "list_files", "read_file", "remove", "sync_folder", "write_file"]

# What a busy machine lacks for a moment, or what is out of our reach, says nothing about a file.
_PASSING = "EMFILE ENFILE ENOMEM EACCES EPERM ESTALE ENOTCONN ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH"
_NO_DAMAGE = {getattr(errno, name, None) for name in _PASSING.split()}
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def as_store_error(path: Path, error: OSError) -> OSError:
    """The error to raise for a file that cannot be read: the system's own where the file may well be whole."""
    if isinstance(error, StoreError) or error.errno in _NO_DAMAGE:
        return error
    return StoreError(f"{path}: {error.strerror or error}")


def digest(data: bytes | memoryview) -> str:
    """SHA-256 in hex: about 1 ns a byte where the processor helps, and done without the GIL."""
    return hashlib.sha256(data).hexdigest()


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on the disk."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_file(path: Path) -> bytes:
    """All bytes of a regular file; a symbolic link is refused."""
    try:
        with open(os.open(path, _OPEN), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StoreError(f"{path}: not a regular file")
            return file.read()
    except OSError as error:
        raise as_store_error(path, error) from None


def list_files(folder: Path) -> dict[str, int]:
    """Size of every file under a folder by its relative path, with ``/``; anything but files and folders is refused."""
    found: dict[str, int] = {}
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(folder / prefix) as items:
            for item in items:
                name = prefix + item.name
                if item.is_dir(follow_symlinks=False):
                    pending.append(name + "/")
                elif item.is_file(follow_symlinks=False):
                    found[name] = item.stat(follow_symlinks=False).st_size
                else:
                    raise StoreError(f"{folder / name}: a symbolic link or special file, which a recording never holds")
    return found


def sync_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk, where the system can do that."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file, link or folder with all it holds, as far as the system lets us."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def children(folder: Path) -> list[Path]:
    """What is in a folder just now, sorted; nothing when there is no folder, or it is out of reach."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
