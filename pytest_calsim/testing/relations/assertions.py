"""Assertions on two or more results of one pipeline: they must not differ, or only as their movies do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.kernels.types import Floats
from pytest_calsim.recording.transformation import Transformation
from pytest_calsim.testing.relations.outcome import Outcome, check_outcomes
from pytest_calsim.testing.relations.tolerance import Tolerance
from pytest_calsim.testing.scorecard import Check, Scorecard, Table
from pytest_calsim.testing.scoring.matching import overlaps
from pytest_calsim.testing.scoring.reasons import why_missed
from pytest_calsim.testing.scoring.traces import trace_pearson
from pytest_calsim.testing.short_traceback import short_traceback
from pytest_calsim.testing.verdict import judge

__all__ = ["assert_equivariant", "assert_invariant", "assert_monotone"]

_EDGE_PX = 10

_IN_VIEW = 0.999
"""A cell is as much in view as in the baseline from this share on."""


@short_traceback
def assert_invariant(baseline: Outcome, changed: Outcome, tolerance: Tolerance | None = None) -> Scorecard:
    """Assert that a change of the movie left what a pipeline finds as it was.

    Compared are the cells that are detectable in the baseline and as much in view in both: the same ones must be found,
    in the same pixels, with the same traces up to a gain, for the frames that both have; and as many made up.

    Parameters
    ----------
    baseline, changed
        The results in the two movies.
    tolerance
        How far they may differ; by default what :meth:`Tolerance.other_noise` gives.

    Returns
    -------
    Scorecard
        The numbers.

    Raises
    ------
    RecoveryError
        When they differ by more. It carries both results.
    EstimateError
        When the two cannot be compared.

    Examples
    --------
    >>> from pytest_calsim import Estimate, Outcome, load_preset, simulate
    >>> recording = simulate(load_preset("tiny"))
    >>> again = recording.transformed(gain=2, dtype="uint16")
    >>> found = Estimate(A=recording.truth.A_observed, C=recording.truth.C)
    >>> assert_invariant(Outcome(found, recording), Outcome(found, again)).passed
    True
    """
    check_outcomes(baseline, changed)
    return _judge_pair(baseline, changed, tolerance, "invariance", by=None)


@short_traceback
def assert_equivariant(
    baseline: Outcome,
    changed: Outcome,
    tolerance: Tolerance | None = None,
    *,
    moved_px: tuple[int, int] = (0, 0),
) -> Scorecard:
    """Assert that what a pipeline finds was transformed as the movie was.

    As :func:`assert_invariant`, but footprints and shifts are compared after the baseline's were transformed in the
    same way.

    Parameters
    ----------
    baseline, changed
        The results in a recording and in what its ``transformed`` gave, or in one whose tissue lies elsewhere.
    tolerance
        How far they may differ; by default what :meth:`Tolerance.same_noise` gives.
    moved_px
        How far the tissue lies from where it was (rows, columns), px.

    Returns
    -------
    Scorecard
        The numbers.

    Raises
    ------
    RecoveryError, EstimateError
        As :func:`assert_invariant`.

    Examples
    --------
    >>> from pytest_calsim import Estimate, Outcome, load_preset, simulate
    >>> recording = simulate(load_preset("tiny"))
    >>> turned = recording.transformed(transpose=True)
    >>> outcomes = [Outcome(Estimate(A=movie.truth.A_observed), movie) for movie in (recording, turned)]
    >>> assert_equivariant(*outcomes).passed
    True
    """
    check_outcomes(baseline, changed)
    by = changed.recording.transformation
    if by is None:
        by = Transformation((baseline.recording.frames.shape[1], baseline.recording.frames.shape[2]))
    tolerance = Tolerance.same_noise(baseline.recording) if tolerance is None else tolerance
    return _judge_pair(baseline, changed, tolerance, "equivariance", by=by, moved_px=moved_px)


@short_traceback
def assert_monotone(outcomes: Sequence[Outcome], tolerance: Tolerance | None = None) -> Scorecard:
    """Assert that each movie, easier than the one before, shows a pipeline no less.

    Of the cells that are detectable in the first movie none that was found may be lost in a later one, and no found
    cell's correlation with its true trace may fall, over the frames that both movies have.

    Parameters
    ----------
    outcomes
        Two results or more, the hardest movie first.
    tolerance
        How far a later result may be worse; by default what :meth:`Tolerance.other_noise` gives for the first movie.

    Returns
    -------
    Scorecard
        The numbers of the last pair, or of the first that does not hold.

    Raises
    ------
    RecoveryError
        When a later result is worse by more. It carries it, and the one before.
    EstimateError
        When there are not two, or they are not of the same cells.

    Examples
    --------
    >>> from pytest_calsim import Estimate, Outcome, load_preset, pairs
    >>> movies = pairs(load_preset("tiny"), "sensor.photon_rate_per_s_um2", [5_000, 20_000])
    >>> assert_monotone([Outcome(Estimate(A=movie.truth.A_observed), movie) for movie in movies]).passed
    True
    """
    if not isinstance(outcomes, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise EstimateError(f"outcomes = {outcomes!r} must be a list of two results or more")
    check_outcomes(*outcomes)
    if len(outcomes) < 2:
        raise EstimateError(f"monotone: two results or more are compared, not {len(outcomes)}")
    first = outcomes[0]
    tolerance = Tolerance.other_noise(first.recording) if tolerance is None else tolerance
    for before, after in pairwise(outcomes):
        card = _no_worse(first, before, after, tolerance)
        if not card.passed or after is outcomes[-1]:
            return judge(card, after.estimate, after.recording, baseline=(before.estimate, before.recording))
    raise AssertionError("no pair of results")


def _judge_pair(
    baseline: Outcome,
    changed: Outcome,
    tolerance: Tolerance | None,
    assertion: str,
    *,
    by: Transformation | None,
    moved_px: tuple[int, int] = (0, 0),
) -> Scorecard:
    tolerance = Tolerance.other_noise(baseline.recording) if tolerance is None else tolerance
    checks: list[Check] = []
    tables: list[Table] = []
    facts: dict[str, float | int | str] = {}
    if baseline.estimate.A is not None and changed.estimate.A is not None:
        _check_same_cells(baseline, changed)
        compared = _compared(baseline, changed)
        checks += _cells_found(baseline, changed, compared, tolerance)
        checks.append(_made_up(baseline, changed, tolerance, by))
        if tolerance.min_iou > 0:
            checks.append(
                _footprints_alike(
                    baseline=baseline, changed=changed, compared=compared, tolerance=tolerance, by=by, moved_px=moved_px
                )
            )
        if baseline.estimate.C is not None and changed.estimate.C is not None:
            checks.append(_traces_alike(baseline, changed, compared, tolerance))
        tables += _lost(baseline, changed, compared & ~tolerance.may_flip)
        facts |= {"n_compared": int(compared.sum()), "n_made_up": len(changed.made_up)}
        facts |= baseline.cells.facts()
    if baseline.estimate.shifts is not None and changed.estimate.shifts is not None:
        checks.append(_shifts_alike(baseline, changed, tolerance, by))
    if not checks:
        raise EstimateError("nothing to compare: the two results have neither footprints nor shifts in common")
    card = Scorecard(
        assertion=assertion,
        checks=checks,
        facts=facts,
        tables=tables,
        notes=_notes(changed, tolerance),
        words=("holds", "does NOT hold"),
    )
    return judge(card, changed.estimate, changed.recording, baseline=(baseline.estimate, baseline.recording))


def _notes(changed: Outcome, tolerance: Tolerance) -> list[str]:
    how = f"; {changed.recording.altered}" if changed.recording.altered else ""
    return [f"tolerance: {tolerance.reason}{how}"]


def _check_same_cells(baseline: Outcome, changed: Outcome) -> None:
    before = len(baseline.cells)
    after = len(changed.cells)
    if after < before:
        raise EstimateError(
            f"the changed recording has {after} planted cells, the baseline {before}: unit i must be unit i in both"
        )


def _compared(baseline: Outcome, changed: Outcome) -> NDArray[np.bool_]:
    """Tell which of the baseline's cells are detectable there, and as much in view in the other movie.

    Where that one was cut, those near its edge do not count: filters reach beyond it.
    """
    n = len(baseline.cells)
    counted = baseline.cells.counted & np.asarray(changed.cells.columns["in_fov"][:n], np.bool_)
    by = changed.recording.transformation
    if by is not None and by.is_windowed:
        counted &= _far_from_edges(changed.cells.A)[:n]
    before = baseline.cells.columns.get("fov_fraction")
    after = changed.cells.columns.get("fov_fraction")
    if before is None or after is None:
        return counted
    return counted & (after[:n] >= _IN_VIEW * before)


def _far_from_edges(A: SparseFootprints) -> NDArray[np.bool_]:
    """Tell which footprints' brightest pixels lie well within the image."""
    _, height, width = A.shape
    far = np.zeros(len(A), np.bool_)
    for cell in range(len(A)):
        pixels, values = A.unit(cell)
        if values.size:
            row, column = divmod(int(pixels[values.argmax()]), width)
            far[cell] = min(row, column, height - 1 - row, width - 1 - column) >= _EDGE_PX
    return far


