"""Writing a recording into a folder, block by block, by threads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.parallel import usable_cores
from pytest_calsim.errors import StoreError
from pytest_calsim.store.files import digest, sync_folder, write_file
from pytest_calsim.store.manifest import Manifest, TruthEntry
from pytest_calsim.store.zarr2 import ArrayLayout, attributes, consolidated, encode, group, to_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_calsim.recording.recording import Recording

__all__ = ["MANIFEST", "SPEC", "ZARR", "fill_folder"]

MANIFEST, SPEC, ZARR = "manifest.json", "spec.json", "recording.zarr"
MOVIE = f"{ZARR}/observed"
_BAR_AFTER_S = 2.0
_SMALL_FILE_THREADS = 4
"""They wait for the disk most of the time."""


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

    A thread paints, encodes and writes one chunk at a time, so that memory is a few chunks a core, whatever the
    recording's length. There is one thread more than cores: while a chunk waits for the disk, another is painted.
    The truth is gathered meanwhile, and small files have threads of their own.

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
    writer.describe(".zgroup", group())
    writer.describe(
        "observed/.zattrs", attributes(("frame", "height", "width"), "ADU" if movie.dtype != "<f4" else "1")
    )
    writer.describe("observed/.zarray", movie.metadata())

    def paint(chunk: int) -> None:
        writer.put(f"{MOVIE}/{movie.chunk_name(chunk)}", encode(source.read(*movie.span(chunk)), movie))

    painters, writers = ThreadPoolExecutor(usable_cores() + 1), ThreadPoolExecutor(_SMALL_FILE_THREADS)
    with painters, writers, _progress(movie.n_chunks) as advance:
        chunks = [painters.submit(paint, chunk) for chunk in range(movie.n_chunks)]
        try:
            arrays, truth, files = _write_truth(recording, writer, writers)
            for job in files:
                job.result()
            for job in chunks:
                job.result()
                advance()
        except BaseException:
            painters.shutdown(cancel_futures=True)
            writers.shutdown(cancel_futures=True)
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


def _write_truth(
    recording: Recording, writer: _Writer, pool: ThreadPoolExecutor
) -> tuple[dict[str, ArrayLayout], dict[str, TruthEntry], list[Future[None]]]:
    """Let all but the movie be written; give layouts by path, quantities by name, and what is yet to be done."""
    arrays: dict[str, ArrayLayout] = {}
    truth: dict[str, TruthEntry] = {}
    jobs: list[Future[None]] = []

    def store(path: str, chunk: int, block: NDArray[Any]) -> None:
        writer.put(f"{ZARR}/{path}/{arrays[path].chunk_name(chunk)}", encode(block, arrays[path]))

    writer.describe("truth/.zgroup", group())
    for name, value in recording.truth.arrays.items():
        if not name.isidentifier():
            raise StoreError(f"truth {name!r} cannot be stored: its name must be an identifier")
        if isinstance(value, SparseFootprints):
            truth[name] = TruthEntry(("unit_id", "height", "width"), "1", value.shape)
            writer.describe(f"truth/{name}/.zgroup", group())
            parts = {f"truth/{name}/{part}": getattr(value, part) for part in ("data", "indices", "indptr")}
        else:
            truth[name] = TruthEntry(value.dims, value.units)
            parts = {f"truth/{name}": np.asarray(value.values)}
        for path, part in parts.items():
            layout = arrays[path] = ArrayLayout.of(part.shape, part.dtype)
            dims = truth[name].dims if truth[name].footprints is None else (path.replace("/", "_"),)
            writer.describe(f"{path}/.zattrs", attributes(dims, truth[name].units))
            writer.describe(f"{path}/.zarray", layout.metadata())
            blocks = ((i, part[slice(*layout.span(i))] if part.ndim else part) for i in range(layout.n_chunks))
            jobs += [pool.submit(store, path, *block) for block in blocks]
    small = {f"{ZARR}/{name}": to_json(value) for name, value in writer.metadata.items()}
    small[f"{ZARR}/.zmetadata"] = to_json(consolidated(writer.metadata))
    small[SPEC] = recording.spec.canonical_json().encode()
    jobs += [pool.submit(writer.put, *file) for file in small.items()]
    return arrays, truth, jobs


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
