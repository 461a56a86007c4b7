"""Define the types of fields: each names a unit and bounds the range.

All numbers are finite. A range that belongs to one field alone stands at that field.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Electrons",
    "Fraction",
    "Frozen",
    "Nm",
    "NonNegative",
    "Positive",
    "PositiveUm",
    "Px",
    "Um",
]

# The bounds keep every valid spec finite in float32; they do not keep it plausible.
Um = Annotated[float, Field(ge=-1e5, le=1e5)]
"""A position or a signed distance, micrometres."""
PositiveUm = Annotated[float, Field(gt=0, le=1e5)]
"""A length, micrometres."""
Nm = Annotated[float, Field(ge=200, le=2000)]
"""A wavelength of light, nanometres."""
Px = Annotated[int, Field(ge=8, le=8192)]
"""A whole number of pixels along one side of the sensor."""
Fraction = Annotated[float, Field(ge=0, le=1)]
"""A share or probability between 0 and 1."""
Electrons = Annotated[float, Field(ge=0, le=1e6)]
"""A charge, electrons."""
Positive = Annotated[float, Field(gt=0, le=1e9)]
"""A positive plain number."""
NonNegative = Annotated[float, Field(ge=0, le=1e9)]
"""A plain number that may be zero."""


class Frozen(BaseModel):
    """Base of everything that a spec is made of: immutable and hashable, with finite numbers and no unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        defer_build=True,
        ser_json_inf_nan="strings",
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """List the fields that differ from their defaults: short enough to read, and the repr still evaluates."""
        fields = type(self).model_fields
        return [
            (name, value)
            for name, value in super().__repr_args__()
            if name not in fields or value != fields[name].get_default(call_default_factory=True)  # pyright: ignore
        ]
