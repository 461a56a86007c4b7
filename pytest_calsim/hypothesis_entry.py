"""How Hypothesis learns the types of pytest-calsim, without importing more than is there already.

Hypothesis calls :func:`register` when it is imported, ``pytest_calsim.spec`` when *it* is: whichever comes last finds
the other there, and tells.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["register"]


def register() -> None:
    """Let ``st.from_type`` draw specs and acquisitions, once both sides are imported."""
    spec, acquisition = sys.modules.get("pytest_calsim.spec"), sys.modules.get("pytest_calsim.acquisition")
    if "hypothesis" not in sys.modules or not hasattr(spec, "Spec"):
        return
    from hypothesis.strategies import register_type_strategy

    def specs(_: type) -> Any:
        from pytest_calsim import strategies

        return strategies.specs()

    def acquisitions(_: type) -> Any:
        from pytest_calsim import strategies

        return strategies.acquisitions()

    register_type_strategy(spec.Spec, specs)  # pyright: ignore
    register_type_strategy(acquisition.Acquisition, acquisitions)  # pyright: ignore
