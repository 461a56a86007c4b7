"""Hold the planted cells: their places, sizes, brightness and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.patches import Patches
from pytest_calsim.arrays.streams import stream
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.cell_shapes import CellShapes, sample_shape
from pytest_calsim.kernels.types import Bools, Floats, Floats32, Ints
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.morphology import Form, draw_shapes
from pytest_calsim.steps.cells.population import TissueLayer

__all__ = ["Cells"]


@dataclass(frozen=True, eq=False)
class Cells(Artifact):
    """The planted cells, those in the field of view first.

    Given cells are in the order given. Of others those in the field of view come first, by population, then by
    arrival; the rest follow by their distance from the field of view. So a larger margin appends units. More density
    or another population leaves every cell as it was, but may move its unit number: ``identity`` names it for good.

    Attributes
    ----------
    center_um
        (z, y, x) of each soma's centre; float64 ``(n, 3)``.
    radius_um
        Radius of each soma; float64 ``(n,)``.
    brightness
        Brightness at rest; float64 ``(n,)``.
    identity
        (population, row and column of the tile, number in the tile) of each cell; int64 ``(n, 4)``. See
        :meth:`entity`.
    in_fov
        Whether the centre lies in the field of view at zero shift; bool ``(n,)``.
    requested
        Number of requested cells: those placed, and those for which there was no room.
    forms
        What decides the shapes of each population's cells.
    seed, kind
        Name of the streams from which the shapes are drawn.
    tissue
        The layers that go on beyond these cells; none where cells were given.
    snr_notes
        Notes for the user about cells that cannot be brought to their snr.
    footprints
        Given images of the cells on the sensor; ``None`` where the cells have shapes.
    """

    center_um: Floats
    radius_um: Floats
    brightness: Floats
    identity: Ints
    in_fov: Bools
    requested: int
    forms: tuple[Form, ...]
    seed: int
    kind: str
    tissue: tuple[TissueLayer, ...] = ()
    snr_notes: tuple[str, ...] = ()
    footprints: Patches | None = None

    def __len__(self) -> int:
        return len(self.radius_um)

    @property
    def population(self) -> Ints:
        """Index of each cell's population; int64 ``(n,)``."""
        return self.identity[:, 0]

    @property
    def is_bead(self) -> Bools:
        """Whether each cell is a point source; bool ``(n,)``."""
        return np.array([form.morphology == "bead" for form in self.forms])[self.population]

    @property
    def middle_um(self) -> float:
        """Mean depth of the layers, or median depth of given cells; 0 without any."""
        per_um2 = sum(layer.per_um2 for layer in self.tissue)
        if per_um2 > 0:
            return sum(layer.per_um2 * layer.population.depth_um for layer in self.tissue) / per_um2
        return float(np.median(self.center_um[:, 0])) if len(self) else 0.0

    def expected_brightness(self, population: int) -> float:
        """Return the mean brightness of a population's cells: as declared, or as its ``snr`` asks for in view."""
        declared = self.tissue[population].population
        own = self.in_fov & (self.population == population)
        if declared.snr is None or not own.any():
            return float(declared.brightness)
        return float(self.brightness[own].mean())

    def entity(self, unit: int) -> tuple[int, int, int, int]:
        """Name of one cell for random streams; no margin, density or other population changes it."""
        population, tile_row, tile_column, index = self.identity[unit].tolist()
        return population, tile_row, tile_column, index

    @cached_property
    def shapes(self) -> CellShapes:
        """Shapes of all cells, each drawn from its own stream, at the first use."""
        names: list[tuple[int, int, int, int]] = self.identity.tolist()
        forms = [self.forms[name[0]] for name in names]
        return draw_shapes(forms, self.radius_um, lambda unit: stream(self.seed, self.kind, "shape", *names[unit]))

    def coverage(self, unit: int, y_um: Floats, x_um: Floats) -> Floats32:
        """Return a cell's projected shape, peak 1, at points.

        Parameters
        ----------
        unit
            Which cell; a bead is a point and covers none.
        y_um, x_um
            Ascending positions relative to the cell's centre.

        Returns
        -------
        float32 ``(len(y_um), len(x_um))``, between 0 and 1.
        """
        return sample_shape(self.shapes, unit, np.ascontiguousarray(y_um, float), np.ascontiguousarray(x_um, float))

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return per-cell columns: centre, radius, population, ``in_fov``, ``amplitude`` (the brightness at rest)."""
        return {
            "depth_um": TruthArray(("unit_id",), self.center_um[:, 0], "um"),
            "y_um": TruthArray(("unit_id",), self.center_um[:, 1], "um"),
            "x_um": TruthArray(("unit_id",), self.center_um[:, 2], "um"),
            "radius_um": TruthArray(("unit_id",), self.radius_um, "um"),
            "population": TruthArray(("unit_id",), self.population),
            "in_fov": TruthArray(("unit_id",), self.in_fov),
            "amplitude": TruthArray(("unit_id",), self.brightness),
        }

    def notes(self) -> tuple[str, ...]:
        """Return both counts where fewer cells found room than were requested, and the notes about snr."""
        if len(self) == self.requested:
            return self.snr_notes
        return (
            f"{self.kind}: placed {len(self)} of {self.requested} cells in and around the field of view; there is no "
            "room for the others: lower density_per_mm3, n_cells, soma_radius_um or min_distance_um",
            *self.snr_notes,
        )
