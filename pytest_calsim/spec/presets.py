"""Read presets: specs that are kept as data.

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
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from pytest_calsim.errors import SpecError, SpecWarning, as_path, nearest
from pytest_calsim.spec.paths import listed
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.step import Step

__all__ = ["compose_presets", "load_preset", "preset_names", "preset_parts", "preset_summary"]

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


@dataclass(frozen=True)
class _Shelf:
    """The folders in which presets are looked for; of presets with one name the first folder's is used."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, extra_dir: str | PathLike[str] | None, *nearer: Path) -> _Shelf:
        folders = list(nearer)
        if extra_dir is not None:
            folders.append(as_path(extra_dir, "extra_dir"))
            if not folders[-1].is_dir():
                why = (
                    "is a file: give its folder"
                    if folders[-1].exists()
                    else "does not exist: create it, or correct the path"
                )
                raise SpecError(f"preset folder {str(extra_dir)!r} {why}")
        return cls((*folders, _package_dir()))

    def find(self, name: str, *, parts: bool) -> Path | None:
        """Find a preset's file; a part has its folder in its name."""
        # Names come from presets and marks: none may lead out of the folders.
        if not name or (not parts and "/" in name) or ".." in name.split("/") or Path(name).is_absolute():
            return None
        paths = (folder / f"{name}.toml" for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def names(self, *, parts: bool) -> list[str]:
        """List the names of the presets, or of the parts in the folders below, sorted."""
        found: set[str] = set()
        for folder in self.folders:
            for path in folder.glob("*/**/*.toml" if parts else "*.toml"):
                found.add(path.relative_to(folder).with_suffix("").as_posix())
        return sorted(found)


def preset_names(extra_dir: str | PathLike[str] | None = None) -> tuple[str, ...]:
    """List the names of the presets on offer, sorted: the package's own and those of ``extra_dir``."""
    return tuple(_Shelf.of(extra_dir).names(parts=False))


def preset_parts(extra_dir: str | PathLike[str] | None = None) -> tuple[str, ...]:
    """List the names of the parts that presets are made of, sorted: ``scopes/miniscope_v4``, ``regions/ca1``, ..."""
    return tuple(_Shelf.of(extra_dir).names(parts=True))


def preset_summary(name: str, *, extra_dir: str | PathLike[str] | None = None) -> str:
    """Return the summary of a preset or a part, one line."""
    shelf = _Shelf.of(extra_dir)
    return " ".join(_read(_found(name, shelf, parts=True)).table.get("summary", "").split())


def load_preset(
    name: str | PathLike[str],
    *,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    add: Iterable[Step | Mapping[str, Any] | str] = (),
    drop: Iterable[str] = (),
    extra_dir: str | PathLike[str] | None = None,
) -> Spec:
    """Make the spec of a preset, with changes.

    Parameters
    ----------
    name
        One of :func:`preset_names`, or the path of a preset file (it ends in ``.toml``), which may extend its
        neighbours by name.
    overrides, seed, add, drop
        Changes, as in :meth:`Spec.edit <pytest_calsim.Spec.edit>`.
    extra_dir
        A folder of the user's own presets; they may extend the package's, and hide one of the same name.

    Raises
    ------
    SpecError
        For an unknown name (naming the nearest), a preset file that cannot be used (naming the file), or a change
        that does not fit.

    Examples
    --------
    >>> load_preset("tiny", overrides={"acquisition.duration_s": 1}, seed=3).seed
    3
    """
    text = _text_of(name)
    if text.endswith(".toml"):
        path = Path(text)
        shelf = _Shelf.of(extra_dir, path.parent)
    else:
        shelf = _Shelf.of(extra_dir)
        path = _found(text, shelf, parts=False)
    tree = _applied(path, shelf, _EMPTY, ())
    return _spec_of(tree, f"preset {text!r} ({path})", overrides=overrides, seed=seed, add=add, drop=drop)


def compose_presets(
    *names: str,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    add: Iterable[Step | Mapping[str, Any] | str] = (),
    drop: Iterable[str] = (),
    extra_dir: str | PathLike[str] | None = None,
) -> Spec:
    """Make one spec of several presets and parts, laid over each other in order as in a preset's ``extends``.

    Parameters
    ----------
    *names
        Presets (:func:`preset_names`) and parts (:func:`preset_parts`); the later one wins, key by key.
    overrides, seed, add, drop, extra_dir
        As in :func:`load_preset`.

    Raises
    ------
    SpecError
        As :func:`load_preset`; and when no name is given.

    Examples
    --------
    >>> spec = compose_presets("scopes/miniscope_v4", "regions/ca1", drop=["vasculature"])
    >>> "vasculature" in spec.kinds
    False
    """
    if not names:
        raise SpecError(f"compose_presets() has no name; give presets or parts: {', '.join(preset_parts(extra_dir))}")
    shelf = _Shelf.of(extra_dir)
    tree = _EMPTY
    for name in names:
        tree = _applied(_found(name, shelf, parts=True), shelf, tree, ())
    return _spec_of(tree, f"presets {' + '.join(names)}", overrides=overrides, seed=seed, add=add, drop=drop)


_EMPTY: dict[str, Any] = {"acquisition": {}, "steps": {}}


def _spec_of(
    tree: Mapping[str, Any],
    what: str,
    *,
    overrides: Mapping[str, Any] | None,
    seed: int | None,
    add: Iterable[Step | Mapping[str, Any] | str],
    drop: Iterable[str],
) -> Spec:
    data = {**tree, "steps": [{**table, "kind": kind} for kind, table in tree["steps"].items()]}
    steps = listed(add, "add")
    kinds = listed(drop, "drop")
    changed = bool(overrides or seed is not None or steps or kinds)
    try:
        with warnings.catch_warnings():
            if changed:  # a change may take away what the preset is warned of; the changed spec warns again
                warnings.simplefilter("ignore", SpecWarning)
            spec = Spec.make(data)
    except SpecError as error:
        raise SpecError(f"{what}: {error}") from None
    return spec.edit(overrides, seed=seed, add=steps, drop=kinds) if changed else spec


def _package_dir() -> Path:
    """Return the folder of the package's presets: inside the package in a wheel, next to it in a source tree."""
    shipped = _PACKAGE / "_presets"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "presets"


def _text_of(name: str | PathLike[str]) -> str:
    if not isinstance(name, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpecError(f"a preset is its name, such as 'tiny', or the path of its file, not {name!r}")
    return fspath(name)


def _found(name: str, shelf: _Shelf, *, parts: bool) -> Path:
    name = _text_of(name)
    path = shelf.find(name, parts=parts)
    if path is None:
        offered = shelf.names(parts=False) + (shelf.names(parts=True) if parts else [])
        raise SpecError(f"unknown preset {name!r}; {nearest(name, offered)}")
    return path


def _read(path: Path) -> _Preset:
    try:
        # Some editors put a byte order mark first.
        table = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise SpecError(f"preset file {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"preset file {path}: {' '.join(str(error).split())}") from None
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


def _applied(path: Path, shelf: _Shelf, tree: dict[str, Any], above: tuple[Path, ...]) -> dict[str, Any]:
    """Lay a preset file over ``tree``: first what the file extends, then what it drops, then its own tables."""
    chain = (*above, path)
    if path in above:
        raise SpecError(
            f"preset file {path}: presets extend each other in a circle, {' -> '.join(p.stem for p in chain)}: "
            "take one of these out of `extends`"
        )
    preset = _read(path)
    for base in preset.extends:
        found = shelf.find(base, parts=True)
        if found is None:
            offered = shelf.names(parts=False) + shelf.names(parts=True)
            raise SpecError(f"preset file {path}: extends unknown preset {base!r}; {nearest(base, offered)}")
        tree = _applied(found, shelf, tree, chain)
    steps = dict(tree["steps"])
    for kind in preset.drop:
        if kind not in steps:
            raise SpecError(f"preset file {path}: drops {kind!r}, which is not there; {nearest(kind, steps)}")
        del steps[kind]
    own = {key: preset.table[key] for key in ("seed", "acquisition", "steps") if key in preset.table}
    return _merged({**tree, "steps": steps}, own)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables key by key; anything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            merged[key] = _merged(cast("dict[str, Any]", under), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged
