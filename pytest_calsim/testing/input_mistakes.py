"""Evident mistakes in how an estimate was handed over: readings of the same numbers that are far nearer the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.testing.inputs.types import Unit
from pytest_calsim.testing.scoring.footprints import FootprintScores, score_footprints
from pytest_calsim.testing.scoring.shifts import Convention, compare_shifts
from pytest_calsim.testing.scoring.traces import trace_pearson

__all__ = ["footprint_mistakes", "shift_mistakes", "trace_mistakes"]

# Another reading is named when it is better by this factor ...
_FAR = 2.0
# ... and, for footprints, finds at least this share of the cells.
_MOST = 0.5
# Traces are evidently late or early, by no more frames than this, when this share of cells says so.
_MOST_FRAMES = 3
_MOST_CELLS = 2 / 3


def shift_mistakes(shifts: NDArray[np.float64], true: NDArray[np.float64], convention: Convention) -> list[str]:
    """Say whether the other sign, or the columns swapped, would score a far smaller RMSE."""
    other: Convention = "displacement" if convention == "correction" else "correction"
    readings: dict[str, tuple[NDArray[np.float64], Convention]] = {
        f"the sign is evidently the opposite: with convention={other!r}": (shifts, other),
        "the columns are evidently (width, height): swapped": (shifts[:, ::-1], convention),
        f"the columns are evidently (width, height), the sign the opposite: swapped and with convention={other!r}": (
            shifts[:, ::-1],
            other,
        ),
    }
    given = compare_shifts(shifts, true, convention=convention).rmse_px
    scores = {words: compare_shifts(s, true, convention=c).rmse_px for words, (s, c) in readings.items()}
    words, rmse = min(scores.items(), key=lambda item: item[1])
    return [f"{words}, RMSE would be {rmse:.2f} px"] if rmse * _FAR < given else []


def trace_mistakes(C_est: NDArray[np.float64], C_true: NDArray[np.float64]) -> list[str]:
    """Say whether most traces correlate best when they are moved by the same few frames (rows are paired)."""
    n_frames = C_true.shape[1]
    lags = [lag for lag in range(-_MOST_FRAMES, _MOST_FRAMES + 1) if abs(lag) < n_frames - 1]
    late = [C_est[:, max(lag, 0) : n_frames + min(lag, 0)] for lag in lags]
    true = [C_true[:, max(-lag, 0) : n_frames + min(-lag, 0)] for lag in lags]
    pearson = np.array([np.nan_to_num(trace_pearson(e, t)) for e, t in zip(late, true, strict=True)])
    best = np.array(lags)[pearson.argmax(axis=0)]
    found, counts = np.unique(best, return_counts=True)
    lag = int(found[counts.argmax()])
    if lag == 0 or counts.max() < _MOST_CELLS * len(best):
        return []
    frames = f"{abs(lag)} frame{'s' if abs(lag) > 1 else ''} {'late' if lag > 0 else 'early'}"
    moved = float(np.median(pearson[lags.index(lag)]))
    return [f"the traces are evidently {frames}: moved, their median correlation would be {moved:.2f}"]


def footprint_mistakes(
    A_est: SparseFootprints, A_true: SparseFootprints, scores: FootprintScores, *, min_iou: float
) -> list[str]:
    """Say whether pixels in another order, or all estimates moved alike, would find far more cells."""
    row, column = np.divmod(A_est.indices, A_est.shape[2])
    last_row = A_est.shape[1] - 1
    last_column = A_est.shape[2] - 1
    by_columns, in_column = np.divmod(A_est.indices, A_est.shape[1])
    dy, dx = _displacement(A_est, A_true)
    readings = {
        "rows and columns are evidently swapped: read in Fortran order (Estimate.from_caiman)": (in_column, by_columns),
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


def _with_pixels(A: SparseFootprints, row: NDArray[np.int32], column: NDArray[np.int32]) -> SparseFootprints:
    """Return the same values at other places; what leaves the picture is lost."""
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
    padded = (2 * A_est.shape[1], 2 * A_est.shape[2])
    spectrum = np.fft.rfft2(_projection(A_est), padded) * np.conj(np.fft.rfft2(_projection(A_true), padded))
    peak = int(np.fft.irfft2(spectrum, padded).argmax())
    dy, dx = divmod(peak, padded[1])
    # The second half of each axis stands for negative displacements.
    return dy - padded[0] * (2 * dy >= padded[0]), dx - padded[1] * (2 * dx >= padded[1])


def _projection(A: SparseFootprints) -> NDArray[np.float64]:
    """Sum of all footprints, each with a peak of 1."""
    peaks = np.array([A.unit(i)[1].max(initial=0.0) for i in range(len(A))])
    scale = np.repeat(np.where(peaks > 0, peaks, 1.0), np.diff(A.indptr))
    return np.bincount(A.indices, A.data / scale, A.shape[1] * A.shape[2]).reshape(A.shape[1:]).astype(np.float64)
