"""Which step classes there are, by kind: the package's own, and those of other packages."""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.step import Step, dependencies

__all__ = ["code_version", "either", "step_class", "step_classes"]

_STEPS = Path(__file__).parent


def step_class(kind: str) -> type[Step] | None:
    """The step class of a kind, or ``None``. Imports no more than it must: reading a spec stays cheap."""
    if kind not in Step.known:
        module = _own_modules().get(kind)
        if module is not None:
            import_module(module)
        else:
            _load_foreign()
    return Step.known.get(kind)


def step_classes() -> Mapping[str, type[Step]]:
    """Every known step class by kind: the package's own, and those of other packages.

    Another package's steps are known once imported; naming their module under the entry-point group
    ``pytest_calsim.steps`` makes that happen by itself.
    """
    for module in _own_modules().values():
        import_module(module)
    _load_foreign()
    return types.MappingProxyType(Step.known)


def code_version(step: type[Step]) -> int | str:
    """What stands for a step's code in the cache key.

    The package's own steps are told apart by their ``version``; those of others, whose authors may forget to raise
    it, or give two steps one kind in two projects that share a cache, by name and source too.
    """
    if step.__module__.startswith(f"{__package__}."):
        return step.version
    return f"{step.version} {step.__module__}.{step.__qualname__} {_source_digest(step.__module__)}"


@cache
def _source_digest(module: str) -> str:
    file = getattr(sys.modules.get(module), "__file__", None)
    source = Path(file).read_bytes() if file is not None and Path(file).is_file() else b""
    return hashlib.sha256(source).hexdigest()


@cache
def _own_modules() -> Mapping[str, str]:
    """Modules of the package's steps by their last name, which is the kind of the step in them."""
    modules = {path.stem: path.relative_to(_STEPS).with_suffix("") for path in _STEPS.glob("*/*.py")}
    return {kind: ".".join([str(__package__), *path.parts]) for kind, path in modules.items() if kind != "__init__"}


@cache
def _load_foreign() -> None:
    for entry in entry_points(group="pytest_calsim.steps"):
        entry.load()


def either(artifact: type[Artifact]) -> str:
    """Return the kinds of step that provide an artifact as words: ``'render'``, or ``'a' or 'b'``."""
    makers = [kind for kind, step in step_classes().items() if issubclass(dependencies(step).provides, artifact)]
    return " or ".join(map(repr, sorted(makers)))
