"""What Hypothesis calls when it is imported."""

from __future__ import annotations

__all__ = ["register"]


def register() -> None:
    """Let ``st.from_type`` know the types of pytest-calsim."""
