"""A small calcium-imaging pipeline from scikit-image, scipy and OASIS: register, find cells, deconvolve."""

import numpy as np
from oasis.functions import deconvolve
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.registration import phase_cross_correlation


def band_pass(movie, fine_px=1.5, coarse_px=8.0):
    """Keep what has the size of a cell or a vessel: shot noise and the broad glow both go."""
    movie = np.asarray(movie, dtype=np.float32)
    return ndimage.gaussian_filter(movie, (0, fine_px, fine_px)) - ndimage.gaussian_filter(
        movie, (0, coarse_px, coarse_px)
    )


def register(movie, passes=2):
    """Correction (height, width) of each frame, px, against a template that is refined once."""
    filtered = band_pass(movie)
    template = filtered[len(filtered) // 2]
    for _ in range(passes):
        # normalization=None: whitening the spectrum ("phase", the default) would weigh noise like signal.
        shifts = np.array(
            [phase_cross_correlation(template, frame, upsample_factor=20, normalization=None)[0] for frame in filtered]
        )
        template = np.mean([ndimage.shift(f, s, order=1) for f, s in zip(filtered, shifts, strict=True)], axis=0)
    return shifts


def register_wrongly(movie):
    """The same in one line of defaults on raw frames: a common mistake."""
    return np.array([phase_cross_correlation(movie[0], frame, upsample_factor=20)[0] for frame in movie])


def find_cells(movie, radius_px=8, min_correlation=0.35, peak_snr=5.0):
    """Footprints (unit_id, height, width) of what flashes: peaks of local activity, grown by correlation."""
    filtered = band_pass(movie, fine_px=1.0, coarse_px=6.0)
    filtered -= np.median(filtered, axis=0)
    noise = 1.4826 * np.median(np.abs(np.diff(filtered, axis=0)), axis=0) / np.sqrt(2)
    smooth = ndimage.uniform_filter1d(filtered, 5, axis=0)
    peaks = peak_local_max(smooth.max(axis=0) / noise, min_distance=4, threshold_abs=peak_snr, exclude_border=3)
    height, width = movie.shape[1:]
    footprints: list[np.ndarray] = []
    for row, column in peaks:
        top, left = max(row - radius_px, 0), max(column - radius_px, 0)
        patch = smooth[:, top : row + radius_px + 1, left : column + radius_px + 1]
        seed = smooth[:, row, column]
        # Only the frames in which the seed is active tell which pixels belong to it.
        weight = np.clip(seed - np.quantile(seed, 0.9), 0, None)
        picture = np.tensordot(weight, patch, axes=(0, 0)) / weight.sum()
        mask = picture > min_correlation * picture[row - top, column - left]
        labels, _ = ndimage.label(mask)
        mask = labels == labels[row - top, column - left]
        footprint = np.zeros((height, width), np.float32)
        footprint[top : top + mask.shape[0], left : left + mask.shape[1]] = np.where(mask, picture, 0)
        footprints.append(footprint / footprint.max())
    return np.array(footprints).reshape(-1, height, width)


def traces(movie, footprints):
    """Fluorescence (unit_id, frame) under each footprint, its surround subtracted."""
    filtered = band_pass(movie, fine_px=0.5, coarse_px=6.0).reshape(len(movie), -1)
    weights = footprints.reshape(len(footprints), -1)
    return (weights @ filtered.T) / (weights**2).sum(axis=1, keepdims=True)


def spikes(fluorescence):
    """Deconvolved activity (unit_id, frame) by OASIS."""
    return np.array([deconvolve(trace.astype(float), penalty=1)[1] for trace in fluorescence])
