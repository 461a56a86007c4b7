"""Say what to simulate, by a Spec: validated, frozen and hashable, with a key of its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from textwrap import fill
from typing import Annotated, Any, Self, cast

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from pytest_calsim.arrays.html_table import html_table
from pytest_calsim.errors import SpecError, SpecWarning, nearest, warn_user
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.spec.parsing import one_line, read_steps
from pytest_calsim.spec.paths import edited, fields_by_path
from pytest_calsim.spec.versions import SIM_VERSION, STORE_FORMAT
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.pixels import PixelArtifact
from pytest_calsim.steps.registry import code_version, either
from pytest_calsim.steps.step import MissingArtifactError, SpecContext, Step, dependencies

__all__ = ["Spec", "check_spec"]

MAX_PLANNED_GB = 32.0
"""Most memory that the truth of a spec may take, by its steps' estimates. An hour of a thousand cells takes 1 GB."""

# Cubic interpolation reads two pixels beyond a displacement.
_INTERPOLATION_PX = 2


class Spec(Frozen):
    """Say what to simulate: the acquisition, the steps and the seed.

    A spec is frozen, hashable and comparable. Every valid spec can be simulated. :meth:`make` and :meth:`edit` raise
    :class:`~pytest_calsim.errors.SpecError` for what cannot; the constructor raises pydantic's ``ValidationError``.

    Attributes
    ----------
    acquisition
        The microscope and how it records.
    steps
        What is simulated, in any order, each kind at most once. A step may also be given as a table with its
        ``kind``, or as a kind alone.
    seed
        Seed of all random streams, 0 to 2⁶³ − 1.
    """

    acquisition: Acquisition = Acquisition()
    steps: Annotated[tuple[SerializeAsAny[Step], ...], BeforeValidator(read_steps)] = ()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    def __str__(self) -> str:
        lines = [f"Spec {self.key()[:12]}"]
        for name, text in self._rows():
            lines.append(fill(f"{name}: {text}", 80, initial_indent="  ", subsequent_indent="      "))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html_table(f"Spec {self.key()[:12]}", self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        """Return what each part says; what a step does not say is its default, which the reference lists."""
        said = [(step.kind, ", ".join(f"{k}={v!r}" for k, v in step.__repr_args__() if k)) for step in self.steps]
        return [("acquisition", str(self.acquisition)), *said, ("seed", str(self.seed))]

    def fields(self) -> dict[str, Any]:
        """Return all values, defaults included, by the paths that ``overrides`` and :meth:`edit` take.

        Examples
        --------
        >>> Spec.make({"steps": [{"kind": "leakage"}]}).fields()["leakage.level"]
        0.5
        """
        return fields_by_path(self.model_dump(mode="json"))

    @model_validator(mode="after")
    def _simulates(self) -> Self:
        self._check_providers()
        # Before the steps' own checks, which take for granted that what they need is there.
        _ = self.plan_order  # refuses circular dependencies
        context = SpecContext(self.acquisition, self.canvas, frozenset(self._provided.values()))
        soft_warnings: list[str] = []
        for step in self.steps:
            try:
                soft_warnings += [f"{step.kind}: {text}" for text in step.check(context)]
            except MissingArtifactError as error:
                raise ValueError(f"{step.kind}: {error}; add {either(error.artifact)}") from None
            except ValueError as error:
                raise ValueError(f"{step.kind}: {error}") from None
        self._check_size(context)
        # Last: a spec that is refused warns of nothing.
        for text in soft_warnings:
            warn_user(text, SpecWarning)
        return self

    @cached_property
    def _provided(self) -> Mapping[str, type[Artifact]]:
        """Class of the artifact that each step provides, by the step's kind."""
        return {step.kind: dependencies(type(step)).provides for step in self.steps}

    def _check_providers(self) -> None:
        """Refuse an artifact that a step needs and none provides, and one that two steps provide."""
        for step in self.steps:
            needs = dependencies(type(step))
            for need in needs.requires.values():
                if not any(issubclass(made, need) for made in self._provided.values()):
                    raise ValueError(
                        f"step {step.kind!r} needs {need.__name__}, which no step provides; add {either(need)}"
                    )
            for need in needs.takes.values():
                makers = [kind for kind, made in self._provided.items() if issubclass(made, need)]
                if len(makers) > 1:
                    raise ValueError(
                        f"steps {' and '.join(map(repr, makers))} both provide {need.__name__}, "
                        f"which step {step.kind!r} takes from one; drop all but one of them"
                    )
        for kind, made in self._provided.items():
            twins = [other for other, theirs in self._provided.items() if theirs is made]
            if len(twins) > 1 and kind == twins[0]:
                raise ValueError(
                    f"steps {' and '.join(map(repr, twins))} both provide {made.__name__}; drop one of them"
                )

    def _check_size(self, context: SpecContext) -> None:
        """Refuse a truth that fits no memory. Frames are painted by blocks, but the truth is planned as a whole."""
        costs = {step.kind: step.cost(context) for step in self.steps}
        n_cells = sum(cost.n_cells for cost in costs.values())
        size_gb = {kind: (c.fixed_bytes + n_cells * c.bytes_per_cell) / 1e9 for kind, c in costs.items()}
        total_gb = sum(size_gb.values())
        if total_gb > MAX_PLANNED_GB:
            largest = max(size_gb, key=size_gb.__getitem__)
            height, width = self.canvas.shape
            raise ValueError(
                f"to plan {n_cells} cells, {self.acquisition.n_frames} frames and {height} x {width} px takes some "
                f"{total_gb:.3g} GB, {largest!r} alone {size_gb[largest]:.3g} GB; at most {MAX_PLANNED_GB:g} GB are "
                "allowed: ask for a shorter recording, fewer cells or less area"
            )

    @cached_property
    def plan_order(self) -> tuple[Step, ...]:
        """The steps in the order in which they are planned: each one after the steps whose artifacts it takes."""
        graph: dict[str, set[str]] = {}
        for step in self.steps:
            taken = tuple(dependencies(type(step)).takes.values())
            graph[step.kind] = {kind for kind, made in self._provided.items() if issubclass(made, taken)}
        try:
            order = tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise ValueError(
                f"circular dependency between steps: {' -> '.join(error.args[1])}; drop one of them"
            ) from None
        return tuple(self.step(kind) for kind in order)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the steps, sorted."""
        return tuple(step.kind for step in self.steps)

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Kinds of the steps that change pixels, in the order of light."""
        painting = [(a.light_order, kind) for kind, a in self._provided.items() if issubclass(a, PixelArtifact)]
        return tuple(kind for _, kind in sorted(painting))

    def step(self, kind: str) -> Step:
        """Return the step of a kind.

        Raises
        ------
        SpecError
            If the spec has no such step, naming the nearest.
        """
        for step in self.steps:
            if step.kind == kind:
                return step
        raise SpecError(f"no step {kind!r} in this spec; {nearest(kind, self.kinds)}")

    @cached_property
    def canvas(self) -> Canvas:
        """The grid on which tissue is painted: the sensor, and around it the margin that the steps declare."""
        pixel_um = self.acquisition.pixel_size_um
        # Added up, not the largest: what one step moves, another may move on.
        reach_px = sum(step.margin_um(self.acquisition) for step in self.steps) / pixel_um
        margin_px = math.ceil(reach_px) + _INTERPOLATION_PX if reach_px > 0 else 0
        sensor = self.acquisition.image_sensor
        return Canvas(sensor.height_px, sensor.width_px, margin_px, pixel_um)

    def canonical_json(self) -> str:
        """Return the spec as JSON; equal specs give equal texts (keys are sorted, −0.0 is written as 0.0)."""
        return json.dumps(_no_negative_zero(self.model_dump(mode="json")), sort_keys=True, separators=(",", ":"))

    def key(self) -> str:
        """Return the SHA-256 of the canonical JSON, ``SIM_VERSION``, the steps' versions and the store's format."""
        versions = {
            "sim": SIM_VERSION,
            "store": STORE_FORMAT,
            "steps": {step.kind: code_version(type(step)) for step in self.steps},
        }
        text = self.canonical_json() + json.dumps(versions, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def make(cls, data: Mapping[str, Any]) -> Spec:
        """Make a spec from plain data, such as JSON or TOML.

        Parameters
        ----------
        data
            ``acquisition``, ``steps`` (a list of tables, each with its ``kind``) and ``seed``; what is left out has
            its default.

        Raises
        ------
        SpecError
            If the data make no valid spec: one line with the path, the offending value and what to do.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SpecError(one_line(error, cls)) from None

    def edit(
        self,
        overrides: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        add: Iterable[Step | Mapping[str, Any] | str] = (),
        drop: Iterable[str] = (),
    ) -> Spec:
        """Return a changed copy, which is validated like any spec.

        Parameters
        ----------
        overrides
            Values by dotted path. A path begins with ``acquisition``, ``seed`` or a step's kind, e.g.
            ``{"acquisition.optics.na": 0.2, "brain_motion.max_shift_um": 8}``. A number indexes a tuple. A table sets
            the fields that it names and leaves the others: ``{"brain_motion": {"max_shift_um": 8}}``.
        seed
            A new seed.
        add
            Steps to add. A step replaces one of the same kind; a kind alone stands for its defaults.
        drop
            Kinds of steps to take out.

        Raises
        ------
        SpecError
            For an unknown path or kind (naming the nearest right one) or a value out of range.

        Examples
        --------
        >>> spec = Spec.make({"steps": [{"kind": "leakage"}]})
        >>> brighter = spec.edit({"leakage.level": 2}, add=[{"kind": "vignette"}])
        >>> brighter.kinds
        ('leakage', 'vignette')
        >>> spec.edit({"leakage.levl": 2})
        Traceback (most recent call last):
        pytest_calsim.errors.SpecError: path 'leakage.levl': nothing named 'levl' under 'leakage'; did you mean 'level'?
        """
        new = edited(self.model_dump(mode="json"), {} if overrides is None else overrides, add, drop)
        if seed is not None:
            new["seed"] = seed
        return Spec.make(new)


def check_spec(spec: object, function: str) -> None:
    """Refuse what is no Spec, such as a preset's name, in the place of the first argument of a function."""
    if not isinstance(spec, Spec):
        raise SpecError(f"{function} takes a Spec, not {spec!r}; load_preset gives one by name")


def _no_negative_zero(value: Any) -> Any:
    """Write −0.0 as 0.0 throughout plain data: the two are equal, and their texts are not."""
    if isinstance(value, dict):
        return {k: _no_negative_zero(v) for k, v in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_no_negative_zero(v) for v in cast("list[Any]", value)]
    return value + 0.0 if isinstance(value, float) else value
