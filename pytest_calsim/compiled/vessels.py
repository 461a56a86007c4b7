"""Vessels as seen from above: mean chords of tapered cylinders on pixels, and Gaussian blur."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled

__all__ = ["blur", "lengthen_chords"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@compiled
def _chord_area(u: float, radius: float) -> float:
    """Antiderivative of the chord 2·√(r² − u²) of a circle, u held within ± r."""
    u = min(max(u, -radius), radius)
    return u * math.sqrt(radius * radius - u * u) + radius * radius * math.asin(u / radius)


@compiled
def lengthen_chords(
    chords: Floats32, added: Floats32, y_um: Floats, x_um: Floats, pixel_um: float, segments: Floats
) -> None:
    """Raise each pixel's chord, in place, to the longest vertical path inside any segment's lumen, µm.

    Parameters
    ----------
    chords
        Chords so far ``(len(y_um), len(x_um))``.
    added
        Where to add what they gain; as large.
    y_um, x_um, pixel_um
        Pixel centres, and the distance between them.
    segments
        Rows of (y, x, radius) at the start and (y, x, radius) at the end, µm. The chord is averaged over one pixel
        across the vessel, which keeps its cross-section's area at any pixel size.
    """
    pixel = pixel_um
    for s in range(segments.shape[0]):
        y0, x0, r0 = segments[s, 0], segments[s, 1], segments[s, 2]
        dy, dx, dr = segments[s, 3] - y0, segments[s, 4] - x0, segments[s, 5] - r0
        length2 = dy * dy + dx * dx
        reach = max(r0, r0 + dr) + pixel
        # One pixel more on each side than can be touched: rounding of these bounds then changes nothing.
        top = max(0, math.floor((min(y0, y0 + dy) - reach - y_um[0]) / pixel) - 1)
        bottom = min(y_um.shape[0], math.ceil((max(y0, y0 + dy) + reach - y_um[0]) / pixel) + 2)
        left = max(0, math.floor((min(x0, x0 + dx) - reach - x_um[0]) / pixel) - 1)
        right = min(x_um.shape[0], math.ceil((max(x0, x0 + dx) + reach - x_um[0]) / pixel) + 2)
        for r in range(top, bottom):
            for c in range(left, right):
                y, x = y_um[r] - y0, x_um[c] - x0
                along = min(max((y * dy + x * dx) / length2, 0.0), 1.0) if length2 > 0 else 0.0
                radius = r0 + along * dr
                off_y, off_x, far = y - along * dy, x - along * dx, radius + pixel / 2
                off2 = off_y * off_y + off_x * off_x
                if off2 < far * far:
                    off = math.sqrt(off2)
                    chord = _chord_area(off + pixel / 2, radius) - _chord_area(off - pixel / 2, radius)
                    more = np.float32(chord / pixel) - chords[r, c]
                    if more > 0:
                        chords[r, c] += more
                        added[r, c] += more


def blur(image: Floats32, half_kernel: Floats32, rim: int) -> Floats32:
    """Convolve along both axes with a symmetric kernel, ``half_kernel[distance]``; the result lacks the image's rim.

    Where the kernel reaches beyond the image, its outermost pixels go on.
    """
    height, width = image.shape[0] - 2 * rim, image.shape[1] - 2 * rim
    line, padded = np.empty(image.shape[1], np.float32), np.empty(width + 2 * (len(half_kernel) - 1), np.float32)
    out = np.empty((height, width), np.float32)
    _blur(image, half_kernel, rim, line, padded, out)
    return out


@compiled
def _blur(image: Floats32, half_kernel: Floats32, rim: int, line: Floats32, padded: Floats32, out: Floats32) -> None:
    """``line`` and ``padded`` are scratch: a row blurred across rows, and the part of it that the result asks for."""
    height, width = image.shape
    reach = half_kernel.shape[0] - 1
    middle = padded[reach : reach + out.shape[1]]
    for r in range(out.shape[0]):
        weight, here = half_kernel[0], image[r + rim]
        for c in range(width):
            line[c] = weight * here[c]
        for k in range(1, reach + 1):
            weight = half_kernel[k]
            above, below = image[max(r + rim - k, 0)], image[min(r + rim + k, height - 1)]
            for c in range(width):
                line[c] += weight * (above[c] + below[c])
        for i in range(padded.shape[0]):
            padded[i] = line[min(max(i + rim - reach, 0), width - 1)]
        blurred, weight = out[r], half_kernel[0]
        for c in range(blurred.shape[0]):
            blurred[c] = weight * middle[c]
        for k in range(1, reach + 1):
            weight, left, right = half_kernel[k], padded[reach - k :], padded[reach + k :]
            for c in range(blurred.shape[0]):
                blurred[c] += weight * (left[c] + right[c])
