"""Hypothesis strategies for data of the user's own: arrays, and footprints on a sensor."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_calsim.microscope.acquisition import ImageSensor
from pytest_calsim.microscope.given_array import GivenArray

__all__ = ["given_arrays", "given_footprints"]


def given_arrays(
    shapes: st.SearchStrategy[tuple[int, ...]], low: float = 0.0, high: float = 10.0
) -> st.SearchStrategy[GivenArray]:
    """Draw arrays as a user may give them, mostly with the same value everywhere."""
    elements = st.floats(low, high, width=32, allow_subnormal=False)
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=elements)).map(GivenArray.model_validate)


def given_footprints(sensor: ImageSensor, max_cells: int) -> st.SearchStrategy[GivenArray]:
    """Draw rectangles of light on the sensor; each can shrink to one pixel of light 1, and then away."""
    height = sensor.height_px
    width = sensor.width_px
    rows = st.tuples(st.integers(0, height - 1), st.integers(1, height))
    columns = st.tuples(st.integers(0, width - 1), st.integers(1, width))
    patch = st.tuples(rows, columns, st.floats(0.125, 8.0, width=16))

    def painted(patches: list[tuple[tuple[int, int], tuple[int, int], float]]) -> GivenArray:
        images = np.zeros((len(patches), height, width), np.float32)
        for image, ((top, tall), (left, wide), light) in zip(images, patches, strict=True):
            image[top : top + tall, left : left + wide] = light
        return GivenArray.model_validate(images)

    return st.lists(patch, max_size=max_cells).map(painted)
