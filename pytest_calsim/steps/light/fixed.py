"""Fields fixed to the instrument, which scale every frame's light, or add to it, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.steps.base import BlockPainter, Image, Painter

__all__ = ["FixedField", "FixedFields"]


@dataclass(frozen=True, eq=False)
class FixedField(BlockPainter):
    """One field, float32 ``(height, width)`` on the sensor; ``adds`` says whether it is added or multiplied."""

    field: Image
    adds: ClassVar[bool] = False

    @cached_property
    def _alone(self) -> FixedFields:
        return FixedFields((self,))

    def paint_block(self, images: Image, start: int) -> Image:
        """Apply the field, in place."""
        return self._alone.paint_block(images, start)

    def then(self, following: Painter) -> Painter | None:
        """Fields that follow each other are applied together."""
        return self._alone.then(following)


@dataclass(frozen=True, eq=False)
class FixedFields(BlockPainter):
    """Several fields, one after the other at every pixel while a row is at hand."""

    fields: tuple[FixedField, ...]
    light_order: ClassVar[float] = 40

    @cached_property
    def _stacked(self) -> tuple[Image, NDArray[np.bool_]]:
        return np.stack([f.field for f in self.fields]), np.array([f.adds for f in self.fields])

    def paint_block(self, images: Image, start: int) -> Image:
        """Apply the fields, in place."""
        from pytest_calsim.compiled.layers import apply_fields

        apply_fields(images, *self._stacked)
        return images

    def then(self, following: Painter) -> Painter | None:
        """One field more."""
        return FixedFields((*self.fields, following)) if isinstance(following, FixedField) else None
