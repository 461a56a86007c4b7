"""All light of the tissue against whole arrays in double precision."""

import numpy as np
import pytest

from pytest_calsim.kernels.tissue import RowRuns, SmoothRows, add_tissue
from pytest_calsim.steps.smooth_grid import spline_taps


def scene(images=3, height=11, width=37, units=6, layers=2, seed=0, shaded=True):
    """Random cells as runs, smooth, layers: the arguments, and each cell's own image."""
    rng = np.random.default_rng(seed)
    pictures = np.zeros((units, height, width))
    row_start = [0]
    unit = []
    left = []
    begin = [0]
    values = []
    for r in range(height):
        for i in range(units):
            if rng.random() < 0.6:
                first = rng.integers(0, width)
                pixels = rng.uniform(0, 1, rng.integers(1, width - first + 1)).astype(np.float32)
                unit.append(i)
                left.append(first)
                values.append(pixels)
                begin.append(begin[-1] + len(pixels))
                pictures[i, r, first : first + len(pixels)] = pixels
        row_start.append(len(unit))
    runs = RowRuns(
        np.array(row_start),
        np.array(unit, np.int32),
        np.array(left, np.int32),
        np.array(begin),
        np.concatenate([*values, np.empty(0, np.float32)]),
    )

    def uniform(*shape):
        return rng.uniform(0, 2, shape).astype(np.float32)

    taps = spline_taps(np.linspace(1, 3.5, height))
    smooth = SmoothRows(uniform(images, 7, width), *taps, uniform(height, width) if shaded else None)
    arguments = (runs, uniform(units, images), smooth, uniform(layers, height, width), uniform(images, layers))
    return arguments, pictures


def expected(arguments, pictures):
    _, light, smooth, layers, weights = arguments
    near = smooth.wide.astype(np.float64)[:, smooth.row_node[:, None] + np.arange(4)]
    scattered = (near * smooth.row_weight[None, :, :, None]).sum(2)
    through = 1 if smooth.transmission is None else smooth.transmission
    background = np.tensordot(weights.astype(np.float64), layers, 1)
    return np.tensordot(light.T.astype(np.float64), pictures, 1) + scattered * through + background


@pytest.mark.parametrize("shaded", [False, True])
@pytest.mark.parametrize(
    "sizes",
    [{}, {"images": 1}, {"units": 0}, {"layers": 0}, {"height": 1, "width": 1}, {"width": 130, "layers": 5}],
    ids=str,
)
def test_light_is_the_sum_of_all_parts(sizes, shaded):
    arguments, pictures = scene(**sizes, shaded=shaded)
    n = arguments[2].wide.shape[0]
    width = pictures.shape[2]
    there = np.random.default_rng(9).uniform(0, 5, (n, pictures.shape[1], width)).astype(np.float32)
    images = there.copy()
    dark = np.full_like(there, np.nan)
    add_tissue(images, *arguments, dark=False)
    add_tissue(dark, *arguments, dark=True)
    np.testing.assert_allclose(images, there + expected(arguments, pictures), rtol=2e-6)
    np.testing.assert_allclose(dark, expected(arguments, pictures), rtol=2e-6, atol=1e-6)
    nothing = np.zeros_like(there)
    add_tissue(nothing, *arguments, dark=False)
    np.testing.assert_array_equal(dark, nothing)


def test_an_image_does_not_depend_on_the_others():
    (runs, light, smooth, layers, weights), _ = scene(images=5)
    together = np.zeros((5, 11, 37), np.float32)
    add_tissue(together, runs, light, smooth, layers, weights, dark=True)
    for f in range(5):
        alone = np.zeros((1, 11, 37), np.float32)
        own = smooth._replace(wide=smooth.wide[f : f + 1])
        add_tissue(alone, runs, light[:, f : f + 1].copy(), own, layers, weights[f : f + 1], dark=True)
        np.testing.assert_array_equal(alone[0], together[f])


def test_shapes_are_refused():
    (runs, light, smooth, layers, weights), _ = scene()
    images = np.zeros((3, 11, 37), np.float32)
    for arguments, message in (
        ((runs._replace(left=runs.left[1:]), light, smooth, layers, weights), "left has shape"),
        ((runs._replace(row_start=runs.row_start[1:]), light, smooth, layers, weights), "row_start has shape"),
        ((runs._replace(values=runs.values[1:]), light, smooth, layers, weights), "values has shape"),
        ((runs, light[:, :2].copy(), smooth, layers, weights), r"light has shape \(6, 2\), not \(6, 3\)"),
        ((runs, light, smooth._replace(wide=smooth.wide[:2]), layers, weights), "wide has shape"),
        ((runs, light, smooth._replace(transmission=layers[0, 1:]), layers, weights), "transmission has shape"),
        ((runs, light, smooth, layers[:, 1:].copy(), weights), r"layers has shape \(2, 10, 37\), not \(2, 11, 37\)"),
        ((runs, light, smooth, layers, weights[:, :1].copy()), r"weights has shape \(3, 1\), not \(3, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            add_tissue(images, *arguments, dark=False)
