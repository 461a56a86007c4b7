"""Hold what a pipeline found in a recording, and check that it can be right at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError, RecoveryError
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.evaluation import check_estimate, check_recording
from pytest_calsim.testing.inputs.types import FootprintsLike
from pytest_calsim.testing.matched_cells import MatchedCells, match_cells
from pytest_calsim.testing.planted_cells import PlantedCells
from pytest_calsim.testing.scorecard import Check, Scorecard
from pytest_calsim.testing.verdict import judge

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["MIN_IOU", "Outcome", "Run", "check_outcomes", "check_run"]

Run: TypeAlias = "Callable[..., Estimate | FootprintsLike]"
"""A pipeline: takes a :class:`~pytest_calsim.Recording` and gives what it found, an Estimate or footprints.

It may look at ``recording.observed`` and ``recording.spec.acquisition``. One that has a parameter ``workers`` is also
run with other numbers of them.
"""

MIN_IOU = 0.5
"""An estimate is a cell's from this IoU on."""


def check_run(run: object) -> None:
    """Refuse what cannot be called as a pipeline."""
    if not callable(run):
        raise EstimateError(f"run = {run!r} must be a function that takes a Recording and gives an Estimate")


def check_outcomes(*given: object) -> None:
    """Refuse what is no Outcome, such as an estimate alone."""
    for each in given:
        if not isinstance(each, Outcome):
            raise EstimateError(
                f"a result is an Outcome(estimate, recording), not of type {type(each).__name__}: relations need the "
                "recording as well"
            )


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a pipeline found in a recording.

    Attributes
    ----------
    estimate
        What was found.
    recording
        The recording it was found in.

    Raises
    ------
    EstimateError
        When this is no recording.
    """

    estimate: Estimate
    recording: Recording

    def __post_init__(self) -> None:
        check_recording(self.recording)

    @classmethod
    def of(cls, run: Run, recording: Recording, *, workers: int | None = None) -> Outcome:
        """Run a pipeline, and hold it to what must always be: no exception, finite, not negative, of the right shape.

        Parameters
        ----------
        run
            The pipeline.
        recording
            What it is run on.
        workers
            Passed on to it where given.

        Raises
        ------
        RecoveryError
            When any of that is not so. The pipeline's own exception is its cause.
        """
        try:
            found = run(recording) if workers is None else run(recording, workers=workers)
        except Exception as error:
            raise _broken(recording, f"it raised {type(error).__name__}: {error}") from error
        frames, height, width = recording.frames.shape
        try:
            check_estimate(found)
            estimate = found if isinstance(found, Estimate) else Estimate(A=found, image_shape=(height, width))
            if estimate.A is not None:
                estimate.footprints_on((height, width))
        except EstimateError as error:
            raise _broken(recording, str(error)) from error
        for name in ("C", "S"):
            rows: NDArray[np.float64] | None = getattr(estimate, name)
            if rows is not None and rows.shape[1] != frames:
                raise _broken(recording, f"{name} has {rows.shape[1]} frames of {frames}", estimate)
        if estimate.S is not None and estimate.S.size and estimate.S.min() < 0:
            raise _broken(recording, f"S has values below zero, down to {estimate.S.min():.3g}", estimate)
        if estimate.shifts is not None and len(estimate.shifts) != frames:
            raise _broken(recording, f"shifts has {len(estimate.shifts)} frames of {frames}", estimate)
        return cls(estimate, recording)

    @cached_property
    def cells(self) -> PlantedCells:
        """The planted cells, of which those that are detectable here count."""
        return PlantedCells(self.recording.truth, "detectable")

    @cached_property
    def matched(self) -> MatchedCells:
        """Matching of estimates with planted cells."""
        return match_cells(self.estimate, self.recording, self.cells, min_iou=MIN_IOU, footprint_shift="auto")

    @property
    def estimate_of(self) -> NDArray[np.intp]:
        """Each planted cell's estimate, −1 for none."""
        return self.matched.scores.estimate_of

    @property
    def found(self) -> NDArray[np.bool_]:
        """Planted cells that were found, whether or not they count."""
        return self.estimate_of >= 0

    @property
    def made_up(self) -> SparseFootprints:
        """The estimates that match no planted cell."""
        return self.matched.given[self.matched.scores.spurious]


def _broken(recording: Recording, why: str, estimate: Estimate | None = None) -> RecoveryError:
    """Make the error that says that a result can in no way be right."""
    check = Check("broken", 1.0, 0.0, at_most=True, words=why)
    card = Scorecard("result", [check], notes=[str(recording)[1:-1]], words=("can be right", "can NOT be right"))
    try:
        judge(card, Estimate() if estimate is None else estimate, recording)
    except RecoveryError as error:
        return error
    raise AssertionError("a broken result passed")
