"""Arrays that a spec holds: numbers of the user's own, from memory or from a file, by content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.microscope.units import Frozen

__all__ = ["GivenArray"]

_MOST_VALUES = 2**28
_MOST_BYTES = 64_000_000
_MOST_SHOWN = 2000


class GivenArray(Frozen):
    """Numbers of the user's own as a part of a spec: float32, compressed, and part of the spec's key.

    Wherever a spec takes one, it takes an array, nested lists, or the path of a file: ``.npy``; ``.mat`` (up to
    version 7), if it holds one array, or as ``"file.mat:name"``; ``.csv`` or ``.txt`` with commas. The file is read
    once, when the spec is made: the spec holds what was in it, and goes on without it.

    Attributes
    ----------
    shape
        Length of each axis.
    data
        The values in C order: little-endian float32, deflated, in base64.
    """

    shape: tuple[int, ...]
    data: str

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if isinstance(given, Mapping | GivenArray):
            return cast("Any", given)
        if isinstance(given, str | os.PathLike):
            given = _file(os.fspath(cast("str | os.PathLike[str]", given)))
        try:
            values = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"no array of numbers: {type(cast('object', given)).__name__}") from None
        return cls._encoded(values)

    @classmethod
    def _encoded(cls, values: NDArray[np.float64]) -> dict[str, Any]:
        if values.size > _MOST_VALUES:
            raise ValueError(f"an array of shape {values.shape} has more than {_MOST_VALUES} values")
        wrong = np.flatnonzero(~(np.abs(values) <= np.finfo(np.float32).max))
        if len(wrong):
            at: list[int] = np.argwhere(~(np.abs(values) <= np.finfo(np.float32).max))[0].tolist()
            raise ValueError(f"the value at {at} is {values.ravel()[wrong[0]]:g}; all must be finite in float32")
        packed = zlib.compress(np.ascontiguousarray(values, "<f4").tobytes(), 6)
        if len(packed) > _MOST_BYTES:
            raise ValueError(
                f"an array of shape {values.shape} takes {len(packed) / 1e6:.0f} MB even when compressed; a spec holds "
                f"{_MOST_BYTES / 1e6:.0f}: give less of it"
            )
        return {"shape": values.shape, "data": base64.b64encode(packed).decode()}

    @model_validator(mode="after")
    def _whole(self) -> GivenArray:
        _ = self.values
        return self

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """The numbers, float32, read-only."""
        try:
            raw = zlib.decompress(base64.b64decode(self.data, validate=True))
            values = np.frombuffer(raw, "<f4").astype(np.float32).reshape(self.shape)
        except (binascii.Error, zlib.error, ValueError):
            raise ValueError(
                "data are no deflated float32 in base64 that fill the shape; give an array or a file"
            ) from None
        return read_only(values)

    def __eq__(self, other: object) -> bool:
        # pydantic would compare what is cached as well.
        return isinstance(other, GivenArray) and (self.shape, self.data) == (other.shape, other.data)

    def __hash__(self) -> int:
        return hash((self.shape, self.data))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Say the shape, and data that are short enough to be pasted back; else a digest of them."""
        if len(self.data) <= _MOST_SHOWN:
            return [("shape", self.shape), ("data", self.data)]
        return [("shape", self.shape), ("sha256", hashlib.sha256(self.data.encode()).hexdigest()[:12])]


def _file(text: str) -> Any:
    """Read a file; the end of its name says how."""
    path, _, name = text.partition(".mat:")
    if name:
        path += ".mat"
    readers: dict[str, Callable[[str], Any]] = {
        ".npy": lambda file: np.load(file, allow_pickle=False),
        ".mat": lambda file: _mat_array(file, name),
        ".csv": lambda file: np.loadtxt(file, delimiter=",", ndmin=2),
        ".txt": lambda file: np.loadtxt(file, delimiter=",", ndmin=2),
    }
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise ValueError(f"{text!r} is no file that is read: give an array, or a path to .npy, .mat, .csv or .txt")
    try:
        return reader(path)
    except FileNotFoundError:
        raise ValueError(f"no file {path!r} (looked for in {os.getcwd()!r})") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path!r} cannot be read: {str(error).splitlines()[0]}") from None


def _mat_array(file: str, name: str) -> Any:
    """Return one array of a file of MATLAB's, full or sparse."""
    # scipy.io takes a quarter of a second, and every test session reads specs.
    matlab: Any = import_module("scipy.io")
    try:
        read: dict[str, Any] = matlab.loadmat(file)
    except NotImplementedError:
        raise ValueError("it has MATLAB's version 7.3; save it with '-v7', or as .npy") from None
    arrays = {key: value for key, value in read.items() if not key.startswith("__")}
    known = ", ".join(sorted(arrays)) or "nothing"
    if not name and len(arrays) != 1:
        raise ValueError(f"it holds {known}; say which, as in 'file.mat:name'")
    if name and name not in arrays:
        raise ValueError(f"it holds no {name!r}, but {known}")
    value = arrays[name] if name else next(iter(arrays.values()))
    return value.toarray() if hasattr(value, "toarray") else value
