"""Blood vessels: branching trees that absorb the light of whatever lies below them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.vessels import blur, lengthen_chords
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.pixels import Image
from pytest_calsim.steps.step import Context, Cost, SpecContext, Step
from pytest_calsim.steps.tissue.vessel_tree import Branch, Growth, grow_tree

__all__ = ["Vasculature", "Vessels"]

Floats = NDArray[np.float64]

# Vessels are sorted into slabs of at most this thickness, and no more than this many.
_SLAB_UM = 20.0
_MAX_SLABS = 8
# Light is followed from planes this far apart, and shadows stop widening this far below a vessel.
_PLANE_UM = 20.0
_WIDENING_UM = 300.0
# The blur's kernel ends at four standard deviations, and at this many pixels.
_REACH_SIGMAS = 4
_MAX_REACH_PX = 256


@dataclass(frozen=True, eq=False)
class Vessels(Artifact):
    """The vessels of a scene, and how much light they let through.

    Attributes
    ----------
    trees
        Each tree's branches, in µm; independent of the canvas.
    slab_um
        Mean depth of each slab of vessels, ascending.
    clear
        Share of light that each slab lets through straight up, float32 ``(slab, height, width)`` on the canvas with a
        rim of ``rim_px`` around it.
    canvas
        Where it is painted.
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
        """Share of the light from a depth that passes the vessels above it, float32 map on the canvas.

        Seen from a point at depth z the objective's aperture is a cone; what a vessel at depth v < z takes is the mean
        over the cone's disk there, of radius (z − v)·NA/√(n² − NA²): a blur, here by the Gaussian of the same
        variance. It needs no focal depth. Depths count in steps of 20 µm for the blur.
        """
        above, plane = self._planes_at(np.array([depth_um]))[0].tolist()
        return self._passed(above, plane)

    def by_plane(self, depth_um: Floats) -> Iterator[tuple[NDArray[np.int64], Image]]:
        """Which of some depths share a map of :meth:`transmission`, and that map."""
        planes, plane_of = np.unique(self._planes_at(depth_um), axis=0, return_inverse=True)
        for i, (above, plane) in enumerate(planes.tolist()):
            yield np.flatnonzero(plane_of.ravel() == i), self._passed(above, plane)

    def _planes_at(self, depth_um: Floats) -> NDArray[np.int64]:
        """How many slabs lie above each depth, and the plane that stands for it; ``(n, 2)``."""
        above = self.slab_um.searchsorted(depth_um)
        plane = np.rint(np.minimum(depth_um, self.slab_um[-1] + _WIDENING_UM) / _PLANE_UM)
        return np.stack([above, plane.astype(np.int64)], axis=1)

    def _passed(self, above: int, plane: int) -> Image:
        if (above, plane) not in self._planes:
            self._planes[above, plane] = self._through(above, plane * _PLANE_UM)
        return self._planes[above, plane]

    def _through(self, above: int, depth_um: float) -> Image:
        sigma_px = np.maximum(depth_um - self.slab_um, 0.0) * self.cone_slope / 2 / self.canvas.pixel_size_um
        passed = np.ones(self.canvas.shape, np.float32)
        for slab in range(above):
            passed *= _blurred(self.clear[slab], float(sigma_px[slab]), self.rim_px)
        return read_only(passed)

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """``vessel_transmission`` on the sensor for light from right below each slab, at ``vessel_depth_um``."""
        below = np.nextafter(self.slab_um, np.inf)
        maps = np.stack([self.transmission(float(depth))[self.canvas.window.slices] for depth in below])
        return {
            "vessel_transmission": TruthArray(("depth", "height", "width"), maps),
            "vessel_depth_um": TruthArray(("depth",), self.slab_um, "um"),
        }


