"""Assertions on what a pipeline recovered. They work with and without pytest running.

Each returns its :class:`~pytest_calsim.testing.scorecard.Scorecard`, or raises
:class:`~pytest_calsim.errors.RecoveryError` that carries it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError, RecoveryError, hide_refusals
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.failure_tables import missed_table, spurious_table, worst_fits_table, worst_frames_table
from pytest_calsim.testing.planted_cells import CountedCells, Units
from pytest_calsim.testing.scorecard import Check, Scorecard, publish
from pytest_calsim.testing.scoring.bounds import check_bound, check_tolerance
from pytest_calsim.testing.scoring.footprints import score_footprints
from pytest_calsim.testing.scoring.inputs import as_footprints, as_matrix, as_shifts, check_frame_labels
from pytest_calsim.testing.scoring.misreadings import misread_footprints, misread_shifts
from pytest_calsim.testing.scoring.shifts import Convention, check_convention, compare_shifts
from pytest_calsim.testing.scoring.spikes import spike_precision_recall
from pytest_calsim.testing.scoring.traces import trace_pearson

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.recording.truth import GroundTruth

__all__ = [
    "assert_footprints_recovered",
    "assert_shifts_recovered",
    "assert_spikes_recovered",
    "assert_traces_recovered",
]

__tracebackhide__ = hide_refusals

_NONE_FOUND = "no counted cell was found"


def assert_footprints_recovered(
    estimate: Any,
    recording: Recording,
    *,
    min_recall: float,
    min_precision: float,
    min_iou: float = 0.5,
    min_mean_iou: float | None = None,
    units: Units = "detectable",
) -> Scorecard:
    """Assert that enough cells were found, and few made up.

    Footprints are compared as masks that hold 0.9 of their energy, with ``truth.A_observed``: what optics leave of a
    cell is what a pipeline can recover. Estimates are matched one to one against all planted cells.

    Parameters
    ----------
    estimate
        Footprints ``(unit_id, height, width)`` or an :class:`~pytest_calsim.Estimate` with A.
    recording
        The recording they were found in.
    min_recall
        Lowest share of the cells in ``units`` to be found.
    min_precision
        Lowest share of true estimates. One that matches a planted cell outside ``units`` is neither true nor false.
    min_iou
        Lowest intersection over union of a match.
    min_mean_iou
        Lowest mean IoU of the cells found.
    units
        Which of the cells in the field of view count: ``"detectable"``, ``"in_focus"`` or ``"all"``.
    """
    check_bound("min_recall", min_recall)
    check_bound("min_precision", min_precision)
    check_bound("min_iou", min_iou)
    if min_mean_iou is not None:
        check_bound("min_mean_iou", min_mean_iou)
    cells = CountedCells(_truth(recording), units)
    found = estimate if isinstance(estimate, Estimate) else Estimate(A=estimate, picture=recording.frames.shape[1:])
    A = _footprints(found, recording)
    scores = score_footprints(A, cells.A, cells.counted, min_iou=min_iou)
    if not cells.n_counted and min_recall > 0:
        raise EstimateError(f"nothing to recover: {cells.words(0)}")
    n_found, n_spurious = len(scores.found), len(scores.spurious)
    beside = f"; {scores.n_beside} on planted cells outside units={units!r} do not count" if scores.n_beside else ""
    checks = [
        Check(
            "recall",
            scores.recall,
            min_recall,
            fraction=(n_found, cells.n_counted),
            words=cells.words(n_found),
            may_be_undefined=True,
        ),
        Check(
            "precision",
            scores.precision,
            min_precision,
            fraction=(n_found, n_found + n_spurious),
            words=f"{n_spurious} of {len(scores.cell_of)} estimates match no planted cell{beside}",
            may_be_undefined=True,
        ),
    ]
    if min_mean_iou is not None:
        checks.append(Check("mean_iou", scores.mean_iou, min_mean_iou, words=f"over the {n_found} cells found"))
    tables = [missed_table(scores, cells, found.labels), spurious_table(scores, found.labels)]
    if not checks[-1].passed and min_mean_iou is not None:
        tables.append(worst_fits_table(scores, cells, found.labels))
    facts = {
        "n_estimates": len(scores.cell_of),
        "n_counted": cells.n_counted,
        "n_planted": len(cells.A),
        "mean_iou": scores.mean_iou,
    }
    card = Scorecard("footprints", checks, facts, [table for table in tables if table.total])
    if not card.passed:
        card = replace(card, notes=misread_footprints(A, cells.A, scores, min_iou=min_iou))
    return _judge(card, recording, found)


def assert_shifts_recovered(
    estimate: Any,
    recording: Recording,
    *,
    max_rmse_px: float,
    convention: Convention | None = None,
    max_offset_px: float | None = None,
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
        Required. ``"correction"``: what undoes the motion, as motion correctors give it; ``"displacement"``: the motion
        itself, + toward higher rows and columns.
    max_offset_px
        Highest length of the mean difference that the RMSE leaves out, px.
    """
    check_bound("max_rmse_px", max_rmse_px, high=math.inf)
    if max_offset_px is not None:
        check_bound("max_offset_px", max_offset_px, high=math.inf)
    convention = check_convention(convention)
    known = estimate.convention if isinstance(estimate, Estimate) else None
    if known is not None and known != convention:
        raise EstimateError(f"this Estimate holds shifts as convention={known!r}, not {convention!r}")
    truth = _truth(recording).shifts
    n_frames = recording.frames.shape[0]
    if n_frames < 2 and max_offset_px is None:
        raise EstimateError(
            f"a recording of {n_frames} frame(s) shows no motion once its offset is left out: say max_offset_px too"
        )
    given = estimate.shifts if isinstance(estimate, Estimate) else estimate
    if given is None:
        raise EstimateError("this Estimate has no shifts")
    check_frame_labels(given)
    shifts = as_shifts(given, n_frames=n_frames)
    true = np.zeros((n_frames, 2)) if truth is None else as_shifts(truth, n_frames=n_frames, name="true shifts")
    errors = compare_shifts(shifts, true, convention=convention)
    offset = float(np.hypot(*errors.offset_px))
    still = compare_shifts(np.zeros_like(true), true, convention="displacement").rmse_px
    dy, dx = errors.offset_px
    words = (
        f"over {n_frames} frames × 2, offset ({dy:+.2f}, {dx:+.2f}) px left out; zero motion would score {still:.2f}"
    )
    checks = [Check("rmse_px", errors.rmse_px, max_rmse_px, at_most=True, words=words)]
    if max_offset_px is not None:
        checks.append(Check("offset_px", offset, max_offset_px, at_most=True, words="mean difference (height, width)"))
    facts = {"offset_px": offset, "zero_motion_rmse_px": still}
    card = Scorecard("shifts", checks, facts, [worst_frames_table(errors)])
    if not card.passed:
        card = replace(card, notes=misread_shifts(shifts, true, convention))
    found = estimate if isinstance(estimate, Estimate) else Estimate(shifts=shifts, convention=convention)
    return _judge(card, recording, found)


