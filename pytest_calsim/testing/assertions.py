"""Assertions on what a pipeline recovered. They work with and without pytest running.

Each returns its :class:`~pytest_calsim.testing.scorecard.Scorecard`, or raises
:class:`~pytest_calsim.errors.RecoveryError` that carries it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.evaluation import Evaluation, check_estimate, check_recording
from pytest_calsim.testing.frame_of_reference import FootprintShift
from pytest_calsim.testing.inputs.types import FootprintsLike, MatrixLike
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
from pytest_calsim.testing.scoring.bounds import check_bound, check_finite, check_tolerance
from pytest_calsim.testing.scoring.shifts import Convention, Origin, check_convention, check_origin
from pytest_calsim.testing.short_traceback import short_traceback
from pytest_calsim.testing.verdict import judge

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = [
    "assert_footprints_recovered",
    "assert_shifts_recovered",
    "assert_spikes_recovered",
    "assert_traces_recovered",
]


@short_traceback
def assert_footprints_recovered(
    estimate: Estimate | FootprintsLike,
    recording: Recording,
    *,
    min_recall: float,
    min_precision: float,
    min_iou: float = 0.5,
    min_mean_iou: float | None = None,
    max_offset_px: float | Literal["auto"] | None = "auto",
    units: Units = "detectable",
    footprint_shift: FootprintShift = "auto",
) -> Scorecard:
    """Assert that enough cells were found, and few made up.

    Footprints are compared as masks that hold 0.9 of their energy, with ``truth.A_observed``: what optics leave of a
    cell is what a pipeline can recover. Estimates are matched one to one against all planted cells.

    Parameters
    ----------
    estimate
        Footprints ``(unit_id, height, width)`` in any form, or an :class:`~pytest_calsim.Estimate` with A.
    recording
        The recording they were found in.
    min_recall
        Lowest share of the cells in ``units`` to be found, in [0, 1].
    min_precision
        Lowest share of true estimates, in [0, 1]. One that matches a planted cell outside ``units`` is neither true nor
        false. Nor is one on a background cell: its centre lies in that cell's disk of confusion, and its trace
        correlates with the cell's course by 0.5 or more (10/√frames in short recordings) or, without traces, its mask
        with the disk has an IoU of ``min_iou``. Nor is one on a cell that motion carries out of the picture, which may
        show no more than a part of it: at least ``min_iou`` of the estimate lies in the cell. Nor is one that is zero
        everywhere.
    min_iou
        Lowest intersection over union of a match, in [0, 1].
    min_mean_iou
        Lowest mean IoU of the cells found, in [0, 1].
    max_offset_px
        Highest distance of the cells found, as a whole, from where they are in the frame of reference, px: the median
        over the cells. It catches what an IoU hardly sees: half a pixel. ``"auto"``: 0.2 px and twice the median's
        standard error, where at least five cells were found. ``None``: any.
    units
        Which of the cells in the field of view count: ``"detectable"``, ``"in_focus"`` or ``"all"``.
    footprint_shift
        How far the footprints lie, as a whole, from the truth's, which lie at zero shift: (rows, columns), px, + toward
        higher ones. With registration to frame 0 that is the tissue's displacement in frame 0. ``"auto"``: by the
        estimate's own shifts, if it has them, which then must be right (aligned RMSE ≤ 1 px); else the offset that
        fits best within the convex hull of the tissue's displacements. ``None``: at zero shift.

    Raises
    ------
    RecoveryError
        When a bound is missed. The message gives recall at zero shift and at the offset used.
    EstimateError
        When the estimate, a bound or the frame of reference cannot be read.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny", overrides={"acquisition.duration_s": 2}))
    >>> A = recording.truth.A_observed
    >>> card = assert_footprints_recovered(A, recording, min_recall=1, min_precision=1, units="all")
    >>> card.passed
    True
    """
    check_bound("min_recall", min_recall)
    check_bound("min_precision", min_precision)
    if min_mean_iou is not None:
        check_bound("min_mean_iou", min_mean_iou)
    if max_offset_px is not None and max_offset_px != "auto":
        check_bound("max_offset_px", max_offset_px, high=math.inf)
    of = Evaluation.of(estimate, recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)
    _ = of.matched_footprints  # what cannot be read is refused before anything else
    if min_recall > 0:
        of.check_counted()
    card = measure_footprints(of, FootprintBounds(min_recall, min_precision, min_mean_iou, max_offset_px))
    return judge(card, of.found, recording)


@short_traceback
def assert_shifts_recovered(
    estimate: Estimate | MatrixLike,
    recording: Recording,
    *,
    max_rmse_px: float,
    convention: Convention | None = None,
    max_offset_px: float | None = None,
    origin: Origin = "truth",
) -> Scorecard:
    """Assert that the motion was recovered, up to a constant offset.

    Parameters
    ----------
    estimate
        Shifts ``(frame, shift_dim)``, px, columns (height, width), or an :class:`~pytest_calsim.Estimate`.
    recording
        The recording they were estimated from.
    max_rmse_px
        Highest RMSE over frames × 2 entries, after subtracting each axis's mean difference, px.
    convention
        ``"correction"``: what undoes the motion, as motion correctors give it; ``"displacement"``: the motion itself, +
        toward higher rows and columns. Required unless the estimate knows it.
    max_offset_px
        Highest length of the mean difference that the RMSE leaves out, px.
    origin
        Where the estimate's shifts should be zero, against which ``max_offset_px`` is measured: ``"truth"``: where the
        truth's are; ``"mean"``: in the mean over all frames (minian); ``"first"``: in the first frame.

    Raises
    ------
    RecoveryError
        When a bound is missed.
    EstimateError
        When the estimate or a bound cannot be read.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("moving", overrides={"acquisition.duration_s": 1}))
    >>> correction = recording.truth.shifts[0] - recording.truth.shifts
    >>> assert_shifts_recovered(correction, recording, max_rmse_px=0.1, convention="correction").passed
    True
    """
    check_bound("max_rmse_px", max_rmse_px, high=math.inf)
    if max_offset_px is not None:
        check_bound("max_offset_px", max_offset_px, high=math.inf)
    check_origin(origin)
    check_estimate(estimate)
    given = estimate.shifts if isinstance(estimate, Estimate) else estimate
    known = estimate.convention if isinstance(estimate, Estimate) else None
    convention = check_convention(known if convention is None else convention)
    if known is not None and known != convention:
        raise EstimateError(
            f"this Estimate holds shifts as convention={known!r}, not {convention!r}: leave convention out"
        )
    check_recording(recording)
    n_frames = recording.frames.shape[0]
    if n_frames < 2 and max_offset_px is None:
        raise EstimateError(
            f"a recording of {n_frames} frame(s) shows no motion once its offset is left out: say max_offset_px too"
        )
    if given is None:
        raise EstimateError("this Estimate has no shifts: say Estimate(shifts=..., convention=...)")
    card = measure_shifts(
        given,
        recording,
        convention=convention,
        origin=origin,
        max_rmse_px=max_rmse_px,
        max_offset_px=max_offset_px,
    )
    found = estimate if isinstance(estimate, Estimate) else Estimate(shifts=given, convention=convention)
    return judge(card, found, recording)


@short_traceback
def assert_traces_recovered(
    estimate: Estimate | MatrixLike,
    recording: Recording,
    *,
    min_pearson: float,
    max_gain_error: float | None = None,
    gain: float = 1.0,
    min_iou: float = 0.5,
    units: Units = "detectable",
    footprint_shift: FootprintShift = "auto",
) -> Scorecard:
    """Assert that the traces of the cells found follow their true fluorescence.

    Compared with ``truth.C``, bleaching apart. Units are matched by their footprints; without A, rows stand for
    ``Estimate.cells``, or row i for planted cell i.

    Parameters
    ----------
    estimate
        An :class:`~pytest_calsim.Estimate` with C, and A; or traces ``(unit_id, frame)``.
    recording
        The recording they were found in.
    min_pearson
        Lowest median Pearson correlation over the cells that were found and count, in [-1, 1].
    max_gain_error
        Highest median deviation of a cell's gain from ``gain``, as a share of it; the gain is the slope of estimated on
        true trace. Correlation sees no scale.
    gain
        What a change of the truth by 1 should be in the estimate's unit; above 0.
    min_iou
        Lowest IoU of a match, in [0, 1].
    units
        Which of the cells in the field of view count.
    footprint_shift
        As in :func:`assert_footprints_recovered`.

    Raises
    ------
    RecoveryError
        When a bound is missed, or no cell was found.
    EstimateError
        When the estimate, a bound or the frame of reference cannot be read.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny", overrides={"acquisition.duration_s": 5}))
    >>> truth = recording.truth
    >>> found = Estimate(A=truth.A_observed, C=truth.C)
    >>> assert_traces_recovered(found, recording, min_pearson=0.99, max_gain_error=0.01, units="all").passed
    True
    """
    check_bound("min_pearson", min_pearson, low=-1)
    check_bound("gain", gain, low=0, high=math.inf)
    if max_gain_error is not None:
        check_bound("max_gain_error", max_gain_error, high=math.inf)
    if gain == 0:
        raise EstimateError("gain must be above 0, not 0")
    check_estimate(estimate)
    found = estimate if isinstance(estimate, Estimate) else Estimate(C=estimate)
    of = Evaluation(found=found, recording=recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)
    of.check_counted()
    return judge(measure_traces(of, TraceBounds(min_pearson, max_gain_error, gain)), found, recording)


@short_traceback
def assert_spikes_recovered(
    estimate: Estimate | MatrixLike,
    recording: Recording,
    *,
    min_precision: float,
    min_recall: float,
    tol_frames: int = 2,
    spike_thresh: float = 0.0,
    min_iou: float = 0.5,
    units: Units = "detectable",
    footprint_shift: FootprintShift = "auto",
) -> Scorecard:
    """Assert that the spikes of the cells found are true, and that their true spikes were found.

    An event is a frame with activity; estimated and true events are matched one to one within ``tol_frames``, and
    pooled over the cells that were found and count. Units are matched as in :func:`assert_traces_recovered`.

    Parameters
    ----------
    estimate
        An :class:`~pytest_calsim.Estimate` with S, and A; or spikes ``(unit_id, frame)``.
    recording
        The recording they were found in.
    min_precision, min_recall
        Lowest share of true among estimated events, and of found among true ones, in [0, 1].
    tol_frames
        Largest distance in time of a pair of events, frames.
    spike_thresh
        A frame of the estimate is an event where its value is above this.
    min_iou
        Lowest IoU of a match, in [0, 1].
    units
        Which of the cells in the field of view count.
    footprint_shift
        As in :func:`assert_footprints_recovered`.

    Raises
    ------
    RecoveryError
        When a bound is missed, or no cell was found.
    EstimateError
        When the estimate, a bound or the frame of reference cannot be read.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("tiny", overrides={"acquisition.duration_s": 5}))
    >>> found = Estimate(A=recording.truth.A_observed, S=recording.truth.S)
    >>> assert_spikes_recovered(found, recording, min_precision=1, min_recall=1, tol_frames=0, units="all").passed
    True
    """
    check_bound("min_precision", min_precision)
    check_bound("min_recall", min_recall)
    check_tolerance(tol_frames)
    check_finite("spike_thresh", spike_thresh)
    check_estimate(estimate)
    found = estimate if isinstance(estimate, Estimate) else Estimate(S=estimate)
    of = Evaluation(found=found, recording=recording, units=units, min_iou=min_iou, footprint_shift=footprint_shift)
    of.check_counted()
    bounds = SpikeBounds(min_precision, min_recall)
    return judge(measure_spikes(of, bounds, tol_frames=tol_frames, spike_thresh=spike_thresh), found, recording)