class Vasculature(Step):
    """Branching vessels between the surface and the cells, each shading only what lies below it.

    Attributes
    ----------
    n_trees
        Trees; each enters through the rim of the field of view. More only appends.
    root_radius_um, min_radius_um
        Lumen radius where a tree enters, and below which its twigs are not drawn.
    length_to_radius
        Mean length of an unbranched stretch over its radius.
    tortuosity
        Standard deviation of the heading along a stretch, rad.
    taper
        Share of its radius that a stretch loses from start to end.
    top_depth_um, bottom_depth_um
        Between which depths the vessels run.
    absorption_per_um
        Absorption coefficient of blood, µm⁻¹, for excitation and emission as one: both cross a vessel, and oxygenated
        whole blood has about 0.016-0.018 between 470 and 525 nm for a single passage.
    """

    n_trees: Annotated[int, Field(ge=1, le=12)] = 4
    root_radius_um: Annotated[float, Field(ge=2, le=100)] = 14.0
    min_radius_um: Annotated[float, Field(ge=1, le=100)] = 2.5
    length_to_radius: Annotated[float, Field(ge=4, le=50)] = 12.0
    tortuosity: Annotated[float, Field(ge=0, le=1)] = 0.25
    taper: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    top_depth_um: Annotated[float, Field(ge=0, le=2000)] = 20.0
    bottom_depth_um: Annotated[float, Field(ge=0, le=2000)] = 80.0
    absorption_per_um: Annotated[float, Field(gt=0, le=1)] = 0.035

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.bottom_depth_um < self.top_depth_um:
            raise ValueError(
                f"bottom_depth_um = {self.bottom_depth_um} lies above top_depth_um = {self.top_depth_um}; z points down"
            )
        if not 1 <= self.root_radius_um / self.min_radius_um <= 12:
            raise ValueError(
                f"root_radius_um = {self.root_radius_um} must be 1 to 12 times min_radius_um = {self.min_radius_um}: "
                "twigs grow in number by the cube"
            )
        return self

    def plan(self, ctx: Context) -> Vessels:
        """Grow the trees, sort their segments by depth, and project each slab onto the canvas."""
        trees = self.grow(ctx)
        edges = np.linspace(self.top_depth_um, self.bottom_depth_um, self._slabs + 1)
        canvas, slope = ctx.canvas, ctx.acquisition.optics.cone_slope
        rim = _rim_px(canvas, slope)
        chords = _slab_chords(trees, edges, canvas, rim)
        clear = elementary.exp(np.asarray(-self.absorption_per_um * chords, np.float64)).astype(np.float32)
        return Vessels(trees, (edges[1:] + edges[:-1]) / 2, read_only(clear), rim, canvas, slope)

    def cost(self, context: SpecContext) -> Cost:
        """Return the memory of the slabs' maps, with the rim that blur reaches."""
        rim = _rim_px(context.canvas, context.acquisition.optics.cone_slope)
        height, width = context.canvas.shape
        return Cost(fixed_bytes=8.0 * (self._slabs + 2) * (height + 2 * rim) * (width + 2 * rim))

    @property
    def _slabs(self) -> int:
        thickness_um = self.bottom_depth_um - self.top_depth_um
        return min(max(math.ceil(thickness_um / _SLAB_UM), 1), _MAX_SLABS)

    def grow(self, ctx: Context) -> tuple[tuple[Branch, ...], ...]:
        """The trees alone, from one stream each."""
        growth = Growth(
            self.min_radius_um,
            self.length_to_radius,
            self.tortuosity,
            self.taper,
            self.top_depth_um,
            self.bottom_depth_um,
        )
        first = ctx.stream("rim").random()
        trees: list[tuple[Branch, ...]] = []
        for i in range(self.n_trees):
            rng = ctx.stream("tree", i)
            entry = np.array(
                [rng.uniform(self.top_depth_um, self.bottom_depth_um), *_on_rim(first, i, ctx.acquisition)]
            )
            height, width = ctx.acquisition.field_size_um
            towards = rng.uniform(-0.25, 0.25, 2) * (height, width) - entry[1:]
            heading = math.atan2(towards[1], towards[0])
            trees.append(tuple(grow_tree(rng, growth, entry, heading, self.root_radius_um)))
        return tuple(trees)


def _rim_px(canvas: Canvas, cone_slope: float) -> int:
    """How far around the canvas vessels can shade it."""
    widest_px = _WIDENING_UM * cone_slope / 2 / canvas.pixel_size_um
    return min(math.ceil(_REACH_SIGMAS * widest_px), _MAX_REACH_PX)


def _on_rim(first: float, i: int, acquisition: Acquisition) -> tuple[float, float]:
    """Where tree ``i`` enters: round the field's rim by golden sections, so that any number is spread evenly."""
    height, width = acquisition.field_size_um
    along = (first + i * (math.sqrt(5) - 1) / 2) % 1.0 * 2 * (height + width)
    if along < width:
        return -height / 2, along - width / 2
    if along < width + height:
        return along - width - height / 2, width / 2
    if along < 2 * width + height:
        return height / 2, 1.5 * width + height - along
    return 2 * width + 1.5 * height - along, -width / 2


def _slab_chords(trees: tuple[tuple[Branch, ...], ...], edges_um: Floats, canvas: Canvas, rim_px: int) -> Image:
    """What each slab adds to the path through blood, µm, float32 ``(slab, height, width)`` with the rim.

    A tree is one connected lumen: where stretches of one tree overlap, the longest chord counts, so that a vessel
    which passes from one slab to the next is not counted twice there. Different trees add up.
    """
    y_um, x_um = (_with_rim(n, rim_px, canvas) for n in canvas.shape)
    slabs = len(edges_um) - 1
    added = np.zeros((slabs, len(y_um), len(x_um)), np.float32)
    for tree in trees:
        nodes = [np.column_stack([branch.path_um, branch.radius_um]) for branch in tree]
        segments = np.concatenate([np.column_stack([path[:-1], path[1:]]) for path in nodes])
        middle = (segments[:, 0] + segments[:, 4]) / 2
        slab = np.clip(np.searchsorted(edges_um, middle, side="right") - 1, 0, slabs - 1)
        outline = segments[:, [1, 2, 3, 5, 6, 7]]
        chords = np.zeros(added.shape[1:], np.float32)
        for k in range(slabs):
            lengthen_chords(chords, added[k], y_um, x_um, canvas.pixel_size_um, outline[slab == k])
    return added


def _with_rim(pixels: int, rim_px: int, canvas: Canvas) -> Floats:
    """Centres of a row or column of pixels, continued beyond both ends, µm."""
    n = pixels + 2 * rim_px
    return (np.arange(n) - (n - 1) / 2) * np.float64(canvas.pixel_size_um)


def _blurred(image: Image, sigma_px: float, rim_px: int) -> Image:
    """A Gaussian blur of all but the rim; below a quarter of a pixel there is nothing to blur."""
    if sigma_px < 0.25:
        height, width = image.shape
        return image[rim_px : height - rim_px, rim_px : width - rim_px]
    reach = min(math.ceil(_REACH_SIGMAS * sigma_px), _MAX_REACH_PX)
    kernel = elementary.exp(-0.5 * (np.arange(reach + 1) / sigma_px) ** 2)
    kernel /= kernel[0] + 2 * kernel[1:].sum()
    return blur(image, kernel.astype(np.float32), rim_px)
