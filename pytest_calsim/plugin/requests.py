"""Hold a test's request as data: the merged arguments of its ``sim`` marks, and the spec that they give."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_calsim.arrays.plain import plain
from pytest_calsim.errors import SpecError, SpecWarning, nearest
from pytest_calsim.spec.presets import load_preset
from pytest_calsim.spec.spec import Spec

if TYPE_CHECKING:
    from pytest_calsim.steps.step import Step

__all__ = ["Case", "PresetSource", "ResolvedRequest", "SimRequest", "cases"]

_ARGUMENTS = ("preset", "overrides", "seed", "add", "drop", "sweep", "seeds")


@dataclass(frozen=True)
class PresetSource:
    """Source of presets in one project.

    Attributes
    ----------
    default
        The preset of a test that names none.
    default_origin
        Where that was given, for the message when it is wrong; empty when nobody gave it.
    preset_dir
        The user's folder of presets.
    rootdir
        Where a path to a preset file starts from.
    """

    default: str
    default_origin: str
    preset_dir: Path | None
    rootdir: Path

    def load(self, preset: str, *, quiet: bool = False) -> Spec:
        """Load a preset by name, or by the path of its file; ``quiet`` leaves its soft warnings out."""
        named = self.rootdir / preset if preset.endswith(".toml") else preset
        with warnings.catch_warnings():
            if quiet:
                warnings.simplefilter("ignore", SpecWarning)
            return load_preset(named, extra_dir=self.preset_dir)


@dataclass(frozen=True)
class ResolvedRequest:
    """The spec that a test asks for.

    Attributes
    ----------
    label
        The preset's name; empty where the test gave a Spec.
    spec
        What will be simulated.
    warnings
        What is legal but odd about it.
    """

    label: str
    spec: Spec
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True)
class SimRequest:
    """The arguments of one ``sim`` mark, or of several merged."""

    presets: tuple[str | Spec, ...] = ()
    overrides: Mapping[str, object] = field(default_factory=dict[str, object])
    seed: int | None = None
    seed_offset: int = 0
    """Added to the seed: the how-manieth of several seeds this is."""
    add: tuple[object, ...] = ()
    drop: tuple[str, ...] = ()
    sweep: Mapping[str, Sequence[object]] = field(default_factory=dict[str, Sequence[object]])
    seeds: int | None = None
    cancelled: frozenset[str] = frozenset()
    """Kinds that a farther mark adds and a nearer one drops: dropped only where the preset has them itself."""
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where the mark is that a path of ``overrides`` or ``sweep`` comes from, if it is not the test's own."""

    @classmethod
    def of(cls, presets: Sequence[object], arguments: Mapping[str, Any]) -> SimRequest:
        """Read a mark's positional and keyword arguments; raise ``SpecError`` for a wrong one."""
        for name in arguments:
            if name not in _ARGUMENTS:
                raise SpecError(f"sim mark: unknown argument {name!r}; {nearest(name, _ARGUMENTS)}")
        if "preset" in arguments:
            presets = (*presets, arguments["preset"])
        for preset in presets:
            is_preset = isinstance(preset, str | PathLike | Spec)
            _demand(is_preset, "preset", preset, f"the name of a preset, or a Spec{_as_arguments(preset)}")
        overrides: Any = arguments.get("overrides") or {}
        _demand(_is_by_path(overrides), "overrides", overrides, "a dict of values by dotted path")
        sweep: Any = arguments.get("sweep") or {}
        if _is_by_path(sweep):
            sweep = {path: plain(values) for path, values in sweep.items()}
        is_grid = _is_by_path(sweep) and all(_is_list(values) and values for values in sweep.values())
        _demand(is_grid, "sweep", sweep, "a dict of lists of values by dotted path")
        seed = plain(arguments.get("seed"))
        seeds = plain(arguments.get("seeds"))
        _demand(seed is None or _is_count(seed, 0), "seed", seed, "a whole number, 0 or more")
        _demand(seeds is None or _is_count(seeds, 1), "seeds", seeds, "how many seeds, 1 or more")
        add = arguments.get("add", ())
        drop = arguments.get("drop", ())
        _demand(_is_list(add), "add", add, "a list of steps")
        _demand(_is_list(drop) and all(isinstance(kind, str) for kind in drop), "drop", drop, "a list of step kinds")
        return cls(
            presets=tuple(
                some if isinstance(some, Spec) else fspath(cast("str | PathLike[str]", some)) for some in presets
            ),
            overrides=overrides,
            seed=seed,
            add=tuple(add),
            drop=tuple(drop),
            sweep=sweep,
            seeds=seeds,
        )

    @classmethod
    def of_parameter(cls, value: object) -> SimRequest:
        """Read a value of ``parametrize("sim_recording", ..., indirect=True)``: a preset, a Spec or a dict."""
        if not isinstance(value, Mapping):
            return cls.of([value], {})
        request = cls.of((), cast("Mapping[str, Any]", value))
        if request.sweep or request.seeds:
            raise SpecError("sim parameter: 'sweep' and 'seeds' make several tests; give them to the mark instead")
        return request

    def found_at(self, where: str) -> SimRequest:
        """Remember where its mark is: in words, for messages."""
        return replace(self, origins=dict.fromkeys((*self.overrides, *self.sweep), where))

    @property
    def makes_several(self) -> bool:
        """Whether it makes several tests of one."""
        return len(self.presets) > 1 or bool(self.sweep) or self.seeds is not None

    @property
    def axes(self) -> tuple[object, ...]:
        """All that its cases are made from; two requests with equal axes have the same cases."""
        presets = self.presets if len(self.presets) > 1 else ()
        seeds = None if self.seeds is None else (self.seed or 0, self.seeds)
        return presets, {path: list(values) for path, values in self.sweep.items()}, seeds

    def under(self, nearer: SimRequest) -> SimRequest:
        """Lay a nearer request over this one, key by key."""
        said_again = {*nearer.overrides, *nearer.sweep}
        dropped = tuple(f"{kind}." for kind in nearer.drop)
        # A nearer sweep's values come over a farther override of the same path, as its cases are laid over both.
        overrides = {
            path: value
            for path, value in self.overrides.items()
            if path not in nearer.overrides and not path.startswith(dropped)
        }
        sweep = {
            path: values
            for path, values in self.sweep.items()
            if path not in said_again and not path.startswith(dropped)
        }
        origins = {path: where for path, where in self.origins.items() if path not in said_again}
        replaced = {*nearer.drop, *map(_kind, nearer.add)}
        added = {_kind(step) for step in self.add}
        return SimRequest(
            presets=nearer.presets or self.presets,
            overrides={**overrides, **nearer.overrides},
            seed=self.seed if nearer.seed is None else nearer.seed,
            seed_offset=self.seed_offset + nearer.seed_offset,
            add=(*(step for step in self.add if _kind(step) not in replaced), *nearer.add),
            drop=tuple(dict.fromkeys((*self.drop, *nearer.drop))),
            sweep={**sweep, **nearer.sweep},
            seeds=self.seeds if nearer.seeds is None else nearer.seeds,
            cancelled=self.cancelled.union(kind for kind in nearer.drop if kind in added),
            origins={**origins, **nearer.origins},
        )

    def as_case(self, case: SimRequest) -> SimRequest:
        """Take one of this request's cases: its axes give way to the case's values."""
        # seeds=3 counts from 0 where no seed is given; --sim-seeds from the preset's own, which is not known yet.
        first_seed = self.seed if self.seeds is None else self.seed or 0
        one = replace(self, sweep={}, seeds=None, seed=first_seed).under(case)
        return replace(one, origins=self.origins)  # a swept path is still the mark's

    def resolve(self, source: PresetSource) -> ResolvedRequest:
        """Make the spec; raise ``SpecError`` for a wrong preset, path or value."""
        preset = self.presets[0] if self.presets else source.default
        try:  # the mark may change what the preset is warned of
            base = source.load(preset, quiet=True) if isinstance(preset, str) else preset
        except SpecError as error:
            if self.presets or not source.default_origin:
                raise
            raise SpecError(f"{source.default_origin}: {error}") from None
        drop = [kind for kind in self.drop if kind in base.kinds or kind not in self.cancelled]
        seed = self.seed
        if self.seed_offset:
            seed = (base.seed if seed is None else seed) + self.seed_offset
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                spec = base.edit(self.overrides, seed=seed, add=cast("tuple[Step, ...]", self.add), drop=drop)
            except SpecError as error:
                raise SpecError(f"{error}{self._origin(str(error))}") from None
        odd = tuple(warning.message for warning in caught if isinstance(warning.message, Warning))
        return ResolvedRequest(preset if isinstance(preset, str) else "", spec, odd)

    def _origin(self, error: str) -> str:
        """Say where the mark is whose path an error is about, if it is not the test's own."""
        for path, where in self.origins.items():
            if where and error.startswith(f"path {path!r}"):
                return f"; the path is from the sim mark on {where}"
        return ""


@dataclass(frozen=True)
class Case:
    """One of the tests that several presets, a sweep or seeds make of one.

    Attributes
    ----------
    name
        Its part of the test's id.
    request
        What it lays over the test's marks.
    axes
        ``SimRequest.axes`` of the marks that it was made from: a mark that comes later may change them.
    seed_name
        What of the name tells the seed; empty when there is one seed.
    """

    name: str
    request: SimRequest
    axes: tuple[object, ...]
    seed_name: str = ""


def cases(request: SimRequest, least_seeds: int | None = None) -> list[Case]:
    """Make the cases of a request; none when it stays one test.

    Parameters
    ----------
    request
        The merged marks of a test.
    least_seeds
        How many seeds every test runs with at least (``--sim-seeds``).
    """
    axes: list[list[tuple[str, SimRequest]]] = []
    if len(request.presets) > 1:
        axes.append([(_preset_id(i, p), SimRequest(presets=(p,))) for i, p in enumerate(request.presets)])
    for path, values in request.sweep.items():
        name = _shortest(path, request.sweep)
        axes.append([(f"{name}={_value_id(value)}", SimRequest(overrides={path: value})) for value in values])
    has_seeds = request.seeds is not None or least_seeds is not None
    if has_seeds:
        n_seeds = max(request.seeds or 1, least_seeds or 1)
        # A preset's own seed is known only when it is loaded: "seed+2" is the third from there.
        known = request.seeds is not None or request.seed is not None
        names = [f"seed={(request.seed or 0) + k}" if known else f"seed+{k}" for k in range(n_seeds)]
        axes.append([(name, SimRequest(seed_offset=k)) for k, name in enumerate(names)])
    made: list[Case] = []
    for combination in product(*axes) if axes else ():
        merged = SimRequest()
        for _, part in combination:
            merged = merged.under(part)
        names = [name for name, _ in combination]
        made.append(Case("-".join(names), merged, request.axes, names[-1] if has_seeds else ""))
    return made


