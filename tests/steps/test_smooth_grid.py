import numpy as np
import pytest

from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.smooth_grid import NodeGrid, spline_taps


@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_spline_is_the_same_on_all_finer_grids(level):
    fine = NodeGrid.of_canvas(Canvas(50, 34, 3, 1.7), level)
    grids = [fine]
    for _ in range(3):
        grids.append(grids[-1].coarser())
    values = np.random.default_rng(level).uniform(0, 1, (2, *grids[-1].shape)).astype(np.float32)
    direct = NodeGrid.of_canvas(Canvas(50, 34, 3, 1.7), level + 3)
    same = [a - b for a, b in zip(direct.first, grids[-1].first, strict=True)]
    inner = values[:, same[0] : same[0] + direct.shape[0], same[1] : same[1] + direct.shape[1]]
    at_once = direct.evaluate(np.ascontiguousarray(inner))
    for grid in grids[::-1]:
        values = grid.evaluate(values)
    np.testing.assert_allclose(values, at_once, rtol=2e-6)


def test_a_wider_margin_adds_nodes_around_the_same_ones():
    narrow, wide = (NodeGrid.of_canvas(Canvas(40, 40, margin, 1.5), 2) for margin in (0, 13))
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, wide.shape).astype(np.float32)
    skip = [a - b for a, b in zip(narrow.first, wide.first, strict=True)]
    inner = values[skip[0] : skip[0] + narrow.shape[0], skip[1] : skip[1] + narrow.shape[1]]
    got = narrow.evaluate(np.ascontiguousarray(inner))
    np.testing.assert_array_equal(got, wide.evaluate(values)[13:-13, 13:-13])


def test_taps_are_positive_sum_to_one_and_keep_the_centroid():
    at = np.linspace(-3, 3, 101)
    first, weights = spline_taps(at)
    nodes = first[:, None] + np.arange(4)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose((nodes * weights).sum(1), at, atol=1e-6)
    np.testing.assert_allclose(((nodes - at[:, None]) ** 2 * weights).sum(1), 1 / 3, atol=1e-5)
