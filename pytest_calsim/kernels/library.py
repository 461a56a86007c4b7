"""Load the shared library of C kernels, and declare its functions with checked parameter types.

The library holds every kernel once for each processor level: v2, v3 and v4 of x86-64, or ``base`` elsewhere. The best
level that this processor runs is chosen when the library is loaded. The environment variable
``PYTEST_CALSIM_KERNEL_LEVEL`` forces a lower one; all levels give the same bits.

The library carries a checksum of the C files that it was compiled from. It is refused if the C files beside it have
another one: its functions may take other parameters, and a wrong call would crash the process.
"""

from __future__ import annotations

import ctypes
import os
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy import ctypeslib

__all__ = [
    "LEVELS",
    "LEVEL_VARIABLE",
    "ArrayType",
    "Kernel",
    "array",
    "c_function",
    "c_type",
    "check_shape",
    "level",
    "library_path",
    "output",
    "source_checksum",
]

Array = np.ndarray[Any, Any]

LEVELS = ("base", "v2", "v3", "v4")
"""Processor levels, from the lowest to the highest."""

LEVEL_VARIABLE = "PYTEST_CALSIM_KERNEL_LEVEL"
"""Environment variable that forces a level."""


_ONE_MORE = " + 1"
_ndpointer: Any = ctypeslib.ndpointer  # NumPy types it by an unnamed class
_SUFFIXES = {"win32": "dll", "darwin": "dylib"}
_NUMBERS: dict[type, Any] = {
    bool: ctypes.c_bool,
    int: ctypes.c_int64,
    float: ctypes.c_double,
    np.uint64: ctypes.c_uint64,
    np.float32: ctypes.c_float,
}


def library_path() -> Path:
    """Return where the build puts the library."""
    return Path(__file__).parent / "lib" / f"calsim_kernels.{_SUFFIXES.get(sys.platform, 'so')}"


def source_checksum(folder: Path) -> int:
    """Return the CRC-32 of all C files of a folder; ``build.py``, which cannot import this module, has a copy."""
    return zlib.crc32(b"".join(path.read_bytes() for path in sorted(folder.glob("*.[ch]"))))


@cache
def _library() -> ctypes.CDLL:
    path = library_path()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(
            f"the compiled kernels of pytest-calsim cannot be loaded from {path}: {error}. "
            "They are compiled when the package is installed: run `pip install .` (or `pip install -e .`) again"
        ) from error
    expected = source_checksum(Path(__file__).parent / "c")
    try:
        compiled = ctypes.c_uint32.in_dll(library, "calsim_sources").value
    except ValueError:  # compiled before libraries carried a checksum
        compiled = None
    if compiled != expected:
        raise ImportError(
            f"the compiled kernels in {path} are not those of the C files beside them (checksum {compiled}, expected "
            f"{expected}). Compile them again: run `python -m pytest_calsim.kernels.build`"
        )
    return library


@cache
def level() -> str:
    """Return the processor level whose kernels this process calls, one of :data:`LEVELS`.

    Raises
    ------
    ImportError
        If the library cannot be loaded, or the level that the environment forces cannot run here.
    """
    highest = _library()["calsim_level"]
    highest.restype = ctypes.c_char_p
    best: str = highest().decode()
    forced = os.environ.get(LEVEL_VARIABLE)
    if not forced:
        return best
    available = [best] if best == "base" else [name for name in LEVELS[1:] if name <= best]
    if forced not in available:
        raise ImportError(f"{LEVEL_VARIABLE}={forced!r}: this processor runs {', '.join(available)}")
    return forced


class ArrayType(NamedTuple):
    """Type of an array that a kernel takes. All are C-contiguous.

    Attributes
    ----------
    dtype
        Type of its elements.
    axes
        Each axis' size, ``None`` for a number, and by how much it is longer than that.
    written
        Whether the kernel writes it.
    """

    dtype: Any
    axes: tuple[tuple[str | None, int], ...]
    written: bool

    @classmethod
    def of(cls, dtype: Any, axes: tuple[int | str, ...], *, written: bool) -> ArrayType:
        """Read the lengths of axes as :func:`array` takes them."""
        read: list[tuple[str | None, int]] = []
        for axis in axes:
            if isinstance(axis, int):
                read.append((None, axis))
            else:
                read.append((axis.removesuffix(_ONE_MORE), int(axis.endswith(_ONE_MORE))))
        return cls(dtype, tuple(read), written)


