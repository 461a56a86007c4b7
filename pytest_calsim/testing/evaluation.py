"""Match an estimate with the planted cells of a recording, as every measure of cells begins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.background_cells import background_cells_of
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.frame_of_reference import FootprintShift
from pytest_calsim.testing.inputs.types import FootprintsLike
from pytest_calsim.testing.matched_cells import MatchedCells, match_cells, matched_rows
from pytest_calsim.testing.planted_cells import PlantedCells, Units
from pytest_calsim.testing.scoring.bounds import check_bound

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.recording.truth import GroundTruth

__all__ = ["Evaluation", "check_estimate", "check_recording"]


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
        found = estimate if isinstance(estimate, Estimate) else Estimate(estimate, picture=recording.frames.shape[1:])
        return cls(found=found, recording=recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)

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
