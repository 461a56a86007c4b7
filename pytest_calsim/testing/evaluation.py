"""Match an estimate with the planted cells of a recording: for measures, and for plots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.recording.plots.truth_comparison import TruthComparison
from pytest_calsim.testing.background_cells import background_cells_of
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.frame_of_reference import FootprintShift, check_footprint_shift, true_displacements
from pytest_calsim.testing.inputs.matrices import as_shifts
from pytest_calsim.testing.inputs.types import FootprintsLike
from pytest_calsim.testing.matched_cells import MatchedCells, match_cells, matched_rows
from pytest_calsim.testing.planted_cells import PlantedCells, Units
from pytest_calsim.testing.scoring.bounds import check_bound
from pytest_calsim.testing.scoring.shifts import check_convention, compare_shifts
from pytest_calsim.testing.short_traceback import short_traceback

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.recording.truth import GroundTruth

__all__ = ["Evaluation", "check_estimate", "check_recording", "compare", "comparison_of"]


def check_estimate(given: object) -> None:
    """Refuse what a pipeline gives that returns nothing."""
    if given is None:
        raise EstimateError("None is no estimate: did the pipeline return it?")


def check_recording(recording: Recording) -> GroundTruth:
    """Return a recording's truth, or refuse what is no recording."""
    if not (hasattr(recording, "truth") and hasattr(recording, "frames")):
        raise EstimateError(
            f"recording is of type {type(recording).__name__}, which has no .truth to compare with: "
            "give the recording itself, and mind the order of the arguments"
        )
    return recording.truth


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An estimate, and which of its units is which planted cell.

    Attributes
    ----------
    found
        The estimate.
    recording
        The recording it was found in.
    units
        Which of the cells in the field of view count.
    min_iou
        Lowest IoU of a match, in [0, 1].
    footprint_shift
        Where the footprints lie.
    """

    found: Estimate
    recording: Recording
    units: Units
    min_iou: float
    footprint_shift: FootprintShift

    def __post_init__(self) -> None:
        check_bound("min_iou", self.min_iou)
        check_footprint_shift(self.footprint_shift)
        check_recording(self.recording)

    @classmethod
    def of(
        cls,
        estimate: Estimate | FootprintsLike,
        recording: Recording,
        *,
        units: Units,
        min_iou: float,
        footprint_shift: FootprintShift,
    ) -> Evaluation:
        """Read an estimate, or footprints in any form."""
        check_recording(recording)
        check_estimate(estimate)
        if not isinstance(estimate, Estimate):
            estimate = Estimate(estimate, image_shape=recording.frames.shape[1:])
        return cls(found=estimate, recording=recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)

    @cached_property
    def cells(self) -> PlantedCells:
        """The planted cells, and those that count."""
        return PlantedCells(self.recording.truth, self.units)

    @cached_property
    def matched(self) -> MatchedCells | None:
        """Footprints matched with all planted cells; ``None`` without footprints."""
        # Beside matched_footprints, which refuses: traces can be judged without footprints.
        return None if self.found.A is None else self.matched_footprints

    @cached_property
    def matched_footprints(self) -> MatchedCells:
        """Footprints matched with all planted cells.

        Raises
        ------
        EstimateError
            When there are none, they do not fit, or their frame of reference cannot be known.
        """
        return match_cells(
            self.found, self.recording, self.cells, min_iou=self.min_iou, footprint_shift=self.footprint_shift
        )

    @cached_property
    def background_cell_of(self) -> NDArray[np.intp]:
        """Background cell that each footprint lies on, −1 for none."""
        return background_cells_of(self.found, self.recording, self.matched_footprints, min_iou=self.min_iou)

    @cached_property
    def rows(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the estimate's traces, and the counted cells that they stand for."""
        return matched_rows(self.found, self.cells, self.matched)

    def check_counted(self) -> None:
        """Refuse to judge what nothing can be recovered of."""
        if not self.cells.n_counted:
            raise EstimateError(f"nothing to recover: {self.cells.describe(0)}")

    def notes(self) -> list[str]:
        """Say which frame of reference was used."""
        return [] if self.matched is None else self.matched.notes()

    def facts(self) -> dict[str, float]:
        """Return the frame of reference used, and the version of the rule that says which cells count."""
        frame = {} if self.matched is None else self.matched.facts()
        return frame | self.cells.facts()


@short_traceback
def compare(
    estimate: Estimate | FootprintsLike,
    recording: Recording,
    *,
    min_iou: float = 0.5,
    units: Units = "detectable",
    footprint_shift: FootprintShift = "auto",
) -> TruthComparison:
    """Match an estimate with the planted cells as the assertions do, for ``recording.plot``.

    Parameters
    ----------
    estimate
        An :class:`~pytest_calsim.Estimate`, or footprints in any form.
    recording
        The recording it was found in.
    min_iou
        Lowest IoU of a match, in [0, 1].
    units, footprint_shift
        As in :func:`~pytest_calsim.assert_footprints_recovered`.

    Returns
    -------
    TruthComparison
        Which cells were found and missed, which estimates are spurious or ignored, and what of it lies where.

    Raises
    ------
    EstimateError
        When the estimate or an argument cannot be read, or the two cannot be matched.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny"))
    >>> compare(recording.truth.A_observed[2:9], recording)
    <TruthComparison: 4 found, 4 missed, 0 spurious, 3 ignored>
    """
    of = Evaluation.of(estimate, recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)
    return comparison_of(of)


def comparison_of(of: Evaluation) -> TruthComparison:
    """Gather what plots show of an evaluation; errors as :func:`compare`."""
    found = of.found
    shifts = None
    if found.shifts is not None:
        true = true_displacements(of.recording)
        given = as_shifts(found.shifts, n_frames=len(true))
        shifts = true + compare_shifts(given, true, convention=check_convention(found.convention)).error_px
    if of.matched is not None:
        return TruthComparison(
            of.cells.counted,
            of.matched.scores.cell_of,
            footprints=of.matched.given,
            offset_px=of.matched.frame.offset_px,
            shifts=shifts,
            C=found.C,
            S=found.S,
            background_cell_of=of.background_cell_of,
        )
    cell_of = np.full(found.n_units, -1, np.intp)
    if found.n_units:
        rows, ids = of.rows
        cell_of[rows] = ids
    return TruthComparison(of.cells.counted, cell_of, shifts=shifts, C=found.C, S=found.S)
