"""Cells as small pictures: their making in Fourier space and their painting onto the canvas."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["add_patches", "block_mean", "fold_transfer", "lit_box"]

Floats32 = NDArray[np.float32]


@compiled
def add_patches(
    values: Floats32,
    start: NDArray[np.int64],
    row: NDArray[np.int32],
    column: NDArray[np.int32],
    height: NDArray[np.int32],
    width: NDArray[np.int32],
    light: Floats32,
    image: Floats32,
) -> None:
    """Add every patch times its light to the image, in the patches' order."""
    for i in range(light.shape[0]):
        gain = light[i]
        if gain == 0:
            continue
        w = width[i]
        for r in range(height[i]):
            begin = start[i] + r * w
            line = image[row[i] + r, column[i] : column[i] + w]
            patch = values[begin : begin + w]
            for c in range(w):
                line[c] += gain * patch[c]


def fold_transfer(
    spectrum: NDArray[np.complex64],
    along: NDArray[np.complex64],
    samples: int,
    scale: float,
    bessel: Floats32,
) -> NDArray[np.complex64]:
    """Multiply a half spectrum by a transfer function and fold its rows onto the pixel grid.

    Parameters
    ----------
    spectrum
        ``(samples·n, columns)``, rows in the order of ``fftfreq``, columns from frequency 0 up.
    along
        The separable part of the transfer, by row; columns use its beginning.
    samples
        How many rows share one folded row.
    scale
        Places in ``bessel`` per whole-number frequency; 0 leaves the radial part out.
    bessel
        The radial part on a regular grid.

    Returns
    -------
    folded
        ``(n, columns)``, divided by ``samples``, the folded rows per row.
    """
    folded = np.zeros((len(spectrum) // samples, spectrum.shape[1]), np.complex64)
    _fold_transfer(spectrum, along, samples, scale, bessel, folded)
    return folded


@compiled
def _fold_transfer(
    spectrum: NDArray[np.complex64],
    along: NDArray[np.complex64],
    samples: int,
    scale: float,
    bessel: Floats32,
    folded: NDArray[np.complex64],
) -> None:
    rows, columns = spectrum.shape
    n = folded.shape[0]
    share = np.float32(1 / samples)
    last = bessel.shape[0] - 2
    for k in range(rows):
        a = along[k] * share
        if a.real * a.real + a.imag * a.imag < 1e-14:
            continue
        fy = min(k, rows - k)
        line = folded[k % n]
        for j in range(columns):
            value = a * along[j] * spectrum[k, j]
            if scale > 0:
                at = scale * math.sqrt(fy * fy + j * j)
                i = min(int(at), last)
                part = np.float32(at - i)
                value = value * (bessel[i] + part * (bessel[i + 1] - bessel[i]))
            line[j] += value


def block_mean(fine: Floats32, samples: int) -> Floats32:
    """Means over blocks of ``samples`` by ``samples``."""
    mean = np.zeros((fine.shape[0] // samples, fine.shape[1] // samples), np.float32)
    _block_mean(fine, samples, mean)
    return mean


@compiled
def _block_mean(fine: Floats32, samples: int, mean: Floats32) -> None:
    height, width = mean.shape
    share = np.float32(1 / samples**2)
    for r in range(height):
        line = mean[r]
        for a in range(samples):
            parts = fine[r * samples + a]
            for c in range(width):
                for b in range(samples):
                    line[c] += parts[c * samples + b]
        for c in range(width):
            line[c] *= share


@compiled
def lit_box(image: Floats32) -> tuple[int, int, int, int]:
    """First and one past the last row and column that hold anything but zeros; four zeros for a dark image."""
    height, width = image.shape
    top, bottom, left, right = height, 0, width, 0
    for r in range(height):
        first = 0
        while first < width and image[r, first] == 0:
            first += 1
        if first == width:
            continue
        last = width
        while image[r, last - 1] == 0:
            last -= 1
        top, bottom = min(top, r), r + 1
        left, right = min(left, first), max(right, last)
    if bottom == 0:
        return 0, 0, 0, 0
    return top, bottom, left, right
