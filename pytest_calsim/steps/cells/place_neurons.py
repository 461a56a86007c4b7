"""Place the cells, and give each its size, brightness and shape."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from pytest_calsim.arrays.plain import plain
from pytest_calsim.kernels.packing import draw_candidates
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.given_array import GivenArray
from pytest_calsim.microscope.units import Um
from pytest_calsim.steps.cells.given_footprints import GivenFootprints, check_footprints
from pytest_calsim.steps.cells.placement import PlacedLayer, place_layers, radii_um
from pytest_calsim.steps.cells.planted_cells import Cells
from pytest_calsim.steps.cells.population import MAX_CELLS, Population, TissueLayer
from pytest_calsim.steps.pixels import CellSources, Detector
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step

__all__ = ["MAX_CELLS", "Cells", "PlaceNeurons", "Population", "Position"]

TISSUE_REACH_UM = 100.0
"""Distance around the canvas up to which cells are placed, and a cell's light is followed: see ``tissue_beyond``."""

_WIDEST_IMAGE_UM = 300.0
"""Images that are wider than this are no longer filled up at the rim."""

_BLUR_REACH = 4.3
"""σ of a blur at which its light ends."""


Position = tuple[Um, Um, Um]
"""(z, y, x), µm."""


class PlaceNeurons(Step):
    """Cells scattered at random through layers, none inside another; or at given positions, or of given footprints.

    The plane is divided into tiles from the optical axis on. Each tile has its own candidates, which arrive one after
    the other. A candidate is accepted unless an earlier one of its population, or one of a population listed before,
    is too near. A density sets the time until which candidates come; with ``n_cells`` they come until the last one in
    view. So more margin, a larger sensor, more density or another population at the end shows more of one and the same
    tissue, though with more density later populations give way to the new cells.

    Tissue goes on for 100 µm around the field of view and what motion brings into it, or as far as images reach.

    Attributes
    ----------
    populations
        Layers of cells.
    positions_um
        Centres (z, y, x) of given cells, the optical axis at (0, 0), taken as they are; the one population then gives
        radii, brightness and morphology, and its density and layer mean nothing.
    footprints
        Images ``(cell, height, width)`` on the sensor, as the sensor sees cells of brightness 1: an array, or the path
        of a ``.npy`` or ``.mat`` file. They are taken as they are: planted and observed, without blur, scatter or
        vessels. Cells lie at their centres of mass, in the middle of the one population, which gives brightness.
    """

    populations: Annotated[tuple[Population, ...], Field(min_length=1, max_length=8)] = (Population(),)
    positions_um: Annotated[tuple[Position, ...], Field(max_length=MAX_CELLS), BeforeValidator(plain)] | None = None
    footprints: GivenArray | None = None

    @model_validator(mode="after")
    def _one_population_for_given_cells(self) -> Self:
        given = [name for name in ("positions_um", "footprints") if getattr(self, name) is not None]
        if len(given) == 2:
            raise ValueError(
                "positions_um and footprints both say where the cells are; give one (footprints lie where their light "
                "is, at depth_um of the population)"
            )
        if given and len(self.populations) != 1:
            raise ValueError(
                f"{given[0]} places the cells of one population, and {len(self.populations)} are given; keep one, as "
                "in {'place_neurons.populations': [{}], ...}"
            )
        for i, (z, _, _) in enumerate(self.positions_um or ()):
            if not 0 <= z <= 2000:
                raise ValueError(f"positions_um[{i}] has depth z = {z} um, outside 0 to 2000; positions are (z, y, x)")
        return self

    def check(self, context: SpecContext) -> list[str]:
        """Refuse an snr that nothing shows, cells off the canvas and too many; warn of a focus beyond all of them."""
        for i, population in enumerate(self.populations):
            try:
                population.check_size(context.acquisition.field_size_um)
            except ValueError as error:
                raise ValueError(f"populations.{i}: {error}") from None
            if population.snr is not None:
                for need in (CellSources, Detector):
                    context.demand(need, f"populations.{i}.snr = {population.snr:g} (unlike brightness)")
        self._check_canvas(context.acquisition, context.canvas)
        said = [f"populations.{i}: {text}" for i, p in enumerate(self.populations) for text in p.soft_warnings()]
        return said + self._focus_warnings(context.acquisition)

    def _check_canvas(self, acquisition: Acquisition, canvas: Canvas) -> None:
        """Refuse positions off the tissue that is simulated, footprints of another shape, and too many cells."""
        if self.footprints is not None:
            check_footprints(self.footprints.values, canvas.sensor_shape)
        if self.positions_um is not None:
            reach_y, reach_x = (half + self.reach_um(acquisition, canvas) for half in canvas.sensor_half_um)
            for i, (_, y, x) in enumerate(self.positions_um):
                if abs(y) > reach_y or abs(x) > reach_x:
                    raise ValueError(
                        f"positions_um[{i}] lies off the tissue: (y, x) = ({y}, {x}) um from the optical axis, beyond "
                        f"({reach_y:.4g}, {reach_x:.4g}) um; positions are (z, y, x) about the axis"
                    )
            return
        count = self._n_cells(acquisition, canvas)
        if count > MAX_CELLS:
            raise ValueError(
                f"populations ask for {count} cells in and around the field of view, and at most {MAX_CELLS} are "
                "simulated; lower n_cells, density_per_mm3, labelled_fraction or thickness_um, or the sensor or the "
                "margin"
            )

    def reach_um(self, acquisition: Acquisition, canvas: Canvas) -> float:
        """Return how far around the field of view cells are placed, µm: 100 µm around the canvas, or as far as images
        reach.
        """
        layers = [(p.depth_um - p.thickness_um / 2, p.depth_um + p.thickness_um / 2) for p in self.populations]
        top = min(low for low, _ in layers)
        bottom = max(high for _, high in layers)
        # The focal surface is nearer to the tissue's surface towards the rim: cells there lie deeper below it.
        rim = float(acquisition.curvature_shift_um(np.array(acquisition.field_radius_um + TISSUE_REACH_UM)))
        focus = acquisition.focal_depth_um
        shallowest = top if focus == "auto" else focus
        deepest = bottom + rim if focus == "auto" else focus
        defocus = max(bottom + rim - shallowest, deepest - top)
        blur = math.hypot(acquisition.optics.diffraction_sigma_um, acquisition.tissue.scatter_blur_fraction * bottom)
        extent = max(p.form.reach_um(p.layer.largest_radius_um) for p in self.populations)
        image = extent + defocus * acquisition.optics.cone_slope + _BLUR_REACH * blur
        margin = canvas.margin_px * canvas.pixel_size_um
        return margin + max(TISSUE_REACH_UM, min(image, _WIDEST_IMAGE_UM))

    def _focus_warnings(self, acquisition: Acquisition) -> list[str]:
        """Return a soft warning where the focus lies outside the depths of all cells."""
        focus = acquisition.focal_depth_um
        if focus == "auto" or self.positions_um == () or self.footprints is not None:
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
        return Cost(n_cells=self._n_cells(context.acquisition, context.canvas))

    def _n_cells(self, acquisition: Acquisition, canvas: Canvas) -> int:
        """Return the mean number of cells that are requested, around the field of view too."""
        if self.positions_um is not None:
            return len(self.positions_um)
        if self.footprints is not None:
            return len(self.footprints.values)
        reach = self.reach_um(acquisition, canvas)
        half_y, half_x = canvas.sensor_half_um
        view = 4 * half_y * half_x
        area = 4 * (half_y + reach) * (half_x + reach)
        layers = [population.layer.at_density(view) for population in self.populations]
        return sum(round(layer.density_per_mm3 * layer.volume_mm3(area)) for layer in layers)

    def plan(self, ctx: Context) -> Cells:
        """Place every cell; shapes are drawn at their first use."""
        footprints = None if self.footprints is None else GivenFootprints.of(self.footprints.values, ctx.canvas)
        given = footprints is not None or self.positions_um is not None
        placed = self._placed(ctx, footprints)
        center = np.concatenate([own.center_um for own in placed])
        population = np.repeat(np.arange(len(placed)), [len(own.radius_um) for own in placed])
        both = list(zip(self.populations, placed, strict=True))
        brightness = np.concatenate([p.brightness_of(own.normal) for p, own in both])
        in_fov = ctx.canvas.in_view(center[:, 1], center[:, 2])
        order = np.arange(len(center))
        # Cells in view come first, so that their numbers do not depend on the margin; given cells keep their order.
        if not given:
            view = replace(ctx.canvas, margin_px=0)
            outside = view.beyond_um(center[:, 1], center[:, 2])
            order = np.argsort(np.where(in_fov, -1.0, outside), kind="stable")
        return Cells(
            center_um=center[order],
            radius_um=np.concatenate([own.radius_um for own in placed])[order],
            brightness=brightness[order],
            identity=np.column_stack([population, np.concatenate([own.name for own in placed])])[order],
            in_fov=in_fov[order],
            requested=len(center) + sum(own.missing for own in placed),
            forms=tuple(p.form for p in self.populations),
            seed=ctx.seed,
            kind=ctx.kind,
            tissue=() if given else tuple(TissueLayer(p, own.per_um2) for p, own in both),
            footprints=None if footprints is None else footprints.patches,
        )

    def _placed(self, ctx: Context, footprints: GivenFootprints | None) -> list[PlacedLayer]:
        """Place the cells of each population, or take those that are given."""
        keys = tuple(ctx.stream_key("tile", i) for i in range(len(self.populations)))
        if footprints is not None:
            depth_um = np.full(len(footprints.center_um), self.populations[0].depth_um)
            center = np.column_stack([depth_um, footprints.center_um])
            return [self._given(keys[0], center)._replace(radius_um=footprints.radius_um)]
        if self.positions_um is not None:
            return [self._given(keys[0], np.array(self.positions_um, float).reshape(-1, 3))]
        reach = self.reach_um(ctx.acquisition, ctx.canvas)
        return place_layers(tuple(p.layer for p in self.populations), keys, ctx.canvas.sensor_half_um, reach)

    def _given(self, key: int, center: Floats) -> PlacedLayer:
        """Return cells at given centres, with the sizes and normal numbers of one tile's first candidates."""
        drawn = draw_candidates(np.array([key], np.uint64), 1.0, math.inf, most=len(center))
        name = np.column_stack([np.zeros((len(center), 2), np.int64), drawn.number])
        radius = radii_um(self.populations[0].layer, drawn.size)
        return PlacedLayer(center, radius, drawn.normal, name, missing=0, per_um2=0.0)

    def sample(self, acquisition: Acquisition, seed: int = 0, canvas: Canvas | None = None) -> Cells:
        """Return the cells that a spec with this step would have, without planning or painting anything else.

        Parameters
        ----------
        acquisition
            The instrument, which sets the field of view.
        seed
            The spec's seed.
        canvas
            ``spec.canvas``, whose margin may ask for more tissue; ``None``: without a margin.

        Returns
        -------
        Cells
            Bit for bit those of the spec's scene (where a population declares an ``snr``, before their brightness is
            solved for). A thousand take a few milliseconds.
        """
        if canvas is None:
            sensor = acquisition.image_sensor
            canvas = Canvas(sensor.height_px, sensor.width_px, 0, acquisition.pixel_size_um)
        self._check_canvas(acquisition, canvas)
        return self.plan(Context(acquisition, canvas, seed, self.kind))
