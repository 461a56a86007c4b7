"""Measure how much the images of cells overlap."""

from __future__ import annotations

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Floats, Floats32, Ints, Ints32

__all__ = ["largest_cosines"]

_largest_cosines = Kernel(
    "largest_cosines",
    n=int,
    values=array(np.float32, "values"),
    start=array(np.int64, "n + 1"),
    box=array(np.int32, "n", 4),
    top=int,
    left=int,
    height=int,
    width=int,
    order=array(np.int64, "n"),
    by_column=output(np.float32, "widest"),
    norm=output(np.float64, "n"),
    largest=output(np.float64, "n"),
)


def largest_cosines(
    values: Floats32,
    start: Ints,
    box: Ints32,
    window: Rect,
) -> Floats:
    """Compute the largest cosine of each patch with another one, within a window.

    Parameters
    ----------
    values, start, box
        The ``n`` patches, as in :class:`~pytest_calsim.arrays.patches.Patches`.
    window
        What is compared.

    Returns
    -------
    0 to 1; 0 for a patch that is dark there or meets no other. float64 ``(n,)``.

    Raises
    ------
    ValueError
        If the patches do not fit ``values``.
    """
    _largest_cosines.check(values=values, box=box, start=start)
    sizes = box[:, 2].astype(np.int64) * box[:, 3]
    # C trusts `start` and `box` to find pixels in memory.
    if (box[:, 2:] < 0).any() or (np.diff(start) != sizes).any() or start[0] < 0 or start[-1] > len(values):
        raise ValueError(
            f"start = {start} must give where patches of the sizes in box begin and end in {len(values)} values"
        )
    top, left, height, width = window
    widest = int(box[:, 3].max(initial=0))
    largest = np.empty(len(box))
    _largest_cosines(
        values=values,
        start=start,
        box=box,
        top=top,
        left=left,
        height=height,
        width=width,
        # From top to bottom: a patch meets only those that begin before it ends.
        order=np.argsort(box[:, 0], kind="stable"),
        by_column=np.empty(widest, np.float32),
        norm=np.empty(len(box)),
        largest=largest,
    )
    return largest
