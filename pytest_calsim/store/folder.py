"""A stored recording, read: structure checked when it is opened, each chunk when it is read."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import StoreError
from pytest_calsim.store.files import as_store_error, digest, list_files, read_file
from pytest_calsim.store.manifest import Manifest
from pytest_calsim.store.writing import MANIFEST, MOVIE, SPEC, ZARR
from pytest_calsim.store.zarr2 import ArrayLayout, decode

__all__ = ["Backing", "Folder", "StoredFrames", "StoredTruth"]


class Backing(Protocol):
    """What stands behind a stored recording: a folder, or one that is repaired when it turns out damaged."""

    @property
    def manifest(self) -> Manifest:
        """What it holds."""
        ...

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Frames, fresh and writable."""
        ...

    def array(self, path: str) -> NDArray[Any]:
        """An array of the truth by its path."""
        ...


class Folder:
    """A recording's folder. Immutable, picklable and safe for threads.

    Everything it hands out was compared with the digest that the manifest keeps; :class:`StoreError` otherwise.
    """

    def __init__(self, path: Path, manifest: Manifest, spec_json: str) -> None:
        self.path = path
        self.manifest = manifest
        self.spec_json = spec_json
        # The last chunk of which a part was asked for: frames are often read one by one.
        self._latest: tuple[int, NDArray[Any]] | None = None

    def __reduce__(self) -> tuple[type[Folder], tuple[Path, Manifest, str]]:
        return Folder, (self.path, self.manifest, self.spec_json)

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Check the structure of a folder: real files only, those that the manifest lists, their sizes, all metadata.

        Raises
        ------
        FileNotFoundError
            When there is nothing at all.
        StoreError
            When what is there is damaged, foreign or of another version.
        """
        if not path.is_symlink() and not path.exists():
            raise FileNotFoundError(errno.ENOENT, "no recording there", str(path))
        if path.is_symlink() or not path.is_dir():
            raise StoreError(f"{path}: not a folder")
        try:
            found = list_files(path)
        except OSError as error:
            raise as_store_error(path, error) from None
        if MANIFEST not in found:
            raise StoreError(f"{path}: no {MANIFEST}; not a recording")
        try:
            manifest = Manifest.from_bytes(read_file(path / MANIFEST))
        except StoreError as error:
            raise StoreError(f"{path}: {error}") from None
        del found[MANIFEST]
        _compare(path, found, {name: size for name, (size, _) in manifest.files.items()})
        folder = cls(path, manifest, "")
        for name in manifest.files:
            if name.rpartition("/")[2].startswith(".z"):
                folder.read(name)
        return cls(path, manifest, folder.read(SPEC).decode())

    def read(self, name: str) -> bytes:
        """A file's bytes, verified."""
        data = read_file(self.path / name)
        size, value = self.manifest.files[name]
        if len(data) != size or digest(data) != value:
            raise StoreError(f"{self.path / name}: damaged (its digest differs)")
        return data

    def verify(self) -> None:
        """Read and compare every file."""
        for name in self.manifest.files:
            self.read(name)

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Frames ``start`` to ``stop``, fresh and writable."""
        movie = self.manifest.movie
        out = np.empty((stop - start, *movie.shape[1:]), movie.dtype)
        for chunk in range(start // movie.rows, -(-stop // movie.rows) if stop > start else 0):
            first = chunk * movie.rows
            if start <= first and first + movie.rows <= stop:
                self._decode(MOVIE, movie, chunk, out[first - start : first - start + movie.rows])
            else:
                low, high = max(start, first), min(stop, first + movie.rows)
                out[low - start : high - start] = self._chunk(chunk)[low - first : high - first]
        return out

    def _chunk(self, chunk: int) -> NDArray[Any]:
        latest = self._latest
        if latest is None or latest[0] != chunk:
            latest = (chunk, self._decode(MOVIE, self.manifest.movie, chunk))
            self._latest = latest
        return latest[1]

    def array(self, path: str) -> NDArray[Any]:
        """An array of the truth by its path, e.g. ``truth/C``; read-only."""
        layout = self.manifest.arrays[path]
        out = np.empty(layout.shape, layout.dtype)
        for chunk in range(layout.n_chunks):
            block = self._decode(f"{ZARR}/{path}", layout, chunk)
            if layout.shape:
                low, high = layout.span(chunk)
                out[low:high] = block[: high - low]
            else:
                out[...] = block
        return read_only(out)

    def _decode(self, prefix: str, layout: ArrayLayout, chunk: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        return decode(self.read(f"{prefix}/{layout.chunk_name(chunk)}"), layout, out)


def _compare(path: Path, found: dict[str, int], listed: dict[str, int]) -> None:
    for name in sorted(listed):
        if name not in found:
            raise StoreError(f"{path}: {name} is missing")
        if found[name] != listed[name]:
            raise StoreError(f"{path}: {name} has {found[name]} bytes, not {listed[name]}")
    foreign = sorted(set(found) - set(listed))
    if foreign:
        raise StoreError(f"{path}: {foreign[0]} does not belong to the recording")


class StoredFrames:
    """A movie's frames, read from a backing."""

    def __init__(self, backing: Backing) -> None:
        self.backing = backing
        frames, height, width = backing.manifest.movie.shape
        self.shape = (frames, height, width)
        self.dtype: np.dtype[Any] = np.dtype(backing.manifest.movie.dtype)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Frames ``start`` to ``stop``."""
        return self.backing.frames(start, stop)


class _StoredArray(TruthArray):
    """A quantity whose values are read when they are first used."""

    def __init__(self, backing: Backing, path: str, dims: tuple[str, ...], units: str) -> None:
        object.__setattr__(self, "dims", dims)
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "_where", (backing, path))

    def __getattr__(self, name: str) -> Any:
        if name != "values":
            raise AttributeError(name)
        backing, path = self._where
        values = backing.array(path)
        object.__setattr__(self, "values", values)
        return values


class StoredTruth(Mapping[str, "TruthArray | SparseFootprints"]):
    """The quantities of a stored truth by name; each is read once, when it is first used."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._read: dict[str, TruthArray | SparseFootprints] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._backing.manifest.truth)

    def __len__(self) -> int:
        return len(self._backing.manifest.truth)

    def __contains__(self, name: object) -> bool:
        return name in self._backing.manifest.truth

    def __getitem__(self, name: str) -> TruthArray | SparseFootprints:
        if name not in self._read:
            entry = self._backing.manifest.truth[name]
            if entry.footprints is None:
                self._read[name] = _StoredArray(self._backing, f"truth/{name}", entry.dims, entry.units)
            else:
                parts = [self._backing.array(f"truth/{name}/{part}") for part in ("data", "indices", "indptr")]
                self._read[name] = SparseFootprints(parts[0], parts[1], parts[2], entry.footprints)
        return self._read[name]
