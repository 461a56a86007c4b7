"""Measure an estimate, as scorecards: the assertions judge them, ``score`` only reports them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.evaluation import Evaluation
from pytest_calsim.testing.failure_tables import missed_table, spurious_table, worst_fits_table, worst_frames_table
from pytest_calsim.testing.frame_of_reference import true_displacements
from pytest_calsim.testing.input_mistakes import footprint_mistakes, shift_mistakes, spike_mistakes, trace_mistakes
from pytest_calsim.testing.inputs.matrices import as_matrix, as_shifts
from pytest_calsim.testing.matched_cells import Residual
from pytest_calsim.testing.planted_cells import Units
from pytest_calsim.testing.scorecard import Check, Scorecard
from pytest_calsim.testing.scoring.footprints import FootprintScores
from pytest_calsim.testing.scoring.shifts import Convention, Origin, compare_shifts
from pytest_calsim.testing.scoring.spikes import spike_precision_recall
from pytest_calsim.testing.scoring.traces import trace_gain, trace_pearson

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = [
    "FootprintBounds",
    "SpikeBounds",
    "TraceBounds",
    "measure_footprints",
    "measure_shifts",
    "measure_spikes",
    "measure_traces",
]

_OFFSET_PX = 0.2
"""Shared offset of all cells that is allowed by default, px; that of minian, and of a light pipeline, is up to 0.15 px
(docs/how-to/motion-then-cells.md)."""
_ENOUGH_CELLS = 5
"""Least number of cells from which a shared offset is told from their own ones."""

_NONE_FOUND = "no counted cell was found"


@dataclass(frozen=True)
class FootprintBounds:
    """Bounds on footprints; ``None``: no bound."""

    min_recall: float | None = None
    min_precision: float | None = None
    min_mean_iou: float | None = None
    max_offset_px: float | Literal["auto"] | None = None


@dataclass(frozen=True)
class TraceBounds:
    """Bounds on traces; ``None``: no bound."""

    min_pearson: float | None = None
    max_gain_error: float | None = None
    gain: float = 1.0


@dataclass(frozen=True)
class SpikeBounds:
    """Bounds on spikes; ``None``: no bound."""

    min_precision: float | None = None
    min_recall: float | None = None


def measure_footprints(of: Evaluation, bounds: FootprintBounds) -> Scorecard:
    """Measure how many cells were found, how many made up, and how well those found fit."""
    cells = of.cells
    labels = of.found.labels
    matched = of.matched_footprints
    scores = replace(matched.scores, background_cell_of=of.background_cell_of)
    n_found = len(scores.found)
    checks = [
        Check(
            "recall",
            scores.recall,
            bounds.min_recall,
            fraction=(n_found, cells.n_counted),
            words=cells.describe(n_found),
            may_be_undefined=True,
        ),
        Check(
            "precision",
            scores.precision,
            bounds.min_precision,
            fraction=(n_found, n_found + len(scores.spurious)),
            words=_what_estimates_match(scores, cells.units),
            may_be_undefined=True,
        ),
    ]
    facts: dict[str, float | int | str] = {}
    mean_iou = Check("mean_iou", scores.mean_iou, bounds.min_mean_iou, words=f"over the {n_found} cells found")
    offset = _offset_check(matched.residual, n_found, bounds.max_offset_px)
    for check in (mean_iou, offset):
        if check.bound is None:
            facts[check.name] = check.value
        else:
            checks.append(check)
    facts["n_estimates"] = len(scores.cell_of)
    facts["n_counted"] = cells.n_counted
    facts["n_planted"] = len(cells)
    facts["n_on_background_cells"] = int(scores.on_background.sum())
    facts |= of.facts()
    tables = [missed_table(scores, cells, labels), spurious_table(scores, labels)]
    if not mean_iou.passed or not offset.passed:
        tables.append(worst_fits_table(scores, cells, labels))
    card = Scorecard(
        assertion="footprints",
        checks=checks,
        facts=facts,
        tables=[table for table in tables if table.total],
        notes=of.notes(),
    )
    if card.passed:
        return card
    form = of.found.form
    in_frame = footprint_mistakes(matched.A_est, matched.A_true, scores, min_iou=of.min_iou, form=form)
    # Where the frame of reference is wrong itself, a mistake shows only in the footprints as they were given.
    as_given = in_frame or footprint_mistakes(matched.given, cells.A, scores, min_iou=of.min_iou, form=form)
    return _with_notes(card, as_given)


def _with_notes(card: Scorecard, notes: list[str]) -> Scorecard:
    return replace(card, notes=[*card.notes, *notes])


def _what_estimates_match(scores: FootprintScores, units: Units) -> str:
    """Say how many estimates match no cell, and how many are ignored: the denominator of precision in words."""
    words = f"{len(scores.spurious)} of {len(scores.cell_of)} estimates match no planted cell"
    if scores.n_ignored:
        ignored = _plural(scores.n_ignored, "estimate matches a cell", "estimates match cells")
        words += f"; {ignored} outside units={units!r} and {_is_are(scores.n_ignored)} ignored"
    n_on_background = int(scores.on_background.sum())
    if n_on_background:
        lie = _plural(n_on_background, "estimate lies on a cell", "estimates lie on cells")
        words += f"; {lie} of the background, out of focus, and {_is_are(n_on_background)} ignored"
    if scores.n_empty:
        empty = _plural(scores.n_empty, "estimate has", "estimates have")
        words += f"; {empty} no pixel in the image and {_is_are(scores.n_empty)} ignored"
    return words


def _offset_check(residual: Residual, n_found: int, max_offset_px: float | Literal["auto"] | None) -> Check:
    words = f"the cells found lie ({residual.dy_px:+.2f}, {residual.dx_px:+.2f}) px from where they are"
    if max_offset_px == "auto":
        words += f"; {_OFFSET_PX:g} px and twice the standard error ({residual.error_px:.2f} px) are forgiven"
        max_offset_px = _OFFSET_PX + 2 * residual.error_px if n_found >= _ENOUGH_CELLS else None
    return Check("offset_px", residual.length_px, max_offset_px, at_most=True, words=words)


def _plural(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"


def _is_are(n: int) -> str:
    return "is" if n == 1 else "are"


def measure_shifts(
    given: object,
    recording: Recording,
    *,
    convention: Convention,
    origin: Origin = "truth",
    max_rmse_px: float | None = None,
    max_offset_px: float | None = None,
) -> Scorecard:
    """Measure how far estimated shifts are from the tissue's displacement, up to a constant, and that constant."""
    n_frames = recording.frames.shape[0]
    shifts = as_shifts(given, n_frames=n_frames)  # pyright: ignore[reportArgumentType]
    true = true_displacements(recording)
    errors = compare_shifts(shifts, true, convention=convention)
    # What a corrector that does nothing would score: a bound above it is no demand.
    still = compare_shifts(np.zeros_like(true), true, convention="displacement").rmse_px
    dy, dx = errors.offset_px
    words = (
        f"over {n_frames} frames × 2, offset ({dy:+.2f}, {dx:+.2f}) px left out; zero motion would score {still:.2f}"
    )
    checks = [Check("rmse_px", errors.rmse_px, max_rmse_px, at_most=True, words=words)]
    offset = float(np.hypot(*errors.offset_from(origin)))
    zero = {"truth": "", "mean": " from a mean of zero", "first": " from zero in the first frame"}[origin]
    facts: dict[str, float | int | str] = {"zero_motion_rmse_px": still}
    if max_offset_px is None:
        facts["offset_px"] = offset
    else:
        words = f"mean difference (height, width){zero}"
        checks.append(Check("offset_px", offset, max_offset_px, at_most=True, words=words))
    card = Scorecard(assertion="shifts", checks=checks, facts=facts, tables=[worst_frames_table(errors)])
    return card if card.passed else _with_notes(card, shift_mistakes(shifts, true, convention))


