"""One named array of the ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import read_only

__all__ = ["TruthArray"]


@dataclass(frozen=True, eq=False)
class TruthArray:
    """One named quantity of the ground truth; its values are read-only.

    Attributes
    ----------
    dims
        Names of the axes, minian's where they exist (``unit_id``, ``frame``, ``height``, ``width``, ``shift_dim``).
        A quantity with the single axis ``unit_id`` becomes a column of the cells' table.
    values
        The array.
    units
        Physical unit, ``"1"`` for none.
    """

    dims: tuple[str, ...]
    values: NDArray[Any]
    units: str = "1"

    def __post_init__(self) -> None:
        values = read_only(np.asarray(self.values))
        object.__setattr__(self, "values", values)
        if values.ndim != len(self.dims):
            raise ValueError(f"dims {self.dims} do not fit an array of shape {values.shape}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the whole array."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return self.values.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return frames ``start`` to ``stop`` of a quantity with the axis ``frame``, read-only."""
        return self.values[(slice(None),) * self.dims.index("frame") + (slice(start, stop),)]