def array(dtype: Any, *axes: int | str) -> ArrayType:
    """Return the parameter type of an array that a kernel reads.

    Parameters
    ----------
    dtype
        Type of its elements.
    *axes
        Length of each axis: a number; the name of a size, which all arrays of a call share, such as ``"cells"``; or one
        more than a size, such as ``"cells + 1"``.
    """
    return ArrayType.of(dtype, axes, written=False)


def output(dtype: Any, *axes: int | str) -> ArrayType:
    """Return the parameter type of an array that a kernel writes; parameters are those of :func:`array`."""
    return ArrayType.of(dtype, axes, written=True)


def c_type(kind: Any) -> Any:
    """Return what ctypes calls the type of a parameter: of a number such as ``int`` (64 bits), or of an array."""
    if not isinstance(kind, ArrayType):
        return _NUMBERS[kind]
    flags = ("C_CONTIGUOUS", "WRITEABLE") if kind.written else "C_CONTIGUOUS"
    return _ndpointer(kind.dtype, ndim=len(kind.axes), flags=flags)


def c_function(name: str, types: Sequence[Any], returns: type | None) -> Callable[..., Any]:
    """Return a C function of the library, at the level of this process; it is called with its parameters in order.

    A call checks the dtype, number of axes and contiguity of arrays, and releases the GIL. It checks no size.
    """
    function = _library()[f"{name}_{level()}"]
    function.argtypes = [c_type(kind) for kind in types]
    function.restype = None if returns is None else c_type(returns)
    return function


class Kernel:
    """A C function of the library that is called with its parameters by name, and refuses arrays that do not fit.

    Each parameter has the type that the kernel declares for it, and arrays have to agree in their shapes: C would read
    beyond their ends. A parameter that is the length of some array's axis may be left out.

    Parameters
    ----------
    name
        The kernel's name in C, without its level.
    returns
        Type of the returned number, ``None`` for nothing.
    **parameters
        The parameters' names and types, as and in the order in which C has them: :func:`array`, :func:`output`,
        ``bool``, ``int`` (64 bits), ``float`` (double), ``np.uint64`` or ``np.float32``.
    """

    def __init__(self, name: str, *, returns: type | None = None, **parameters: Any) -> None:
        self._name = name
        self._function = c_function(name, list(parameters.values()), returns)
        self._parameters = parameters
        self._axes = {parameter: kind.axes for parameter, kind in parameters.items() if isinstance(kind, ArrayType)}
        lengths = {size for axes in self._axes.values() for size, _ in axes}
        self._sizes = {parameter for parameter, kind in parameters.items() if kind is int and parameter in lengths}

    def __call__(self, **arguments: Any) -> Any:
        """Call the C function.

        Raises
        ------
        TypeError
            If a parameter is missing, or there is another one.
        ValueError
            If an array has another number of axes, or shapes disagree.
        ctypes.ArgumentError
            If an array has another dtype, or is not C-contiguous.
        """
        given = self._agreed(arguments) | arguments
        if not arguments.keys() <= self._parameters.keys() <= given.keys():
            needed = [name for name in self._parameters if name not in self._sizes]
            raise TypeError(f"kernel {self._name} takes {', '.join(needed)}; it was given {', '.join(arguments)}")
        return self._function(*(given[name] for name in self._parameters))

    def check(self, **arguments: Any) -> dict[str, int]:
        """Refuse arrays that disagree in their shapes, without a call; return the sizes that they have.

        Parameters
        ----------
        **arguments
            Some of the kernel's parameters. A size that is given counts.

        Raises
        ------
        ValueError
            With an array's name, its shape and the one that it needs.
        """
        return self._agreed(arguments)

    def _agreed(self, arguments: Mapping[str, Any]) -> dict[str, int]:
        # Every call of an elementary function comes here, so it takes little time.
        sizes: dict[str, int] = {size: arguments[size] for size in self._sizes if size in arguments}
        for parameter, axes in self._axes.items():
            values = arguments.get(parameter)
            if values is None:
                continue
            if values.ndim != len(axes):
                raise ValueError(f"{parameter} has shape {values.shape}; its number of axes must be {len(axes)}")
            needed: list[int] = []
            for (size, more), length in zip(axes, values.shape, strict=True):
                # The first array that has an axis of some size decides it.
                needed.append(more if size is None else sizes.setdefault(size, max(length - more, 0)) + more)
            check_shape(parameter, values, *needed)
        return sizes


def check_shape(name: str, values: Array, *shape: int) -> None:
    """Refuse an array of another shape than its kernel is about to read or write.

    Raises
    ------
    ValueError
        With the array's name, its shape and the shape that is needed.
    """
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, not {shape}")
