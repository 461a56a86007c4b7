"""Find where the estimates of a registered movie lie as a whole, and bring them to the truth's place."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.testing.scoring.masks import energy_masks, shared_pixels

__all__ = ["align", "centroids", "fit_offset", "nearest_in_hull"]

Offset = tuple[float, float]
"""Rows and columns, px: + toward higher ones."""

# A smaller fraction of a pixel than this is not worth an interpolation, px.
_EXACT = 1e-3
# Pairs that overlap less may be different cells, and do not count for the offset.
_SAME_CELL = 0.3
# A whole pixel this far from the hull, px, is the nearest one to some point of it.
_NEAREST_PIXEL = 0.75
_CANDIDATES = 6


def align(
    A_est: SparseFootprints, A_true: SparseFootprints, offset: Offset
) -> tuple[SparseFootprints, SparseFootprints]:
    """Bring estimates and truth to one place, and cut both to what both pictures show.

    Estimates, which may be masks, are moved by whole pixels; the smooth truth meets them by the fraction that is left,
    by cubic convolution (Keys 1981).

    Parameters
    ----------
    A_est, A_true
        Footprints on pictures of the same size.
    offset
        Displacement of the estimates from the truth, px.
    """
    whole = (round(offset[0]), round(offset[1]))
    if max(map(abs, offset)) < _EXACT:
        return A_est, A_true
    back = A_est.moved(-whole[0], -whole[1])
    true = _moved_by_fraction(_moved_by_fraction(A_true, offset[0] - whole[0], 0), offset[1] - whole[1], 1)
    # The estimates' picture, moved back, does not reach all of the truth's: what it does not show is no part of a cell.
    return back, true.moved(*whole).moved(-whole[0], -whole[1])


def _moved_by_fraction(A: SparseFootprints, fraction: float, axis: int) -> SparseFootprints:
    """Return footprints moved by less than a pixel along rows (0) or columns (1)."""
    if abs(fraction) < _EXACT:
        return A
    first = int(np.floor(-fraction))
    total: Any = 0
    for tap in range(-1, 3):
        weight = _keys(first + tap + fraction)
        by = -(first + tap)
        part: Any = A.moved(by * (axis == 0), by * (axis == 1)).csr
        total += part * np.float32(weight)
    total.sum_duplicates()
    kept: NDArray[np.bool_] = total.data > 0
    return replace(
        A,
        data=total.data[kept].astype(np.float32),
        indices=total.indices[kept].astype(np.int32),
        indptr=np.concatenate([[0], np.cumsum(kept)])[total.indptr],
    )


def _keys(distance: float) -> float:
    """Return the weight of a sample at some distance, px, in Keys' cubic convolution."""
    x = abs(distance)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def fit_offset(A_est: SparseFootprints, A_true: SparseFootprints, displacements: NDArray[np.float64]) -> Offset:
    """Find the one offset at which the estimates as a whole fit the cells best, within what the tissue did.

    Parameters
    ----------
    A_est, A_true
        Footprints on pictures of the same size.
    displacements
        The tissue's true displacements ``(frame, 2)``, px; the offset lies in their convex hull.

    Returns
    -------
    tuple
        Where the estimates lie, from the truth, px; (0, 0) if nowhere they overlap.
    """
    corners = _corners(displacements)
    if not len(A_est.data) or not len(A_true.data):
        return 0.0, 0.0
    est = energy_masks(A_est)
    true = energy_masks(A_true)
    # Whole pixels by the overlap of all masks; then the fraction from the centroids of pairs that are surely one cell.
    best = max(_candidates(est, true, corners), key=lambda at: _total_iou(est, true, at))
    pairs_est, pairs_true = _same_cells(est.moved(-best[0], -best[1]), true)
    if not len(pairs_est):
        return 0.0, 0.0
    # The median, so that a few wrong pairs do not move it.
    off = np.median(centroids(est)[pairs_est] - centroids(true)[pairs_true], axis=0)
    dy, dx = nearest_in_hull(corners, off)
    return float(dy), float(dx)


