"""Read steps from plain data, and describe in one line what is wrong with data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import ValidationError

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
        raise ValueError(one_line(error, f"{kind}.")) from None


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


def one_line(error: ValidationError, prefix: str = "") -> str:
    """Return the first problem of a pydantic error as one line, with its path and the offending value.

    Parameters
    ----------
    error
        What pydantic raised.
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
        line = f"{path}: no such field"
    else:
        line = f"{path} = {first['input']!r}: {text[0].lower()}{text[1:]}"
    return line if len(problems) == 1 else f"{line} (and {len(problems) - 1} more)"
