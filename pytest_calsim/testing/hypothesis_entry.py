"""Register the types of pytest-calsim with Hypothesis, without importing more than is imported already.

Hypothesis calls :func:`register` when it is imported, and the packages when they give out a public name. Whichever
comes last finds the other there.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

__all__ = ["register"]

_REGISTERED: set[type] = set()


def register(*models: object) -> None:
    """Let ``st.from_type`` draw some models, and all that this package has, once both sides are imported.

    Parameters
    ----------
    *models
        Classes that were just given out; what is no model is left alone.
    """
    if "hypothesis" not in sys.modules:
        return
    from hypothesis.strategies import register_type_strategy

    base = sys.modules.get("pytest_calsim.microscope.units")
    frozen = getattr(base, "Frozen", None)
    if frozen is None:
        return
    for model in {*models, *_all_below(frozen)}:
        if isinstance(model, type) and issubclass(model, frozen) and model not in _REGISTERED:
            _REGISTERED.add(model)
            register_type_strategy(model, _strategy_of)  # pyright: ignore


def _all_below(model: type) -> list[type]:
    """Return the subclasses of a class, and theirs."""
    return [found for below in model.__subclasses__() for found in (below, *_all_below(below))]


def _strategy_of(model: type) -> Any:
    # By name, as the strategies import every step: that is for those who draw specs.
    return import_module("pytest_calsim.testing.strategies").of_type(model)
