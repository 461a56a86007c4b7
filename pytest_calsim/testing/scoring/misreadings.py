"""Evident mistakes in how an estimate was handed over: readings of the same numbers that are far nearer the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import hide_refusals
from pytest_calsim.testing.scoring.footprints import FootprintScores, score_footprints
from pytest_calsim.testing.scoring.inputs import Unit
from pytest_calsim.testing.scoring.shifts import Convention, compare_shifts

__all__ = ["misread_footprints", "misread_shifts"]

__tracebackhide__ = hide_refusals

# Another reading is named when it is better by this factor ...
_FAR = 2.0
# ... and, for footprints, finds at least this share of the cells.
_MOST = 0.5


def misread_shifts(shifts: NDArray[np.float64], true: NDArray[np.float64], convention: Convention) -> list[str]:
    """Whether the other sign, or the columns swapped, would score a far smaller RMSE."""
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


def misread_footprints(
    A_est: SparseFootprints, A_true: SparseFootprints, scores: FootprintScores, *, min_iou: float
) -> list[str]:
    """Whether pixels in Fortran order, or all estimates moved alike, would find far more cells."""
    dy, dx = _displacement(A_est, A_true)
    readings = {
        "rows and columns are evidently swapped: read in Fortran order (Estimate.from_caiman)": _fortran(A_est),
        f"all estimates evidently lie ({dy:+d}, {dx:+d}) px from the truth, which is at zero shift: moved back": _moved(
            A_est, -dy, -dx
        ),
    }
    recalls = {
        words: score_footprints(A, A_true, scores.counted, min_iou=min_iou).recall for words, A in readings.items()
    }
    words, recall = max(recalls.items(), key=lambda item: item[1])
    far = recall >= _MOST and recall >= _FAR * scores.recall
    return [f"{words}, recall would be {recall:.2f}"] if far else []


def _fortran(A: SparseFootprints) -> SparseFootprints:
    """The same flat pixels, read column by column."""
    column, row = np.divmod(A.indices, A.shape[1])
    return _with_pixels(A, row, column)


def _moved(A: SparseFootprints, dy: int, dx: int) -> SparseFootprints:
    """All footprints moved by whole pixels; what leaves the picture is lost."""
    row, column = np.divmod(A.indices, A.shape[2])
    return _with_pixels(A, row + dy, column + dx)


def _with_pixels(A: SparseFootprints, row: NDArray[np.int32], column: NDArray[np.int32]) -> SparseFootprints:
    units: list[Unit] = []
    for start, stop in zip(A.indptr[:-1], A.indptr[1:], strict=True):
        r, c, values = row[start:stop], column[start:stop], A.data[start:stop]
        inside = (r >= 0) & (r < A.shape[1]) & (c >= 0) & (c < A.shape[2])
        pixels = r[inside].astype(np.int64) * A.shape[2] + c[inside]
        order = np.argsort(pixels)
        units.append((pixels[order], values[inside][order]))
    return SparseFootprints.from_units(units, A.shape[1:])


def _displacement(A_est: SparseFootprints, A_true: SparseFootprints) -> tuple[int, int]:
    """Where all estimates together lie best on all cells together: the peak of their cross-correlation."""
    est, true = (_projection(A) for A in (A_est, A_true))
    padded = (2 * est.shape[0], 2 * est.shape[1])
    spectrum = np.fft.rfft2(est, padded) * np.conj(np.fft.rfft2(true, padded))
    correlation = np.fft.irfft2(spectrum, padded)
    dy, dx = np.unravel_index(int(correlation.argmax()), padded)
    return int((dy + est.shape[0]) % padded[0]) - est.shape[0], int((dx + est.shape[1]) % padded[1]) - est.shape[1]


def _projection(A: SparseFootprints) -> NDArray[np.float64]:
    """Sum of all footprints, each with a peak of 1."""
    peaks = np.array([A.unit(i)[1].max(initial=0.0) for i in range(len(A))])
    scale = np.repeat(np.where(peaks > 0, peaks, 1.0), np.diff(A.indptr))
    return np.bincount(A.indices, A.data / scale, A.shape[1] * A.shape[2]).reshape(A.shape[1:]).astype(np.float64)
