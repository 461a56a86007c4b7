"""Compute the light from far away in the tissue, as its layers give it on average.

Scattered light comes from further away than any field that cells are placed in. So at each point of it the light of
cells within 100 µm is followed one by one, and that of all others is taken as the layers' expected light. What is near
a point does not depend on the field of view, so neither does its light. Beyond that distance hundreds of cells mix, and
none of their courses can be told from the others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pytest_calsim.arrays.patches import Patches
from pytest_calsim.arrays.streams import numbered_keys
from pytest_calsim.kernels.cell_shapes import sample_shape
from pytest_calsim.kernels.spikes import standard_normals
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages, around_the_core
from pytest_calsim.steps.cells.defocus import Defocus
from pytest_calsim.steps.cells.morphology import draw_shapes
from pytest_calsim.steps.cells.place_neurons import TISSUE_REACH_UM, Cells
from pytest_calsim.steps.cells.population import Population
from pytest_calsim.steps.pixels import SplineImages
from pytest_calsim.steps.smooth_grid import NodeGrid
from pytest_calsim.steps.spline_images import followed_share
from pytest_calsim.steps.step import Context

__all__ = ["EvenLight", "even_light", "expected_far_light"]

_NODES_UM = 50.0
"""Nodes of even light lie no farther apart."""
_DEPTHS = 16
"""Depths at which a layer's light is computed."""
_CELLS = 1000
"""Cells over whose long-run fluorescence the mean is taken."""
_SHAPES = 32
"""Cells whose area is measured where no formula gives it."""
_SAMPLE_UM = 0.6
_MOST_SAMPLES = 300
"""Distance of the samples of a cell's area, and their largest number along a side."""


def expected_far_light(ctx: Context, cells: Cells, images: CellImages, activity: Activity) -> float:
    """Return the light per pixel that comes from cells of the layers farther than 100 µm away, on average."""
    end_px = TISSUE_REACH_UM / ctx.canvas.pixel_size_um
    depths = (np.arange(_DEPTHS) + 0.5) / _DEPTHS - 0.5
    light = 0.0
    for i, layer in enumerate(cells.tissue):
        population = layer.population
        z = population.depth_um + population.thickness_um * depths
        soma_um = 0.0 if population.morphology == "bead" else population.soma_radius_um / 2
        # On the optical axis; towards the rim of a curved field cells are a little more or less out of focus.
        blur = Defocus.of(ctx.acquisition, z, z - images.focal_depth_um, images.focal_depth_um)
        share, sigma_um = around_the_core(ctx.acquisition, z, blur, np.full(_DEPTHS, soma_um))
        far = share * (1 - followed_share(sigma_um / ctx.canvas.pixel_size_um, end_px))
        brightness = cells.expected_brightness(i)
        light += layer.per_um2 * brightness * _area_um2(ctx, population) * float(far.sum(axis=0).mean())
    if light == 0:
        return 0.0
    # The mean over many other cells, so that it depends neither on the field of view nor on the cells in it.
    keys = numbered_keys(ctx.stream_key("cell"), _CELLS)
    courses = activity.model.courses_of(
        ctx=ctx, keys=keys, z_rate=standard_normals(keys), baseline=np.ones(_CELLS), assemblies=activity.assemblies
    )
    return light * ctx.acquisition.optics.collection * float(courses.expected.mean())


def _area_um2(ctx: Context, population: Population) -> float:
    """Return the mean light of a cell of brightness 1, as the area that would shine as bright as its middle."""
    if population.morphology == "bead":
        return ctx.canvas.pixel_size_um**2
    larger = 1 + population.soma_radius_cv**2
    if population.morphology == "soma" and population.nucleus_fraction == 0:
        # A half-ellipsoid over any outline holds two thirds of a cylinder.
        return 2 / 3 * np.pi * population.soma_radius_um**2 * larger
    radius_um = np.full(_SHAPES, population.soma_radius_um)
    shapes = draw_shapes([population.form] * _SHAPES, radius_um, lambda i: ctx.stream("area", i))
    extents_um: list[float] = shapes.extent_um.tolist()
    areas: list[float] = []
    for i, extent_um in enumerate(extents_um):
        n = min(math.ceil(2 * extent_um / _SAMPLE_UM), _MOST_SAMPLES)
        at_um = ((np.arange(n) + 0.5) * 2 / n - 1) * extent_um
        areas.append(float(sample_shape(shapes, i, at_um, at_um).mean(dtype=np.float64)) * (2 * extent_um) ** 2)
    return sum(areas) / _SHAPES * larger


class EvenLight(NamedTuple):
    """An even glow of the tissue, by one source for each node of a coarse grid: each bleaches by its own light.

    Attributes
    ----------
    y_um, x_um
        Position of each node, float64 ``(source,)``.
    spline_images
        Image of each node: its spline.
    """

    y_um: Floats
    x_um: Floats
    spline_images: SplineImages


def even_light(canvas: Canvas, level: float, first_source: int) -> EvenLight:
    """Cover a canvas with even light of some level, from nodes 25 to 50 µm apart; without light there are none.

    Parameters
    ----------
    canvas
        Canvas to light.
    level
        Light per pixel.
    first_source
        Number of the first node's source.
    """
    coarseness = max(int(np.floor(np.log2(_NODES_UM / canvas.pixel_size_um))), 0)
    grid = NodeGrid.of_canvas(canvas, coarseness)
    rows, columns = (first + np.arange(n) for first, n in zip(grid.first, grid.shape, strict=True))
    node = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    if level == 0:
        node = node[:0]
    n = len(node)
    y_um, x_um = node.T * (grid.step_px * canvas.pixel_size_um)
    # Splines of all nodes add up to 1 everywhere.
    patches = Patches.laid_out(np.full(n, level, np.float32), np.column_stack([node, np.ones((n, 2), np.int64)]))
    return EvenLight(y_um, x_um, SplineImages(coarseness, first_source + np.arange(n), patches))
