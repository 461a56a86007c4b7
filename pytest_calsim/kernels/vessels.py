"""Compute the chords of vertical light through vessels, and blur the vessels' shadows."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.types import Floats, Floats32

__all__ = ["blur", "lengthen_chords"]


_lengthen_chords = Kernel(
    "lengthen_chords",
    height=int,
    width=int,
    n=int,
    y_um=array(np.float64, "height"),
    x_um=array(np.float64, "width"),
    pixel_um=float,
    segments=array(np.float64, "n", 6),
    chords=output(np.float32, "height", "width"),
    added=output(np.float32, "height", "width"),
)
_blur = Kernel(
    "blur",
    height=int,
    width=int,
    reach=int,
    rim=int,
    image=array(np.float32, "height", "width"),
    half=array(np.float32, "reach + 1"),
    line=output(np.float32, "continued width"),
    out=output(np.float32, "inner height", "inner width"),
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
        Where the increase of each chord is added; of the same shape.
    y_um, x_um
        Centres of pixels, µm, float64 ``(height,)`` and ``(width,)``.
    pixel_um
        Distance of neighbouring centres, µm.
    segments
        y, x and radius at the start, then at the end, µm, float64 ``(n, 6)``. Radii are positive.

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    _lengthen_chords(y_um=y_um, x_um=x_um, pixel_um=pixel_um, segments=segments, chords=chords, added=added)


def blur(image: Floats32, half_kernel: Floats32, rim: int) -> Floats32:
    """Convolve an image along both axes with a symmetric kernel.

    Where the kernel reaches beyond the image, the outermost pixels are repeated.

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
        raise ValueError(
            f"rim = {rim} must be 0 or more, and less than half of each side of an image of shape {image.shape}"
        )
    if half_kernel.size == 0:
        raise ValueError("half_kernel is empty; it needs its value at distance 0 at least")
    reach = half_kernel.size - 1
    line = np.empty(width + 2 * reach, np.float32)
    out = np.empty((height - 2 * rim, width - 2 * rim), np.float32)
    _blur(rim=rim, image=image, half=half_kernel, line=line, out=out)
    return out
