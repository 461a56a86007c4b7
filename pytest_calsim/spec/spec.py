"""The Spec: what to simulate, validated, frozen, hashable, with a content key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Self, cast

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from pytest_calsim.errors import SpecError, SpecWarning, nearest, warn_user
from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.microscope.units import Frozen
from pytest_calsim.spec.versions import SIM_VERSION, STORE_FORMAT
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.pixels import PixelArtifact
from pytest_calsim.steps.registry import code_version, either, step_class, step_classes
from pytest_calsim.steps.step import MissingArtifactError, SpecContext, Step, dependencies

__all__ = ["Spec"]

MAX_PLANNED_GB = 32.0
"""Most memory that the truth of a spec may take, roughly; an hour of a thousand cells takes 1 GB."""

# Cubic interpolation reaches two pixels beyond a displacement.
_INTERPOLATION_PX = 2


def _as_step(value: Any) -> Step:
    if isinstance(value, Step):
        return value
    if isinstance(value, str):
        value = {"kind": value}
    fields = dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}
    kind = fields.pop("kind", None)
    if not isinstance(kind, str):
        raise ValueError(f"a step is a Step, a kind, or a table such as {{'kind': 'sensor'}}, not {value!r}")
    known = step_class(kind)
    if known is None:
        raise ValueError(f"unknown step kind {kind!r}; {nearest(kind, step_classes())}")
    try:
        return known.model_validate(fields)
    except ValidationError as error:
        raise ValueError(_one_line(error, f"{kind}.")) from None


def _as_steps(value: Any) -> Any:
    """Resolve each step by kind and put them in one order: the order of listing means nothing."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise ValueError("steps must be a sequence of steps")
    steps = [_as_step(item) for item in cast("Iterable[Any]", value)]
    kinds = [step.kind for step in steps]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        raise ValueError(f"step kind {', '.join(map(repr, twice))} given more than once; each may stand at most once")
    return tuple(sorted(steps, key=lambda step: step.kind))


