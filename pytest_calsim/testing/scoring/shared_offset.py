"""Find where the estimates of a registered movie lie as a whole, and bring them to the truth's place."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.testing.scoring.masks import centroids, energy_masks, shared_pixels

__all__ = ["align", "cross_correlation", "fit_offset", "nearest_in_hull"]

Offset = tuple[float, float]
"""Rows and columns, px: + toward higher ones."""

# A smaller fraction of a pixel than this is not worth an interpolation, px.
_EXACT = 1e-3
# Pairs of a smaller IoU may be different cells, and do not count for the offset.
_SAME_CELL = 0.3
# The nearest whole pixel to a point of the hull lies up to √½ = 0.71 px from it.
_NEAREST_PIXEL = 0.75
# The summed masks of neighbours blur the peak of their correlation, so that several are tried with single masks.
_CANDIDATES = 6


def align(
    A_est: SparseFootprints, A_true: SparseFootprints, offset: Offset
) -> tuple[SparseFootprints, SparseFootprints]:
    """Bring estimates and truth to one place, and cut both to what both images show.

    Estimates, which may be masks, are moved by whole pixels; the smooth truth meets them by the fraction that is left,
    by cubic convolution (Keys 1981).

    Parameters
    ----------
    A_est, A_true
        Footprints on images of the same size.
    offset
        Displacement of the estimates from the truth, px.
    """
    whole = (round(offset[0]), round(offset[1]))
    if max(map(abs, offset)) < _EXACT:
        return A_est, A_true
    back = A_est.moved(-whole[0], -whole[1])
    true = _moved_by_fraction(_moved_by_fraction(A_true, offset[0] - whole[0], 0), offset[1] - whole[1], 1)
    # The estimates' image, moved back, does not reach all of the truth's: what it does not show is no part of a cell.
    return back, true.moved(*whole).moved(-whole[0], -whole[1])


def _moved_by_fraction(A: SparseFootprints, fraction: float, axis: int) -> SparseFootprints:
    """Return footprints moved by less than a pixel along rows (0) or columns (1)."""
    if abs(fraction) < _EXACT:
        return A
    # The convolution reaches two pixels to either side: each new pixel is a weighted sum of four old ones.
    nearest = int(np.floor(fraction))
    total: Any = 0
    for whole in range(nearest - 1, nearest + 3):
        part: Any = A.moved(whole, 0).csr if axis == 0 else A.moved(0, whole).csr
        total += part * np.float32(_keys_weight(fraction - whole))
    total.sum_duplicates()
    # Keys' weights go below zero, footprints do not.
    kept: NDArray[np.bool_] = total.data > 0
    return replace(
        A,
        data=total.data[kept].astype(np.float32),
        indices=total.indices[kept].astype(np.int32),
        indptr=np.concatenate([[0], np.cumsum(kept)])[total.indptr],
    )


def _keys_weight(distance: float) -> float:
    """Return the weight of a sample at some distance, px, in Keys' cubic convolution (1981, a = −1/2)."""
    x = abs(distance)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    if x < 2:
        return ((-0.5 * x + 2.5) * x - 4) * x + 2
    return 0.0


def fit_offset(A_est: SparseFootprints, A_true: SparseFootprints, displacements: NDArray[np.float64]) -> Offset:
    """Find the one offset at which the estimates as a whole fit the cells best, within what the tissue did.

    Parameters
    ----------
    A_est, A_true
        Footprints on images of the same size.
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


def nearest_in_hull(corners: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the point of the convex hull of ``corners`` ``(n, 2)`` that is nearest to a point ``(2,)``.

    It is the convex combination of the corners whose weights solve a non-negative least-squares problem.
    """
    # That the weights sum to 1 is one more equation, heavy enough to outweigh all distances.
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


def cross_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate two images ``(height, width)`` at every displacement of the first from the second.

    Returns
    -------
    ndarray
        ``(2 * height, 2 * width)``; entry ``[dy, dx]`` is for that displacement, and negative ones count from the end,
        as Python's indices do.
    """
    # Twice the size, so that the cyclic correlation of the Fourier transform does not wrap around.
    padded = (2 * first.shape[0], 2 * first.shape[1])
    spectrum = np.fft.rfft2(first, padded) * np.conj(np.fft.rfft2(second, padded))
    return np.fft.irfft2(spectrum, padded)


def _candidates(est: SparseFootprints, true: SparseFootprints, corners: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return whole-pixel offsets in or next to the hull at which the two sums of all masks agree best, best first."""
    agreement = cross_correlation(_masks_on_each_pixel(est), _masks_on_each_pixel(true))
    low = np.floor(corners.min(axis=0)).astype(int)
    high = np.ceil(corners.max(axis=0)).astype(int)
    rows, columns = np.mgrid[low[0] : high[0] + 1, low[1] : high[1] + 1]
    lags = np.stack([rows.ravel(), columns.ravel()], axis=1)
    values = agreement[lags[:, 0] % agreement.shape[0], lags[:, 1] % agreement.shape[1]]
    found: list[tuple[int, int]] = []
    for lag in lags[np.argsort(-values, kind="stable")]:
        if np.hypot(*(nearest_in_hull(corners, lag.astype(np.float64)) - lag)) <= _NEAREST_PIXEL:
            found.append((int(lag[0]), int(lag[1])))
        if len(found) == _CANDIDATES:
            break
    return found


def _masks_on_each_pixel(masks: SparseFootprints) -> NDArray[np.float64]:
    """Count the masks on each pixel ``(height, width)``."""
    n_pixels = masks.shape[1] * masks.shape[2]
    return np.bincount(masks.indices, minlength=n_pixels).reshape(masks.shape[1:]).astype(np.float64)


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
