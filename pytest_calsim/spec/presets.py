"""Presets: specs kept as data, and built from data.

A preset is a TOML file; those at the top of a preset folder are offered by name, those in its subfolders are parts::

    summary = "The miniscope V4 over CA1, freely moving"
    sources = ["..."]
    extends = ["scopes/miniscope_v4", "regions/ca1", "conditions/freely_moving"]
    drop = ["vasculature"]          # kinds of steps to take out of what was extended

    [acquisition]
    duration_s = 30

    [steps.place_neurons]           # one table per step, by kind
    ...

What a file extends is applied in order, then its own tables: tables merge key by key, everything else replaces.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

from pytest_calsim.errors import SpecError, SpecWarning, nearest
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.step import Step

__all__ = ["load_preset", "preset_names", "preset_summary"]

_PACKAGE = Path(__file__).parents[1]

# Every key of a preset file, and the type that its value must have.
_KEYS: dict[str, type] = {
    "summary": str,
    "sources": list,
    "extends": list,
    "drop": list,
    "seed": int,
    "acquisition": dict,
    "steps": dict,
}


@dataclass(frozen=True)
class _Preset:
    """One preset file as it was read."""

    path: Path
    table: Mapping[str, Any]

    @property
    def extends(self) -> list[str]:
        return self.table.get("extends", [])

    @property
    def drop(self) -> list[str]:
        return self.table.get("drop", [])


def preset_names(extra_dir: str | PathLike[str] | None = None) -> tuple[str, ...]:
    """Names of the presets on offer, sorted: the package's own and those of ``extra_dir``."""
    return tuple(sorted(name for name in _files(extra_dir) if "/" not in name))


def preset_summary(name: str, *, extra_dir: str | PathLike[str] | None = None) -> str:
    """What a preset is, in one line."""
    return _read(_find(name, _files(extra_dir))).table.get("summary", "")


def load_preset(
    name: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    add: Iterable[Step | Mapping[str, Any]] = (),
    drop: Iterable[str] = (),
    extra_dir: str | PathLike[str] | None = None,
) -> Spec:
    """The spec of a preset, with changes.

    Parameters
    ----------
    name
        One of :func:`preset_names`.
    overrides, seed, add, drop
        Changes, as in :meth:`Spec.edit <pytest_calsim.Spec.edit>`.
    extra_dir
        A folder of the user's own presets; they may extend the package's, and hide one of the same name.

    Raises
    ------
    SpecError
        For an unknown name (naming the nearest), a preset file that cannot be used (naming the file), or a change
        that does not fit.
    """
    files = _files(extra_dir)
    path = _find(name, files)
    tree = _applied(name, files, {"acquisition": {}, "steps": {}}, ())
    data = {**tree, "steps": [{**table, "kind": kind} for kind, table in tree["steps"].items()]}
    changed = bool(overrides or seed is not None or add or drop)
    try:
        with warnings.catch_warnings():
            if changed:  # what is odd about the preset may be what the caller changes
                warnings.simplefilter("ignore", SpecWarning)
            spec = Spec.make(data)
    except SpecError as error:
        raise SpecError(f"preset {name!r} ({path}): {error}") from None
    return spec.edit(overrides, seed=seed, add=add, drop=drop) if changed else spec


def _package_dir() -> Path:
    """Where the package's presets are: inside it in a wheel, beside it in a source tree."""
    shipped = _PACKAGE / "_presets"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "presets"


def _files(extra_dir: str | PathLike[str] | None) -> dict[str, Path]:
    """Every preset file by name; a part's name has its folder in it, ``scopes/miniscope_v4``."""
    folders = [_package_dir()]
    if extra_dir is not None:
        folders.append(Path(extra_dir))
        if not folders[-1].is_dir():
            raise SpecError(f"preset folder {str(extra_dir)!r} does not exist")
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for folder in folders
        for path in folder.rglob("*.toml")
    }


def _find(name: str, files: Mapping[str, Path]) -> Path:
    offered = [known for known in files if "/" not in known]
    if name not in offered:
        raise SpecError(f"unknown preset {name!r}; {nearest(name, offered)}")
    return files[name]


def _read(path: Path) -> _Preset:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"preset file {path}: {error}") from None
    for key, value in table.items():
        if key not in _KEYS:
            raise SpecError(f"preset file {path}: unknown key {key!r}; {nearest(key, _KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise SpecError(f"preset file {path}: {key} = {value!r} must be a {_KEYS[key].__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in cast("list[Any]", value)):
            raise SpecError(f"preset file {path}: {key} = {value!r} must be a list of texts")
    for kind, step in table.get("steps", {}).items():
        if not isinstance(step, dict):
            raise SpecError(f"preset file {path}: steps.{kind} = {step!r} must be a table of the step's fields")
    return _Preset(path, table)


def _applied(name: str, files: Mapping[str, Path], tree: dict[str, Any], chain: tuple[str, ...]) -> dict[str, Any]:
    """``tree`` with a preset file laid over it: first what the file extends, then what it drops, then its own."""
    chain = (*chain, name)
    if name in chain[:-1]:
        raise SpecError(f"preset file {files[name]}: presets extend each other in a circle: {' -> '.join(chain)}")
    preset = _read(files[name])
    for base in preset.extends:
        if base not in files:
            raise SpecError(f"preset file {preset.path}: extends unknown preset {base!r}; {nearest(base, files)}")
        tree = _applied(base, files, tree, chain)
    steps = dict(tree["steps"])
    for kind in preset.drop:
        if kind not in steps:
            raise SpecError(f"preset file {preset.path}: drops {kind!r}, which is not there; {nearest(kind, steps)}")
        del steps[kind]
    own = {key: preset.table[key] for key in ("seed", "acquisition", "steps") if key in preset.table}
    return _merged({**tree, "steps": steps}, own)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; anything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            merged[key] = _merged(cast("dict[str, Any]", under), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged
