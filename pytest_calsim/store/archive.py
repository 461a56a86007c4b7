"""Read a zip of stored members by position, and check each member."""

from __future__ import annotations

import os
import struct
import threading
import weakref
import zlib
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import StoreError
from pytest_calsim.store.zarr_array import byte_view

__all__ = ["Archive"]

_LOCAL_HEADER = struct.Struct("<4s22x2H")
"""Signature, length of the name, length of what lies between the name and the data (APPNOTE.TXT of zip, 4.3.7)."""


class _Member(NamedTuple):
    offset: int
    size: int
    crc: int


class Archive:
    """An open zip file. Immutable, safe for threads and in forked children.

    It stays readable when the file of that name is removed or replaced.

    Raises
    ------
    FileNotFoundError
        When there is no file.
    StoreError
        When the file is no such zip.
    OSError
        When the system cannot read it at the moment.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        if not path.is_file() and os.path.lexists(path):
            raise StoreError(f"{path}: not a file; a recording is a single file, NAME.zarr.zip")
        # A bare descriptor, not a file object: it has no buffer and no position that threads would share.
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._fd)
        self._members = self._read_directory()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all members."""
        return tuple(self._members)

    def is_named(self, path: Path) -> bool:
        """Tell whether a path still leads to this file, not to another that has taken its place."""
        try:
            return os.path.samestat(os.fstat(self._fd), path.stat())
        except OSError:
            return False

    def read(self, name: str) -> bytes:
        """Read a member.

        Raises
        ------
        StoreError
            When it is missing or damaged.
        """
        out = np.empty(self._member(name).size, np.uint8)
        self.read_into(name, out)
        return out.tobytes()

    def read_into(self, name: str, out: NDArray[Any]) -> None:
        """Read a member into a contiguous array of the same number of bytes.

        Raises
        ------
        StoreError
            When it is missing or damaged; the array may then hold anything.
        """
        member = self._member(name)
        encoded = name.encode()
        header = bytearray(_LOCAL_HEADER.size + len(encoded))
        data = byte_view(out)
        if len(data) == member.size and self._read_at(memoryview(header), member.offset):
            signature, name_length, extra_length = _LOCAL_HEADER.unpack_from(header)
            start = member.offset + _LOCAL_HEADER.size + name_length + extra_length
            # The name too: where one digit of a name in the directory is damaged, it leads to another, sound chunk.
            is_member = signature == b"PK\3\4" and bytes(header[_LOCAL_HEADER.size :]) == encoded
            if is_member and self._read_at(data, start) and zlib.crc32(data) == member.crc:
                return
        raise StoreError(f"{self.path}: {name} is damaged (its name, size or CRC-32 differs)")

    def _member(self, name: str) -> _Member:
        if name not in self._members:
            raise StoreError(f"{self.path}: {name} is missing")
        return self._members[name]

    def _read_directory(self) -> dict[str, _Member]:
        # zipfile reads the directory alone; members are read without it, as it seeks and takes a lock.
        size = os.fstat(self._fd).st_size
        members: dict[str, _Member] = {}
        try:
            with open(self._fd, "rb", closefd=False) as file, ZipFile(file) as archive:
                for info in archive.infolist():
                    if info.compress_type != ZIP_STORED:
                        raise BadZipFile(f"{info.filename} is compressed")
                    if info.header_offset < 0 or info.header_offset + info.file_size > size:
                        raise BadZipFile(f"{info.filename} lies outside the file")
                    members[info.filename] = _Member(info.header_offset, info.file_size, info.CRC)
        except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise StoreError(f"{self.path}: damaged, or not a recording ({error})") from None
        return members

    def _read_at(self, buffer: memoryview, offset: int) -> bool:
        """Fill a buffer from a position; ``False`` when the file ends before."""
        done = 0
        while done < len(buffer):
            n_read = _read_some_at(self._fd, buffer[done:], offset + done)
            if n_read == 0:
                return False
            done += n_read
        return True


if hasattr(os, "preadv"):

    def _read_some_at(fd: int, buffer: memoryview, offset: int) -> int:
        # By position, as threads and forked children share the file's offset.
        return os.preadv(fd, [buffer], offset)

else:  # Windows, where nothing forks
    _seeking = threading.Lock()

    def _read_some_at(fd: int, buffer: memoryview, offset: int) -> int:
        with _seeking:
            os.lseek(fd, offset, os.SEEK_SET)
            data = os.read(fd, len(buffer))
        buffer[: len(data)] = data
        return len(data)
