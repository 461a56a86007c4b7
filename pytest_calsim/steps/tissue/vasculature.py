"""Grow blood vessels: branching trees that absorb the light of what lies below them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Bools, Floats, Image, Ints
from pytest_calsim.kernels.vessels import blur, lengthen_chords
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step
from pytest_calsim.steps.tiles import tiles_within
from pytest_calsim.steps.tissue.vessel_tree import LONGEST, Branch, Growth, grow_tree

__all__ = ["Vasculature", "VesselLayer", "Vessels"]

# Vessels of a layer are sorted by depth into slabs of this thickness; into thicker ones where they would be too many.
_SLAB_UM = 20.0
_MAX_SLABS = 8
# Depths are rounded to planes this far apart. A slab's shadow stops widening this far below it.
_PLANE_UM = 20.0
_WIDENING_UM = 300.0
# The blur's kernel ends at this many standard deviations, and at this many pixels at most.
_REACH_SIGMAS = 4
_MAX_REACH_PX = 256
# Reach of a tree over the mean length of its trunk; the last few twigs would go farther.
_SPREAD = 4.0
# Bounds on time and memory; more trees come mostly of a mistake in a density.
_MAX_TREES = 3000
_MAX_LAYERS = 5
# How far from its point of the lattice a root may lie, in spacings.
_JITTER = 0.25


@dataclass(frozen=True, eq=False)
class Vessels(Artifact):
    """The vessels of a scene, and the share of light that they let through.

    Attributes
    ----------
    trees
        Branches of each tree, µm; a larger canvas has more trees, and the same branches in each.
    slab_um
        Mean depth of each slab of vessels, ascending; float64 ``(slab,)``.
    clear
        Share of light that each slab lets through straight up, float32 ``(slab, height, width)``, on the canvas and a
        rim around it.
    rim_px
        Width of that rim: as far as a blurred shadow reaches.
    canvas
        The grid of the maps.
    cone_slope
        Tangent of the half angle of the objective's cone of light.
    """

    trees: tuple[tuple[Branch, ...], ...]
    slab_um: Floats
    clear: Image
    rim_px: int
    canvas: Canvas
    cone_slope: float
    _planes: dict[tuple[int, int], Image] = field(default_factory=dict[tuple[int, int], Image], repr=False)

    def transmission(self, depth_um: float) -> Image:
        """Return the share of the light from a depth that passes the vessels above it.

        The objective collects a cone of light from a point at depth z. A vessel at depth v < z absorbs the mean over
        the cone's section there, a disk of radius (z − v)·NA/√(n² − NA²). That is a blur of the vessel's shadow; here
        it is by the Gaussian of the disk's variance. It does not depend on the focal depth.

        Parameters
        ----------
        depth_um
            Depth z below the surface. For the blur it is rounded to steps of 20 µm.

        Returns
        -------
        float32 ``(height, width)`` on the canvas, read-only, 0 to 1.
        """
        above, plane = self._planes_at(np.array([depth_um]))[0].tolist()
        return self._passed(above, plane)

    def by_plane(self, depth_um: Floats) -> Iterator[tuple[Ints, Image]]:
        """Group depths that share a map of :meth:`transmission`; yield the indices of each group, and its map."""
        planes, plane_of = np.unique(self._planes_at(depth_um), axis=0, return_inverse=True)
        for i, (above, plane) in enumerate(planes.tolist()):
            yield np.flatnonzero(plane_of.ravel() == i), self._passed(above, plane)

    def _planes_at(self, depth_um: Floats) -> Ints:
        """Return how many slabs lie above each depth, and the number of its plane; int64 ``(n, 2)``."""
        above = self.slab_um.searchsorted(depth_um)
        # From this plane on no shadow widens: the maps are the same.
        last = math.ceil((self.slab_um[-1] + _WIDENING_UM) / _PLANE_UM)
        plane = np.minimum(np.rint(np.asarray(depth_um) / _PLANE_UM), last)
        return np.stack([above, plane.astype(np.int64)], axis=1)

    def _passed(self, above: int, plane: int) -> Image:
        """Return the map for a plane below some slabs. It is computed once."""
        if (above, plane) not in self._planes:
            self._planes[above, plane] = self._through(above, plane * _PLANE_UM)
        return self._planes[above, plane]

    def _through(self, above: int, depth_um: float) -> Image:
        """Multiply the transmissions of the slabs above a depth, each blurred by its distance."""
        # The maps' rim is as wide as a shadow that has stopped widening.
        below_um = np.clip(depth_um - self.slab_um, 0.0, _WIDENING_UM)
        sigma_px = below_um * self.cone_slope / 2 / self.canvas.pixel_size_um
        passed = np.ones(self.canvas.shape, np.float32)
        for slab in range(above):
            passed *= _blurred(self.clear[slab], float(sigma_px[slab]), self.rim_px)
        # Rounding may blur ones to 1 + 2⁻²³, and vessels add no light.
        return read_only(np.minimum(passed, 1))

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``vessel_transmission`` on the sensor, for light from below each slab, and ``vessel_depth_um``."""
        below = np.nextafter(self.slab_um, np.inf)
        maps = np.stack([self.transmission(float(depth))[self.canvas.window.slices] for depth in below])
        return {
            "vessel_transmission": TruthArray(("depth", "height", "width"), maps),
            "vessel_depth_um": TruthArray(("depth",), self.slab_um, "um"),
        }


