"""Explain why a pipeline missed a cell: take one cause at a time out of the movie, and run the pipeline again."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_calsim.errors import CalsimWarning, EstimateError, SpecError
from pytest_calsim.recording.counterfactual import silenced, with_cells
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells.planted_cells import Cells
from pytest_calsim.testing.evaluation import check_recording
from pytest_calsim.testing.relations.clause import NotApplicableError
from pytest_calsim.testing.relations.outcome import MIN_IOU, Outcome, Run, check_run
from pytest_calsim.testing.relations.relation import brighter
from pytest_calsim.testing.scorecard import Table
from pytest_calsim.testing.short_traceback import short_traceback

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["CAUSES", "Blame", "Cause", "explain_miss"]

_MOST_LIGHT = 64.0
"""Shot noise is then an eighth of what it was."""
_FULLEST_WELL_E = 1e5


@dataclass(frozen=True)
class Cause:
    """What may hide a cell.

    Attributes
    ----------
    name
        In a word or two.
    without
        Renders the recording of a unit again without it.
    """

    name: str
    without: Callable[[Recording, int], Recording]


@dataclass(frozen=True)
class Blame:
    """What :func:`explain_miss` found; ``print`` it.

    Attributes
    ----------
    unit
        The planted cell that was missed.
    iou
        IoU of the best estimate of it.
    without
        The same without each cause, by the cause's name.
    not_applicable
        Why a cause was not tried, by its name.
    """

    unit: int
    iou: float
    without: dict[str, float]
    not_applicable: dict[str, str]

    @property
    def causes(self) -> tuple[str, ...]:
        """What lets the cell be found when it alone is taken away, the largest gain first; more than one is a tie.

        Where a background's shot noise hides the cell, ``background`` and ``too little light`` are both listed; where
        what moves in it does, ``background`` alone. Empty where no single one decides.
        """
        found = [name for name, iou in self.without.items() if iou >= MIN_IOU]
        return tuple(sorted(found, key=lambda name: -self.without[name]))

    def __str__(self) -> str:
        if not self.causes:
            said = "no single cause: without any one of them it is missed as well"
        else:
            said = " or ".join(self.causes)
        rows = [
            (name, f"{iou:.2f}", "found" if iou >= MIN_IOU else "missed")
            for name, iou in sorted(self.without.items(), key=lambda item: -item[1])
        ]
        rows += [(name, "-", why) for name, why in self.not_applicable.items()]
        table = Table("without", ("cause", "IoU", ""), tuple(rows), len(rows))
        return f"unit {self.unit} was missed (best IoU {self.iou:.2f}) for: {said}\n{table}"


@short_traceback
def explain_miss(run: Run, recording: Recording, unit: int) -> Blame:
    """Find out why a pipeline misses a cell, by counterfactuals.

    The recording is rendered again without one cause at a time, with the very same cells, activity and noise
    otherwise, and the pipeline is run on it. Each cause without which the cell is found is to blame.

    Parameters
    ----------
    run
        The pipeline, as :class:`~pytest_calsim.PipelineContract` takes it.
    recording
        The recording in which it misses the cell, as it was simulated.
    unit
        The planted cell.

    Returns
    -------
    Blame
        The causes: ``louder neighbour``, ``motion``, ``too little light``, ``background``, ``out of focus``,
        ``vessels``.

    Raises
    ------
    EstimateError
        When there is no such cell, or it is found.
    RecoveryError
        When the pipeline fails on one of these movies.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny"))
    >>> def never_finds_number_3(recording):
    ...     return recording.truth.A_observed[[0, 1, 2, 4]]
    >>> print(explain_miss(never_finds_number_3, recording, 3).causes)
    ()
    """
    check_run(run)
    truth = check_recording(recording)
    if not (isinstance(unit, int | np.integer) and 0 <= unit < truth.n_units):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise EstimateError(f"unit {unit!r} is out of range: the planted cells are 0 to {truth.n_units - 1}")
    iou = _iou(Outcome.of(run, recording), unit)
    if iou >= MIN_IOU:
        raise EstimateError(f"unit {unit} is found, with an IoU of {iou:.2f}: there is no miss to explain")
    without: dict[str, float] = {}
    not_applicable: dict[str, str] = {}
    for cause in CAUSES:
        try:
            with warnings.catch_warnings():
                # What is odd about a movie without a cause is meant to be.
                warnings.simplefilter("ignore", CalsimWarning)
                changed = cause.without(recording, unit)
        except (NotApplicableError, SpecError) as error:
            not_applicable[cause.name] = str(error)
            continue
        without[cause.name] = _iou(Outcome.of(run, changed), unit)
    return Blame(unit, iou, without, not_applicable)


def _iou(outcome: Outcome, unit: int) -> float:
    """Return the largest IoU of a cell with an estimate that is not another cell's."""
    scores = outcome.matched.scores
    own = (scores.cell_of == unit) | (scores.cell_of < 0)
    return float(np.max(scores.overlaps.iou[own, unit], initial=0.0))


