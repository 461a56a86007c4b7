"""Measure how much the images of cells overlap."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pytest_calsim.kernels.library import Kernel, array, output
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.kernels.types import Floats, Floats32, Ints, Ints32

__all__ = ["ImageProducts", "image_products"]

_image_products = Kernel(
    "image_products",
    returns=int,
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
    square=output(np.float64, "n"),
    room=int,
    first=output(np.int64, "room"),
    second=output(np.int64, "room"),
    product=output(np.float64, "room"),
)


class ImageProducts(NamedTuple):
    """Sums of the products of patches, of each with itself and of every two that meet.

    Attributes
    ----------
    square
        Each patch's sum of squares, float64 ``(n,)``.
    first, second
        The patches of each pair, int64 ``(pair,)``; every pair stands there once.
    product
        The sum of their product, float64 ``(pair,)``.
    """

    square: Floats
    first: Ints
    second: Ints
    product: Floats

    def largest_cosines(self) -> Floats:
        """Return the largest cosine of each patch with another one, 0 to 1; float64 ``(n,)``.

        It is 0 for a patch that is dark or meets no other.
        """
        norm = np.sqrt(self.square)
        norms = norm[self.first] * norm[self.second]
        cosine = np.divide(self.product, norms, out=np.zeros_like(norms), where=norms > 0).clip(0, 1)
        largest = np.zeros_like(norm)
        for patch in (self.first, self.second):
            np.maximum.at(largest, patch, cosine)
        return largest


def image_products(
    values: Floats32,
    start: Ints,
    box: Ints32,
    window: Rect,
) -> ImageProducts:
    """Compute the sum of the product of every two patches that meet within a window.

    Parameters
    ----------
    values, start, box
        The ``n`` patches, as in :class:`~pytest_calsim.arrays.patches.Patches`.
    window
        What is compared.

    Raises
    ------
    ValueError
        If the patches do not fit ``values``.
    """
    _image_products.check(values=values, box=box, start=start)
    sizes = box[:, 2].astype(np.int64) * box[:, 3]
    # C trusts `start` and `box` to find pixels in memory.
    if (box[:, 2:] < 0).any() or (np.diff(start) != sizes).any() or start[0] < 0 or start[-1] > len(values):
        raise ValueError(
            f"start = {start} must give where patches of the sizes in box begin and end in {len(values)} values"
        )
    top, left, height, width = window
    square = np.empty(len(box))
    given: dict[str, Any] = {
        "values": values,
        "start": start,
        "box": box,
        "top": top,
        "left": left,
        "height": height,
        "width": width,
        # From top to bottom: a patch meets only those that begin before it ends.
        "order": np.argsort(box[:, 0], kind="stable"),
        "by_column": np.empty(int(box[:, 3].max(initial=0)), np.float32),
        "square": square,
    }
    nothing = np.empty(0, np.int64)
    # Without room the kernel only counts.
    room = _image_products(**given, room=0, first=nothing, second=nothing, product=np.empty(0))
    first = np.empty(room, np.int64)
    second = np.empty(room, np.int64)
    product = np.empty(room)
    _image_products(**given, room=room, first=first, second=second, product=product)
    return ImageProducts(square, first, second, product)