class Spec(Frozen):
    """A whole simulation: acquisition, steps (in any order, each kind at most once) and seed.

    Frozen, hashable and comparable. Whatever a valid Spec says simulates; what cannot work raises
    :class:`~pytest_calsim.errors.SpecError` when the spec is made through :meth:`make` or any method here,
    and pydantic's ``ValidationError`` from the plain constructor.
    """

    acquisition: Acquisition = Acquisition()
    steps: Annotated[tuple[SerializeAsAny[Step], ...], BeforeValidator(_as_steps)] = ()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @model_validator(mode="after")
    def _simulates(self) -> Self:
        self._check_providers()
        _ = self.plan_order
        context = SpecContext(self.acquisition, self.canvas, frozenset(self._provided.values()))
        remarks: list[str] = []
        for step in self.steps:
            try:
                remarks += [f"{step.kind}: {remark}" for remark in step.check(context)]
            except MissingArtifactError as error:
                raise ValueError(f"{step.kind}: {error}; add {either(error.artifact)}") from None
            except ValueError as error:
                raise ValueError(f"{step.kind}: {error}") from None
        self._check_size(context)
        for remark in remarks:
            warn_user(remark, SpecWarning)
        return self

    @cached_property
    def _provided(self) -> Mapping[str, type[Artifact]]:
        """What each step provides, by its kind."""
        return {step.kind: dependencies(type(step)).provides for step in self.steps}

    def _check_providers(self) -> None:
        """Refuse an artifact that is needed and that no step provides, or two."""
        for step in self.steps:
            needs = dependencies(type(step))
            for need in needs.requires.values():
                if not any(issubclass(made, need) for made in self._provided.values()):
                    raise ValueError(
                        f"step {step.kind!r} needs {need.__name__}, which no step provides; add {either(need)}"
                    )
            for need in (*needs.requires.values(), *needs.uses.values()):
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
        """Refuse what no memory holds: frames are painted block by block, but the truth is planned as a whole."""
        costs = {step.kind: step.cost(context) for step in self.steps}
        n_cells = sum(cost.n_cells for cost in costs.values())
        size_gb = {kind: (c.fixed_bytes + n_cells * c.bytes_per_cell) / 1e9 for kind, c in costs.items()}
        total_gb = sum(size_gb.values())
        if total_gb > MAX_PLANNED_GB:
            largest = max(size_gb, key=size_gb.__getitem__)
            height, width = self.canvas.shape
            raise ValueError(
                f"to plan {n_cells} cells, {self.acquisition.n_frames} frames and {height} x {width} px takes some "
                f"{total_gb:.3g} GB, {largest!r} alone {size_gb[largest]:.3g} GB, and at most {MAX_PLANNED_GB:g} GB "
                "are planned; ask for a shorter recording, fewer cells or less area"
            )

    @cached_property
    def plan_order(self) -> tuple[Step, ...]:
        """The steps in the order in which they are planned: each after what it requires and uses."""
        graph: dict[str, set[str]] = {}
        for step in self.steps:
            needs = dependencies(type(step))
            artifacts = (*needs.requires.values(), *needs.uses.values())
            graph[step.kind] = {k for k, made in self._provided.items() if any(issubclass(made, n) for n in artifacts)}
        try:
            order = tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise ValueError(f"circular dependency between steps: {' -> '.join(error.args[1])}") from None
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
        """The step of one kind."""
        for step in self.steps:
            if step.kind == kind:
                return step
        raise SpecError(f"no step {kind!r} in this spec; {nearest(kind, self.kinds)}")

    @cached_property
    def canvas(self) -> Canvas:
        """The grid on which tissue is painted: the sensor with the margin that the steps declare."""
        acq = self.acquisition
        reach = sum(step.margin_um(acq) for step in self.steps) / acq.pixel_size_um
        margin = int(-(-reach // 1)) + _INTERPOLATION_PX if reach > 0 else 0
        sensor = acq.image_sensor
        return Canvas(sensor.height_px, sensor.width_px, margin, acq.pixel_size_um)

    def canonical_json(self) -> str:
        """The spec as JSON in which equal specs are equal texts (sorted keys, −0.0 written as 0.0)."""
        return json.dumps(_no_negative_zero(self.model_dump(mode="json")), sort_keys=True, separators=(",", ":"))

    def key(self) -> str:
        """SHA-256 over the canonical JSON, ``SIM_VERSION``, the steps' versions and the store's format."""
        versions = {
            "sim": SIM_VERSION,
            "store": STORE_FORMAT,
            "steps": {step.kind: code_version(type(step)) for step in self.steps},
        }
        text = self.canonical_json() + json.dumps(versions, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def make(cls, data: Mapping[str, Any]) -> Spec:
        """A spec from plain data (JSON, TOML), or one clear :class:`SpecError`."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SpecError(_one_line(error)) from None

    def edit(
        self,
        overrides: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        add: Iterable[Step | Mapping[str, Any] | str] = (),
        drop: Iterable[str] = (),
    ) -> Spec:
        """A changed copy, validated anew.

        Parameters
        ----------
        overrides
            Values by dotted path; the first part is ``acquisition``, ``seed`` or a step's kind, e.g.
            ``{"acquisition.optics.na": 0.2, "brain_motion.max_shift_um": 8}``; a number indexes a tuple.
        seed
            A new seed.
        add, drop
            Steps to add (replacing one of the same kind; a kind alone stands for its defaults) and kinds to drop.

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
        data = self.model_dump(mode="json")
        tables: dict[str, Any] = {step.pop("kind"): step for step in data.pop("steps")}
        for kind in drop:
            if kind not in tables:
                raise SpecError(f"cannot drop step {kind!r}: not in this spec; {nearest(kind, tables)}")
            del tables[kind]
        try:
            for item in add:
                step = _as_step(item)
                tables[step.kind] = {k: v for k, v in step.model_dump(mode="json").items() if k != "kind"}
        except ValidationError as error:
            raise SpecError(_one_line(error)) from None
        except ValueError as error:
            raise SpecError(str(error)) from None
        tree = {**data, **tables}
        for path, value in (overrides or {}).items():
            _assign(tree, path, value)
        new: dict[str, Any] = {name: tree.pop(name) for name in ("acquisition", "seed")}
        if seed is not None:
            new["seed"] = seed
        for kind, table in tree.items():
            if not isinstance(table, Mapping):
                raise SpecError(f"path {kind!r} = {table!r}: a step is a table of fields; to take it out, drop it")
        new["steps"] = [{**table, "kind": kind} for kind, table in tree.items()]
        return Spec.make(new)


def _no_negative_zero(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _no_negative_zero(v) for k, v in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_no_negative_zero(v) for v in cast("list[Any]", value)]
    return value + 0.0 if isinstance(value, float) else value


def _assign(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted path in nested tables and lists, refusing one that does not exist."""
    if not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpecError(f"path {path!r} must be dotted text such as 'acquisition.fps'")
    parts = path.split(".")
    node: Any = tree
    for depth, part in enumerate(parts):
        if isinstance(node, list):
            items = cast("list[Any]", node)
            known = [str(i) for i in range(len(items))]
            slot: Any = int(part) if part in known else part
        elif isinstance(node, dict):
            known, slot = list(cast("dict[str, Any]", node)), part
        else:
            raise SpecError(f"path {path!r}: {'.'.join(parts[:depth])!r} is a value and has no part {part!r}")
        if part not in known:
            if depth == 0 and step_class(part) is not None:
                raise SpecError(f"path {path!r}: this spec has no step {part!r}; add it first (add=[...])")
            where = f" under {'.'.join(parts[:depth])!r}" if depth else ""
            raise SpecError(f"path {path!r}: nothing named {part!r}{where}; {nearest(part, known)}")
        if depth == len(parts) - 1:
            dump = getattr(value, "model_dump", None)
            node[slot] = dump(mode="json") if dump is not None else value
        else:
            node = cast("Any", node[slot])


def _one_line(error: ValidationError, prefix: str = "") -> str:
    """The first problem of a pydantic error as one line with its path and the offending value."""
    problems = error.errors(include_url=False)
    first = problems[0]
    path = prefix + ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        line = f"{path.rstrip('.')}: {text}" if path not in ("", "steps") else text
    elif first["type"] == "extra_forbidden":
        line = f"{path}: no such field"
    else:
        line = f"{path} = {first['input']!r}: {text[0].lower()}{text[1:]}"
    return line if len(problems) == 1 else f"{line} (and {len(problems) - 1} more)"
