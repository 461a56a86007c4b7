"""Find step classes by kind: the package's own, and those of other packages.

A module of the package has the name of the kind of the step in it; so a kind is found without importing all steps.
"""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from pytest_calsim.errors import nearest
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.step import Step, dependencies

__all__ = ["code_version", "either", "step_class", "step_classes", "unknown_kind"]

_STEPS = Path(__file__).parent


def step_class(kind: str) -> type[Step] | None:
    """Return the step class of a kind, or ``None``.

    It imports the module of that step alone, so that reading a spec stays cheap.
    """
    if kind not in Step.known:
        module = _own_modules().get(kind)
        if module is not None:
            import_module(module)
        else:
            _load_foreign()
    return Step.known.get(kind)


def step_classes() -> Mapping[str, type[Step]]:
    """Return every step class by kind: the package's own, and those of other packages.

    A step of another package is known once its module is imported. A module that its package names under the entry
    point group ``pytest_calsim.steps`` is imported here.
    """
    for module in _own_modules().values():
        import_module(module)
    _load_foreign()
    return types.MappingProxyType(Step.known)


def unknown_kind(kind: str) -> str:
    """Return what to say of a kind that no step has."""
    hint = nearest(kind, step_classes())
    if hint.startswith("known"):
        hint += "; a step of your own is known once its module is imported"
    return f"unknown step kind {kind!r}; {hint}"


def code_version(step: type[Step]) -> int | str:
    """Return what stands for a step's code in the cache key.

    The package's own steps are told apart by their ``version``. Steps of other packages are told apart by name and
    source as well: their authors may forget to raise the version, and two projects that share a cache may have
    different steps of one kind.
    """
    if step.__module__.startswith(f"{__package__}."):
        return step.version
    return f"{step.version} {step.__module__}.{step.__qualname__} {_source_digest(step.__module__)}"


@cache
def _source_digest(module: str) -> str:
    """Digest the source file of a module; that of an empty file if it has none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    source = Path(file).read_bytes() if file is not None and Path(file).is_file() else b""
    return hashlib.sha256(source).hexdigest()


@cache
def _own_modules() -> Mapping[str, str]:
    """List the modules of the package's steps by their last name, which is the kind of the step in them."""
    modules = {path.stem: path.relative_to(_STEPS).with_suffix("") for path in _STEPS.glob("*/*.py")}
    return {kind: ".".join([str(__package__), *path.parts]) for kind, path in modules.items() if kind != "__init__"}


@cache
def _load_foreign() -> None:
    """Import the steps that other packages name as entry points, once."""
    for entry in entry_points(group="pytest_calsim.steps"):
        entry.load()


def either(artifact: type[Artifact]) -> str:
    """Return the kinds of step that provide an artifact, in words: ``'render'``, or ``'a' or 'b'``."""
    makers = [kind for kind, step in step_classes().items() if issubclass(dependencies(step).provides, artifact)]
    return " or ".join(map(repr, sorted(makers)))
