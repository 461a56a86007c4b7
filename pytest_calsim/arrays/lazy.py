"""Compute or read arrays along a recording's frames block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray

__all__ = ["FrameValues", "LazyArray", "LazyTruth"]


class LazyArray(Protocol):
    """An array of which no more than a block of frames is held."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of all of it."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        ...

    def read(self, start: int, stop: int, /) -> NDArray[Any]:
        """Return frames ``start`` to ``stop`` along the axis of frames; where blocks are cut changes no bit."""
        ...


@dataclass(frozen=True, eq=False)
class FrameValues:
    """A quantity along frames as a :class:`LazyArray`.

    Attributes
    ----------
    shape
        Its size, e.g. of units and frames.
    dtype
        Type of the values.
    read
        Gives frames from one to another, e.g. ``(unit, frame)``.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int, int], NDArray[Any]]


class LazyTruth(TruthArray):
    """A quantity of the ground truth that is computed from others at each read.

    Parameters
    ----------
    dims
        Names of the axes, of which one is ``frame``.
    source
        What computes it.
    units
        Physical unit, ``"1"`` for none.
    """

    def __init__(self, dims: tuple[str, ...], source: LazyArray, units: str = "1") -> None:
        # The base class is frozen, and its __init__ would ask for the values.
        vars(self).update(dims=dims, units=units, source=source)
        if len(source.shape) != len(dims):
            raise ValueError(
                f"dims {dims} name {len(dims)} axes, and the array has shape {source.shape}: name each axis once"
            )

    source: LazyArray

    def __reduce__(self) -> tuple[type[TruthArray], tuple[Any, ...]]:
        return TruthArray, (self.dims, self.values, self.units)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the whole array."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return self.source.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return frames ``start`` to ``stop``, read-only."""
        return read_only(self.source.read(start, stop))

    @property
    def values(self) -> NDArray[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """All of it; computed again each time it is asked for."""
        return self.read(0, self.shape[self.dims.index("frame")])