class VesselLayer(Frozen):
    """Vessels of one kind between two depths.

    Attributes
    ----------
    trees_per_mm2
        Trees for each square millimetre: the root of one lies near each point of a square lattice about the optical
        axis, at random within a quarter of its spacing, and the tree grows from there both ways.
    root_radius_um, min_radius_um
        Radius of the lumen at the root, and the radius below which twigs are left out.
    length_to_radius
        Mean length of an unbranched stretch, relative to its radius.
    tortuosity
        Standard deviation of the heading along a stretch, rad.
    taper
        Share of its radius that a stretch loses from start to end.
    top_depth_um, bottom_depth_um
        Depths between which the vessels run.
    """

    trees_per_mm2: Annotated[float, Field(ge=0.01, le=200)] = 2.0
    root_radius_um: Annotated[float, Field(ge=2, le=100)] = 14.0
    min_radius_um: Annotated[float, Field(ge=1, le=100)] = 2.5
    length_to_radius: Annotated[float, Field(ge=4, le=50)] = 12.0
    tortuosity: Annotated[float, Field(ge=0, le=1)] = 0.25
    taper: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    top_depth_um: Annotated[float, Field(ge=0, le=2000)] = 20.0
    bottom_depth_um: Annotated[float, Field(ge=0, le=2000)] = 80.0

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.bottom_depth_um < self.top_depth_um:
            raise ValueError(
                f"bottom_depth_um = {self.bottom_depth_um} lies above top_depth_um = {self.top_depth_um}; raise it, as "
                "z points down"
            )
        if not 1 <= self.root_radius_um / self.min_radius_um <= 12:
            raise ValueError(
                f"root_radius_um = {self.root_radius_um} must be 1 to 12 times min_radius_um = {self.min_radius_um}: "
                "twigs grow in number by the cube"
            )
        return self

    @property
    def slabs(self) -> int:
        """Number of slabs into which the layer's vessels are sorted by depth."""
        thickness_um = self.bottom_depth_um - self.top_depth_um
        return min(max(math.ceil(thickness_um / _SLAB_UM), 1), _MAX_SLABS)

    @property
    def slab_edges_um(self) -> Floats:
        """Depths between which the slabs lie, ascending; float64 ``(slabs + 1,)``."""
        return np.linspace(self.top_depth_um, self.bottom_depth_um, self.slabs + 1)

    @property
    def spacing_um(self) -> float:
        """Spacing of the lattice at whose points the roots lie."""
        return 1000 / math.sqrt(self.trees_per_mm2)

    @property
    def spread_um(self) -> float:
        """Distance from its root beyond which no branch of a tree begins."""
        return _SPREAD * self.length_to_radius * self.root_radius_um

    def expected_trees(self, canvas: Canvas, cone_slope: float) -> float:
        """Return how many trees reach a canvas, or shade it, on average."""
        height, width = self._ground_um(canvas, cone_slope)
        return self.trees_per_mm2 * 4e-6 * height * width

    def _ground_um(self, canvas: Canvas, cone_slope: float) -> tuple[float, float]:
        """Return half the height and half the width of the ground from which trees reach the canvas, or shade it."""
        longest_um = LONGEST * self.length_to_radius * self.root_radius_um
        rim_um = _rim_px(canvas, cone_slope) * canvas.pixel_size_um
        half_y, half_x = canvas.half_um
        around_um = rim_um + self.spread_um + longest_um + self.root_radius_um + _JITTER * self.spacing_um
        return half_y + around_um, half_x + around_um

    def grow(self, ctx: Context, *name: str | int) -> tuple[tuple[Branch, ...], ...]:
        """Grow the trees that reach the canvas, each from its own random stream, which no canvas changes.

        Parameters
        ----------
        ctx
            The step's, which names the streams.
        *name
            What tells this layer's streams from those of others.
        """
        growth = Growth(
            min_radius_um=self.min_radius_um,
            length_to_radius=self.length_to_radius,
            tortuosity=self.tortuosity,
            taper=self.taper,
            top_depth_um=self.top_depth_um,
            bottom_depth_um=self.bottom_depth_um,
            spread_um=self.spread_um,
        )
        side_um = self.spacing_um
        trees: list[tuple[Branch, ...]] = []
        for row, column in tiles_within(self._ground_um(ctx.canvas, ctx.acquisition.optics.cone_slope), side_um):
            rng = ctx.stream(*name, "tree", row, column)
            z_um = rng.uniform(self.top_depth_um, self.bottom_depth_um)
            y, x = rng.uniform(-_JITTER, _JITTER, 2).tolist()
            root = np.array([z_um, (row + y) * side_um, (column + x) * side_um])
            grown = grow_tree(
                rng=rng,
                growth=growth,
                root_um=root,
                heading=rng.uniform(0, 2 * math.pi),
                radius_um=self.root_radius_um,
            )
            trees.append(tuple(grown))
        return tuple(trees)


