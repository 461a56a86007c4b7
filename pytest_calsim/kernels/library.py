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
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ctypeslib

__all__ = [
    "LEVELS",
    "LEVEL_VARIABLE",
    "array",
    "check_shape",
    "kernel",
    "level",
    "library_path",
    "output",
    "parameter_type",
    "source_checksum",
]

Array = np.ndarray[Any, Any]

LEVELS = ("base", "v2", "v3", "v4")
"""Processor levels, from the lowest to the highest."""

LEVEL_VARIABLE = "PYTEST_CALSIM_KERNEL_LEVEL"
"""Environment variable that forces a level."""


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


def array(dtype: Any, ndim: int) -> Any:
    """Return the parameter type of an array that a kernel reads: C-contiguous, of one dtype and number of axes."""
    return _ndpointer(dtype, ndim=ndim, flags="C_CONTIGUOUS")


def output(dtype: Any, ndim: int) -> Any:
    """Return the parameter type of an array that a kernel writes."""
    return _ndpointer(dtype, ndim=ndim, flags=("C_CONTIGUOUS", "WRITEABLE"))


def parameter_type(kind: Any) -> Any:
    """Return what ctypes calls a type of number, such as ``int`` (64 bits); return the type of an array as it is."""
    return _NUMBERS.get(kind, kind)


def kernel(name: str, *, returns: type | None = None, **parameters: Any) -> Callable[..., Any]:
    """Return a C function of the library, at the level of this process; it is called with its parameters by name.

    A call checks the dtype, dimensions and contiguity of arrays, and releases the GIL. It does not check sizes: the
    Python function around it does, as C would read beyond the end.

    Parameters
    ----------
    name
        The kernel's name in C, without its level.
    returns
        Type of the returned number, ``None`` for nothing.
    **parameters
        The parameters' names and types, as and in the order in which C has them: :func:`array`, :func:`output`,
        ``bool``, ``int`` (64 bits), ``float`` (double), ``np.uint64`` or ``np.float32``.

    Raises
    ------
    TypeError
        When it is called, if a parameter is missing or there is another one.
    """
    function = _library()[f"{name}_{level()}"]
    function.argtypes = [parameter_type(kind) for kind in parameters.values()]
    function.restype = None if returns is None else parameter_type(returns)

    def call(**arguments: Any) -> Any:
        if arguments.keys() != parameters.keys():
            raise TypeError(f"kernel {name} takes {', '.join(parameters)}; it was given {', '.join(arguments)}")
        return function(*(arguments[parameter] for parameter in parameters))

    return call


def check_shape(name: str, values: Array, *shape: int) -> None:
    """Refuse an array of another shape than its kernel is about to read or write.

    Raises
    ------
    ValueError
        With the array's name, its shape and the shape that is needed.
    """
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, not {shape}")
