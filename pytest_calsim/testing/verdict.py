"""From a scorecard to a passed or failed test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_calsim.errors import RecoveryError
from pytest_calsim.testing.scorecard import Scorecard, publish

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.testing.estimate import Estimate

__all__ = ["judge"]


def judge(
    card: Scorecard,
    estimate: Estimate,
    recording: Recording,
    baseline: tuple[Estimate, Recording] | None = None,
) -> Scorecard:
    """Publish a scorecard together with the spec it belongs to, and raise if a bound is missed.

    Raises
    ------
    RecoveryError
        It carries the card and what was judged.
    """
    card = publish(replace(card, spec=recording.spec))
    if not card.passed:
        raise RecoveryError(str(card), card, estimate=estimate, recording=recording, baseline=baseline)
    return card
