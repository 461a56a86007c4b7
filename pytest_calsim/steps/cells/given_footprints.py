"""Take the user's own footprints in place of shapes and optics."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from pytest_calsim.arrays.patches import Patch, Patches
from pytest_calsim.kernels.types import Floats, Floats32
from pytest_calsim.microscope.canvas import Canvas

__all__ = ["GivenFootprints", "check_footprints"]


class GivenFootprints(NamedTuple):
    """Cells as given footprints show them.

    Attributes
    ----------
    patches
        The footprints on the sensor, without what is dark around them.
    center_um
        (y, x) of each one's centre of mass, the optical axis at (0, 0); float64 ``(n, 2)``.
    radius_um
        Radius of the circle as large as what exceeds half its peak; float64 ``(n,)``.
    """

    patches: Patches
    center_um: Floats
    radius_um: Floats

    @classmethod
    def of(cls, images: Floats32, canvas: Canvas) -> Self:
        """Measure footprints, float32 ``(n, height, width)`` on the sensor."""
        rows: Floats = np.arange(images.shape[1], dtype=np.float64)
        columns: Floats = np.arange(images.shape[2], dtype=np.float64)
        patches: list[Patch] = []
        center_um = np.zeros((len(images), 2))
        radius_um = np.zeros(len(images))
        for i, image in enumerate(images):
            by_row: Floats = image.sum(axis=1, dtype=np.float64)
            by_column: Floats = image.sum(axis=0, dtype=np.float64)
            lit_rows = np.flatnonzero(by_row)
            lit_columns = np.flatnonzero(by_column)
            box = np.s_[lit_rows[0] : lit_rows[-1] + 1, lit_columns[0] : lit_columns[-1] + 1]
            patches.append(Patch(image[box].copy(), int(lit_rows[0]), int(lit_columns[0])))
            middle = (float((by_row * rows).sum()), float((by_column * columns).sum()))
            size = np.array(canvas.sensor_shape)
            center_um[i] = (np.array(middle) / by_row.sum() - (size - 1) / 2) * canvas.pixel_size_um
            area_px = np.count_nonzero(image > image.max() / 2)
            radius_um[i] = np.sqrt(area_px / np.pi) * canvas.pixel_size_um
        return cls(Patches.of(patches), center_um, radius_um)


def check_footprints(images: Floats32, sensor_shape: tuple[int, int]) -> None:
    """Refuse what are no footprints on a sensor.

    Raises
    ------
    ValueError
        For another shape, a negative value, or a footprint that is zero everywhere; with the way out.
    """
    height, width = sensor_shape
    if images.ndim != 3 or images.shape[1:] != sensor_shape:
        # MATLAB's arrays have the cells last.
        last = " (numpy.moveaxis(A, -1, 0) puts the cells first)" if images.shape[:2] == sensor_shape else ""
        raise ValueError(
            f"footprints has shape {images.shape}, not (cell, {height}, {width}) as the sensor{last}; give the image "
            "sensor that height_px and width_px, or the footprints its shape"
        )
    negative = np.argwhere(images < 0)
    if len(negative):
        i, row, column = negative[0].tolist()
        raise ValueError(f"footprints[{i}] is {images[i, row, column]:g} at [{row}, {column}]; light is never negative")
    dark = np.flatnonzero(images.max(axis=(1, 2), initial=0) == 0)
    if len(dark):
        raise ValueError(f"footprints[{dark[0]}] is zero everywhere; leave that cell out")
