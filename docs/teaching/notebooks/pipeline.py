"""A light pipeline for the notebooks beside this file: it finds cells, and reads their traces. Only SciPy."""

import numpy as np
from scipy import ndimage


def band_pass(movie, cell_px=1.0, background_px=6.0):
    """Keep what has the size of a cell and lasts some frames; `(frame, height, width)`, median 0 in each pixel."""
    movie = np.asarray(movie, np.float32)
    fine = ndimage.gaussian_filter(movie, (2, cell_px, cell_px))
    bumps = fine - ndimage.gaussian_filter(movie, (2, background_px, background_px))
    return bumps - np.median(bumps, axis=0)


def rises(bumps):
    """Each pixel's largest value over its own noise, or over the usual noise if that is more; `(height, width)`."""
    noise = np.median(np.abs(bumps), axis=0)
    return bumps.max(axis=0) / np.maximum(noise, np.median(noise))


def find_cells(bumps, threshold=8.0, height=None):
    """Take what once rises `threshold` times above its own noise, as it looks then; a list of `(height, width)`.

    `height` is `rises(bumps)`, for who has it already: it takes longer than the rest.
    """
    height = rises(bumps) if height is None else height
    peaks = (height == ndimage.maximum_filter(height, 9)) & (height > threshold)
    footprints = []
    for row, column in np.argwhere(peaks):
        brightest = bumps[bumps[:, row, column].argmax()]
        patches, _ = ndimage.label(brightest > 0.3 * brightest[row, column])
        footprints.append(brightest * (patches == patches[row, column]))
    return footprints


def read_traces(bumps, footprints):
    """Fit all footprints to each frame by least squares; `(unit_id, frame)`."""
    images = np.reshape(footprints, (len(footprints), -1))
    return np.linalg.lstsq(images.T, bumps.reshape(len(bumps), -1).T, rcond=None)[0].astype(np.float64)