def assert_traces_recovered(
    estimate: Any,
    recording: Recording,
    *,
    min_pearson: float,
    min_iou: float = 0.5,
    units: Units = "detectable",
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
        Lowest median Pearson correlation over the cells that were found and count.
    min_iou
        Lowest IoU of a match.
    units
        Which of the cells in the field of view count.
    """
    check_bound("min_pearson", min_pearson, low=-1)
    check_bound("min_iou", min_iou)
    cells = CountedCells(_truth(recording), units)
    found = estimate if isinstance(estimate, Estimate) else Estimate(C=estimate)
    rows, ids = _pairs(found, recording, cells, min_iou)
    true = _truth_rows(recording, "C", ids)
    pearson = trace_pearson(_rows(found.C, "C", recording)[rows], true)
    varies = ~np.isnan(pearson)
    if len(ids) and not varies.any():
        raise EstimateError(f"nothing to compare: the true traces of all {len(ids)} cells found are constant")
    median = float(np.median(pearson[varies])) if len(ids) else math.nan
    said = f"median over {varies.sum()} cells" if len(ids) else _NONE_FOUND
    check = Check("pearson", median, min_pearson, words=f"{said}; {cells.words(len(ids))}")
    worst = np.argsort(pearson, kind="stable")
    table = cells.table("cells found, worst first", ids[worst], {"pearson": [f"{r:.2f}" for r in pearson[worst]]})
    facts = {"n_matched": len(ids), "n_counted": cells.n_counted}
    return _judge(Scorecard("traces", [check], facts, [table] if len(ids) else []), recording, found)


def assert_spikes_recovered(
    estimate: Any,
    recording: Recording,
    *,
    min_precision: float,
    min_recall: float,
    tol_frames: int = 2,
    min_iou: float = 0.5,
    units: Units = "detectable",
) -> Scorecard:
    """Assert that the spikes of the cells found are true, and that their true spikes were found.

    An event is a frame with activity above 0; estimated and true events are matched one to one within ``tol_frames``,
    and pooled over the cells that were found and count. Units are matched as in :func:`assert_traces_recovered`.

    Parameters
    ----------
    estimate
        An :class:`~pytest_calsim.Estimate` with S, and A; or spikes ``(unit_id, frame)``.
    recording
        The recording they were found in.
    min_precision, min_recall
        Lowest share of true among estimated events, and of found among true ones.
    tol_frames
        Largest distance in time of a pair of events, frames.
    min_iou
        Lowest IoU of a match.
    units
        Which of the cells in the field of view count.
    """
    check_bound("min_precision", min_precision)
    check_bound("min_recall", min_recall)
    check_bound("min_iou", min_iou)
    check_tolerance(tol_frames)
    cells = CountedCells(_truth(recording), units)
    found = estimate if isinstance(estimate, Estimate) else Estimate(S=estimate)
    rows, ids = _pairs(found, recording, cells, min_iou)
    spikes = spike_precision_recall(
        _rows(found.S, "S", recording)[rows], _truth_rows(recording, "S", ids), tol_frames=tol_frames
    )
    hits, n_est, n_true = (int(n.sum()) for n in (spikes.n_hits, spikes.n_est, spikes.n_true))
    if len(ids) and not n_true and min_recall > 0:
        raise EstimateError(f"nothing to recover: none of the {len(ids)} cells found fired")
    words = f"{f'events within ± {tol_frames} frames' if len(ids) else _NONE_FOUND}; {cells.words(len(ids))}"
    shares = {"recall": (n_true, min_recall), "precision": (n_est, min_precision)}
    checks = [
        Check(name, hits / n if n else math.nan, bound, fraction=(hits, n), words=words, may_be_undefined=len(ids) > 0)
        for name, (n, bound) in shares.items()
    ]
    worst = np.argsort(spikes.f1, kind="stable")
    counts = {"hits": spikes.n_hits, "estimated": spikes.n_est, "true": spikes.n_true}
    columns = {"F1": [f"{v:.2f}" for v in spikes.f1[worst]]} | {name: list(n[worst]) for name, n in counts.items()}
    table = cells.table("cells found, worst first", ids[worst], columns)
    facts = {"n_matched": len(ids), "n_counted": cells.n_counted}
    return _judge(Scorecard("spikes", checks, facts, [table] if len(ids) else []), recording, found)


def _truth(recording: Recording) -> GroundTruth:
    if not (hasattr(recording, "truth") and hasattr(recording, "frames")):
        raise EstimateError(f"a {type(recording).__name__} has no .truth to compare with: give the recording itself")
    return recording.truth


def _judge(card: Scorecard, recording: Recording, estimate: Estimate | None) -> Scorecard:
    card = publish(replace(card, recording=recording, estimate=estimate))
    if not card.passed:
        raise RecoveryError(str(card), card)
    return card


def _footprints(found: Estimate, recording: Recording) -> SparseFootprints:
    if found.A is None:
        raise EstimateError("this Estimate has no A, which footprints are judged by")
    return as_footprints(found.A, recording.frames.shape[1:])


def _rows(matrix: NDArray[np.float64] | None, name: str, recording: Recording) -> NDArray[np.float64]:
    if matrix is None:
        raise EstimateError(f"this Estimate has no {name}")
    return as_matrix(matrix, shape=(None, recording.frames.shape[0]), name=name)


def _truth_rows(recording: Recording, name: str, ids: NDArray[np.intp]) -> NDArray[np.float64]:
    if name not in recording.truth:
        raise EstimateError(f"the recording's truth has no {name!r}: its spec lacks 'cell_activity'")
    return recording.truth[name].values[ids].astype(np.float64)


def _pairs(
    found: Estimate, recording: Recording, cells: CountedCells, min_iou: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the estimate and the counted cells that they stand for."""
    if not cells.n_counted:
        raise EstimateError(f"nothing to recover: {cells.words(0)}")
    if found.A is not None:
        scores = score_footprints(_footprints(found, recording), cells.A, cells.counted, min_iou=min_iou)
        return scores.estimate_of[scores.found], scores.found
    ids = np.arange(found.n_units) if found.cells is None else found.cells
    if found.cells is None and found.n_units != len(cells):
        raise EstimateError(
            f"the estimate has {found.n_units} rows for {len(cells)} planted cells: "
            "give its footprints, Estimate(A=..., C=...), or name the cells, Estimate(C=..., cells=...)"
        )
    if ids.size and not (ids.min() >= 0 and ids.max() < len(cells)):
        raise EstimateError(
            f"cells reaches from {ids.min()} to {ids.max()}; the planted cells are 0 to {len(cells) - 1}"
        )
    rows = np.flatnonzero(cells.counted[ids])
    return rows, ids[rows]
