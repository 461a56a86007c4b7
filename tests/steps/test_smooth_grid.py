import numpy as np
import pytest

from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.smooth_grid import SmoothGrid, cubic_taps


def _upsampled(grid: SmoothGrid, values):
    wide = grid.upsample_columns(np.ascontiguousarray(values, np.float32))
    node, weight = grid.row_taps
    return sum(weight[:, k, None] * wide[node + k] for k in range(4))


@pytest.mark.parametrize("shift", [0.0, 7.3])
def test_a_gaussian_of_four_steps_is_interpolated_to_a_thousandth(shift):
    canvas = Canvas(120, 90, 6, 1.7)
    grid = SmoothGrid.for_scale(canvas, 30.0)
    sigma = 4 * grid.step_um

    def bump(y, x):
        return np.exp(-((y[:, None] - shift) ** 2 + (x[None, :] + shift) ** 2) / (2 * sigma**2))

    image = _upsampled(grid, bump(grid.y_um, grid.x_um))
    np.testing.assert_allclose(image, bump(canvas.y_um, canvas.x_um), atol=1e-3)


def test_a_quadratic_is_exact_up_to_the_border():
    canvas = Canvas(64, 48, 3, 2.0)
    grid = SmoothGrid(canvas, 11.0)

    def bowl(y, x):
        return 3 + 0.01 * y[:, None] - 0.02 * x[None, :] + 1e-4 * y[:, None] ** 2 + 1e-4 * y[:, None] * x[None, :]

    np.testing.assert_allclose(_upsampled(grid, bowl(grid.y_um, grid.x_um)), bowl(canvas.y_um, canvas.x_um), rtol=1e-5)


def test_a_wider_margin_keeps_the_inner_bits():
    narrow, wide = Canvas(40, 40, 0, 1.5), Canvas(40, 40, 13, 1.5)

    def field(grid):
        return np.sin(grid.y_um[:, None] / 20) + np.cos(grid.x_um[None, :] / 15)

    inner = _upsampled(SmoothGrid(narrow, 8.0), field(SmoothGrid(narrow, 8.0)))
    outer = _upsampled(SmoothGrid(wide, 8.0), field(SmoothGrid(wide, 8.0)))
    np.testing.assert_array_equal(inner, outer[wide.window.slices])


def test_taps_sum_to_one_and_keep_the_centroid():
    at = np.linspace(-3, 3, 101)
    first, weights = cubic_taps(at)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(((first[:, None] + np.arange(4)) * weights).sum(1), at, atol=1e-6)


@pytest.mark.parametrize(("sigma", "step"), [(200.0, 16.0), (20.0, 5.0), (0.1, 1.0)])
def test_the_step_follows_the_smoothest_scale_between_one_and_sixteen_pixels(sigma, step):
    assert SmoothGrid.for_scale(Canvas(64, 64, 0, 1.0), sigma).step_um == step