def _cells_found(baseline: Outcome, changed: Outcome, compared: NDArray[np.bool_], tolerance: Tolerance) -> list[Check]:
    """Count the cells that are found in one result alone, and what is made up."""
    before = baseline.found
    after = changed.found[: len(before)]
    sure = compared & ~tolerance.may_flip
    n_before = int((compared & before).sum())
    lost = int((sure & before & ~after).sum())
    gained = int((sure & ~before & after).sum())
    words = (
        f"of {n_before} detectable cells found before; {int((compared & tolerance.may_flip).sum())} may go either way"
    )
    return [
        Check("lost", lost, 0, at_most=True, words=words),
        Check("gained", gained, 0, at_most=True, words="detectable cells found now that were not found before"),
    ]


def _made_up(baseline: Outcome, changed: Outcome, tolerance: Tolerance, by: Transformation | None) -> Check:
    """Compare how many estimates match no cell. Where the image was cut, only those far from its edges count."""
    cut = by is not None and by.is_windowed
    before = baseline.made_up if by is None else by.footprints(baseline.made_up)
    after = changed.made_up
    counts = [int(np.count_nonzero(_far_from_edges(part))) if cut else len(part) for part in (before, after)]
    more = abs(counts[1] - counts[0])
    words = f"more or fewer estimates of no cell: {counts[1]} for {counts[0]}"
    return Check("made_up", more, tolerance.max_made_up_change(counts[0]), at_most=True, words=words)


