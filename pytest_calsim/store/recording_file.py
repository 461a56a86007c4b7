"""Read a recording's file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.errors import StoreError
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.archive import Archive
from pytest_calsim.store.stored_truth import StoredQuantity
from pytest_calsim.store.zarr_array import ArrayLayout, Json

__all__ = ["METADATA", "PROVENANCE", "SPEC", "Provenance", "RecordingFile"]

SPEC = "spec.json"
"""The member that holds the spec."""

METADATA = ".zmetadata"
"""The member that holds all metadata of the zarr arrays (zarr calls it consolidated)."""

PROVENANCE = "pytest_calsim"
"""The attribute of the outermost group that holds the provenance."""


@dataclass(frozen=True)
class Provenance:
    """Origin of a stored recording.

    Attributes
    ----------
    key
        The spec's key, which covers the versions of simulation, steps and file format.
    label
        Name under which it was requested, e.g. a preset's; may be empty.
    until
        The last stage simulated; ``None`` for all.
    notes
        Notes of the simulation for its user.
    cost_s
        Time that simulating and writing took, s.
    created
        When it was simulated, seconds since the epoch.
    """

    key: str
    label: str
    until: str | None
    notes: tuple[str, ...]
    cost_s: float
    created: float


class _Contents(NamedTuple):
    """What the metadata of a file say: the layout of each array by its path, the truth by name, the origin."""

    layouts: Mapping[str, ArrayLayout]
    quantities: Mapping[str, StoredQuantity]
    provenance: Provenance


class RecordingFile:
    """A recording's file, open for reading: a source of frames, and of the truth's arrays.

    Immutable, safe for threads and in forked children, pickled by its path. It stays readable when the file of that
    name is removed or replaced.

    Raises
    ------
    FileNotFoundError
        When there is no file.
    StoreError
        When what is there is damaged or no recording. Each member is checked when it is read, so any method that reads
        may raise it.
    OSError
        When the system cannot read it at the moment.
    """

    def __init__(self, path: Path) -> None:
        self.archive = Archive(path)
        self.path = self.archive.path
        self.spec_json = self.archive.read(SPEC).decode()
        contents = self._read_contents()
        self.quantities = contents.quantities
        self.provenance = contents.provenance
        self._layouts = contents.layouts
        self._movie = contents.layouts["observed"]
        self.dtype: np.dtype[Any] = np.dtype(self._movie.dtype)
        # The last chunk of which a part was read, as frames are often read one by one.
        self._latest: tuple[int, NDArray[Any]] | None = None

    def __reduce__(self) -> tuple[type[RecordingFile], tuple[Path]]:
        return RecordingFile, (self.path,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height, width."""
        n_frames, height, width = self._movie.shape
        return n_frames, height, width

    def expect(self, spec: Spec) -> None:
        """Raise ``StoreError`` unless this is the whole recording of a spec, made by this version."""
        made_of_it = self.provenance.key == spec.key() and self.spec_json == spec.canonical_json()
        if not made_of_it or self.provenance.until is not None:
            raise StoreError(f"{self.path}: holds the recording of another spec")

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read frames ``start`` to ``stop``, fresh and writable."""
        movie = self._movie
        if not 0 <= start <= stop <= movie.shape[0]:
            raise IndexError(f"frames {start}..{stop} are not within the recording's 0..{movie.shape[0]}")
        out = np.empty((stop - start, *movie.shape[1:]), movie.dtype)
        for chunk in movie.chunks_of_rows(start, stop):
            rows = movie.rows(chunk)
            low = max(start, rows.start)
            high = min(stop, rows.stop)
            if high - low == movie.chunk_rows:
                # A whole chunk goes from the disk into the result, without a copy between.
                self.archive.read_into(f"observed/{movie.chunk_name(chunk)}", out[low - start : high - start])
            else:
                out[low - start : high - start] = self._chunk(chunk)[low - rows.start : high - rows.start]
        return out

    def _chunk(self, chunk: int) -> NDArray[Any]:
        # One read and one write of a tuple: threads may race, and then each has its own right chunk.
        latest = self._latest
        if latest is None or latest[0] != chunk:
            latest = (chunk, self._read_chunk("observed", self._movie, chunk))
            self._latest = latest
        return latest[1]

    def read_array(self, path: str) -> NDArray[Any]:
        """Read an array of the truth by its path, e.g. ``C`` or ``A_planted/data``; read-only."""
        layout = self._layouts[f"truth/{path}"]
        out = np.empty(layout.shape, layout.dtype)
        for chunk in range(layout.n_chunks):
            own = out[layout.part(chunk)]
            own[...] = self._read_chunk(f"truth/{path}", layout, chunk)[tuple(map(slice, own.shape))]
        return read_only(out)

    def read_truth_frames(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read frames ``start`` to ``stop`` of a quantity of the truth that is stored frame by frame."""
        layout = self._layouts[f"truth/{name}"]
        before = layout.shape[: layout.axis]
        # Begins with no frames, so that there is something to join where none are asked for.
        parts = [np.empty((*before, 0, *layout.shape[layout.axis + 1 :]), layout.dtype)]
        for chunk in layout.chunks_of_rows(start, stop):
            rows = layout.rows(chunk)
            own = slice(max(start, rows.start) - rows.start, min(stop, rows.stop) - rows.start)
            block = self._read_chunk(f"truth/{name}", layout, chunk)
            parts.append(block[(*map(slice, before), own)])
        return np.concatenate(parts, axis=layout.axis)

    def _read_chunk(self, path: str, layout: ArrayLayout, chunk: int) -> NDArray[Any]:
        block = np.empty(layout.chunk_shape, layout.dtype)
        self.archive.read_into(f"{path}/{layout.chunk_name(chunk)}", block)
        return block

    def verify(self) -> None:
        """Read and check every member, and find every chunk.

        Raises
        ------
        StoreError
            For the first that is damaged or missing.
        """
        for name in self.archive.names:
            self.archive.read(name)
        chunks = {
            f"{path}/{layout.chunk_name(chunk)}"
            for path, layout in self._layouts.items()
            for chunk in range(layout.n_chunks)
        }
        missing = chunks.difference(self.archive.names)
        if missing:
            raise StoreError(f"{self.path}: {min(missing)} is missing")

    def _read_contents(self) -> _Contents:
        try:
            metadata: dict[str, Json] = json.loads(self.archive.read(METADATA))["metadata"]
            layouts = {
                name.removesuffix("/.zarray"): ArrayLayout.from_metadata(value)
                for name, value in metadata.items()
                if name.endswith("/.zarray")
            }
            if len(layouts["observed"].shape) != 3:
                raise ValueError("'observed' is no movie")
            facts: Json = metadata[".zattrs"][PROVENANCE]
            facts["notes"] = tuple(facts["notes"])  # JSON has lists alone
            return _Contents(layouts, dict(_quantities(metadata, layouts)), Provenance(**facts))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise StoreError(f"{self.path}: not a recording ({type(error).__name__}: {error})") from None


def _quantities(
    metadata: Mapping[str, Json], layouts: Mapping[str, ArrayLayout]
) -> Iterator[tuple[str, StoredQuantity]]:
    """Yield the quantities of the truth by name, from their members ``truth/NAME/.zattrs``."""
    for path, value in sorted(metadata.items()):
        parts = path.split("/")
        if len(parts) != 3 or parts[0] != "truth" or parts[2] != ".zattrs":
            continue
        name = parts[1]
        if "footprints" in value:
            n_units, height, width = value["footprints"]
            yield name, StoredQuantity(("unit_id", "height", "width"), "1", (n_units, height, width))
        else:
            layout = layouts[f"truth/{name}"]
            dims = tuple(value["_ARRAY_DIMENSIONS"])
            by_frames = layout if dims[layout.axis : layout.axis + 1] == ("frame",) else None
            yield name, StoredQuantity(dims, value["units"], by_frames=by_frames)
