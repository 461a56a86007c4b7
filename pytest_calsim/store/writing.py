"""Writing a recording into a folder, block by block, by threads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_calsim.cores import usable_cores
from pytest_calsim.errors import StoreError
from pytest_calsim.footprints import SparseFootprints
from pytest_calsim.store.files import digest, sync_folder, write_file
from pytest_calsim.store.manifest import Manifest, TruthEntry
from pytest_calsim.store.zarr2 import ArrayLayout, attributes, consolidated, encode, group, to_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_calsim.recording import Recording

__all__ = ["MANIFEST", "SPEC", "ZARR", "fill_folder"]

MANIFEST, SPEC, ZARR = "manifest.json", "spec.json", "recording.zarr"
MOVIE = f"{ZARR}/observed"
_BAR_AFTER_S = 2.0


class _Writer:
    """Files written so far, with size and digest; safe for threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, tuple[int, str]] = {}
        self.metadata: dict[str, dict[str, Any]] = {}

    def put(self, name: str, data: bytes) -> None:
        write_file(self.folder / name, data)
        self.files[name] = (len(data), digest(data))

    def describe(self, name: str, value: dict[str, Any]) -> None:
        """Remember a metadata file of the zarr tree, and make its folder."""
        (self.folder / ZARR / name).parent.mkdir(parents=True, exist_ok=True)
        self.metadata[name] = value


def fill_folder(recording: Recording, folder: Path, *, label: str, started: float) -> Manifest:
    """Write a recording into an empty folder; on return all of it is on the disk.

    One thread paints, encodes and writes one chunk at a time, so that memory is a few chunks a core, whatever the
    recording's length. There is one thread more than cores: while a chunk waits for the disk, another is painted.

    Parameters
    ----------
    recording, folder
        What to write, and where.
    label
        The name it was asked for under.
    started
        ``time.perf_counter()`` when its simulation began: from then its cost counts.
    """
    writer = _Writer(folder)
    source = recording.frames
    movie = ArrayLayout.of(source.shape, source.dtype)
    arrays, truth, blocks = _truth_arrays(recording)
    writer.describe(".zgroup", group())
    writer.describe("truth/.zgroup", group())
    for name, entry in truth.items():
        if entry.footprints is not None:
            writer.describe(f"truth/{name}/.zgroup", group())
    for path, layout in arrays.items():
        name = path.split("/")[1]
        dims = truth[name].dims if truth[name].footprints is None else (path.replace("/", "_"),)
        writer.describe(f"{path}/.zattrs", attributes(dims, truth[name].units))
        writer.describe(f"{path}/.zarray", layout.metadata())
    writer.describe(
        "observed/.zattrs", attributes(("frame", "height", "width"), "ADU" if movie.dtype != "<f4" else "1")
    )
    writer.describe("observed/.zarray", movie.metadata())
    small = {f"{ZARR}/{name}": to_json(value) for name, value in writer.metadata.items()}
    small[f"{ZARR}/.zmetadata"] = to_json(consolidated(writer.metadata))
    small[SPEC] = recording.spec.canonical_json().encode()

    def paint(chunk: int) -> None:
        writer.put(f"{MOVIE}/{movie.chunk_name(chunk)}", encode(source.read(*movie.span(chunk)), movie))

    def store(path: str, chunk: int, block: NDArray[Any]) -> None:
        writer.put(f"{ZARR}/{path}/{arrays[path].chunk_name(chunk)}", encode(block, arrays[path]))

    with ThreadPoolExecutor(usable_cores() + 1) as pool, _progress(movie.n_chunks) as advance:
        other_jobs = [pool.submit(writer.put, *file) for file in small.items()]
        other_jobs += [pool.submit(store, *block) for block in blocks]
        jobs = [pool.submit(paint, chunk) for chunk in range(movie.n_chunks)]
        try:
            for job in jobs:
                job.result()
                advance()
            for job in other_jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

    manifest = Manifest(
        key=recording.spec.key(),
        label=label,
        until=recording.until,
        notes=recording.notes,
        movie=movie,
        arrays=arrays,
        truth=truth,
        files=writer.files,
        cost_s=time.perf_counter() - started,
    )
    write_file(folder / MANIFEST, manifest.to_bytes())
    for path, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(path))
    return manifest


def _truth_arrays(
    recording: Recording,
) -> tuple[dict[str, ArrayLayout], dict[str, TruthEntry], list[tuple[str, int, NDArray[Any]]]]:
    """Layouts by path, quantities by name, and every chunk to write."""
    values: dict[str, NDArray[Any]] = {}
    truth: dict[str, TruthEntry] = {}
    for name, value in recording.truth.arrays.items():
        if not name.isidentifier():
            raise StoreError(f"truth {name!r} cannot be stored: its name must be an identifier")
        if isinstance(value, SparseFootprints):
            truth[name] = TruthEntry(("unit_id", "height", "width"), "1", value.shape)
            for part in ("data", "indices", "indptr"):
                values[f"truth/{name}/{part}"] = getattr(value, part)
        else:
            truth[name] = TruthEntry(value.dims, value.units)
            values[f"truth/{name}"] = np.asarray(value.values)
    arrays = {path: ArrayLayout.of(value.shape, value.dtype) for path, value in values.items()}
    blocks = [
        (path, i, value[slice(*arrays[path].span(i))] if value.ndim else value)
        for path, value in values.items()
        for i in range(arrays[path].n_chunks)
    ]
    return arrays, truth, blocks


@contextmanager
def _progress(total: int) -> Generator[Callable[[], None]]:
    """A bar on stderr when a person watches and it takes longer than two seconds."""
    began, done, shown = time.perf_counter(), 0, False
    watched = sys.stderr is not None and sys.stderr.isatty()

    def advance() -> None:
        nonlocal done, shown
        done += 1
        if watched and time.perf_counter() - began > _BAR_AFTER_S:
            shown = True
            bar = "#" * (30 * done // total)
            print(f"\rsimulating [{bar:<30}] {100 * done // total:3d} %", end="", file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        if shown:
            print(file=sys.stderr)
