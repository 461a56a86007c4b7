"""Read steps from plain data, and describe in one line what is wrong with data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from pytest_calsim.errors import nearest
from pytest_calsim.steps.registry import step_class, unknown_kind
from pytest_calsim.steps.step import Step

__all__ = ["one_line", "read_step", "read_steps"]


def read_step(value: Any) -> Step:
    """Read one step.

    Parameters
    ----------
    value
        A step, a table with its ``kind`` and fields, or a kind alone for its defaults.

    Raises
    ------
    ValueError
        If there is no such kind (naming the nearest), or the fields do not fit.
    """
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
        raise ValueError(unknown_kind(kind))
    try:
        return known.model_validate(fields)
    except ValidationError as error:
        raise ValueError(one_line(error, known, f"{kind}.")) from None


def read_steps(value: Any) -> tuple[Step, ...]:
    """Read steps and sort them by kind, as the order in which they are listed has no meaning.

    Raises
    ------
    ValueError
        If ``value`` is no sequence of steps, or a kind is in it twice.
    """
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise ValueError(f"steps = {value!r} must be a sequence of steps, such as ['sensor']")
    steps = [read_step(item) for item in cast("Iterable[Any]", value)]
    kinds = [step.kind for step in steps]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        raise ValueError(f"step kind {', '.join(map(repr, twice))} is given more than once; keep one step of each kind")
    return tuple(sorted(steps, key=lambda step: step.kind))


def one_line(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """Return the first problem of a pydantic error as one line, with its path and the offending value.

    Parameters
    ----------
    error
        What pydantic raised.
    model
        What was to be made; its fields are offered for one that it does not have.
    prefix
        Path of what was validated, with a dot at its end.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    path = prefix + ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        line = f"{path.rstrip('.')}: {text}" if path not in ("", "steps") else text
    elif first["type"] == "extra_forbidden":
        *above, name = first["loc"]
        line = f"{path}: no such field; {nearest(name, _field_names(model, above))}"
    else:
        line = f"{path or model.__name__} = {_shortened(first['input'])}: {text[0].lower()}{text[1:]}"
    return line if len(problems) == 1 else f"{line} (and {len(problems) - 1} more)"


def _field_names(model: type[BaseModel], above: Iterable[str | int]) -> set[str]:
    """Name the fields at a place in a model: the fields above it lead there, and positions in tuples do not matter."""
    models = [model]
    for part in above:
        fields = [some.model_fields[str(part)] for some in models if part in some.model_fields]
        if fields:
            models = list(chain.from_iterable(_models_in(field.annotation) for field in fields))
    return set(chain.from_iterable(some.model_fields for some in models))


def _models_in(annotation: object) -> list[type[BaseModel]]:
    """List the models in a type, such as ``tuple[Population, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(chain.from_iterable(map(_models_in, get_args(annotation))))


def _shortened(value: object) -> str:
    """Return the text of a value, cut where it would fill more than a line."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}... ({type(value).__name__})"
