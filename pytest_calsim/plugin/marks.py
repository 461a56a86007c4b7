"""What a test asks for: its ``sim`` marks and parameters, merged, the nearest winning key by key."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_calsim.arrays.plain import plain
from pytest_calsim.errors import SpecError, SpecWarning, nearest

if TYPE_CHECKING:
    from pytest_calsim.spec.spec import Spec

__all__ = ["CASE", "Ask", "asked_by_item", "asked_by_marks", "cases"]

CASE = "_sim_case"
"""The private fixture that carries which of a mark's cases a test is."""

_ARGUMENTS = ("preset", "overrides", "seed", "add", "drop", "sweep", "seeds")


@dataclass(frozen=True)
class Ask:
    """The arguments of one ``sim`` mark, or of several merged."""

    presets: tuple[str | Spec, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seed: int | None = None
    add: tuple[Any, ...] = ()
    drop: tuple[str, ...] = ()
    sweep: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])
    seeds: int | None = None
    cancelled: frozenset[str] = frozenset()
    """Kinds that a farther mark adds and a nearer one drops: dropped only where the preset has them itself."""

    @classmethod
    def of(cls, presets: Sequence[Any], arguments: Mapping[str, Any]) -> Ask:
        """From a mark's positional and keyword arguments; raises ``SpecError`` for a wrong one."""
        for name in arguments:
            if name not in _ARGUMENTS:
                raise SpecError(f"sim mark: unknown argument {name!r}; {nearest(name, _ARGUMENTS)}")
        if "preset" in arguments:
            presets = (*presets, arguments["preset"])
        for preset in presets:
            _demand(_is_preset(preset), "preset", preset, "the name of a preset, or a Spec")
        overrides: Any = arguments.get("overrides") or {}
        _demand(_is_by_path(overrides), "overrides", overrides, "a dict of values by dotted path")
        sweep: Any = arguments.get("sweep") or {}
        if _is_by_path(sweep):
            sweep = {path: plain(values) for path, values in sweep.items()}
        axes = _is_by_path(sweep) and all(_is_list(values) and values for values in sweep.values())
        _demand(axes, "sweep", sweep, "a dict of lists of values by dotted path")
        seed, seeds = plain(arguments.get("seed")), plain(arguments.get("seeds"))
        _demand(seed is None or _is_count(seed, 0), "seed", seed, "a whole number, 0 or more")
        _demand(seeds is None or _is_count(seeds, 1), "seeds", seeds, "how many seeds, 1 or more")
        add, drop = arguments.get("add", ()), arguments.get("drop", ())
        _demand(_is_list(add), "add", add, "a list of steps")
        _demand(_is_list(drop) and all(isinstance(kind, str) for kind in drop), "drop", drop, "a list of step kinds")
        return cls(tuple(presets), overrides, seed, tuple(add), tuple(drop), sweep, seeds)

    @classmethod
    def of_parameter(cls, value: Any) -> Ask:
        """From a value that ``parametrize("sim_recording", ..., indirect=True)`` gives: a preset, a Spec or a dict."""
        if not isinstance(value, Mapping):
            return cls.of([value], {})
        ask = cls.of((), cast("Mapping[str, Any]", value))
        if ask.sweep or ask.seeds:
            raise SpecError("sim parameter: 'sweep' and 'seeds' make several tests; give them to the mark instead")
        return ask

    def under(self, nearer: Ask) -> Ask:
        """Lay a nearer ask over this one."""
        gone = tuple(f"{kind}." for kind in nearer.drop)
        overrides = {
            path: value
            for path, value in self.overrides.items()
            if path not in nearer.overrides and not path.startswith(gone)
        }
        sweep = {
            path: values
            for path, values in self.sweep.items()
            if path not in (*nearer.overrides, *nearer.sweep) and not path.startswith(gone)
        }
        replaced = {*nearer.drop, *map(_kind, nearer.add)}
        added = {_kind(step) for step in self.add}
        return Ask(
            presets=nearer.presets or self.presets,
            overrides={**overrides, **nearer.overrides},
            seed=self.seed if nearer.seed is None else nearer.seed,
            add=(*(step for step in self.add if _kind(step) not in replaced), *nearer.add),
            drop=tuple(dict.fromkeys((*self.drop, *nearer.drop))),
            sweep={**sweep, **nearer.sweep},
            seeds=self.seeds if nearer.seeds is None else nearer.seeds,
            cancelled=self.cancelled.union(kind for kind in nearer.drop if kind in added),
        )

    def spec(self, default: str, preset_dir: Path | None) -> tuple[str, Spec]:
        """The preset's name (empty for a Spec) and the spec that is asked for; raises ``SpecError``."""
        from pytest_calsim.spec.presets import load_preset

        if len(self.presets) > 1 or self.sweep or self.seeds is not None:
            raise SpecError(
                "sim mark: several presets, a sweep or seeds make several tests only of a test "
                "that takes sim_recording or sim_spec as an argument"
            )
        preset = self.presets[0] if self.presets else default
        name = preset if isinstance(preset, str) else ""
        with warnings.catch_warnings():  # what is odd about the preset may be what the mark changes
            warnings.simplefilter("ignore", SpecWarning)
            base = load_preset(preset, extra_dir=preset_dir) if isinstance(preset, str) else preset
        drop = [kind for kind in self.drop if kind in base.kinds or kind not in self.cancelled]
        return name, base.edit(self.overrides, seed=self.seed, add=self.add, drop=drop)


