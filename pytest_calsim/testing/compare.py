"""Match an estimate with the truth, for plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_calsim.recording.plots.comparison import Comparison
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.evaluation import Evaluation
from pytest_calsim.testing.frame_of_reference import FootprintShift, true_displacements
from pytest_calsim.testing.inputs.matrices import as_shifts
from pytest_calsim.testing.inputs.types import FootprintsLike
from pytest_calsim.testing.planted_cells import Units
from pytest_calsim.testing.scoring.shifts import check_convention, compare_shifts
from pytest_calsim.testing.short_traceback import short_traceback

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["compare", "comparison_of"]


@short_traceback
def compare(
    estimate: Estimate | FootprintsLike,
    recording: Recording,
    *,
    min_iou: float = 0.5,
    units: Units = "detectable",
    footprint_shift: FootprintShift = "auto",
) -> Comparison:
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
    Comparison
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
    <Comparison: 4 found, 4 missed, 0 spurious, 3 ignored>
    """
    of = Evaluation.of(estimate, recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)
    return comparison_of(of)


def comparison_of(of: Evaluation) -> Comparison:
    """Gather what plots show of an evaluation; errors as :func:`compare`."""
    found = of.found
    shifts = None
    if found.shifts is not None:
        true = true_displacements(of.recording)
        given = as_shifts(found.shifts, n_frames=len(true))
        shifts = true + compare_shifts(given, true, convention=check_convention(found.convention)).error_px
    if of.matched is not None:
        return Comparison(
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
    return Comparison(of.cells.counted, cell_of, shifts=shifts, C=found.C, S=found.S)
