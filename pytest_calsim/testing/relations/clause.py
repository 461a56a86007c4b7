"""Define the clauses of a contract, each with its name, its reason and its check."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pytest_calsim.errors import CalsimWarning, SpecError
from pytest_calsim.spec.spec import Spec
from pytest_calsim.testing.relations.outcome import Outcome, Run

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.testing.scorecard import Scorecard

__all__ = ["Change", "Clause", "NotApplicableError", "Trial", "made"]

Change: TypeAlias = "Callable[[Recording, Callable[[Spec], Recording]], Recording]"
"""Makes a changed recording of another, with the help of what makes recordings of specs."""


class NotApplicableError(Exception):
    """Tell why a clause says nothing of a pipeline or a recording."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What a clause is checked with.

    Attributes
    ----------
    run
        The pipeline.
    baseline
        Gives what it found in the recording as it is; it is run when this is first asked for.
    recording
        The recording that a clause changes.
    record
        Makes a recording of a spec.
    """

    run: Run
    baseline: Callable[[], Outcome]
    recording: Recording
    record: Callable[[Spec], Recording]


class Clause(Protocol):
    """One thing that a pipeline promises."""

    @property
    def name(self) -> str:
        """The promise in a word or two, which stands in the test's id."""
        ...

    @property
    def reason(self) -> str:
        """Why it must be so."""
        ...

    def check(self, trial: Trial) -> Scorecard | None:
        """Hold a pipeline to it; raise ``NotApplicableError`` where it says nothing, ``RecoveryError`` where broken."""
        ...


def made(change: Change, trial: Trial) -> Recording:
    """Make the changed recording without its soft warnings, as its oddities are meant.

    Raises
    ------
    NotApplicableError
        When it cannot be made of this one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        try:
            return change(trial.recording, trial.record)
        except SpecError as error:
            raise NotApplicableError(f"cannot be made of this recording: {error}") from None
