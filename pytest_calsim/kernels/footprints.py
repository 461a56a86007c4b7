"""Sum the pixels of an image under sparse footprints."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, check_shape, output
from pytest_calsim.kernels.types import Floats, Floats32, Ints, Ints32

__all__ = ["weighted_sums"]

_weighted_sums = Kernel(
    "weighted_sums",
    units=int,
    start=array(np.int64, "units + 1"),
    values=array(np.float32, "values"),
    pixels=array(np.int32, "values"),
    weight=array(np.float64, "pixels of the image"),
    squared=bool,
    sums=output(np.float64, "units"),
)


def weighted_sums(
    start: Ints,
    values: Floats32,
    pixels: Ints32,
    weight: Floats,
    *,
    squared: bool = False,
) -> Floats:
    """Compute Σ v·w, or Σ v²·w, over each unit's pixels, in their order.

    Parameters
    ----------
    start
        Where each unit's pixels begin, int64, one more than there are units.
    values, pixels
        Values v of all units, one unit after the other, float32, and the flat index of each value's pixel, int32.
    weight
        Image w, flat; float64.
    squared
        Whether values are squared.

    Returns
    -------
    float64 ``(unit,)``.

    Raises
    ------
    ValueError
        If shapes disagree, or pixels lie outside the image.
    """
    check_shape("values", values, int(start[-1]))
    if start[0] != 0 or (np.diff(start) < 0).any():
        raise ValueError(f"start = {start} must ascend from 0")
    if pixels.size and not 0 <= pixels.min() <= pixels.max() < weight.size:
        raise ValueError(f"pixels {pixels.min()} to {pixels.max()} leave an image of {weight.size} pixels")
    sums = np.empty(len(start) - 1)
    _weighted_sums(start=start, values=values, pixels=pixels, weight=weight, squared=squared, sums=sums)
    return sums
