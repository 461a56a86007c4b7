"""Choose the planted cells that an assertion counts, and describe them in its messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.scorecard import Table

if TYPE_CHECKING:
    from pytest_calsim.recording.truth import GroundTruth

__all__ = ["N_SHOWN", "PlantedCells", "Units"]

Units = Literal["detectable", "in_focus", "all"]
"""Choice of the cells in the field of view that count."""

N_SHOWN = 8
"""Rows of a table in a message."""

_LOUD = 0.5
"""A neighbour is loud from this share of a cell's own largest transient on: real pipelines lose such cells."""


_SHOWN_THROUGHOUT = 0.9
"""Motion carries a cell out of the picture if every frame shows less of it: a copy of the detection rule's bound."""


class PlantedCells:
    """The planted cells of a recording, and those among them that count.

    Attributes
    ----------
    columns
        Per-cell truth by name.
    counted
        Cells in the field of view and in ``units`` (boolean).
    cut
        Cells that motion carries out of the picture (boolean): pipelines cut registered movies to what every frame
        shows.
    """

    def __init__(self, truth: GroundTruth, units: Units) -> None:
        if units not in get_args(Units):
            raise EstimateError(f"units must be one of {', '.join(map(repr, get_args(Units)))}, not {units!r}")
        table: Any = truth.cells
        self.units: Units = units
        self.columns: Mapping[str, NDArray[Any]] = {str(name): table[name].to_numpy() for name in table.columns}
        self._truth = truth
        self._in_fov = self._flags("in_fov")
        shown = self.columns.get("shown_fraction", np.ones(len(self._in_fov)))
        self.cut: NDArray[np.bool_] = shown < _SHOWN_THROUGHOUT
        self.counted = self._in_fov if units == "all" else self._in_fov & self._flags(units)

    def _flags(self, name: str) -> NDArray[np.bool_]:
        if name not in self.columns:
            way_out = "; units='all' needs none" if name == self.units else ""
            raise EstimateError(
                f"the recording's truth has no {name!r}: its spec lacks the step that makes it{way_out}"
            )
        return self.columns[name].astype(np.bool_)

    def __len__(self) -> int:
        return len(self.counted)

    @property
    def n_counted(self) -> int:
        """Number of cells that count."""
        return int(self.counted.sum())

    @property
    def A(self) -> SparseFootprints:
        """Footprints as the optics leave them."""
        if self._truth.A_observed is None:
            raise EstimateError("the recording's truth has no 'A_observed': its spec lacks 'cell_optics'; add it")
        return self._truth.A_observed

    def facts(self) -> dict[str, int]:
        """Return the version of the rule that says which cells are detectable, where that decides which cells count."""
        rule = self._truth.arrays.get("detection_rule")
        if self.units != "detectable" or not isinstance(rule, TruthArray):
            return {}
        return {"detection_rule": int(rule.values)}

    def louder_neighbour(self, cell: int) -> int | None:
        """Return the cell whose largest transient adds most below a cell, if it is half of the cell's own or more.

        What a cell j adds to a matched filter for cell i, in units of what i does, is ⟨A_i, A_j⟩·p_j/(⟨A_i, A_i⟩·p_i),
        where p are their largest transients.
        """
        if "largest_transient" not in self.columns:
            return None
        peaks = self.columns["largest_transient"]
        pixels, values = self.A.unit(cell)
        if not values.size or not peaks[cell] > 0:
            return None
        image = np.zeros(self.A.shape[1:])
        image.ravel()[pixels] = values
        light = self.A.sums(image) * peaks
        own = light[cell]
        light[cell] = 0.0
        loudest = int(light.argmax())
        return loudest if peaks[loudest] > peaks[cell] and light[loudest] >= _LOUD * own else None

    def describe(self, n_found: int) -> str:
        """Say how many of how many cells were found: the denominator in words."""
        kind = {"all": "", "in_focus": "in-focus "}.get(self.units, f"{self.units} ")
        n_carried_out = int((self._in_fov & self.cut).sum())
        carried_out = f", {n_carried_out} of them not in every frame" if n_carried_out else ""
        return (
            f"{n_found} of {self.n_counted} {kind}cells found; "
            f"{int(self._in_fov.sum())} planted in view{carried_out}, {len(self)} in all"
        )

    def table(self, title: str, cells: Iterable[int] | NDArray[np.intp], columns: Mapping[str, Iterable[Any]]) -> Table:
        """Lay out the first rows of a table of cells: unit, place, both snr, and more columns, one entry a cell."""
        ids = [int(cell) for cell in cells]
        shown = ids[:N_SHOWN]
        named: dict[str, list[Any]] = {"unit": shown, "row, col": [self._where(cell) for cell in shown]}
        for name in ("snr", "snr_peak"):
            if name in self.columns:
                named[name] = [f"{self.columns[name][cell]:.1f}" for cell in shown]
        named |= {name: list(values)[:N_SHOWN] for name, values in columns.items()}
        rows = tuple(tuple(map(str, row)) for row in zip(*named.values(), strict=True))
        return Table(title, tuple(named), rows, len(ids))

    def _where(self, cell: int) -> str:
        """Return the brightest pixel of a cell on the sensor."""
        A = self._truth.A_observed
        if A is None:
            return "?"
        pixels, values = A.unit(cell)
        if not values.size:
            return "out of view"
        row, column = divmod(int(pixels[values.argmax()]), A.shape[2])
        return f"{row}, {column}"
