"""Hold the user's own numbers in a spec: from memory or from a file, by content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import model_validator

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels.types import Floats, Floats32
from pytest_calsim.microscope.units import Frozen

__all__ = ["GivenArray"]

# A spec is kept with every recording, and hashed for its key.
_MOST_VALUES = 2**28
_MOST_BYTES = 64_000_000
_MOST_SHOWN = 2000
"""Characters of data that a repr shows; of longer ones it shows a digest."""


class GivenArray(Frozen):
    """The user's own numbers as a part of a spec: float32, compressed, and part of the spec's key.

    Wherever a spec takes one, it takes an array, nested lists, or the path of a file: ``.npy``; ``.mat`` (up to
    version 7), if it holds one array, or as ``"file.mat:name"``; ``.csv`` or ``.txt`` with commas. The file is read
    once, when the spec is made: the spec holds its content, and needs the file no more.

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
            values = np.asarray(given)
            # NumPy would leave out the imaginary part, with no more than a warning.
            if values.dtype.kind == "c":
                raise TypeError
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"{_shortened(cast('object', given))} is no array of real numbers: give one, nested lists or a path"
            ) from None
        return cls._encoded(values)

    @classmethod
    def _encoded(cls, values: Floats) -> dict[str, Any]:
        if values.size > _MOST_VALUES:
            raise ValueError(f"an array of shape {values.shape} has more than {_MOST_VALUES} values: give a part of it")
        wrong = np.argwhere(~(np.abs(values) <= np.finfo(np.float32).max))
        if len(wrong):
            at: list[int] = wrong[0].tolist()
            raise ValueError(f"the value at {at} is {values[tuple(at)]:g}; all must be finite in float32")
        packed = zlib.compress(np.ascontiguousarray(values, "<f4").tobytes(), 6)
        if len(packed) > _MOST_BYTES:
            raise ValueError(
                f"an array of shape {values.shape} takes {len(packed) / 1e6:.0f} MB even when compressed; a spec holds "
                f"{_MOST_BYTES / 1e6:.0f} MB at most: give a part of it"
            )
        return {"shape": values.shape, "data": base64.b64encode(packed).decode()}

    @model_validator(mode="after")
    def _whole(self) -> GivenArray:
        _ = self.values  # raises where the data cannot be read or do not fill the shape
        return self

    @cached_property
    def values(self) -> Floats32:
        """The numbers, float32, read-only."""
        try:
            raw = zlib.decompress(base64.b64decode(self.data, validate=True))
            values = np.frombuffer(raw, "<f4").astype(np.float32).reshape(self.shape)
        except (binascii.Error, zlib.error, ValueError):
            raise ValueError(
                f"data of {len(self.data)} characters are not the deflated float32 in base64 that fill shape = "
                f"{self.shape}; give an array or a file"
            ) from None
        return read_only(values)

    def __eq__(self, other: object) -> bool:
        # pydantic would compare what is cached as well.
        return isinstance(other, GivenArray) and (self.shape, self.data) == (other.shape, other.data)

    def __hash__(self) -> int:
        return hash((self.shape, self.data))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """List the shape, and the data where they are short enough to be pasted back, else their digest."""
        if len(self.data) <= _MOST_SHOWN:
            return [("shape", self.shape), ("data", self.data)]
        return [("shape", self.shape), ("sha256", hashlib.sha256(self.data.encode()).hexdigest()[:12])]


def _shortened(given: object) -> str:
    """Return the text of an object, cut where it would fill more than a line."""
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:60]}... ({type(given).__name__})"


def _file(text: str) -> Any:
    """Read a file in the format that its name ends in."""
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
        raise ValueError(f"{text!r} has no known ending: give an array, or the path of a .npy, .mat, .csv or .txt file")
    try:
        return reader(path)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path!r} (looked for in {os.getcwd()!r}): correct the path") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path!r} cannot be read: {str(error).splitlines()[0]}") from None


def _mat_array(file: str, name: str) -> Any:
    """Return one array, full or sparse, of a file that MATLAB wrote."""
    # scipy.io takes a quarter of a second, and every test session reads specs.
    matlab: Any = import_module("scipy.io")
    try:
        with warnings.catch_warnings():
            # SciPy 1.18 warns that the type of sparse results will change: either becomes a full array below.
            warnings.simplefilter("ignore", DeprecationWarning)
            read: dict[str, Any] = matlab.loadmat(file)
    except NotImplementedError:
        raise ValueError(f"{file!r} has MATLAB's version 7.3: save it with '-v7', or as .npy") from None
    arrays = {key: value for key, value in read.items() if not key.startswith("__")}
    known = ", ".join(sorted(arrays)) or "nothing"
    if not name and len(arrays) != 1:
        raise ValueError(f"it holds {known}: name one, as in 'file.mat:name'")
    if name and name not in arrays:
        raise ValueError(f"it holds no array {name!r}, only {known}: name one of these")
    value = arrays[name] if name else next(iter(arrays.values()))
    return value.toarray() if hasattr(value, "toarray") else value