def measure_traces(of: Evaluation, bounds: TraceBounds) -> Scorecard:
    """Measure how the traces of the cells found follow their true fluorescence."""
    cells = of.cells
    traces = _rows(of.found.C, "C", of.recording)
    rows, ids = of.rows
    est = traces[rows]
    true = _truth_rows(of.recording, "C", ids)
    pearson = trace_pearson(est, true)
    gain = trace_gain(est, true)
    varies = ~np.isnan(pearson)  # a true trace that is constant correlates with nothing
    if len(ids) and not varies.any():
        raise EstimateError(f"nothing to compare: the true traces of all {len(ids)} cells found are constant")
    over = f"median over {varies.sum()} cells" if len(ids) else _NONE_FOUND
    checks = [
        Check("pearson", _median(pearson), bounds.min_pearson, words=f"{over}; {cells.describe(len(ids))}"),
    ]
    facts: dict[str, float | int | str] = {"n_matched": len(ids), "n_counted": cells.n_counted, "gain": _median(gain)}
    if bounds.max_gain_error is not None:
        error = _median(np.abs(gain / bounds.gain - 1))
        words = f"{over} of |gain / {bounds.gain:g} - 1|; the median gain is {_median(gain):.3g}"
        checks.append(Check("gain_error", error, bounds.max_gain_error, at_most=True, words=words))
    worst = np.argsort(pearson, kind="stable")
    columns = {"pearson": [f"{r:.2f}" for r in pearson[worst]], "gain": [f"{g:.3g}" for g in gain[worst]]}
    tables = [cells.table("cells found, worst first", ids[worst], columns)] if len(ids) else []
    facts |= of.facts()
    card = Scorecard(assertion="traces", checks=checks, facts=facts, tables=tables, notes=of.notes())
    # A wrong gain alone is no matter of which row is which.
    if checks[0].passed or not len(ids):
        return card
    return _with_notes(card, trace_mistakes(est, true, leader=_leader(of)))