def _footprints_alike(
    baseline: Outcome,
    changed: Outcome,
    compared: NDArray[np.bool_],
    tolerance: Tolerance,
    *,
    by: Transformation | None,
    moved_px: tuple[int, int],
) -> Check:
    """Compare each cell's two footprints."""
    cells = _found_in_both(baseline, changed, compared)
    before = baseline.matched.given
    if by is not None:
        before = by.footprints(before.moved(*moved_px))
    after = changed.matched.given
    if before.shape[1:] != after.shape[1:]:
        raise EstimateError(
            f"the images are {before.shape[1:]} and {after.shape[1:]} px: compare by assert_equivariant with a "
            "recording that was transformed"
        )
    iou = _pairwise_iou(before[baseline.estimate_of[cells]], after[changed.estimate_of[cells]])
    worst, words = _worst(iou, np.full(len(iou), tolerance.min_iou), cells, "two footprints of")
    return Check("iou", worst, tolerance.min_iou, words=words, may_be_undefined=True)


def _pairwise_iou(first: SparseFootprints, second: SparseFootprints) -> Floats:
    if not len(first):
        return np.zeros(0)
    return np.diag(overlaps(first, second).iou).astype(np.float64)


def _traces_alike(baseline: Outcome, changed: Outcome, compared: NDArray[np.bool_], tolerance: Tolerance) -> Check:
    """Correlate each cell's two traces over the frames that both movies have."""
    cells = _found_in_both(baseline, changed, compared)
    before: Any = baseline.estimate.C
    after: Any = changed.estimate.C
    n = min(before.shape[1], after.shape[1])
    pearson = _alike(before[baseline.estimate_of[cells], :n], after[changed.estimate_of[cells], :n])
    bound = tolerance.min_pearson[cells]
    worst, words = _worst(pearson, bound, cells, "two traces of")
    at = float(bound[np.argmin(pearson - bound)]) if len(cells) else math.nan
    return Check("pearson", worst, 0.0 if math.isnan(at) else at, words=words, may_be_undefined=not len(cells))


def _alike(first: Floats, second: Floats) -> Floats:
    """Correlate traces row by row: 1 where both are constant, 0 where one is."""
    if not first.size:
        return np.zeros(0)
    both = (np.ptp(first, axis=1) == 0) & (np.ptp(second, axis=1) == 0)
    return np.where(both, 1.0, np.nan_to_num(trace_pearson(first, second)))


