"""Define what a step is: pydantic fields that say what to simulate, and a ``plan`` that makes its truth.

A step declares its needs in the signature of ``plan``. A parameter annotated with an :class:`Artifact` is required. One
annotated ``Artifact | None`` is used if a step provides it. The return annotation says what the step provides.
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

from pytest_calsim.arrays.streams import stream, stream_key, stream_keys
from pytest_calsim.kernels.types import Floats, Ints, Keys
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.pixels import PixelArtifact

__all__ = ["Context", "Cost", "Dependencies", "MissingArtifactError", "SpecContext", "Step", "dependencies"]


@dataclass(frozen=True)
class Context:
    """Give a step's plan what it may know besides the artifacts it names: instrument, canvas and random streams.

    Attributes
    ----------
    acquisition
        The instrument and the clock.
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
        """When each frame's exposure begins, s; float64 ``(frame,)``. It lasts ``acquisition.exposure_s``."""
        return np.arange(self.n_frames) / self.acquisition.fps

    def stream(self, *entity: str | int) -> np.random.Generator:
        """Return the step's random stream for one entity.

        Draw from it in continuous time or on a fixed clock, never once a frame: so a longer recording extends a
        shorter one.

        Parameters
        ----------
        *entity
            What the draws are for, e.g. ``"tree", 3``.
        """
        return stream(self.seed, self.kind, *entity)

    def stream_key(self, *entity: str | int) -> int:
        """Return the name of :meth:`stream` as a 64-bit key, for kernels."""
        return stream_key(self.seed, self.kind, *entity)

    def stream_keys(self, what: str, entities: Ints) -> Keys:
        """Return the names of the streams ``(what, *entity)`` of many entities ``(n, part)``, uint64 ``(n,)``."""
        return stream_keys(self.seed, (self.kind, what), entities)


class MissingArtifactError(ValueError):
    """Tell that no step provides an artifact that is needed. The Spec adds which step would.

    Attributes
    ----------
    artifact
        Class of the missing artifact.
    """

    def __init__(self, artifact: type[Artifact], why: str) -> None:
        super().__init__(f"{why} needs {artifact.__name__}, which no step provides")
        self.artifact = artifact


@dataclass(frozen=True)
class SpecContext:
    """Give a step what it may know of its spec before anything is planned.

    Attributes
    ----------
    acquisition
        The instrument and the clock.
    canvas
        The grid on which tissue is painted, with the margin that all steps together declare.
    provided
        Classes of the artifacts that the spec's steps provide.
    """

    acquisition: Acquisition
    canvas: Canvas
    provided: frozenset[type[Artifact]]

    def demand(self, artifact: type[Artifact], why: str) -> None:
        """Refuse a spec in which no step provides an artifact.

        Parameters
        ----------
        artifact
            Class of the artifact that is needed.
        why
            The field and its value that need it, for the message.

        Raises
        ------
        MissingArtifactError
            If no step provides it.
        """
        if not any(issubclass(made, artifact) for made in self.provided):
            raise MissingArtifactError(artifact, why)


class Cost(NamedTuple):
    """Estimate what planning a step takes.

    Attributes
    ----------
    n_cells
        Cells that the step adds to the recording.
    fixed_bytes
        Memory that does not depend on the cells, bytes.
    bytes_per_cell
        Memory for each cell of the recording, bytes. The cells may be those of another step.
    """

    n_cells: int = 0
    fixed_bytes: float = 0.0
    bytes_per_cell: float = 0.0


class Step(Frozen):
    """Base of all steps. A subclass is known by its ``kind`` as soon as it exists.

    Class attributes
    ----------------
    kind
        Name in specs, presets, dotted paths and random streams: the class name in snake case.
    version
        Part of the cache key. Raise it when the same fields give other bits.
    known
        All step classes that have been imported, by kind.
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
            raise TypeError(
                f"step kind {cls.kind!r} is taken by {known.__module__}.{known.__qualname__}; rename {cls.__name__}"
            )
        Step.known[cls.kind] = cls

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": self.kind, **handler(self)}

    def check(self, context: SpecContext) -> list[str]:
        """Refuse fields that cannot work in this spec; return soft warnings of what is legal but odd.

        Parameters
        ----------
        context
            The instrument, the canvas, and what the other steps provide.

        Returns
        -------
        One line with the numbers for each oddity. The Spec emits each as a
        :class:`~pytest_calsim.errors.SpecWarning`.

        Raises
        ------
        ValueError
            With the reason, the offending value and the way out.
        """
        return []

    def margin_um(self, acquisition: Acquisition) -> float:
        """Return how far beyond the sensor's window this step may bring tissue into view, µm."""
        return 0.0

    def cost(self, context: SpecContext) -> Cost:
        """Estimate what planning takes where that grows with the recording, so that a spec too large is refused."""
        return Cost()

    def plan(self, *args: Any, **kwargs: Any) -> Artifact:
        """Make the truth. It is called once, with a :class:`Context` and the artifacts that the signature names."""
        raise TypeError(f"step {self.kind!r} has no plan: define `def plan(self, ctx: Context, ...) -> <its artifact>`")


@dataclass(frozen=True)
class Dependencies:
    """List what a step class needs and provides.

    Attributes
    ----------
    requires
        Classes of the artifacts without which it cannot be planned, by parameter name.
    uses
        Classes of the artifacts that it takes if a step provides them, by parameter name.
    provides
        Class of the artifact that its plan returns.
    """

    requires: Mapping[str, type[Artifact]]
    uses: Mapping[str, type[Artifact]]
    provides: type[Artifact]

    @property
    def takes(self) -> Mapping[str, type[Artifact]]:
        """Classes of all artifacts that its plan may be given, by parameter name."""
        return {**self.requires, **self.uses}


@cache
def dependencies(step: type[Step]) -> Dependencies:
    """Read what a step class needs and provides from the signature of its ``plan``.

    Raises
    ------
    TypeError
        If a parameter or the result is not annotated with one artifact class, or the result changes pixels and does
        not say where.
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
            raise TypeError(
                f"{step.__name__}.plan: parameter {name!r} must be annotated: `ctx: Context` for the context, one "
                "Artifact class for another step's truth"
            )
        (uses if type(None) in options else requires)[name] = artifacts[0]
    if not (inspect.isclass(provides) and issubclass(provides, Artifact)):
        raise TypeError(f"{step.__name__}.plan must be annotated with the Artifact class it returns")
    if issubclass(provides, PixelArtifact) and not hasattr(provides, "light_order"):
        raise TypeError(
            f"{step.__name__}.plan returns {provides.__name__}, which does not say where it acts: return a class "
            "derived from it, with light_order = LightOrder.VIGNETTE + 5 for instance"
        )
    return Dependencies(requires, uses, provides)
