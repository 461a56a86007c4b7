"""What a step is: pydantic fields that say what to simulate, and a ``plan`` that makes its truth.

A step declares its needs in the signature of ``plan``: a parameter annotated with an :class:`Artifact` is required,
one annotated ``Artifact | None`` is used when some step provides it, and the return annotation is what it provides.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import SerializerFunctionWrapHandler, model_serializer

from pytest_calsim.arrays.streams import stream, stream_key
from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.steps.artifact import Artifact

__all__ = ["Context", "Cost", "Dependencies", "MissingArtifactError", "SpecContext", "Step", "dependencies"]


@dataclass(frozen=True)
class Context:
    """All that a step's plan may know besides the artifacts it names: instrument, canvas and its own random streams.

    Attributes
    ----------
    acquisition
        The instrument.
    canvas
        The grid on which tissue is painted.
    seed
        The spec's seed.
    kind
        The step's kind, which names its random streams.
    """

    acquisition: Acquisition
    canvas: Canvas
    seed: int
    kind: str

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.acquisition.n_frames

    @property
    def frame_starts_s(self) -> Floats:
        """When each frame's exposure begins, s; it lasts ``acquisition.exposure_s``."""
        return np.arange(self.n_frames) / self.acquisition.fps

    def stream(self, *entity: str | int) -> np.random.Generator:
        """The step's random stream for one entity."""
        return stream(self.seed, self.kind, *entity)

    def stream_key(self, *entity: str | int) -> int:
        """Return the same as a 64-bit key, for kernels."""
        return stream_key(self.seed, self.kind, *entity)


class MissingArtifactError(ValueError):
    """An artifact that is needed and that no step provides; the Spec adds which step would.

    Attributes
    ----------
    artifact
        What is missing.
    """

    def __init__(self, artifact: type[Artifact], why: str) -> None:
        super().__init__(f"{why} needs {artifact.__name__}, which no step provides")
        self.artifact = artifact


@dataclass(frozen=True)
class SpecContext:
    """What a step may know of the spec that it stands in, before anything is planned.

    Attributes
    ----------
    acquisition
        The instrument.
    canvas
        The grid on which tissue is painted, with the margin that all steps together declare.
    provided
        What the spec's steps provide.
    """

    acquisition: Acquisition
    canvas: Canvas
    provided: frozenset[type[Artifact]]

    def demand(self, artifact: type[Artifact], why: str) -> None:
        """Refuse a spec in which no step provides an artifact.

        Parameters
        ----------
        artifact
            What is needed.
        why
            The field and its value that need it.
        """
        if not any(issubclass(made, artifact) for made in self.provided):
            raise MissingArtifactError(artifact, why)


class Cost(NamedTuple):
    """What planning takes.

    Attributes
    ----------
    n_cells
        Cells that the step adds to the recording.
    fixed_bytes
        Memory, bytes.
    bytes_per_cell
        Memory for each cell of the recording, whichever step adds it, bytes.
    """

    n_cells: int = 0
    fixed_bytes: float = 0.0
    bytes_per_cell: float = 0.0


class Step(Frozen):
    """Base of all steps. A subclass is known by its ``kind``, its class name in snake case, as soon as it exists.

    Class attributes
    ----------------
    kind
        Name in specs, presets, dotted paths and random streams.
    version
        Part of the cache key; raise it when the same fields give other bits.
    known
        All step classes that were imported so far, by kind.
    """

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1
    known: ClassVar[dict[str, type[Step]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        known = Step.known.get(cls.kind)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"step kind {cls.kind!r} is taken by {known.__module__}.{known.__qualname__}")
        Step.known[cls.kind] = cls

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": self.kind, **handler(self)}

    def check(self, context: SpecContext) -> list[str]:
        """Refuse fields that cannot work in this spec, and return remarks on what is legal but odd, with the numbers.

        Raises
        ------
        ValueError
            With the reason, the offending value and the way out.
        """
        return []

    def margin_um(self, acquisition: Acquisition) -> float:
        """Return how far beyond the sensor's window tissue may come into view because of this step, µm."""
        return 0.0

    def cost(self, context: SpecContext) -> Cost:
        """Return roughly what planning takes, where it grows with the recording."""
        return Cost()

    def plan(self, *args: Any, **kwargs: Any) -> Artifact:
        """Make the truth; called once with a :class:`Context` and the artifacts named in the signature."""
        raise TypeError(f"step {self.kind!r} has no plan")


@dataclass(frozen=True)
class Dependencies:
    """What a step class needs and makes, read from the signature of its ``plan``.

    Attributes
    ----------
    requires
        Artifacts without which it cannot be planned, by parameter name.
    uses
        Artifacts that it takes where there are any, by parameter name.
    provides
        What its plan returns.
    """

    requires: Mapping[str, type[Artifact]]
    uses: Mapping[str, type[Artifact]]
    provides: type[Artifact]


@cache
def dependencies(step: type[Step]) -> Dependencies:
    """Read what a step class needs and makes from its ``plan``.

    Raises
    ------
    TypeError
        If a parameter or the result is annotated with anything else than one artifact class.
    """
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
    return Dependencies(requires, uses, provides)
