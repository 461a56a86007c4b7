"""Gather, as plain arrays, what plots show of an estimate and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.kernels.types import Floats

__all__ = ["TruthComparison"]


@dataclass(frozen=True, eq=False)
class TruthComparison:
    """An estimate matched with the planted cells; :func:`~pytest_calsim.compare` makes it.

    Attributes
    ----------
    counted
        Planted cells that recall counts, boolean ``(unit_id,)``.
    cell_of
        Each estimated unit's planted cell, −1 for none; ``(estimate,)``.
    footprints
        The estimated footprints where they were given; ``None`` without any.
    offset_px
        How far they lie from zero shift (rows, columns), px.
    shifts
        Estimated displacement of the tissue ``(frame, 2)``, px, moved onto the truth by a constant; ``None`` without.
    C, S
        Estimated traces and spikes ``(estimate, frame)``; ``None`` without.
    background_cell_of
        Each estimated unit's background cell, −1 for none; ``None``: none lies on one.
    """

    counted: NDArray[np.bool_]
    cell_of: NDArray[np.intp]
    footprints: SparseFootprints | None = None
    offset_px: tuple[float, float] = (0.0, 0.0)
    shifts: Floats | None = None
    C: Floats | None = None
    S: Floats | None = None
    background_cell_of: NDArray[np.intp] | None = None

    def __repr__(self) -> str:
        return (
            f"<TruthComparison: {len(self.found)} found, {len(self.missed)} missed, {len(self.spurious)} spurious, "
            f"{len(self.ignored)} ignored>"
        )

    @cached_property
    def estimate_of(self) -> NDArray[np.intp]:
        """Each planted cell's estimate, −1 for none; ``(unit_id,)``."""
        estimates = np.full(len(self.counted), -1, np.intp)
        matched = np.flatnonzero(self.cell_of >= 0)
        estimates[self.cell_of[matched]] = matched
        return estimates

    @property
    def found(self) -> NDArray[np.intp]:
        """Planted cells that count and were found."""
        return np.flatnonzero(self.counted & (self.estimate_of >= 0))

    @property
    def missed(self) -> NDArray[np.intp]:
        """Planted cells that count and were not found."""
        return np.flatnonzero(self.counted & (self.estimate_of < 0))

    @property
    def _on_background(self) -> NDArray[np.bool_]:
        if self.background_cell_of is None:
            return np.zeros(len(self.cell_of), np.bool_)
        return self.background_cell_of >= 0

    @property
    def spurious(self) -> NDArray[np.intp]:
        """Estimates with pixels that match no planted cell and lie on no background cell."""
        if self.footprints is None:
            return np.zeros(0, np.intp)
        return np.flatnonzero((self.cell_of < 0) & ~self._on_background & (np.diff(self.footprints.indptr) > 0))

    @property
    def ignored(self) -> NDArray[np.intp]:
        """Estimates of a planted cell that does not count, or of a background cell: neither right nor wrong."""
        is_found = np.zeros(len(self.cell_of), np.bool_)
        is_found[self.estimate_of[self.found]] = True
        return np.flatnonzero(((self.cell_of >= 0) & ~is_found) | self._on_background)
