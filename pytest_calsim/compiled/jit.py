"""How the inner loops are compiled: by numba, without the GIL, cached on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba

__all__ = ["compiled"]

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call. Strict IEEE arithmetic (no fast-math), so that the bits do not depend on the block.

    The machine code is cached beside the module, or in the user's cache directory where that is read-only.
    """
    jit: Any = numba.njit
    # NumPy's division (no exception for zero) is what lets loops vectorise.
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return jit(cache=True, **options)(function)
    except RuntimeError:  # no writable place for a cache: compile in memory, once per process
        return jit(**options)(function)
