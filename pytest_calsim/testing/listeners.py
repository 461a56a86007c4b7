"""Who listens to scorecards. Apart from them, as every run of pytest imports this module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["publish", "subscribe"]

_LISTENERS: list[Callable[[Scorecard], None]] = []


def subscribe(listener: Callable[[Scorecard], None]) -> Callable[[], None]:
    """Call ``listener`` with every scorecard, passed or failed, from now on; the returned function ends that."""
    _LISTENERS.append(listener)

    def unsubscribe() -> None:
        if listener in _LISTENERS:
            _LISTENERS.remove(listener)

    return unsubscribe


def publish(card: Scorecard) -> Scorecard:
    """Hand a scorecard to all listeners."""
    for listener in tuple(_LISTENERS):
        listener(card)
    return card
