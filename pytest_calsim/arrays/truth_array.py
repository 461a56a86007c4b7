"""Hold one named array of the ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.read_only import freeze_arrays

__all__ = ["TruthArray"]


@dataclass(frozen=True, eq=False)
class TruthArray:
    """One quantity of the ground truth, with the names of its axes and its unit. Its values are read-only.

    Attributes
    ----------
    dims
        Names of the axes; minian's where there are such: ``unit_id``, ``frame``, ``height``, ``width``, ``shift_dim``.
        A quantity whose only axis is ``unit_id`` becomes a column of the cells' table.
    values
        The array.
    units
        Physical unit; ``"1"`` for none.

    Raises
    ------
    ValueError
        If there is not one name for each axis.
    """

    dims: tuple[str, ...]
    values: NDArray[Any]
    units: str = "1"

    def __post_init__(self) -> None:
        freeze_arrays(self)
        if self.values.ndim != len(self.dims):
            raise ValueError(
                f"dims {self.dims} name {len(self.dims)} axes, and the array has shape {self.values.shape}: "
                "name each axis once"
            )

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