def _no_neighbour(recording: Recording, unit: int) -> Recording:
    """Darken the cell that adds most light where the missed one is."""
    A = recording.truth.A_observed
    if A is None:
        raise NotApplicableError("the cells have no images")
    pixels, values = A.unit(unit)
    picture = np.zeros(A.shape[1:])
    picture.ravel()[pixels] = values
    light = A.sums(picture) * recording.truth["largest_transient"].values
    light[unit] = 0.0
    if not light.max() > 0:
        raise NotApplicableError("no other cell's light reaches it")
    return silenced(recording, [int(light.argmax())])


def _still(recording: Recording, unit: int) -> Recording:
    return _again(recording, recording.spec.edit(drop=_there(recording, "brain_motion")))


def _more_light(recording: Recording, unit: int) -> Recording:
    """Give as much light as the largest well holds."""
    times = min(_MOST_LIGHT, _FULLEST_WELL_E / recording.spec.acquisition.image_sensor.full_well_e)
    return _again(recording, brighter(recording.spec, times))


def _no_background(recording: Recording, unit: int) -> Recording:
    return _again(recording, recording.spec.edit(drop=_there(recording, "neuropil", "background_cells")))


def _in_focus(recording: Recording, unit: int) -> Recording:
    truth = recording.truth
    acquisition = recording.spec.acquisition
    radius = np.hypot(truth["y_um"].values[unit], truth["x_um"].values[unit])
    depth = truth["depth_um"].values[unit] + acquisition.curvature_shift_um(np.asarray(radius))
    return _again(recording, recording.spec.edit({"acquisition.focal_depth_um": float(depth)}))


def _no_vessels(recording: Recording, unit: int) -> Recording:
    return _again(recording, recording.spec.edit(drop=_there(recording, "vasculature")))


def _there(recording: Recording, *kinds: str) -> list[str]:
    """Return the kinds, of some steps, that the recording has."""
    found = [kind for kind in kinds if kind in recording.spec.kinds]
    if not found:
        raise NotApplicableError(f"the spec has no {' or '.join(map(repr, kinds))}")
    return found


def _again(recording: Recording, spec: Spec) -> Recording:
    """Simulate a changed spec with the very same cells, also where a population's ``snr`` would make them others."""
    changed = simulate(spec)
    cells = recording.scene.require(Cells)
    step: Any = spec.step("place_neurons")
    if all(population.snr is None for population in step.populations):
        return changed
    return with_cells(changed, cells, "with the cells of another recording")


CAUSES = (
    Cause("louder neighbour", _no_neighbour),
    Cause("motion", _still),
    Cause("too little light", _more_light),
    Cause("background", _no_background),
    Cause("out of focus", _in_focus),
    Cause("vessels", _no_vessels),
)
"""What may hide a cell."""
