"""Instances of any pydantic model, read off its fields and their bounds.

Hypothesis itself resolves types and their annotated bounds. Here is what it has no way to know: pydantic's way to write
bounds, floats that are finite numbers, lengths that suit a test, and which fields contradict one another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pytest_calsim.errors import SpecError, nearest
from pytest_calsim.microscope.acquisition import ImageSensor
from pytest_calsim.microscope.given_array import GivenArray
from pytest_calsim.steps.sensor.sensor import Sensor
from pytest_calsim.testing.strategies.given import given_arrays

__all__ = ["LONGEST", "check_fields", "check_strategies", "finite_floats", "fitting", "models", "some_of"]

M = TypeVar("M", bound=BaseModel)

LONGEST = 2
"""Lists of layers or components: longer ones only repeat what two show."""

_CHANGED = 4
"""Most fields of a model that are not at their defaults: a fault needs few, and each one takes time."""


def models(model: type[M], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[M]:
    """Draw instances of a pydantic model: a step, a part of an acquisition, or a step of another package.

    Parameters
    ----------
    model
        The class. Some of its fields are drawn, within their declared bounds; the others keep their defaults.
    **fields
        Strategies for single fields in place of that.

    Raises
    ------
    SpecError
        For a field that the model does not have, naming the nearest; for a value in the place of a strategy.
    """
    check_fields(model, fields)
    if model is GivenArray and not fields:
        return cast("st.SearchStrategy[M]", given_arrays(_SMALL_SHAPES))
    return _values(model, fields).map(partial(fitting, model)) if fields else _any(model)


def check_fields(model: type[BaseModel], fields: Mapping[str, object]) -> None:
    """Refuse fields that a model does not have, and what is no strategy for one."""
    for name in fields:
        if name not in model.model_fields:
            raise SpecError(f"{model.__name__} has no field {name!r}; {nearest(name, model.model_fields)}")
    check_strategies(fields)


def check_strategies(given: Mapping[str, object]) -> None:
    """Refuse what is no strategy, by the name of the argument; ``None`` stands for the default."""
    for name, value in given.items():
        if value is not None and not isinstance(value, st.SearchStrategy):
            raise SpecError(f"{name} = {value!r} must be a strategy; st.just({value!r}) always gives that")


@cache
def _any(model: type[M]) -> st.SearchStrategy[M]:
    """Draw instances of a model; made once, as Hypothesis looks a new strategy through before it draws from it."""
    return _values(model, {}).map(partial(fitting, model))


@st.composite
def _values(draw: st.DrawFn, model: type[BaseModel], given: Mapping[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Draw values of the given fields, of those without a default, and of some of the others."""
    free = _fields(model)
    required = [name for name in free if name not in given and model.model_fields[name].is_required()]
    needed = {name: draw(strategy) for name, strategy in given.items()} | {name: draw(free[name]) for name in required}
    return needed | draw(some_of(model, tuple(name for name in free if name not in needed)))


@cache
def some_of(model: type[BaseModel], names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw some fields, each with its value right behind its name: Hypothesis then takes both away at once."""
    if not names:
        return st.just({})
    fields = _fields(model)
    return st.lists(st.one_of([st.tuples(st.just(n), fields[n]) for n in names]), max_size=_CHANGED).map(dict)


@cache
def _fields(model: type[BaseModel]) -> Mapping[str, st.SearchStrategy[Any]]:
    """Return a strategy for each field of a model.

    The largest value that the sensor takes comes first, as it costs nothing there: a scene with no more light, or gain,
    than its fault needs could not grow smaller.
    """
    fields = {name: _typed(info.annotation, info.metadata) for name, info in model.model_fields.items()}
    for name, info in model.model_fields.items() if model in (ImageSensor, Sensor) else ():
        most = [bound.le for bound in info.metadata if hasattr(bound, "le")]
        if most:
            fields[name] = st.one_of(st.just(most[0]), fields[name])
    return fields


def fitting(model: type[M], values: Mapping[str, Any]) -> M:
    """Make the model with all values, or with as many as go together; the others stay at their defaults."""
    with contextlib.suppress(ValidationError):
        return model(**values)
    kept: dict[str, Any] = {}
    for _ in range(2):  # what contradicted a default may agree with what was kept since
        for name in [name for name in values if name not in kept]:
            with contextlib.suppress(ValidationError):
                model(**kept, **{name: values[name]})
                kept[name] = values[name]
    return model(**kept)


def _typed(annotation: Any, metadata: Iterable[Any]) -> st.SearchStrategy[Any]:
    """Draw values of a type within the bounds of its metadata."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        inner: list[Any] = []
        for extra in arguments[1:]:
            inner.extend(extra.metadata if isinstance(extra, FieldInfo) else [extra])
        return _typed(arguments[0], inner)
    if origin in (Union, UnionType):
        # None first: what may be absent shrinks away.
        ordered = sorted(arguments, key=lambda option: option is not NoneType)
        return st.one_of([_typed(option, ()) for option in ordered])
    bounds = {name: getattr(extra, name) for extra in metadata for name in _BOUNDS if hasattr(extra, name)}
    if origin is tuple and arguments[-1:] == (Ellipsis,):
        least = bounds.get("min_length") or 0
        most = max(least, min(LONGEST, bounds.get("max_length") or LONGEST))
        return st.lists(_typed(arguments[0], ()), min_size=least, max_size=most).map(tuple)
    if origin is tuple:
        return st.tuples(*(_typed(argument, ()) for argument in arguments))
    if annotation is float:
        low = bounds.get("gt", bounds.get("ge"))
        high = bounds.get("lt", bounds.get("le"))
        return finite_floats(low, high, exclude_min="gt" in bounds, exclude_max="lt" in bounds)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return models(annotation)
    known = tuple(extra for extra in metadata if any(hasattr(extra, name) for name in _BOUNDS))
    bounded = cast("type[Any]", Annotated[annotation, *known] if known else annotation)
    return st.from_type(bounded)


def finite_floats(
    low: float | None, high: float | None, *, exclude_min: bool = False, exclude_max: bool = False
) -> st.SearchStrategy[float]:
    """Draw finite numbers; those below 1e-307 say nothing about a scene."""
    return st.floats(
        low,
        high,
        allow_nan=False,
        allow_infinity=False,
        allow_subnormal=False,
        exclude_min=exclude_min,
        exclude_max=exclude_max,
    )


_SMALL_SHAPES = st.tuples(st.integers(0, LONGEST), st.integers(0, LONGEST))
_BOUNDS = ("gt", "ge", "lt", "le", "min_length", "max_length")
