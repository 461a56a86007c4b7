"""The manifest of a stored recording: what it is, what made it, and a digest of every other file."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pytest_calsim.errors import StoreError
from pytest_calsim.spec.versions import SIM_VERSION, STORE_FORMAT
from pytest_calsim.store.files import digest
from pytest_calsim.store.zarr2 import ArrayLayout, to_json

__all__ = ["Manifest", "TruthEntry"]


@dataclass(frozen=True)
class TruthEntry:
    """One quantity of the truth: a plain array with its axes, or sparse footprints with their dense shape."""

    dims: tuple[str, ...]
    units: str
    footprints: tuple[int, int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What ``manifest.json`` holds.

    Attributes
    ----------
    key, label, until
        The spec's key, the name it was asked for under (may be empty), and the last stage simulated.
    notes
        What the simulation had to say.
    movie
        Layout of the movie.
    arrays, truth
        Layout of every array of the truth by path, and what each quantity is.
    files
        Size and digest of every other file, by its path in the folder.
    cost_s
        Seconds that simulating and writing took.
    id, created
        Unique name of this copy; seconds since the epoch.
    store_format, sim_version, made_with
        Versions of format and simulation, and of the packages that made it (for the record).
    """

    key: str
    label: str
    until: str | None
    notes: tuple[str, ...]
    movie: ArrayLayout
    arrays: dict[str, ArrayLayout]
    truth: dict[str, TruthEntry]
    files: dict[str, tuple[int, str]]
    cost_s: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: float = field(default_factory=time.time)
    store_format: int = STORE_FORMAT
    sim_version: int = SIM_VERSION
    made_with: dict[str, str] = field(default_factory=lambda: dict(_packages()))

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(size for size, _ in self.files.values())

    def to_bytes(self) -> bytes:
        """The file: one JSON object, sealed with a digest of itself."""
        body = dataclasses.asdict(self)
        return to_json({**body, "seal": digest(to_json(body))})

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read and check the seal and the versions; :class:`StoreError` says what is wrong."""
        try:
            body: dict[str, Any] = json.loads(data)
            seal = body.pop("seal")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise StoreError("manifest.json is not a manifest") from None
        if seal != digest(to_json(body)):
            raise StoreError("manifest.json was edited or damaged")
        for name, ours in (("store_format", STORE_FORMAT), ("sim_version", SIM_VERSION)):
            if body.get(name) != ours:
                raise StoreError(f"written with {name} {body.get(name)!r}, this package has {ours}")
        try:
            body["notes"] = tuple(body["notes"])
            body["movie"] = _layout(body["movie"])
            body["arrays"] = {name: _layout(value) for name, value in body["arrays"].items()}
            body["truth"] = {name: _truth(value) for name, value in body["truth"].items()}
            body["files"] = {name: (int(size), str(value)) for name, (size, value) in body["files"].items()}
            return cls(**body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"manifest.json is incomplete: {error}") from None


def _layout(value: dict[str, Any]) -> ArrayLayout:
    return ArrayLayout(tuple(value["shape"]), value["dtype"], value["rows"])


def _truth(value: dict[str, Any]) -> TruthEntry:
    shape = value["footprints"]
    return TruthEntry(tuple(value["dims"]), value["units"], None if shape is None else (shape[0], shape[1], shape[2]))


@cache
def _packages() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for name in ("pytest-calsim", "numpy", "numcodecs", "zarr"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
