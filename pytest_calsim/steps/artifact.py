"""What a step's plan makes: frozen truth, some of which changes pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray

__all__ = ["Artifact", "BlockPainter", "Image", "Painter", "paints_as"]

Image = NDArray[np.float32]


class Artifact:
    """Frozen truth made by one step's ``plan``."""

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """The quantities that this artifact adds to the ground truth, by name."""
        return {}

    def notes(self) -> tuple[str, ...]:
        """What the user must be told about how the plan went (fewer cells placed than asked for)."""
        return ()


class Painter(Artifact, ABC):
    """An artifact that changes pixels.

    ``light_order`` is its place in the canonical order of light; existing ones are 10 render, 20 neuropil,
    30 brain_motion (which crops the canvas to the sensor), 40 illumination, 50 vignette, 60 leakage, 70 sensor.
    """

    light_order: ClassVar[float]

    @abstractmethod
    def paint(self, image: Image, frame: int) -> NDArray[Any]:
        """The picture after this artifact acted on it; may work in place. Depends on nothing but its arguments."""

    def paint_at_rest(self, image: Image) -> NDArray[Any]:
        """The same with the tissue unmoved and every fluctuating source at its expected resting level."""
        return self.paint(image, 0)

    def paint_block(self, images: Image, start: int) -> NDArray[Any]:
        """The pictures ``(frame, height, width)`` of frames ``start`` on after this artifact acted on them.

        Each is what :meth:`paint` makes of it, to the bit. May work in place; ``images`` is C-contiguous.
        """
        return np.stack([self.paint(image, start + i) for i, image in enumerate(images)])

    def paint_dark(self, images: Image, start: int) -> NDArray[Any]:
        """The same of pictures that are dark, whatever ``images`` holds."""
        images[:] = 0
        return self.paint_block(images, start)

    def then(self, following: Painter) -> Painter | None:
        """One painter that does the work of both in one pass, to the bit; ``None`` where there is none."""
        return None


class BlockPainter(Painter):
    """A painter that reads what its frames share once for several of them."""

    def paint(self, image: Image, frame: int) -> NDArray[Any]:
        """The picture of one frame after this artifact acted on it."""
        return self.paint_block(np.ascontiguousarray(image)[np.newaxis], frame)[0]

    @abstractmethod
    def paint_block(self, images: Image, start: int) -> NDArray[Any]:
        """The pictures ``(frame, height, width)`` of frames ``start`` on after this artifact acted on them."""


def paints_as(painter: Painter, kind: type[Painter]) -> bool:
    """Whether a painter is of a class and paints as that class does: a subclass may have a way of its own."""
    own: Any = type(painter)
    return isinstance(painter, kind) and own.paint is kind.paint and own.paint_block is kind.paint_block
