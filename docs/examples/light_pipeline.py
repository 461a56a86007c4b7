"""A small calcium-imaging pipeline of scikit-image, scipy and OASIS: register, find cells, read traces, deconvolve."""

from functools import partial

import numpy as np
from scipy import ndimage
from scipy.signal.windows import tukey
from skimage.feature import peak_local_max
from skimage.morphology import disk
from skimage.registration import phase_cross_correlation


def band_pass(movie, fine_px, coarse_px=6):
    """Keep what has the size of a cell: shot noise and the broad glow go."""
    movie = flat(movie)
    fine, coarse = (ndimage.gaussian_filter(movie, (0, sigma, sigma)) for sigma in (fine_px, coarse_px))
    return fine - coarse


def flat(movie):
    """Take out how light falls off to the rim, where an average is one-sided: a polynomial of degree 4.

    It does not move with the tissue, and is as bright as each frame.
    """
    movie = np.asarray(movie, np.float32)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in movie.shape[1:]), indexing="ij")
    terms = np.stack([y**i * x**j for i in range(5) for j in range(5 - i)], axis=-1).reshape(-1, 15)
    basis = np.linalg.qr(terms)[0].astype(np.float32)
    field = (movie.mean(axis=0).ravel() @ basis @ basis.T).reshape(movie.shape[1:])
    brightness = np.tensordot(movie, field, 2) / max(float((field**2).sum()), 1e-6)
    return movie - brightness[:, np.newaxis, np.newaxis] * field


def without_fixed_pattern(movie):
    """Take the sensor's fixed pattern out of a moving movie: the detail of the mean frame, where tissue is blurred.

    It stays put whatever the tissue does, so it holds a registration back, and flickers once frames are moved.
    """
    movie = np.asarray(movie, np.float32)
    mean = movie.mean(axis=0)
    return movie - (mean - ndimage.gaussian_filter(mean, 1))


def register(movie):
    """Correction ``(frame, 2)``, px: by whole pixels to the middle frame, then by tenths to the mean of all."""
    frames = band_pass(without_fixed_pattern(movie), fine_px=1.5)
    size = np.array(frames.shape[1:])
    # The picture's rim stays put, too: frames are faded out there, once they are moved.
    inner = np.outer(*(tukey(n, 0.3) for n in size)).astype(np.float32)
    shifts = np.zeros((len(frames), 2))
    moved = list(frames)
    template = frames[len(frames) // 2]
    for upsampling in (1, 10, 10):
        # The default normalization weighs all spatial frequencies alike, and most of them hold only noise.
        lag = partial(phase_cross_correlation, template * inner, upsample_factor=upsampling, normalization=None)
        steps = np.array([lag(frame * inner)[0] for frame in moved])
        steps[(np.abs(steps) > size / 4).any(axis=1)] = 0  # so far is no motion, but a chance likeness
        shifts += steps
        moved = [ndimage.shift(frame, by, order=1) for frame, by in zip(frames, shifts, strict=True)]
        template = np.mean(moved, axis=0)
    return shifts


def move(movie, shifts):
    """Frames moved by ``(frame, 2)`` px and cut to what all of them show; and where that lies, as two slices."""
    frames = without_fixed_pattern(movie)
    moved = np.array([ndimage.shift(f, by, order=1, cval=np.nan) for f, by in zip(frames, shifts, strict=True)])
    shown = np.isfinite(moved).all(axis=0)
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return moved[:, *part], part


def put_back(footprints, part, shape):
    """Footprints on the whole picture of a shape ``(height, width)``, from those on a part of it."""
    whole = np.zeros((len(footprints), *shape), np.float32)
    whole[:, *part] = footprints
    return whole


def find_cells(movie, min_peak=6):
    """Footprints ``(unit_id, height, width)`` of what once rises ``min_peak`` times above its own noise."""
    smooth = ndimage.uniform_filter1d(band_pass(movie, fine_px=2), 5, axis=0)
    smooth -= np.median(smooth, axis=0)
    noise = 1.4826 * np.median(np.abs(smooth), axis=0)
    # Light falls off to the corners by half, and its noise by less. A pixel that varies by more than twice the usual
    # shows a cell that is active most of the time.
    usual = np.median(noise)
    noise = np.clip(noise, 0.6 * usual, 2 * usual) + 1e-6  # where nothing changes
    # Of a square's pixels the corners are too far: there, a bright cell's flank would hide its neighbour.
    peaks = peak_local_max(
        (smooth / noise).max(axis=0), footprint=disk(4), threshold_abs=min_peak, exclude_border=False
    )
    sharper = band_pass(movie, fine_px=1)
    found = [footprint(sharper, smooth[:, row, column], (row, column)) for row, column in peaks]
    somata = [image for image in found if width(image) <= 3.3]
    return np.reshape(somata, (-1, *smooth.shape[1:]))  # no cell is a result, too


def width(image):
    """Root mean square distance from the centre, px: a soma's is its radius at most, what flickers at the rim wider."""
    at = np.argwhere(image > 0)
    weights = image[image > 0]
    centre = np.average(at, axis=0, weights=weights)
    return np.sqrt(np.average(((at - centre) ** 2).sum(axis=1), weights=weights))


def footprint(movie, brightness, seed, radius_px=7):
    """What the seed's brightest frames add to the picture, as far as it hangs together with the seed."""
    bright = brightness > np.quantile(brightness, 0.97)
    picture = movie[bright].mean(axis=0) - movie[~bright].mean(axis=0)
    row, column = np.indices(picture.shape)
    near = np.hypot(row - seed[0], column - seed[1]) <= radius_px
    parts, _ = ndimage.label(near & (picture > 0.3 * picture[seed]))
    return np.where(parts == parts[seed], picture, 0)


def read_traces(movie, footprints):
    """What all footprints together add to the still picture, ``(unit_id, frame)``, by least squares."""
    pixels = band_pass(movie, fine_px=1).reshape(len(movie), -1)
    pixels -= np.median(pixels, axis=0)
    known = footprints.reshape(-1, pixels.shape[1])
    return np.linalg.lstsq(known.T, pixels.T, rcond=None)[0].astype(np.float64)


def infer_spikes(traces, fps, decay_s=0.2):
    """Denoised traces and spikes, both ``(unit_id, frame)``, by OASIS; ``decay_s`` suits GCaMP6f.

    The least spike is 2.25 times the error of a lone one's size, σ·√(1 − g²), and half of the cell's usual spike.
    """
    # Not at the top: oasis-deconv has no wheels for Python 3.14, and the rest of the pipeline needs none.
    from oasis.functions import GetSn, deconvolve

    decay = np.exp(-1 / (decay_s * fps))
    denoised = np.zeros_like(traces)
    spikes = np.zeros_like(traces)
    for i, trace in enumerate(traces - np.median(traces, axis=1, keepdims=True)):
        least = 2.25 * GetSn(trace) * np.sqrt(1 - decay**2)
        known = {"tau_d": decay_s, "framerate": fps, "penalty": None}
        first = deconvolve(trace, **known, s_min=least).s
        usual = np.median(first[first > 0]) if first.any() else 0
        denoised[i], spikes[i], *_ = deconvolve(trace, **known, s_min=max(least, usual / 2))
    return denoised, spikes