def _leader(of: Evaluation) -> str:
    """Say what tells which planted cell each row is."""
    return "planted cells" if of.found.A is None else "footprints"


def _median(values: NDArray[np.float64]) -> float:
    """Return the median of the values that are numbers; NaN where there are none."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def measure_spikes(of: Evaluation, bounds: SpikeBounds, *, tol_frames: int, spike_thresh: float) -> Scorecard:
    """Measure how many true events of the cells found were found, and how many of those found are true."""
    cells = of.cells
    given = _rows(of.found.S, "S", of.recording)
    rows, ids = of.rows
    est = given[rows]
    true = _truth_rows(of.recording, "S", ids)
    spikes = spike_precision_recall(est, true, tol_frames=tol_frames, spike_thresh=spike_thresh)
    hits = int(spikes.n_hits.sum())
    n_true = int(spikes.n_true.sum())
    if len(ids) and not n_true and bounds.min_recall:
        raise EstimateError(f"nothing to recover: none of the {len(ids)} cells found fired")
    over = f"events within ± {tol_frames} frames" if len(ids) else _NONE_FOUND
    words = f"{over}; {cells.describe(len(ids))}"

    def share(name: str, n_events: int, bound: float | None) -> Check:
        value = hits / n_events if n_events else math.nan
        # Cells found that are rightly silent break no bound; where no cell was found, none was recovered.
        may_be_undefined = len(ids) > 0
        return Check(name, value, bound, fraction=(hits, n_events), words=words, may_be_undefined=may_be_undefined)

    recall = share("recall", n_true, bounds.min_recall)
    precision = share("precision", int(spikes.n_est.sum()), bounds.min_precision)
    worst = np.argsort(spikes.f1, kind="stable")
    counts = {"hits": spikes.n_hits, "estimated": spikes.n_est, "true": spikes.n_true}
    columns: dict[str, list[object]] = {"F1": [f"{v:.2f}" for v in spikes.f1[worst]]}
    columns |= {name: list(n[worst]) for name, n in counts.items()}
    tables = [cells.table("cells found, worst first", ids[worst], columns)] if len(ids) else []
    facts: dict[str, float | int | str] = {"n_matched": len(ids), "n_counted": cells.n_counted}
    facts |= of.facts()
    card = Scorecard(assertion="spikes", checks=[recall, precision], facts=facts, tables=tables, notes=of.notes())
    if card.passed or not len(ids):
        return card
    mistakes = spike_mistakes(est, true, tol_frames=tol_frames, spike_thresh=spike_thresh, leader=_leader(of))
    return _with_notes(card, mistakes)


def _rows(matrix: NDArray[np.float64] | None, name: str, recording: Recording) -> NDArray[np.float64]:
    if matrix is None:
        raise EstimateError(f"this Estimate has no {name}: say Estimate(..., {name}=...)")
    return as_matrix(matrix, shape=(None, recording.frames.shape[0]), name=name)


def _truth_rows(recording: Recording, name: str, ids: NDArray[np.intp]) -> NDArray[np.float64]:
    if name not in recording.truth:
        raise EstimateError(f"the recording's truth has no {name!r}: its spec lacks 'cell_activity'")
    return recording.truth[name].values[ids].astype(np.float64)
