"""Find evident mistakes in how an estimate was given: other readings of its numbers that fit the truth far better."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.kernels.types import Floats
from pytest_calsim.testing.inputs.types import FootprintForm, Unit
from pytest_calsim.testing.scoring.footprints import FootprintScores, score_footprints
from pytest_calsim.testing.scoring.shared_offset import cross_correlation
from pytest_calsim.testing.scoring.shifts import Convention, compare_shifts
from pytest_calsim.testing.scoring.spikes import spike_precision_recall
from pytest_calsim.testing.scoring.traces import correlations, trace_pearson

__all__ = ["footprint_mistakes", "shift_mistakes", "spike_mistakes", "trace_mistakes"]

_FAR = 2.0
"""Another reading is named when it is better by this factor, and ..."""
_MOST = 0.5
"""... when it finds at least this share of the cells, or correlates with them by as much."""
_MOST_FRAMES = 3
"""Rows are evidently late or early by no more frames than this, and ..."""
_MOST_CELLS = 2 / 3
"""... when this share of the cells says so."""


def shift_mistakes(shifts: NDArray[np.float64], true: NDArray[np.float64], convention: Convention) -> list[str]:
    """Say whether the other sign, or the columns swapped, would score a far smaller RMSE."""
    other: Convention = "displacement" if convention == "correction" else "correction"
    opposite = f"with convention={other!r}"
    swapped = shifts[:, ::-1]
    rmse_of = {
        f"the sign is evidently the opposite: {opposite}": _rmse_px(shifts, true, other),
        "the columns are evidently (width, height): swapped": _rmse_px(swapped, true, convention),
        f"the columns are evidently (width, height), the sign the opposite: swapped and {opposite}": (
            _rmse_px(swapped, true, other)
        ),
    }
    words = min(rmse_of, key=rmse_of.__getitem__)
    if rmse_of[words] * _FAR < _rmse_px(shifts, true, convention):
        return [f"{words}, RMSE would be {rmse_of[words]:.2f} px"]
    return []


def _rmse_px(shifts: Floats, true: Floats, convention: Convention) -> float:
    return compare_shifts(shifts, true, convention=convention).rmse_px


def trace_mistakes(C_est: Floats, C_true: Floats, *, leader: str = "footprints") -> list[str]:
    """Say whether rows, which are paired, fit far better in another order, or most of them some frames later.

    ``leader`` says what tells which cell each row is.
    """
    reading = _better_reading(C_est, C_true, most_frames=_MOST_FRAMES)
    if reading is None:
        return []
    pearson = float(np.median(np.nan_to_num(trace_pearson(*reading.of(C_est, C_true)))))
    return [f"{reading.words('traces', leader)}, their median correlation would be {pearson:.2f}"]


def spike_mistakes(
    S_est: Floats, S_true: Floats, *, tol_frames: int, spike_thresh: float, leader: str = "footprints"
) -> list[str]:
    """Say whether rows of spikes, which are paired, fit far better in another order, or most of them frames later.

    ``leader`` says what tells which cell each row is; ``tol_frames`` and ``spike_thresh`` are those of the score.
    """
    ndimage: Any = import_module("scipy.ndimage")

    def spread(events: NDArray[np.bool_]) -> Floats:
        # Over the tolerance, as events that are near one another agree.
        return ndimage.uniform_filter1d(events.astype(np.float64), 2 * tol_frames + 1, axis=1, mode="constant")

    reading = _better_reading(spread(S_est > spike_thresh), spread(S_true > 0), most_frames=_MOST_FRAMES + tol_frames)
    if reading is None:
        return []
    spikes = spike_precision_recall(*reading.of(S_est, S_true), tol_frames=tol_frames, spike_thresh=spike_thresh)
    hits = spikes.n_hits.sum()
    recall = hits / max(spikes.n_true.sum(), 1)
    precision = hits / max(spikes.n_est.sum(), 1)
    return [f"{reading.words('spikes', leader)}, recall would be {recall:.2f} and precision {precision:.2f}"]


class _Reading(NamedTuple):
    """Another reading of rows: the true row that each estimated one follows, or how many frames it comes late."""

    true_rows: NDArray[np.intp] | None = None
    lag: int = 0

    def of(self, est: Floats, true: Floats) -> tuple[Floats, Floats]:
        """Return the rows that this reading pairs, and the frames that it lays on one another."""
        if self.true_rows is not None:
            true = true[self.true_rows]
        n_frames = true.shape[1]
        late = est[:, max(self.lag, 0) : n_frames + min(self.lag, 0)]
        return late, true[:, max(-self.lag, 0) : n_frames + min(-self.lag, 0)]

    def words(self, kind: str, leader: str) -> str:
        """Say it."""
        if self.true_rows is not None:
            return f"the rows are evidently in another order than the {leader}: each with the cell it follows best"
        frames = f"{abs(self.lag)} frame{'s' if abs(self.lag) > 1 else ''} {'late' if self.lag > 0 else 'early'}"
        return f"the {kind} are evidently {frames}: moved"


def _better_reading(est: Floats, true: Floats, *, most_frames: int) -> _Reading | None:
    """Find the reading of paired rows that correlates far better than the one given, if there is one."""
    n_frames = true.shape[1]
    lags = [lag for lag in range(-most_frames, most_frames + 1) if abs(lag) < n_frames - 1]
    pearson = np.array([np.nan_to_num(trace_pearson(*_Reading(lag=lag).of(est, true))) for lag in lags])
    given = float(np.median(pearson[lags.index(0)]))
    pairs, ordered = _best_order(est, true)
    # Among many cells, some fit by chance: as many as fit what the cells do at another time.
    _, by_chance = _best_order(est, np.roll(true, n_frames // 2, axis=1))
    if ordered >= _MOST and ordered > _FAR * max(given, by_chance):
        return _Reading(true_rows=pairs)
    best = np.array(lags)[pearson.argmax(axis=0)]
    found, counts = np.unique(best, return_counts=True)
    lag = int(found[counts.argmax()])
    evident = lag != 0 and counts.max() >= _MOST_CELLS * len(best)
    return _Reading(lag=lag) if evident else None


def _best_order(est: Floats, true: Floats) -> tuple[NDArray[np.intp], float]:
    """Pair rows one to one so that the sum of all correlations is highest; return true rows and the median of all."""
    pearson = correlations(est, true)
    optimize: Any = import_module("scipy.optimize")
    pairs = cast("tuple[NDArray[np.intp], ...]", optimize.linear_sum_assignment(pearson, maximize=True))
    return pairs[1], float(np.median(pearson[pairs]))


def footprint_mistakes(
    A_est: SparseFootprints,
    A_true: SparseFootprints,
    scores: FootprintScores,
    *,
    min_iou: float,
    form: FootprintForm = "array",
) -> list[str]:
    """Say whether pixels in another order, or all estimates moved alike, would find far more cells.

    ``form``, in which the estimate was given, says how its user reads it in another order.
    """
    height, width = A_est.shape[1:]
    row, column = np.divmod(A_est.indices, width)
    last_row = height - 1
    last_column = width - 1
    if form == "flat columns":  # what was read in Fortran order may be in C order, anything else the other way round
        other_order = np.divmod(column * height + row, width)
    elif form == "stat":
        other_order = (column, row)
    else:
        other_order = np.divmod(A_est.indices, height)[::-1]
    dy, dx = _displacement(A_est, A_true)
    readings = {
        _in_other_order(form, height, width): other_order,
        "rows are evidently counted from the other end: turned": (last_row - row, column),
        "columns are evidently counted from the other end: turned": (row, last_column - column),
        f"all estimates evidently lie ({dy:+d}, {dx:+d}) px from the truth: moved back": (row - dy, column - dx),
    }
    recalls = {
        words: score_footprints(_with_pixels(A_est, *at), A_true, scores.counted, min_iou=min_iou).recall
        for words, at in readings.items()
    }
    words, recall = max(recalls.items(), key=lambda item: item[1])
    far = recall >= _MOST and recall >= _FAR * scores.recall
    return [f"{words}, recall would be {recall:.2f}"] if far else []


def _in_other_order(form: FootprintForm, height: int, width: int) -> str:
    """Say that pixels are in another order than they were read in, and how to read them in that."""
    if form == "flat rows":
        return f"pixels are evidently in Fortran order: with Estimate.from_caiman(A.T, dims=({height}, {width}))"
    if form == "flat columns":
        return f"pixels are evidently in C order: with Estimate(A=csr_array(A).T, image_shape=({height}, {width}))"
    if height != width and form in ("array", "list", "xarray"):
        values = {"array": "A", "list": "np.array(A)", "xarray": "A.values"}[form]
        return f"pixels are evidently in Fortran order: with {values}.reshape(-1, {width}, {height}).transpose(0, 2, 1)"
    if height != width and form == "label image":
        return f"pixels are evidently in Fortran order: with A.reshape({width}, {height}).T"
    turned = {
        "array": "with A.transpose(0, 2, 1)",
        "list": "with [a.T for a in A]",
        "xarray": "with A.rename(height='width', width='height')",
        "label image": "with A.T",
        "stat": "with ypix and xpix the other way round",
    }
    return f"rows and columns are evidently swapped: {turned.get(form, 'the other way round')}"


def _with_pixels(A: SparseFootprints, row: NDArray[np.int32], column: NDArray[np.int32]) -> SparseFootprints:
    """Return the same values at other places; what leaves the image is lost."""
    units: list[Unit] = []
    for start, stop in zip(A.indptr[:-1], A.indptr[1:], strict=True):
        r = row[start:stop]
        c = column[start:stop]
        inside = (r >= 0) & (r < A.shape[1]) & (c >= 0) & (c < A.shape[2])
        pixels = r[inside].astype(np.int64) * A.shape[2] + c[inside]
        order = np.argsort(pixels)
        units.append((pixels[order], A.data[start:stop][inside][order]))
    return SparseFootprints.from_units(units, A.shape[1:])


def _displacement(A_est: SparseFootprints, A_true: SparseFootprints) -> tuple[int, int]:
    """Return where all estimates together lie best on all cells together: the peak of their cross-correlation."""
    correlation = cross_correlation(_sum_of_footprints(A_est), _sum_of_footprints(A_true))
    n_rows, n_columns = correlation.shape
    dy, dx = divmod(int(correlation.argmax()), n_columns)
    # The second half of each axis stands for negative displacements.
    return dy - n_rows if 2 * dy >= n_rows else dy, dx - n_columns if 2 * dx >= n_columns else dx


def _sum_of_footprints(A: SparseFootprints) -> NDArray[np.float64]:
    """Sum all footprints, each with a peak of 1."""
    peaks = np.array([A.unit(i)[1].max(initial=0.0) for i in range(len(A))])
    scale = np.repeat(np.where(peaks > 0, peaks, 1.0), np.diff(A.indptr))
    return np.bincount(A.indices, A.data / scale, A.shape[1] * A.shape[2]).reshape(A.shape[1:]).astype(np.float64)