class Vasculature(VesselLayer, Step):
    """Grow branching vessels, in one layer or several. Each shades only what lies below it.

    The step's own fields describe the first layer.

    Attributes
    ----------
    absorption_per_um
        Absorption coefficient of blood, µm⁻¹, for excitation and emission as one: both cross a vessel, and oxygenated
        whole blood has about 0.016-0.018 between 470 and 525 nm for a single passage.
    more_layers
        Further layers, each of its own kind and depth: large vessels on the surface and fine ones among the cells, for
        instance. A layer that is added leaves the vessels of the others as they were.
    """

    absorption_per_um: Annotated[float, Field(gt=0, le=1)] = 0.035
    more_layers: Annotated[tuple[VesselLayer, ...], Field(max_length=_MAX_LAYERS - 1)] = ()

    @property
    def layers(self) -> tuple[VesselLayer, ...]:
        """All layers of vessels, the step's own first."""
        return (self, *self.more_layers)

    def plan(self, ctx: Context) -> Vessels:
        """Grow the trees, sort their segments by depth, and project each slab onto the canvas."""
        canvas = ctx.canvas
        slope = ctx.acquisition.optics.cone_slope
        rim = _rim_px(canvas, slope)
        # The first layer's streams have no name of their own: adding layers leaves its trees as they were.
        grown = [self.grow(ctx)]
        grown += [layer.grow(ctx, "layer", k) for k, layer in enumerate(self.more_layers, start=1)]
        edges = [layer.slab_edges_um for layer in self.layers]
        chords = [_slab_chords(trees, edge, canvas, rim) for trees, edge in zip(grown, edges, strict=True)]
        slab_um = np.concatenate([(edge[1:] + edge[:-1]) / 2 for edge in edges])
        downwards = np.argsort(slab_um, kind="stable")
        through = np.asarray(-self.absorption_per_um * np.concatenate(chords)[downwards], np.float64)
        clear = elementary.exp(through).astype(np.float32)
        trees = tuple(tree for layer in grown for tree in layer)
        return Vessels(
            trees=trees, slab_um=slab_um[downwards], clear=clear, rim_px=rim, canvas=canvas, cone_slope=slope
        )

    def check(self, context: SpecContext) -> list[str]:
        """Refuse more trees than are grown."""
        slope = context.acquisition.optics.cone_slope
        counts = [layer.expected_trees(context.canvas, slope) for layer in self.layers]
        if sum(counts) > _MAX_TREES:
            count = max(counts)
            most = counts.index(count)
            layer = f"more_layers.{most - 1}." if most else ""
            raise ValueError(
                f"{layer}trees_per_mm2 = {self.layers[most].trees_per_mm2:g} asks for some {count:.0f} trees that "
                f"reach the field of view, and at most {_MAX_TREES} are grown in all layers; lower it, or "
                "root_radius_um or length_to_radius, with which trees spread"
            )
        return []

    def cost(self, context: SpecContext) -> Cost:
        """Estimate the memory of the slabs' maps with their rim."""
        rim = _rim_px(context.canvas, context.acquisition.optics.cone_slope)
        height, width = context.canvas.shape
        slabs = sum(layer.slabs for layer in self.layers)
        return Cost(fixed_bytes=8.0 * (slabs + 2) * (height + 2 * rim) * (width + 2 * rim))


