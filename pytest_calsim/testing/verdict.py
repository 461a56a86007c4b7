"""From a scorecard to a passed or failed test."""

from __future__ import annotations

from pytest_calsim.errors import RecoveryError
from pytest_calsim.testing.scorecard import Scorecard, publish

__all__ = ["judge"]


def judge(card: Scorecard) -> Scorecard:
    """Publish a scorecard, and raise if a bound is missed.

    Raises
    ------
    RecoveryError
        It carries the card.
    """
    publish(card)
    if not card.passed:
        raise RecoveryError(str(card), card)
    return card
