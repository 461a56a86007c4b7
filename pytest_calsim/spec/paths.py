"""Edit a spec's data by dotted paths: ``acquisition.optics.na``, ``place_neurons.populations.0.snr``.

A path begins with ``acquisition``, ``seed`` or a step's kind. ``steps.`` before a kind is taken as well, because preset
files have their tables under that name. A number indexes a list. A table sets the fields that it names and leaves the
others, as in preset files; a whole model replaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from pytest_calsim.errors import SpecError, nearest
from pytest_calsim.spec.parsing import read_step
from pytest_calsim.steps.registry import step_class
from pytest_calsim.steps.step import Step

__all__ = ["edited", "fields_by_path", "listed"]

_NO_STEPS = ("acquisition", "seed")


def edited(
    data: Mapping[str, Any],
    overrides: Mapping[str, Any],
    add: Iterable[Step | Mapping[str, Any] | str],
    drop: Iterable[str],
) -> dict[str, Any]:
    """Return a spec's data with changes: first steps are dropped, then added, then values are set.

    Parameters
    ----------
    data
        A whole spec as plain data: ``acquisition``, ``seed``, and ``steps`` as a list of tables.
    overrides
        Values by dotted path.
    add, drop
        Steps to add (replacing one of the same kind), and kinds to drop.

    Raises
    ------
    SpecError
        For an unknown path or kind, naming the nearest right one.
    """
    if not isinstance(overrides, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpecError(f"overrides = {overrides!r} must be a dict of values by dotted path: {{'acquisition.fps': 10}}")
    tables: dict[str, Any] = {}
    for table in data["steps"]:
        tables[table["kind"]] = _without_kind(table)
    for kind in listed(drop, "drop"):
        if kind not in tables:
            raise SpecError(f"cannot drop step {kind!r}: not in this spec; {nearest(kind, tables)}")
        del tables[kind]
    for item in listed(add, "add"):
        step = _added(item)
        tables[step.kind] = _without_kind(step.model_dump(mode="json"))
    tree: dict[str, Any] = {**{name: data[name] for name in _NO_STEPS}, **tables}
    for path, value in overrides.items():
        _set(tree, path, value)
    new: dict[str, Any] = {name: tree.pop(name) for name in _NO_STEPS}
    for kind, table in tree.items():
        if not isinstance(table, Mapping):
            raise SpecError(f"path {kind!r} = {table!r}: a step is a table of fields; to take it out, drop it")
    new["steps"] = [{**table, "kind": kind} for kind, table in tree.items()]
    return new


_Item = TypeVar("_Item")


def listed(given: Iterable[_Item], name: str) -> tuple[_Item, ...]:
    """Return the steps or kinds of a change; refuse one alone, which Python would take apart."""
    if isinstance(given, str | Mapping | Step) or not isinstance(given, Iterable):  # pyright: ignore
        raise SpecError(f"{name} = {given!r} must be a list, such as ['sensor']")
    return tuple(given)


def _without_kind(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != "kind"}


def _added(item: Step | Mapping[str, Any] | str) -> Step:
    try:
        return read_step(item)
    except ValueError as error:
        raise SpecError(str(error)) from None


def _set(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted path in nested tables and lists; refuse one that does not exist."""
    parts = _parts(tree, path)
    dump: Any = getattr(value, "model_dump", None)
    node: Any = tree
    for depth in range(len(parts) - 1):
        node = node[_slot(node, path, parts, depth)]
    last = _slot(node, path, parts, len(parts) - 1)
    if isinstance(value, Mapping) and isinstance(node[last], dict):
        for name, item in cast("Mapping[Any, Any]", value).items():
            _set(tree, f"{path}.{name}", item)
    else:
        node[last] = dump(mode="json") if dump is not None else value


def _slot(node: Any, path: str, parts: list[str], depth: int) -> str | int:
    """Return the key or index in a table or list that one part of a path names; refuse a part that names nothing."""
    part = parts[depth]
    above = ".".join(parts[:depth])
    if isinstance(node, list):
        known = [str(i) for i in range(len(cast("list[Any]", node)))]
    elif isinstance(node, dict):
        known = list(cast("dict[str, Any]", node))
    else:
        raise SpecError(f"path {path!r}: {above!r} is a value and has no part {part!r}")
    if part in known:
        return int(part) if isinstance(node, list) else part
    if depth == 0 and step_class(part) is not None:
        raise SpecError(f"path {path!r}: this spec has no step {part!r}; add it first (add=[...])")
    where = f" under {above!r}" if above else ""
    deeper = _deeper(node, ".".join(parts[depth:]))
    hint = f"did you mean {'.'.join([*parts[:depth], deeper])!r}?" if deeper else nearest(part, known)
    raise SpecError(f"path {path!r}: nothing named {part!r}{where}; {hint}")


def fields_by_path(data: Mapping[str, Any]) -> dict[str, Any]:
    """List a spec's values by the paths that set them.

    Parameters
    ----------
    data
        A whole spec as plain data, as :func:`edited` takes it.
    """
    tables = {table["kind"]: _without_kind(table) for table in data["steps"]}
    return dict(_leaves({**{name: data[name] for name in _NO_STEPS}, **tables}))


def _leaves(node: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Walk through tables, and through lists of tables, to all values."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        inner = cast("dict[str, Any]", node).items()
    elif isinstance(node, list) and any(isinstance(item, dict) for item in cast("list[Any]", node)):
        inner = enumerate(cast("list[Any]", node))
    else:
        yield above, node
    for key, value in inner:
        yield from _leaves(value, f"{above}.{key}" if above else str(key))


def _deeper(node: Any, rest: str) -> str | None:
    """Return the path below a table or list at which something has a name, if it is the only way to read it."""
    name, _, _ = rest.partition(".")
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        inner = cast("dict[str, Any]", node).items()
    elif isinstance(node, list):
        inner = enumerate(cast("list[Any]", node))
    for key, value in inner:
        if isinstance(value, dict) and name in value:
            return f"{key}.{rest}"
        found = _deeper(value, rest)
        if found is not None:
            return f"{key}.{found}"
    return None


def _parts(tree: Mapping[str, Any], path: str) -> list[str]:
    """Split a path; ``steps.`` before a step's kind is left out."""
    if not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpecError(f"path {path!r} must be dotted text such as 'acquisition.fps'")
    parts = path.split(".")
    if parts[0] != "steps":
        return parts
    kinds = [kind for kind in tree if kind not in _NO_STEPS]
    if len(parts) == 1:
        raise SpecError(f"path 'steps': name a step's field, such as {next(iter(kinds), 'sensor')!r}; or add and drop")
    if parts[1] in _NO_STEPS:
        raise SpecError(f"path {path!r}: {parts[1]!r} is no step; did you mean {'.'.join(parts[1:])!r}?")
    if parts[1] not in kinds and step_class(parts[1]) is None:
        raise SpecError(f"path {path!r}: no step {parts[1]!r} in this spec; {nearest(parts[1], kinds)}")
    return parts[1:]
