"""What a step is: pydantic fields that say what to simulate, and a ``plan`` that makes its truth.

A step declares its needs in the signature of ``plan``: a parameter annotated with an :class:`Artifact` is required,
one annotated ``Artifact | None`` is used when some step provides it, and the return annotation is what it provides.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import SerializerFunctionWrapHandler, model_serializer

from pytest_calsim.arrays.streams import stream, stream_key
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.steps import registry
from pytest_calsim.steps.artifact import Artifact

__all__ = ["Context", "Step", "Wiring", "wiring"]


@dataclass(frozen=True)
class Context:
    """All that a step may know beside the artifacts it names: instrument, canvas and its own random streams."""

    acquisition: Acquisition
    canvas: Canvas
    seed: int
    kind: str

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.acquisition.n_frames

    @property
    def frame_starts_s(self) -> NDArray[np.float64]:
        """When each frame's exposure begins, s; it lasts ``acquisition.exposure_s``."""
        return np.arange(self.n_frames) / self.acquisition.fps

    def stream(self, *entity: str | int) -> np.random.Generator:
        """The step's random stream for one entity."""
        return stream(self.seed, self.kind, *entity)

    def stream_key(self, *entity: str | int) -> int:
        """The same as a 64-bit key for compiled code."""
        return stream_key(self.seed, self.kind, *entity)


class Step(Frozen):
    """Base of all steps. A subclass is known by its ``kind``, its class name in snake case, as soon as it exists.

    Class attributes
    ----------------
    kind
        Name in specs, presets, dotted paths and random streams.
    version
        Part of the cache key; raise it when the same fields give other bits.
    """

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        registry.add(cls)

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": self.kind, **handler(self)}

    def margin_um(self, acquisition: Acquisition) -> float:
        """How far beyond the sensor's window tissue may come into view because of this step, µm."""
        return 0.0

    def check(self, acquisition: Acquisition) -> None:
        """Raise ``ValueError`` where the fields cannot work with this acquisition."""

    def check_canvas(self, canvas: Canvas) -> None:
        """Raise ``ValueError`` where they cannot work on this canvas, whose margin all steps together declare."""

    def check_kinds(self, kinds: Collection[str]) -> None:
        """Raise ``ValueError`` where they need more of the spec's steps than ``plan`` names."""

    def n_cells(self, canvas: Canvas) -> int:
        """Cells that the step asks for on this canvas."""
        return 0

    def planned_bytes(self, acquisition: Acquisition, canvas: Canvas, n_cells: int) -> float:
        """Roughly how much memory planning takes, where it grows with the recording; ``n_cells`` are the spec's."""
        return 0.0

    def oddities(self, acquisition: Acquisition) -> list[str]:
        """What is legal but odd about the fields with this acquisition, with the numbers."""
        return []

    def plan(self, *args: Any, **kwargs: Any) -> Artifact:
        """Make the truth: called once with a :class:`Context` and the artifacts named in the signature."""
        raise TypeError(f"step {self.kind!r} has no plan")


@dataclass(frozen=True)
class Wiring:
    """What a step class needs and makes, read from the signature of its ``plan``."""

    requires: Mapping[str, type[Artifact]]
    uses: Mapping[str, type[Artifact]]
    provides: type[Artifact]


@cache
def wiring(step: type[Step]) -> Wiring:
    """Read a step class's needs (by parameter name) and product from its ``plan``."""
    hints = get_type_hints(step.plan)
    provides = hints.pop("return", None)
    requires: dict[str, type[Artifact]] = {}
    uses: dict[str, type[Artifact]] = {}
    for name in inspect.signature(step.plan).parameters:
        hint = hints.get(name)
        if name == "self" or hint is Context:
            continue
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        artifacts = [o for o in options if inspect.isclass(o) and issubclass(o, Artifact)]
        if len(artifacts) != 1:
            raise TypeError(f"{step.__name__}.plan: parameter {name!r} must be annotated with one Artifact class")
        (uses if type(None) in options else requires)[name] = artifacts[0]
    if not (inspect.isclass(provides) and issubclass(provides, Artifact)):
        raise TypeError(f"{step.__name__}.plan must be annotated with the Artifact class it returns")
    return Wiring(requires, uses, provides)
