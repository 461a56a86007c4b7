"""All that can be scored of an estimate, in one call and without bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.background import measure_background
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.evaluation import Evaluation
from pytest_calsim.testing.frame_of_reference import FootprintShift
from pytest_calsim.testing.inputs.types import FootprintsLike
from pytest_calsim.testing.measures import (
    FootprintBounds,
    SpikeBounds,
    TraceBounds,
    measure_footprints,
    measure_shifts,
    measure_spikes,
    measure_traces,
)
from pytest_calsim.testing.planted_cells import Units
from pytest_calsim.testing.scorecard import Scorecard
from pytest_calsim.testing.scoring.bounds import check_finite, check_tolerance
from pytest_calsim.testing.scoring.shifts import check_convention
from pytest_calsim.testing.short_traceback import short_traceback

if TYPE_CHECKING:
    import pandas as pd

    from pytest_calsim.recording.recording import Recording

__all__ = ["Scores", "score", "scores_of"]


@dataclass(frozen=True, eq=False)
class Scores:
    """What :func:`score` measured; ``print`` it, or take ``as_dict`` and ``to_pandas``.

    Attributes
    ----------
    cards
        One scorecard for each kind of result, without bounds.
    skipped
        Why a kind of result could not be scored, by kind.
    """

    cards: tuple[Scorecard, ...]
    skipped: Mapping[str, str]

    def __str__(self) -> str:
        left_out = [f"{name} not scored: {reason}" for name, reason in self.skipped.items()]
        return "\n".join([*map(str, self.cards), *left_out])

    def as_dict(self) -> dict[str, float | int | str | bool]:
        """Return every number under a flat name: ``footprints.recall``, ``shifts.rmse_px``, ..."""
        return {name: value for card in self.cards for name, value in card.as_dict().items()}

    def to_pandas(self) -> pd.DataFrame:
        """Return a table of one row, one column for every number; ``pandas.concat`` puts recordings together."""
        import pandas as pd

        return pd.DataFrame([self.as_dict()])


@short_traceback
def score(
    estimate: Estimate | FootprintsLike,
    recording: Recording,
    *,
    min_iou: float = 0.5,
    tol_frames: int = 2,
    spike_thresh: float = 0.0,
    units: Units = "detectable",
    footprint_shift: FootprintShift = "auto",
) -> Scores:
    """Measure all that an estimate has: footprints, shifts, traces, spikes and background. Nothing is demanded.

    Parameters
    ----------
    estimate
        An :class:`~pytest_calsim.Estimate`, or footprints in any form.
    recording
        The recording it was found in.
    min_iou
        Lowest IoU of a match, in [0, 1].
    tol_frames, spike_thresh
        As in :func:`~pytest_calsim.assert_spikes_recovered`.
    units, footprint_shift
        As in :func:`~pytest_calsim.assert_footprints_recovered`.

    Returns
    -------
    Scores
        What the recording's truth or the estimate lacks is in ``skipped``, with the reason.

    Raises
    ------
    EstimateError
        When the estimate or an argument cannot be read, or there is nothing in it.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny", overrides={"acquisition.duration_s": 5}))
    >>> found = score(Estimate(A=recording.truth.A_observed, C=recording.truth.C), recording, units="all")
    >>> numbers = found.as_dict()
    >>> numbers["footprints.recall"], numbers["footprints.precision"], round(numbers["traces.pearson"], 6)
    (1.0, 1.0, 1.0)
    """
    check_tolerance(tol_frames)
    check_finite("spike_thresh", spike_thresh)
    of = Evaluation.of(estimate, recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)
    return scores_of(of, tol_frames=tol_frames, spike_thresh=spike_thresh)


def scores_of(of: Evaluation, *, tol_frames: int = 2, spike_thresh: float = 0.0) -> Scores:
    """Measure all that an evaluation's estimate has; parameters and errors as :func:`score`."""
    found = of.found
    if found.n_units == 0 and found.A is None and found.shifts is None and found.background is None:
        raise EstimateError("nothing to score: this Estimate is of nothing")
    if found.A is not None:
        found.footprints_on(of.recording.frames.shape[1:])  # refuses what does not fit at all
    if found.n_units or found.A is not None:
        _ = of.cells  # refuses units that the truth does not know
    cards: list[Scorecard] = []
    skipped: dict[str, str] = {}
    for name, measure in _measures(of, tol_frames=tol_frames, spike_thresh=spike_thresh).items():
        try:
            cards.append(measure())
        except EstimateError as error:
            skipped[name] = str(error)
    return Scores(tuple(cards), skipped)


def _measures(of: Evaluation, *, tol_frames: int, spike_thresh: float) -> dict[str, Callable[[], Scorecard]]:
    """Return what can be measured of an estimate, by name."""
    found = of.found
    recording = of.recording
    measures: dict[str, Callable[[], Scorecard]] = {}
    if found.shifts is not None:
        shifts = found.shifts
        measures["shifts"] = lambda: measure_shifts(shifts, recording, convention=check_convention(found.convention))
    if found.A is not None:
        measures["footprints"] = lambda: measure_footprints(of, FootprintBounds())
    if found.C is not None:
        measures["traces"] = lambda: measure_traces(of, TraceBounds())
    if found.S is not None:
        measures["spikes"] = lambda: measure_spikes(of, SpikeBounds(), tol_frames=tol_frames, spike_thresh=spike_thresh)
    if found.background is not None:
        measures["background"] = lambda: measure_background(found, recording, footprint_shift=of.footprint_shift)
    return measures
