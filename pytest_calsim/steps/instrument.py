"""What the instrument does to light that leaves the tissue: it moves over it, shades it, and makes codes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.steps.artifact import BlockPainter, Image, Painter, paints_as

if TYPE_CHECKING:
    from pytest_calsim.steps.light.fixed import FixedField
    from pytest_calsim.steps.motion.brain_motion import Motion
    from pytest_calsim.steps.sensor.sensor import SensorCodes

__all__ = ["Instrument"]


@dataclass(frozen=True, eq=False)
class Instrument(BlockPainter):
    """Painters that follow each other, as one that does all their work on a row while it is at hand.

    Attributes
    ----------
    motion
        Which window of the tissue is seen; ``None``: all of it.
    fields
        What shades it.
    sensor
        What makes codes of it; ``None``: it stays light.
    """

    motion: Motion | None = None
    fields: tuple[FixedField, ...] = ()
    sensor: SensorCodes | None = None

    @cached_property
    def _fields(self) -> tuple[Image, NDArray[np.bool_]]:
        return np.stack([f.field for f in self.fields]), np.array([f.adds for f in self.fields])

    def paint_block(self, images: Image, start: int) -> NDArray[Any]:
        """Look at the images, one by one, and expose them."""
        from pytest_calsim.compiled.instrument import View, expose, look
        from pytest_calsim.compiled.noise import Scratch

        n, (height, width) = len(images), images.shape[1:]
        if self.motion is None:
            moved = np.zeros(n, np.int64), np.zeros(n, np.int64), np.ones(n, np.bool_), np.empty((n, 2, 4), np.float32)
        else:
            height, width = self.motion.canvas.sensor_shape
            moved = self.motion.windows(start, n)
        fields = self._fields if self.fields else (np.empty((0, height, width), np.float32), np.empty(0, np.bool_))
        view = View(*moved, *fields, np.empty((n, 4, width), np.float32))
        if self.sensor is None:
            out = np.empty((n, height, width), np.float32)
            look(images, view, out)
            return out
        codes = np.empty((n, height, width), self.sensor.dtype)
        expose(images, view, start, self.sensor.chip, np.empty(width, np.float32), Scratch.of(width), codes)
        return codes

    def then(self, following: Painter) -> Painter | None:
        """A field or the sensor joins; nothing follows the sensor."""
        from pytest_calsim.steps.light.fixed import FixedField
        from pytest_calsim.steps.sensor.sensor import SensorCodes

        if self.sensor is None and paints_as(following, FixedField):
            return replace(self, fields=(*self.fields, following))
        if self.sensor is None and paints_as(following, SensorCodes):
            return replace(self, sensor=following)
        return None
