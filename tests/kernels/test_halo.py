"""The halo against sums over all nodes in double precision."""

import numpy as np
import pytest

from pytest_calsim.kernels.halo import Sources, spread_sources, upsample_columns
from pytest_calsim.steps.smooth_grid import spline_taps


def sources(n, shape, seed=0):
    rng = np.random.default_rng(seed)
    row, row_weight = spline_taps(rng.uniform(1, shape[0] - 3.001, n))
    column, column_weight = spline_taps(rng.uniform(1, shape[1] - 3.001, n))
    return Sources(rng.uniform(0.5, 2, n).astype(np.float32), row, row_weight, column, column_weight, shape)


def gaussian(sigma, reach):
    return np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2)).astype(np.float32)


def matrix(positions, sources, kernel):
    """The kernel between every position of the result and every node."""
    reach = kernel.size // 2
    away = np.subtract.outer(positions, np.arange(sources)) + reach
    inside = (away >= 0) & (away < kernel.size)
    return np.where(inside, kernel[np.clip(away, 0, kernel.size - 1)], 0).astype(np.float64)


@pytest.mark.parametrize("offset", [(0, 0), (-3, 4), (5, -6), (40, 0)])
@pytest.mark.parametrize("shape", [(9, 14), (23, 31), (1, 1)])
def test_sources_are_spread_by_the_kernel(shape, offset):
    n = 25
    grid = (17, 21)
    kernel = gaussian(3.0, 11)
    some = sources(n, grid)
    light = np.random.default_rng(1).uniform(0, 3, (n, 5)).astype(np.float32)
    got = spread_sources(light, some, kernel, offset, shape)
    assert got.shape == (5, *shape)
    for f in range(5):
        nodes = np.zeros(grid)
        for i in range(n):
            rows, columns = np.ogrid[: grid[0], : grid[1]]
            for a in range(4):
                for b in range(4):
                    at = (rows == some.row_node[i] + a) & (columns == some.column_node[i] + b)
                    share = float(some.row_weight[i, a]) * float(some.column_weight[i, b])
                    nodes += at * float(light[i, f]) * float(some.flux[i]) * share
        along = matrix(np.arange(shape[0]) + offset[0], grid[0], kernel)
        across = matrix(np.arange(shape[1]) + offset[1], grid[1], kernel)
        np.testing.assert_allclose(got[f], along @ nodes @ across.T, rtol=1e-5, atol=1e-5)


def test_an_image_does_not_depend_on_the_others():
    some = sources(30, (12, 12))
    kernel = gaussian(2.0, 8)
    light = np.random.default_rng(2).uniform(0, 1, (30, 6)).astype(np.float32)
    together = spread_sources(light, some, kernel, (0, 0), (12, 12))
    for f in range(6):
        np.testing.assert_array_equal(
            spread_sources(light[:, f : f + 1].copy(), some, kernel, (0, 0), (12, 12))[0], together[f]
        )


def test_nothing_shines_without_sources_and_images():
    none = sources(0, (8, 8))
    kernel = gaussian(2.0, 3)
    assert not spread_sources(np.empty((0, 3), np.float32), none, kernel, (0, 0), (5, 6)).any()
    assert spread_sources(np.empty((4, 0), np.float32), sources(4, (8, 8)), kernel, (0, 0), (5, 6)).shape == (0, 5, 6)


@pytest.mark.parametrize("width", [1, 7, 64, 101])
@pytest.mark.parametrize("period", [1, 2, 3, 4, 8, 16])
def test_columns_are_interpolated_by_four_taps(width, period):
    rng = np.random.default_rng(3)
    columns = np.arange(width)
    node = np.sort(rng.integers(0, 2, period))[columns % period] + columns // period
    weight = rng.uniform(0, 1, (period, 4)).astype(np.float32)[columns % period]
    values = rng.normal(size=(2, 5, node.max() + 4)).astype(np.float32)
    got = upsample_columns(values, node, weight, period)
    near = values[..., node[:, None] + np.arange(4)].astype(np.float64)
    np.testing.assert_allclose(got, (near * weight).sum(-1), atol=1e-6)
    assert got.dtype == np.float32


def test_shapes_and_nodes_outside_are_refused():
    some = sources(5, (12, 12))
    kernel = gaussian(2.0, 8)
    light = np.ones((5, 2), np.float32)
    for changed, message in (
        ({"row_weight": some.row_weight[:4]}, r"row weight has shape \(4, 4\), not \(5, 4\)"),
        ({"column_node": some.column_node[:3]}, r"column node has shape \(3,\), not \(5,\)"),
        ({"row_node": some.row_node + 9}, "row nodes .* are not all among the grid's 0..11"),
        ({"column_node": some.column_node - 9}, "column nodes .* are not all among the grid's 0..11"),
    ):
        with pytest.raises(ValueError, match=message):
            spread_sources(light, some._replace(**changed), kernel, (0, 0), (5, 5))
    with pytest.raises(ValueError, match=r"light has shape \(4, 2\), not \(5, 2\)"):
        spread_sources(light[:4], some, kernel, (0, 0), (5, 5))
    with pytest.raises(ValueError, match="odd"):
        spread_sources(light, some, kernel[1:], (0, 0), (5, 5))
    node, weight = spline_taps(np.array([9.5]))
    with pytest.raises(ValueError, match=r"0\.\.10"):
        upsample_columns(np.ones((3, 11), np.float32), node, weight, 1)
    node, weight = spline_taps(np.array([1.2, 1.8, 2.2, 3.8]))
    with pytest.raises(ValueError, match="not one further after each 2 columns"):
        upsample_columns(np.ones((3, 11), np.float32), node, weight, 2)