def centroids(masks: SparseFootprints) -> NDArray[np.float64]:
    """Compute the mean row and column of each unit's pixels ``(unit_id, 2)``, px; NaN for a unit without any."""
    row, column = np.divmod(masks.indices, masks.shape[2])
    unit = np.repeat(np.arange(len(masks)), np.diff(masks.indptr))
    area = np.bincount(unit, minlength=len(masks))
    sums = [np.bincount(unit, of, len(masks)) for of in (row, column)]
    return np.stack(sums, axis=1) / np.where(area > 0, area, np.nan)[:, np.newaxis]


def nearest_in_hull(corners: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the point of the convex hull of ``corners`` ``(n, 2)`` that is nearest to a point ``(2,)``.

    A convex combination of the corners by non-negative least squares; that the weights sum to 1 is one more equation,
    of large weight.
    """
    optimize: Any = import_module("scipy.optimize")
    heavy = 1e3 * max(1.0, float(np.abs(corners).max()), float(np.abs(at).max()))
    equations = np.vstack([corners.T, np.full(len(corners), heavy)])
    weights: NDArray[np.float64] = optimize.nnls(equations, np.append(at, heavy))[0]
    return weights @ corners / weights.sum()


def _corners(displacements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the displacements that lie furthest in any of 64 directions: nearly all corners of their hull."""
    angles = np.arange(64) * (2 * np.pi / 64)
    furthest = (displacements @ np.stack([np.sin(angles), np.cos(angles)])).argmax(axis=0)
    return displacements[np.unique(furthest)]


def _candidates(est: SparseFootprints, true: SparseFootprints, corners: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return whole-pixel offsets in the hull at which both pictures of all masks agree best, and their neighbours."""
    # Twice the size, so that the cyclic correlation of the Fourier transform does not wrap around.
    padded = (2 * est.shape[1], 2 * est.shape[2])
    spectrum = np.fft.rfft2(_picture(est), padded) * np.conj(np.fft.rfft2(_picture(true), padded))
    agreement = np.fft.irfft2(spectrum, padded)
    low = np.floor(corners.min(axis=0)).astype(int)
    high = np.ceil(corners.max(axis=0)).astype(int)
    rows, columns = np.mgrid[low[0] : high[0] + 1, low[1] : high[1] + 1]
    lags = np.stack([rows.ravel(), columns.ravel()], axis=1)
    values = agreement[lags[:, 0] % padded[0], lags[:, 1] % padded[1]]
    found: list[tuple[int, int]] = []
    for lag in lags[np.argsort(-values, kind="stable")]:
        if np.hypot(*(nearest_in_hull(corners, lag.astype(np.float64)) - lag)) <= _NEAREST_PIXEL:
            found.append((int(lag[0]), int(lag[1])))
        if len(found) == _CANDIDATES:
            break
    return found


def _picture(masks: SparseFootprints) -> NDArray[np.float64]:
    """Return how many masks lie on each pixel ``(height, width)``."""
    return np.bincount(masks.indices, minlength=masks.shape[1] * masks.shape[2]).reshape(masks.shape[1:]).astype(float)


def _iou(est: SparseFootprints, true: SparseFootprints) -> Any:
    """Return the IoU of every pair that overlaps, as a scipy ``coo_array`` (estimates, cells)."""
    shared = shared_pixels(est, true).tocoo()
    areas = np.diff(est.indptr)[shared.row] + np.diff(true.indptr)[shared.col]
    shared.data = shared.data / (areas - shared.data)
    return shared


def _total_iou(est: SparseFootprints, true: SparseFootprints, at: tuple[int, int]) -> float:
    """Sum of each estimate's best IoU, once it is moved back from an offset."""
    iou = _iou(est.moved(-at[0], -at[1]), true)
    return float(iou.max(axis=1).sum()) if iou.nnz else 0.0


def _same_cells(est: SparseFootprints, true: SparseFootprints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return estimates and cells that are each other's best, and overlap well."""
    iou: NDArray[np.float64] = _iou(est, true).toarray()
    best = iou.argmax(axis=1)
    mutual = (iou.argmax(axis=0)[best] == np.arange(len(iou))) & (iou.max(axis=1, initial=0.0) >= _SAME_CELL)
    return np.flatnonzero(mutual), best[mutual]