def _worst(values: Floats, bounds: Floats, cells: NDArray[np.intp], what: str) -> tuple[float, str]:
    """Return the value that lies lowest against its bound, and whose it is."""
    if not len(values):
        return math.nan, "no cell was found in both"
    at = int(np.argmin(np.where(np.isnan(values), -np.inf, values - bounds)))
    return float(values[at]), f"{what} unit {cells[at]}, the worst of {len(cells)} cells found in both"


def _found_in_both(baseline: Outcome, changed: Outcome, compared: NDArray[np.bool_]) -> NDArray[np.intp]:
    n = len(compared)
    return np.flatnonzero(compared & baseline.found & changed.found[:n])


def _lost(baseline: Outcome, changed: Outcome, sure: NDArray[np.bool_], *, lost_only: bool = False) -> list[Table]:
    """List the cells that are found in one result alone, with a reason each."""
    n = len(sure)
    tables: list[Table] = []
    ways = [("found before, lost now", baseline, changed)]
    ways += [] if lost_only else [("not found before, found now", changed, baseline)]
    for title, found, missed in ways:
        cells = np.flatnonzero(sure & found.found[:n] & ~missed.found[:n])
        if len(cells):
            why = [
                why_missed(
                    missed.matched.scores,
                    cell,
                    cells=missed.cells.columns,
                    labels=missed.estimate.labels,
                    louder=missed.cells.louder_neighbour(cell),
                )
                for cell in cells.tolist()
            ]
            tables.append(missed.cells.table(title, cells, {"why missed": why}))
    return tables


def _shifts_alike(baseline: Outcome, changed: Outcome, tolerance: Tolerance, by: Transformation | None) -> Check:
    """Compare the two results' shifts up to a constant, over the frames that both movies have."""
    before: Any = baseline.estimate.shifts
    after: Any = changed.estimate.shifts
    n = min(len(before), len(after))
    if by is not None:
        before = np.stack(by.vectors(before[:, 0], before[:, 1]), axis=-1)
    error: Floats = np.asarray(after[:n] - before[:n], np.float64)
    rmse = float(np.sqrt(error.var(axis=0).mean())) if n else math.nan
    return Check("rmse_px", rmse, tolerance.max_shift_px, at_most=True, words="between the two results' shifts")


def _no_worse(first: Outcome, before: Outcome, after: Outcome, tolerance: Tolerance) -> Scorecard:
    """Compare a result with that of a harder movie."""
    _check_same_cells(first, before)
    _check_same_cells(first, after)
    n = len(first.cells)
    compared = _compared(first, after)
    sure = compared & ~tolerance.may_flip
    lost = int((sure & before.found[:n] & ~after.found[:n]).sum())
    words = f"of {int((compared & before.found[:n]).sum())} detectable cells found before, in the harder movie"
    checks = [Check("lost", lost, 0, at_most=True, words=words)]
    if before.estimate.C is not None and after.estimate.C is not None:
        cells = np.flatnonzero(compared & before.found[:n] & after.found[:n])
        shared = min(before.recording.frames.shape[0], after.recording.frames.shape[0])
        fall = _with_truth(before, cells, shared) - _with_truth(after, cells, shared)
        error = 1 - tolerance.min_pearson[cells]
        over = fall - error
        at = int(np.argmax(over)) if len(cells) else 0
        worst = float(fall[at]) if len(cells) else math.nan
        bound = float(error[at]) if len(cells) else 0.0
        words = f"fall of the correlation with the truth of unit {cells[at]}, the worst" if len(cells) else "no cell"
        checks.append(Check("fall", worst, bound, at_most=True, words=words, may_be_undefined=not len(cells)))
    return Scorecard(
        assertion="monotonicity",
        checks=checks,
        facts={"n_compared": int(compared.sum())} | first.cells.facts(),
        tables=_lost(before, after, sure, lost_only=True),
        notes=_notes(after, tolerance),
        words=("holds", "does NOT hold"),
    )


def _with_truth(outcome: Outcome, cells: NDArray[np.intp], n_frames: int) -> Floats:
    """Correlate the traces of some cells that were found with the truth, over the first frames."""
    estimated: Any = outcome.estimate.C
    true = outcome.recording.truth["C"].values[cells, :n_frames].astype(np.float64)
    return np.asarray(trace_pearson(estimated[outcome.estimate_of[cells], :n_frames], true), np.float64)