def _demand(holds: bool, name: str, value: object, what: str) -> None:
    if not holds:
        raise SpecError(f"sim mark: {name} = {value!r} must be {what}")


def _is_by_path(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(path, str) for path in cast("Mapping[Any, Any]", value))


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | range)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _as_arguments(presets: object) -> str:
    """Say how several presets are given, to those who give a list."""
    named: list[object] = list(cast("Sequence[object]", presets)) if _is_list(presets) else []
    if len(named) < 2 or not all(isinstance(preset, str) for preset in named):
        return ""
    return f"; give several as separate arguments: @pytest.mark.sim({', '.join(map(repr, named))})"


def _kind(step: Any) -> str | None:
    kind = cast("Mapping[str, Any]", step).get("kind") if isinstance(step, Mapping) else getattr(step, "kind", step)
    return kind if isinstance(kind, str) else None


def _preset_id(index: int, preset: str | Spec) -> str:
    return preset if isinstance(preset, str) else f"spec{index}"


def _shortest(path: str, paths: Iterable[str]) -> str:
    """Return the last part of a path, or all of it where another path ends alike."""
    last = path.rpartition(".")[2]
    return path if sum(other.rpartition(".")[2] == last for other in paths) > 1 else last


def _value_id(value: object) -> str:
    return "x".join(map(_value_id, cast("Sequence[Any]", value))) if _is_list(value) else str(value)
