"""Artifacts that change pixels: plain data that say where on the way of the light they act.

:mod:`pytest_calsim.simulation.fusion` turns those of a scene into passes over memory. A step of another package that
changes pixels in another way provides a :class:`Painter`; where one of the other kinds fits, it is faster.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.patches import Patches
from pytest_calsim.kernels.sensor import Chip
from pytest_calsim.kernels.tissue import RowRuns
from pytest_calsim.kernels.types import Floats, Floats32, Image, Ints
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.artifact import Artifact

__all__ = [
    "CellSources",
    "Detector",
    "Displacement",
    "FixedField",
    "Image",
    "Layers",
    "LightOrder",
    "Painter",
    "PixelArtifact",
    "SmoothSources",
    "Space",
    "SplineImages",
]


class LightOrder(IntEnum):
    """Places along the way of the light, from the tissue to the sensor; another artifact may stand between two."""

    CELLS = 10
    BACKGROUND = 20
    MOTION = 30
    ILLUMINATION = 40
    VIGNETTE = 50
    LEAKAGE = 60
    SENSOR = 70


class Space(Enum):
    """Pixels on which an artifact acts."""

    CANVAS = "canvas"
    """The tissue, with the margin that motion can bring into view."""
    SENSOR = "sensor"
    """The pixels of the sensor."""


class PixelArtifact(Artifact):
    """An artifact that changes pixels.

    Class attributes
    ----------------
    light_order
        Its place along the way of the light, see :class:`LightOrder`.
    space
        Which pixels it acts on.
    """

    light_order: ClassVar[float]
    space: ClassVar[Space]


class SplineImages(NamedTuple):
    """Images of sources as cubic B-splines on nodes coarser than pixels, for smooth light.

    The light at a pixel is the sum of the nodes' B-splines there, times the images' values. A source may have several
    images.

    Attributes
    ----------
    level
        Nodes lie at whole multiples of 2^level px from the optical axis, along rows and columns; level ≥ 0.
    source
        Each image's source, int64 ``(image,)``.
    patches
        The images, each with the number of its first node along rows and columns; the optical axis is node 0.
    """

    level: int
    source: Ints
    patches: Patches


class SmoothSources(PixelArtifact, ABC):
    """Smooth light of sources in the tissue: B-spline images, with their sources' courses.

    All smooth light of a scene is painted together, on grids as coarse as each image allows. That costs little for
    each source, so there may be thousands. :mod:`pytest_calsim.steps.spline_images` makes the images.
    """

    space: ClassVar[Space] = Space.CANVAS

    spline_images: tuple[SplineImages, ...]
    """Images of the sources."""
    transmission: Image | None
    """Share of their light that vessels let through, float32 ``(height, width)`` on the canvas; ``None``: all.

    Artifacts that share one map are painted together: take it from one plane of the vessels where that is right.
    """

    @property
    @abstractmethod
    def n_sources(self) -> int:
        """Number of sources, including those without light."""

    @abstractmethod
    def gains(self, start: int, stop: int) -> Floats32:
        """Return each source's light in frames ``start`` to ``stop``, float32 ``(source, frame)``."""

    @abstractmethod
    def expected_gains(self) -> Floats32:
        """Return each source's light at rest, float32 ``(source, 1)``."""


class CellSources(SmoothSources, ABC):
    """Light of cells: each one's image times its course, and the smooth light that scattered out of it."""

    runs: RowRuns
    """The sources' images on the canvas."""


@dataclass(frozen=True, eq=False)
class Layers(PixelArtifact):
    """Layers of light in the tissue, each an image times a course of expectation 1.

    Attributes
    ----------
    spatial
        Expected light, float32 ``(layer, height, width)`` on the canvas.
    temporal
        Courses, float32 ``(frame, layer)``.
    """

    spatial: Image
    temporal: Floats32
    space: ClassVar[Space] = Space.CANVAS


@dataclass(frozen=True, eq=False)
class Displacement(PixelArtifact):
    """The tissue's displacement: what lies behind it sees the sensor's window onto the moved canvas.

    Attributes
    ----------
    shifts_px
        Mean displacement over each frame's exposure, float64 ``(frame, shift_dim)``, px, + toward higher rows and
        columns.
    canvas
        The grid from which the sensor's window is cut.
    """

    shifts_px: Floats
    canvas: Canvas
    space: ClassVar[Space] = Space.CANVAS


@dataclass(frozen=True, eq=False)
class FixedField(PixelArtifact):
    """A field fixed to the instrument, float32 ``(height, width)``, which multiplies every frame or is added to it.

    Class attributes
    ----------------
    adds
        Whether it is added.
    """

    field: Image
    adds: ClassVar[bool] = False
    space: ClassVar[Space] = Space.SENSOR


class Detector(PixelArtifact, ABC):
    """An artifact that turns light into codes."""

    space: ClassVar[Space] = Space.SENSOR

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Type of the codes."""

    @abstractmethod
    def chip(self) -> Chip:
        """Return the parameters that kernels take."""

    @abstractmethod
    def expected_codes(self, light: Image) -> NDArray[Any]:
        """Return the codes of the mean electrons of some light ``(height, width)``, without temporal noise."""


class Painter(PixelArtifact, ABC):
    """An artifact that changes pixels frame by frame, in a way that no other class describes."""

    space: ClassVar[Space] = Space.SENSOR

    @abstractmethod
    def paint(self, image: Image, frame: int) -> Image:
        """Return the image ``(height, width)`` after this artifact acted on it; may work in place.

        It depends on nothing but its arguments, so that any block of frames gives the same bits.
        """

    def paint_expected(self, image: Image) -> Image:
        """Return the image with every fluctuating source at its expected resting level."""
        return self.paint(image, 0)
