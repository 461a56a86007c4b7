"""Write a recording's file: painted by threads, appended in order, published whole."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO
from zipfile import ZipFile, ZipInfo

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.frame_source import FrameSource
from pytest_calsim.arrays.lazy import LazyTruth
from pytest_calsim.arrays.parallel import in_order
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import StoreError
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.recording_file import METADATA, PROVENANCE, SPEC, Provenance
from pytest_calsim.store.stored_truth import FOOTPRINT_PARTS
from pytest_calsim.store.zarr_array import ArrayLayout, Json, array_attributes, to_json

__all__ = ["PARTIAL", "RecordingData", "publish_recording", "write_archive"]

PARTIAL = ".partial"
"""End of the name of a file that is being written."""

_GROUP: Json = {"zarr_format": 2}
_READABLE_BY_ALL = 0o644 << 16
"""Rights of unpacked files, which a zip keeps in the upper half of 32 bits."""


@dataclass(frozen=True)
class RecordingData:
    """Content of a recording's file.

    Attributes
    ----------
    spec
        What was simulated.
    frames
        Source of the movie, which is read in blocks of at most 4 MB.
    truth
        The ground truth by name.
    provenance
        Its origin; the time that writing takes is added to ``cost_s``.
    """

    spec: Spec
    frames: FrameSource
    truth: Mapping[str, TruthArray | SparseFootprints]
    provenance: Provenance


def publish_recording(path: Path, data: RecordingData, *, overwrite: bool) -> None:
    """Write a recording's file under another name, sync it once, and rename it into place: it appears whole or never.

    Parameters
    ----------
    path
        Where to put it; its folder must exist.
    data
        Content of the file.
    overwrite
        Whether to replace a file that is there.

    Raises
    ------
    StoreError
        When there is something already that may not be replaced, or an array that is not of numbers.
    OSError
        When the disk does not take it. Nothing is left behind.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{PARTIAL}")
    try:
        with open(partial, "xb") as file:
            write_archive(file, data)
            file.flush()
            os.fsync(file.fileno())
        # Asked again, as another process may have written it during the minutes that painting takes.
        if not overwrite and os.path.lexists(path):
            raise StoreError(f"{path}: exists already; remove it, choose another name, or give overwrite=True")
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_archive(file: IO[bytes], data: RecordingData) -> None:
    """Write the zip of a recording's members into an open file.

    Each core paints one block at a time, and this thread appends them in order. Two blocks a core are painted ahead
    at most, so memory is a few blocks a core and does not grow with the recording.
    """
    began = time.perf_counter()
    frames = data.frames
    movie = ArrayLayout.of(frames.shape, frames.dtype)
    units = "1" if frames.dtype.kind == "f" else "ADU"
    metadata: dict[str, Json] = {
        ".zgroup": _GROUP,
        "observed/.zarray": movie.metadata(),
        "observed/.zattrs": array_attributes(("frame", "height", "width"), units),
        "truth/.zgroup": _GROUP,
    }

    def paint(chunk: int) -> memoryview:
        rows = movie.rows(chunk)
        return movie.encode(frames.read(rows.start, rows.stop))

    with ZipFile(file, "w") as archive, ThreadPoolExecutor(1) as pool:
        _append(archive, SPEC, data.spec.canonical_json().encode())
        # The truth is assessed when it is first read: here in a thread, while frames are painted.
        gathered = pool.submit(dict, data.truth)
        for chunk, block in enumerate(in_order(paint, movie.n_chunks)):
            _append(archive, f"observed/{movie.chunk_name(chunk)}", block)
        for name, value in sorted(gathered.result().items()):
            _append_truth(archive, metadata, name, value)
        cost_s = data.provenance.cost_s + time.perf_counter() - began
        metadata[".zattrs"] = {PROVENANCE: asdict(replace(data.provenance, cost_s=cost_s))}
        for name, value in sorted(metadata.items()):
            _append(archive, name, to_json(value))
        _append(archive, METADATA, to_json({"zarr_consolidated_format": 1, "metadata": metadata}))


def _append(archive: ZipFile, name: str, data: bytes | memoryview) -> None:
    member = ZipInfo(name)  # dated 1980, so that equal recordings are equal bytes
    member.external_attr = _READABLE_BY_ALL
    archive.writestr(member, data)


def _append_truth(archive: ZipFile, metadata: dict[str, Json], name: str, value: TruthArray | SparseFootprints) -> None:
    """Append one quantity: an array, or a group of the three arrays of sparse footprints."""
    if not name.isidentifier():
        raise StoreError(f"truth {name!r} cannot be stored: its name must be an identifier")
    if isinstance(value, SparseFootprints):
        metadata[f"truth/{name}/.zgroup"] = _GROUP
        metadata[f"truth/{name}/.zattrs"] = {"footprints": list(value.shape)}
        arrays = {f"{name}/{part}": TruthArray((f"{name}_{part}",), getattr(value, part)) for part in FOOTPRINT_PARTS}
    else:
        arrays = {name: value}
    for path, array in arrays.items():
        # What is computed on demand is never held whole: it is stored, and read again, in blocks of frames.
        axis = array.dims.index("frame") if isinstance(array, LazyTruth) else 0
        layout = ArrayLayout.of(array.shape, array.dtype, axis)
        metadata[f"truth/{path}/.zarray"] = layout.metadata()
        metadata[f"truth/{path}/.zattrs"] = array_attributes(array.dims, array.units)
        for chunk in range(layout.n_chunks):
            if isinstance(array, LazyTruth):
                rows = layout.rows(chunk)
                block = array.read(rows.start, rows.stop)
            else:
                block = array.values[layout.part(chunk)]
            _append(archive, f"truth/{path}/{layout.chunk_name(chunk)}", layout.encode(block))
