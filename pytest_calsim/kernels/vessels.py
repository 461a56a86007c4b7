"""See vessels from above: mean chords of tapered cylinders on pixels, and the blur of their shadows."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import array, check_shape, kernel, output
from pytest_calsim.kernels.types import Floats, Floats32

__all__ = ["blur", "lengthen_chords"]


_lengthen_chords = kernel(
    "lengthen_chords",
    int,
    int,
    int,
    array(np.float64, 1),
    array(np.float64, 1),
    float,
    array(np.float64, 2),
    output(np.float32, 2),
    output(np.float32, 2),
)
_blur = kernel(
    "blur",
    int,
    int,
    int,
    int,
    array(np.float32, 2),
    array(np.float32, 1),
    output(np.float32, 1),
    output(np.float32, 2),
)


def lengthen_chords(
    chords: Floats32, added: Floats32, y_um: Floats, x_um: Floats, pixel_um: float, segments: Floats
) -> None:
    """Raise each pixel's chord, in place, to the longest vertical path inside any segment's lumen.

    Parameters
    ----------
    chords
        Chords so far, µm, float32 ``(height, width)``.
    added
        Where to add what they gain; of the same shape.
    y_um, x_um
        Centres of pixels, float64 ``(height,)`` and ``(width,)``.
    pixel_um
        Their distance.
    segments
        y, x and radius at the start, then at the end, µm, float64 ``(n, 6)``. Radii are positive.

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    check_shape("chords", chords, y_um.size, x_um.size)
    check_shape("added", added, y_um.size, x_um.size)
    check_shape("segments", segments, len(segments), 6)
    _lengthen_chords(*chords.shape, len(segments), y_um, x_um, pixel_um, segments, chords, added)


def blur(image: Floats32, half_kernel: Floats32, rim: int) -> Floats32:
    """Convolve an image along both axes with a symmetric kernel.

    Where the kernel reaches beyond the image, its outermost pixels go on.

    Parameters
    ----------
    image
        float32 ``(height, width)``.
    half_kernel
        By distance from 0, in pixels, float32.
    rim
        How many pixels the result lacks on each side.

    Returns
    -------
    ndarray
        float32 ``(height − 2·rim, width − 2·rim)``.

    Raises
    ------
    ValueError
        If the rim is negative or leaves nothing, or the kernel is empty.
    """
    height, width = image.shape
    if not 0 <= 2 * rim < min(height, width):
        raise ValueError(f"an image of shape {image.shape} has no inside with a rim of {rim}")
    if half_kernel.size == 0:
        raise ValueError("half_kernel is empty")
    reach = half_kernel.size - 1
    line = np.empty(width + 2 * reach, np.float32)
    out = np.empty((height - 2 * rim, width - 2 * rim), np.float32)
    _blur(height, width, reach, rim, image, half_kernel, line, out)
    return out
