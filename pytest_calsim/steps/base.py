"""What a step is: pydantic fields that say what to simulate, and a ``plan`` that makes its truth.

A step declares its needs in the signature of ``plan``: a parameter annotated with an :class:`Artifact` is required,
one annotated ``Artifact | None`` is used when some step provides it, and the return annotation is what it provides.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import SerializerFunctionWrapHandler, model_serializer

from pytest_calsim.acquisition import Acquisition
from pytest_calsim.arrays import read_only
from pytest_calsim.canvas import Canvas
from pytest_calsim.footprints import SparseFootprints
from pytest_calsim.streams import stream, stream_key
from pytest_calsim.units import Frozen

__all__ = [
    "Artifact",
    "BlockPainter",
    "Context",
    "Image",
    "Painter",
    "Step",
    "TruthArray",
    "Wiring",
    "code_version",
    "paints_as",
    "registry",
    "step_class",
    "wiring",
]

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TruthArray:
    """One named quantity of the ground truth; its values are read-only.

    Attributes
    ----------
    dims
        Names of the axes, minian's where they exist (``unit_id``, ``frame``, ``height``, ``width``, ``shift_dim``).
        A quantity with the single axis ``unit_id`` becomes a column of the cells' table.
    values
        The array.
    units
        Physical unit, ``"1"`` for none.
    """

    dims: tuple[str, ...]
    values: NDArray[Any]
    units: str = "1"

    def __post_init__(self) -> None:
        values = read_only(np.asarray(self.values))
        object.__setattr__(self, "values", values)
        if values.ndim != len(self.dims):
            raise ValueError(f"dims {self.dims} do not fit an array of shape {values.shape}")


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


_REGISTRY: dict[str, type[Step]] = {}


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
        known = _REGISTRY.get(cls.kind)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"step kind {cls.kind!r} is taken by {known.__module__}.{known.__qualname__}")
        _REGISTRY[cls.kind] = cls

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


def step_class(kind: str) -> type[Step] | None:
    """The step class of a kind, or ``None``. Imports no more than it must: reading a spec stays cheap."""
    if kind not in _REGISTRY:
        module = _own_modules().get(kind)
        if module is not None:
            import_module(module)
        else:
            _load_foreign()
    return _REGISTRY.get(kind)


def registry() -> Mapping[str, type[Step]]:
    """Every known step class by kind: the package's own, and those of other packages.

    Another package's steps are known once imported; naming their module under the entry-point group
    ``pytest_calsim.steps`` makes that happen by itself.
    """
    for module in _own_modules().values():
        import_module(module)
    _load_foreign()
    return types.MappingProxyType(_REGISTRY)


def code_version(step: type[Step]) -> int | str:
    """What stands for a step's code in the cache key.

    The package's own steps are told apart by their ``version``; those of others, whose authors may forget to raise
    it, or give two steps one kind in two projects that share a cache, by name and source too.
    """
    if step.__module__.startswith(f"{__package__}."):
        return step.version
    return f"{step.version} {step.__module__}.{step.__qualname__} {_source_digest(step.__module__)}"


@cache
def _source_digest(module: str) -> str:
    file = getattr(sys.modules.get(module), "__file__", None)
    source = Path(file).read_bytes() if file is not None and Path(file).is_file() else b""
    return hashlib.sha256(source).hexdigest()


@cache
def _own_modules() -> Mapping[str, str]:
    """Modules of the package's steps by their last name, which is the kind of the step in them."""
    import pytest_calsim.steps as steps

    folder = Path(steps.__path__[0])
    modules = {path.stem: path.relative_to(folder).with_suffix("") for path in folder.glob("*/*.py")}
    return {kind: ".".join([steps.__name__, *path.parts]) for kind, path in modules.items() if kind != "__init__"}


@cache
def _load_foreign() -> None:
    from importlib.metadata import entry_points

    for entry in entry_points(group="pytest_calsim.steps"):
        entry.load()
