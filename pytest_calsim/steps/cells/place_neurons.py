"""Where the cells are, how large and bright each is, and what each looks like."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.streams import stream
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.cell_shapes import CellShapes, sample_shape
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Um
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.morphology import Morphology, draw_shapes
from pytest_calsim.steps.cells.packing import RING_UM, TRIES, Packing, Zone
from pytest_calsim.steps.cells.population import Population
from pytest_calsim.steps.pixels import CellSources, Detector
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["MAX_CELLS", "Cells", "PlaceNeurons", "Population"]

Floats = NDArray[np.float64]

MAX_CELLS = 20_000
"""Most cells that a spec may ask for, those outside the field of view included."""

# The steps that decide how well a cell can be seen.

# Cells whose tries are drawn at once: bounds memory (TRIES · 24 bytes a cell) and changes no draw.
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Cells(Artifact):
    """The planted cells, those in the field of view first.

    Units are in the order field of view, ring 1, ring 2, ...; within each by population, then by slot. So a larger
    margin appends units. Another population, or more density beside rings or a second population, leaves every
    cell as it was, but may move its unit number: ``identity`` names it for good.

    Attributes
    ----------
    center_um
        (z, y, x) of each soma's centre; float64 ``(n, 3)``.
    radius_um
        Radius of each soma; float64 ``(n,)``.
    brightness
        Brightness at rest; float64 ``(n,)``.
    identity
        (population, ring, slot) of each cell; int64 ``(n, 3)``. See :meth:`entity`.
    in_fov
        Whether the centre lies in the field of view at zero shift; bool ``(n,)``.
    requested
        Cells asked for.
    morphologies
        Morphology of each population.
    seed, kind
        Name of the streams from which the shapes are drawn.
    tissue_um
        Half the height and half the width of the tissue that was filled, about the optical axis; ``None`` where
        positions were given.
    remarks
        What the user must be told about these cells, beside how many there are.
    """

    center_um: Floats
    radius_um: Floats
    brightness: Floats
    identity: NDArray[np.int64]
    in_fov: NDArray[np.bool_]
    requested: int
    morphologies: tuple[Morphology, ...]
    seed: int
    kind: str
    tissue_um: tuple[float, float] | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("center_um", "radius_um", "brightness", "identity", "in_fov"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.radius_um)

    @property
    def population(self) -> NDArray[np.int64]:
        """Index of each cell's population; int64 ``(n,)``."""
        return self.identity[:, 0]

    @property
    def is_bead(self) -> NDArray[np.bool_]:
        """Whether each cell is a point source; bool ``(n,)``."""
        return np.array([m == "bead" for m in self.morphologies])[self.population]

    def entity(self, unit: int) -> tuple[int, int, int]:
        """Name of one cell for random streams, the same whatever the margin, density or other populations."""
        population, ring, slot = self.identity[unit].tolist()
        return population, ring, slot

    @cached_property
    def shapes(self) -> CellShapes:
        """All cells' shapes, each drawn from its own stream, when first asked for."""
        names: list[tuple[int, int, int]] = self.identity.tolist()
        morphologies: list[Morphology] = [self.morphologies[population] for population, _, _ in names]
        return draw_shapes(
            morphologies, self.radius_um, lambda unit: stream(self.seed, self.kind, "shape", *names[unit])
        )

    def coverage(self, unit: int, y_um: Floats, x_um: Floats) -> NDArray[np.float32]:
        """A cell's projected shape, peak 1, at points.

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
        """Per-cell columns: centre, radius, population, ``in_fov``, ``amplitude`` (the brightness at rest)."""
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
        """Both counts, when fewer cells found room than were asked for, and the remarks."""
        if len(self) == self.requested:
            return self.remarks
        return (
            f"{self.kind}: placed {len(self)} of {self.requested} cells; {TRIES} tries found no room for the others: "
            "lower density_per_mm3, soma_radius_um or min_distance_um",
            *self.remarks,
        )


class PlaceNeurons(Step):
    """Cells scattered at random through layers, none inside another; or cells at given positions.

    The field of view is filled first, then whole rings of 25 µm outward as far as motion can bring tissue into view.
    A population fills a zone slot by slot: each slot has its own radius, brightness and list of tries, and takes the
    first try that no earlier cell refuses. Earlier are the populations listed before (whether or not their rings are
    shown) and the zones further in. So more margin, another population at the end, or more density only appends: more
    density within its zone, while zones further out and later populations give way to the new cells.

    Attributes
    ----------
    populations
        Layers of cells.
    min_distance_um
        Least distance between two centres; ``None``: two somata do not interpenetrate. 0 lets cells overlap.
    positions_um
        Centres (z, y, x) of given cells, the optical axis at (0, 0), taken as they are; the one population then gives
        radii, brightness and morphology, and its density and layer mean nothing.
    """

    populations: Annotated[tuple[Population, ...], Field(min_length=1, max_length=8)] = (Population(),)
    min_distance_um: Annotated[float, Field(ge=0, le=50)] | None = None
    positions_um: Annotated[tuple[tuple[Um, Um, Um], ...], Field(max_length=MAX_CELLS)] | None = None

    @model_validator(mode="after")
    def _one_population_for_positions(self) -> Self:
        if self.positions_um is None:
            return self
        if len(self.populations) != 1:
            raise ValueError(
                f"positions_um places the cells of one population, and {len(self.populations)} are given; keep one"
            )
        for i, (z, _, _) in enumerate(self.positions_um):
            if not 0 <= z <= 2000:
                raise ValueError(f"positions_um[{i}] has depth z = {z} um, outside 0 to 2000; positions are (z, y, x)")
        return self

    def check(self, context: SpecContext) -> list[str]:
        """Refuse an snr that nothing shows, cells off the canvas and too many; remark on a focus beyond all of them."""
        for i, population in enumerate(self.populations):
            try:
                population.check_size(context.acquisition.field_size_um)
            except ValueError as error:
                raise ValueError(f"populations.{i}: {error}") from None
            if population.snr is not None:
                for need in (CellSources, Detector):
                    context.demand(need, f"populations.{i}.snr = {population.snr:g} (unlike brightness)")
        self._check_canvas(context.canvas)
        return self._remarks(context.acquisition)

    def _check_canvas(self, canvas: Canvas) -> None:
        """Refuse positions off the canvas, and more cells than are simulated."""
        if self.positions_um is not None:
            reach_y, reach_x = Zone.of(canvas, max(1, Zone.rings(canvas))).outer_um
            for i, (_, y, x) in enumerate(self.positions_um):
                if abs(y) > reach_y or abs(x) > reach_x:
                    raise ValueError(
                        f"positions_um[{i}] lies off the canvas: (y, x) = ({y}, {x}) um from the optical axis, beyond "
                        f"({reach_y:.4g}, {reach_x:.4g}) um; positions are (z, y, x) about the axis"
                    )
            return
        # Those beyond the rings that are shown are placed too.
        count = sum(sum(counts) for counts in self._counts(canvas))
        if count > MAX_CELLS:
            raise ValueError(
                f"populations ask for {count} cells in and around the field of view, and at most {MAX_CELLS} are "
                "simulated; lower density_per_mm3, labelled_fraction or thickness_um, or the sensor or the margin"
            )

    def _remarks(self, acquisition: Acquisition) -> list[str]:
        """Remark on a focus that lies outside the depths of all cells."""
        focus = acquisition.focal_depth_um
        if focus == "auto" or self.positions_um == ():
            return []
        if self.positions_um is not None:
            depths = [(min(z for z, _, _ in self.positions_um), max(z for z, _, _ in self.positions_um))]
        else:
            depths = [(p.depth_um - p.thickness_um / 2, p.depth_um + p.thickness_um / 2) for p in self.populations]
        rim = focus - float(acquisition.curvature_shift_um(np.array(acquisition.field_radius_um)))
        slack = max(p.soma_radius_um for p in self.populations) + acquisition.depth_of_field_um / 2
        if any(low - slack <= focus and rim <= high + slack for low, high in depths):
            return []
        layers = ", ".join(f"{low:.4g}-{high:.4g}" for low, high in depths)
        where = f"{focus:.4g} um" if rim == focus else f"{focus:.4g} um ({rim:.4g} at the corner)"
        return [f"the focus at {where} lies outside the cells' depths ({layers} um): none will be sharp"]

    def cost(self, context: SpecContext) -> Cost:
        """Return how many cells are placed."""
        return Cost(n_cells=self._n_cells(context.canvas))

    def _n_cells(self, canvas: Canvas) -> int:
        if self.positions_um is not None:
            return len(self.positions_um)
        return sum(sum(counts[: Zone.rings(canvas) + 1]) for counts in self._counts(canvas))

    def plan(self, ctx: Context) -> Cells:
        """Place every cell; shapes are drawn when they are asked for."""
        if self.positions_um is not None:
            center = np.array(self.positions_um, float).reshape(-1, 3)
            requested, population = len(center), self.populations[0]
            radius = population.draw_radius_um(ctx.stream("radius", 0, 0), requested)
            brightness = population.draw_brightness(ctx.stream("brightness", 0, 0), requested)
            parts = [(center, radius, brightness, _identity(0, 0, np.arange(requested)))]
        else:
            requested = self._n_cells(ctx.canvas)
            by_zone = sorted(self._place(ctx), key=lambda part: part[0])
            parts = [part for ring, part in by_zone if ring <= Zone.rings(ctx.canvas)]
        center, radius, brightness, identity = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return Cells(
            center,
            radius,
            brightness,
            identity,
            ctx.canvas.in_view(center[:, 1], center[:, 2]),
            requested,
            tuple(p.morphology for p in self.populations),
            ctx.seed,
            ctx.kind,
            Zone.of(ctx.canvas, Zone.rings(ctx.canvas)).outer_um if self.positions_um is None else None,
        )

    def sample(self, acquisition: Acquisition, seed: int = 0, canvas: Canvas | None = None) -> Cells:
        """The cells that a spec with this step would have, without planning or painting anything else.

        Parameters
        ----------
        acquisition
            The instrument, which sets the field of view.
        seed
            The spec's seed.
        canvas
            ``spec.canvas``, to place those around the field of view too; ``None``: the field of view alone.

        Returns
        -------
        Cells
            Bit for bit those of the spec's scene (where a population declares an ``snr``, before their brightness is
            solved for). A thousand take a few milliseconds.
        """
        if canvas is None:
            sensor = acquisition.image_sensor
            canvas = Canvas(sensor.height_px, sensor.width_px, 0, acquisition.pixel_size_um)
        self._check_canvas(canvas)
        return self.plan(Context(acquisition, canvas, seed, self.kind))

    @property
    def _reach_um(self) -> float:
        """Farthest distance at which a cell can refuse another."""
        if self.min_distance_um is not None:
            return self.min_distance_um
        return 2 * max(p.largest_radius_um for p in self.populations)

    def _counts(self, canvas: Canvas) -> list[list[int]]:
        """Cells asked for by population and zone.

        An earlier population reaches further out than the next one, by the rings over which its cells can refuse
        others, whether or not these are shown: what it refuses beside a border is then the same with and without them.
        """
        shown, beyond = Zone.rings(canvas) + 1, math.ceil(self._reach_um / RING_UM)
        return [
            [p.count(Zone.of(canvas, ring).area_um2) for ring in range(shown + beyond * later)]
            for later, p in zip(reversed(range(len(self.populations))), self.populations, strict=True)
        ]

    def _place(self, ctx: Context) -> Iterator[tuple[int, tuple[Floats, Floats, Floats, NDArray[np.int64]]]]:
        """Fill population by population, zone by zone outward: (ring, (centre, radius, brightness, identity))."""
        counts = self._counts(ctx.canvas)
        outermost = Zone.of(ctx.canvas, max(len(zones) for zones in counts) - 1)
        packing = Packing(sum(map(sum, counts)), outermost.outer_um, self._reach_um, self.min_distance_um)
        for index, (population, zones) in enumerate(zip(self.populations, counts, strict=True)):
            for ring, count in enumerate(zones):
                zone = Zone.of(ctx.canvas, ring)
                radius = population.draw_radius_um(ctx.stream("radius", index, ring), count)
                brightness = population.draw_brightness(ctx.stream("brightness", index, ring), count)
                center = np.empty((count, 3))
                placed = np.zeros(count, bool)
                rng = ctx.stream("position", index, ring)
                for start in range(0, count, _BLOCK):
                    block = slice(start, min(start + _BLOCK, count))
                    tries = population.tries_um(rng, zone, block.stop - start)
                    taken = packing.place(tries, radius[block])
                    placed[block] = taken >= 0
                    center[block] = tries[np.arange(len(taken)), taken]
                slots = np.flatnonzero(placed)
                yield ring, (center[slots], radius[slots], brightness[slots], _identity(index, ring, slots))


def _identity(population: int, ring: int, slots: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([np.full_like(slots, population), np.full_like(slots, ring), slots], axis=1)