def asked_by_marks(node: pytest.Item) -> Ask:
    """The ``sim`` marks of a test and of all around it, merged; raises ``SpecError`` for a wrong one."""
    ask = Ask()
    for mark in reversed(list(node.iter_markers("sim"))):
        ask = ask.under(Ask.of(mark.args, mark.kwargs))
    return ask


def asked_by_item(item: pytest.Item) -> Ask:
    """What one collected test asks for: its marks, its case of them, and its indirect parameters."""
    ask = asked_by_marks(item)
    parameters: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    if CASE in parameters:
        ask = replace(ask, sweep={}, seeds=None).under(parameters[CASE])
    for name in ("sim_spec", "sim_recording"):
        if name in parameters:
            ask = ask.under(Ask.of_parameter(parameters[name]))
    return ask


def cases(ask: Ask) -> list[tuple[str, Ask]]:
    """The tests that several presets, a sweep or seeds make of one, each with its id; empty when it stays one."""
    axes: list[list[tuple[str, Ask]]] = []
    if len(ask.presets) > 1:
        axes.append([(_preset_id(i, p), Ask(presets=(p,))) for i, p in enumerate(ask.presets)])
    for path, values in ask.sweep.items():
        name = _shortest(path, ask.sweep)
        axes.append([(f"{name}={_value_id(value)}", Ask(overrides={path: value})) for value in values])
    if ask.seeds is not None:
        first = ask.seed or 0
        axes.append([(f"seed={seed}", Ask(seed=seed)) for seed in range(first, first + ask.seeds)])
    made: list[tuple[str, Ask]] = []
    for combination in product(*axes) if axes else ():
        case = Ask()
        for _, part in combination:
            case = case.under(part)
        made.append(("-".join(name for name, _ in combination), case))
    return made


def _demand(holds: bool, name: str, value: Any, what: str) -> None:
    if not holds:
        raise SpecError(f"sim mark: {name} = {value!r} must be {what}")


def _is_by_path(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(path, str) for path in cast("Mapping[Any, Any]", value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | range)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_preset(value: Any) -> bool:
    if isinstance(value, str):
        return True
    from pytest_calsim.spec.spec import Spec

    return isinstance(value, Spec)


def _kind(step: Any) -> str | None:
    kind = cast("Mapping[str, Any]", step).get("kind") if isinstance(step, Mapping) else getattr(step, "kind", step)
    return kind if isinstance(kind, str) else None


def _preset_id(index: int, preset: str | Spec) -> str:
    return preset if isinstance(preset, str) else f"spec{index}"


def _shortest(path: str, paths: Iterable[str]) -> str:
    """The last part of a path, or all of it where another path ends alike."""
    last = path.rpartition(".")[2]
    return path if sum(other.rpartition(".")[2] == last for other in paths) > 1 else last


def _value_id(value: Any) -> str:
    return "x".join(map(_value_id, cast("Sequence[Any]", value))) if _is_list(value) else str(value)