def _rim_px(canvas: Canvas, cone_slope: float) -> int:
    """Return how far around the canvas vessels can shade it, px."""
    widest_px = _WIDENING_UM * cone_slope / 2 / canvas.pixel_size_um
    return min(math.ceil(_REACH_SIGMAS * widest_px), _MAX_REACH_PX)


def _slab_chords(trees: tuple[tuple[Branch, ...], ...], edges_um: Floats, canvas: Canvas, rim_px: int) -> Image:
    """Return the path through blood that each slab adds, µm; float32 ``(slab, height, width)`` with the rim.

    A tree is one connected lumen. Where stretches of one tree overlap, the longest chord counts; so a vessel that
    passes from one slab to the next is not counted twice. Different trees add up.
    """
    y_um, x_um = (_with_rim(n, rim_px, canvas) for n in canvas.shape)
    slabs = len(edges_um) - 1
    added = np.zeros((slabs, len(y_um), len(x_um)), np.float32)
    for tree in trees:
        path_um = np.stack([branch.path_um for branch in tree])
        radius_um = np.stack([branch.radius_um for branch in tree])
        nodes = np.concatenate([path_um, radius_um[..., np.newaxis]], axis=-1)
        segments = np.concatenate([nodes[:, :-1], nodes[:, 1:]], axis=-1).reshape(-1, 8)
        middle = (segments[:, 0] + segments[:, 4]) / 2
        slab = np.clip(np.searchsorted(edges_um, middle, side="right") - 1, 0, slabs - 1)
        # (y, x, radius) at both ends: light goes straight up, so a slab's segments count by their shadow alone.
        outline = segments[:, [1, 2, 3, 5, 6, 7]]
        if not _touches(outline, y_um, x_um, canvas.pixel_size_um).any():
            continue
        chords = np.zeros(added.shape[1:], np.float32)
        # From the top down, with one map of chords per tree: a slab adds only what the slabs above it did not have.
        for k in range(slabs):
            lengthen_chords(
                chords=chords,
                added=added[k],
                y_um=y_um,
                x_um=x_um,
                pixel_um=canvas.pixel_size_um,
                segments=outline[slab == k],
            )
    return added


def _touches(outline: Floats, y_um: Floats, x_um: Floats, pixel_um: float) -> Bools:
    """Tell which stretches (y, x and radius at both ends) may lie on a grid, bool ``(stretch,)``."""
    radius_um = np.maximum(outline[:, 2], outline[:, 5]) + pixel_um
    near = np.ones(len(outline), bool)
    for at, axis_um in enumerate((y_um, x_um)):
        ends = outline[:, [at, at + 3]]
        near &= (ends.max(axis=1) + radius_um >= axis_um[0]) & (ends.min(axis=1) - radius_um <= axis_um[-1])
    return near


def _with_rim(pixels: int, rim_px: int, canvas: Canvas) -> Floats:
    """Return the centres of a row or column of pixels, continued by the rim at both ends, µm."""
    n = pixels + 2 * rim_px
    return (np.arange(n) - (n - 1) / 2) * np.float64(canvas.pixel_size_um)


def _blurred(image: Image, sigma_px: float, rim_px: int) -> Image:
    """Blur an image by a Gaussian and cut the rim off. A σ below a quarter of a pixel does not blur."""
    if sigma_px < 0.25:
        height, width = image.shape
        return image[rim_px : height - rim_px, rim_px : width - rim_px]
    reach = min(math.ceil(_REACH_SIGMAS * sigma_px), _MAX_REACH_PX)
    kernel = elementary.exp(-0.5 * (np.arange(reach + 1) / sigma_px) ** 2)
    kernel /= kernel[0] + 2 * kernel[1:].sum()
    return blur(image, kernel.astype(np.float32), rim_px)
