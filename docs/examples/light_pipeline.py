"""A small calcium-imaging pipeline of scikit-image, scipy and OASIS: register, find cells, read traces, deconvolve."""

import numpy as np
from scipy import ndimage
from scipy.signal.windows import tukey
from skimage.feature import peak_local_max
from skimage.morphology import disk
from skimage.registration import phase_cross_correlation


def band_pass(movie, fine_px, coarse_px=6):
    """Keep what has the size of a cell: shot noise and the broad glow go."""
    movie = np.asarray(movie, np.float32)
    fine, coarse = (ndimage.gaussian_filter(movie, (0, sigma, sigma)) for sigma in (fine_px, coarse_px))
    return fine - coarse


def register(movie):
    """Correction ``(frame, 2)``, px: by whole pixels to the middle frame, then by tenths to the mean of all."""
    frames = band_pass(movie, fine_px=1.5)
    # The picture's rim stays put whatever the tissue does: frames are faded out there, once they are moved.
    inner = np.outer(*(tukey(n, 0.3) for n in frames.shape[1:])).astype(np.float32)
    shifts = np.zeros((len(frames), 2))
    moved = list(frames)
    template = frames[len(frames) // 2]
    for upsampling in (1, 10, 10):
        # The default normalization weighs all spatial frequencies alike, and most of them hold only noise.
        shifts += [
            phase_cross_correlation(template * inner, frame * inner, upsample_factor=upsampling, normalization=None)[0]
            for frame in moved
        ]
        moved = [ndimage.shift(frame, by, order=1) for frame, by in zip(frames, shifts, strict=True)]
        template = np.mean(moved, axis=0)
    return shifts


def find_cells(movie, min_peak=6):
    """Footprints ``(unit_id, height, width)`` of what once rises ``min_peak`` times above its own noise."""
    smooth = ndimage.uniform_filter1d(band_pass(movie, fine_px=2), 5, axis=0)
    smooth -= np.median(smooth, axis=0)
    noise = 1.4826 * np.median(np.abs(smooth), axis=0) + 1e-6  # some pixels never change
    # Of a square's pixels the corners are too far: there, a bright cell's flank would hide its neighbour.
    peaks = peak_local_max(
        (smooth / noise).max(axis=0), footprint=disk(4), threshold_abs=min_peak, exclude_border=False
    )
    sharper = band_pass(movie, fine_px=1)
    found = [footprint(sharper, smooth[:, row, column], (row, column)) for row, column in peaks]
    return np.reshape(found, (-1, *smooth.shape[1:]))  # no cell is a result, too


def footprint(movie, brightness, seed, radius_px=7):
    """What the seed's brightest frames add to the picture, as far as it hangs together with the seed."""
    bright = brightness > np.quantile(brightness, 0.97)
    picture = movie[bright].mean(axis=0) - movie[~bright].mean(axis=0)
    row, column = np.indices(picture.shape)
    near = np.hypot(row - seed[0], column - seed[1]) <= radius_px
    parts, _ = ndimage.label(near & (picture > 0.3 * picture[seed]))
    return np.where(parts == parts[seed], picture, 0)


def read_traces(movie, footprints):
    """Fluorescence ``(unit_id, frame)`` of all footprints and the still picture together, by least squares."""
    pixels = band_pass(movie, fine_px=1).reshape(len(movie), -1)
    # The edges of vessels are as sharp as cells, and brighten and dim with all that lies below.
    still = np.median(pixels, axis=0)
    known = np.vstack([footprints.reshape(-1, pixels.shape[1]), still])
    return np.linalg.lstsq(known.T, pixels.T, rcond=None)[0][:-1].astype(np.float64)


def infer_spikes(traces, fps, decay_s=0.2):
    """Denoised traces and spikes, both ``(unit_id, frame)``, by OASIS; ``decay_s`` suits GCaMP6f."""
    # Not at the top: oasis-deconv has no wheels for Python 3.14, and the rest of the pipeline needs none.
    from oasis.functions import GetSn, deconvolve

    results = [deconvolve(trace, tau_d=decay_s, framerate=fps) for trace in traces]
    denoised, spikes = (np.array([result[i] for result in results]) for i in (0, 1))
    noise = np.array([[GetSn(trace)] for trace in traces])
    return denoised, np.where(spikes > noise, spikes, 0)
