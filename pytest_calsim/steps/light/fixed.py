"""Fields fixed to the instrument, which scale every frame's light, or add to it, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from pytest_calsim.steps.artifact import BlockPainter, Image, Painter, paints_as
from pytest_calsim.steps.instrument import Instrument

__all__ = ["FixedField"]


@dataclass(frozen=True, eq=False)
class FixedField(BlockPainter):
    """One field, float32 ``(height, width)`` on the sensor; ``adds`` says whether it is added or multiplied."""

    field: Image
    adds: ClassVar[bool] = False

    @cached_property
    def _alone(self) -> Instrument:
        return Instrument(fields=(self,))

    def paint_block(self, images: Image, start: int) -> Image:
        """Apply the field."""
        return self._alone.paint_block(images, start)

    def then(self, following: Painter) -> Painter | None:
        """Painters of the instrument follow in the same pass."""
        return self._alone.then(following) if paints_as(self, FixedField) else None
