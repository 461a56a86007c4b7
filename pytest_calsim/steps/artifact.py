"""Define the base of a step's result: frozen truth."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.read_only import freeze_arrays
from pytest_calsim.arrays.truth_array import TruthArray

__all__ = ["Artifact"]


class Artifact:
    """Frozen truth made by one step's ``plan``: a frozen dataclass whose arrays are read-only."""

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return the quantities that this artifact adds to the ground truth, by name."""
        return {}

    def notes(self) -> tuple[str, ...]:
        """Return lines that the user must read about the plan, e.g. that fewer cells were placed than requested."""
        return ()

    def choices(self) -> Mapping[str, float]:
        """Return the numbers that the plan chose where the spec says ``"auto"``, by dotted path."""
        return {}
