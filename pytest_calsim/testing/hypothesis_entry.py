"""How Hypothesis learns the types of pytest-calsim, without importing more than is there already.

Hypothesis calls :func:`register` when it is imported, and the package when it gives out a public name. Whichever comes
last finds the other there.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["register"]


def register() -> None:
    """Let ``st.from_type`` draw specs and acquisitions, once both sides are imported."""
    spec = sys.modules.get("pytest_calsim.spec.spec")
    acquisition = sys.modules.get("pytest_calsim.microscope.acquisition")
    if "hypothesis" not in sys.modules or not hasattr(spec, "Spec"):
        return
    from hypothesis.strategies import register_type_strategy

    def specs(_: type) -> Any:
        # Here, as the strategies import every step: that is for those who draw specs.
        from pytest_calsim.testing import strategies

        return strategies.specs()

    def acquisitions(_: type) -> Any:
        from pytest_calsim.testing import strategies

        return strategies.acquisitions()

    register_type_strategy(spec.Spec, specs)  # pyright: ignore
    register_type_strategy(acquisition.Acquisition, acquisitions)  # pyright: ignore
