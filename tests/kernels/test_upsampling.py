"""Interpolation of smooth light to columns against sums in double precision."""

import numpy as np
import pytest

from pytest_calsim.kernels.upsampling import upsample_columns
from pytest_calsim.steps.smooth_grid import spline_taps


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
    values = np.ones((3, 11), np.float32)
    node, weight = spline_taps(np.array([9.5]))
    with pytest.raises(ValueError, match=r"nodes 8\.\.11 are not all among the field's 0\.\.10"):
        upsample_columns(values, node, weight, 1)
    with pytest.raises(ValueError, match=r"nodes -1\.\.2 are not all among the field's 0\.\.10"):
        upsample_columns(values, node - 9, weight, 1)
    with pytest.raises(ValueError, match=r"weight has shape \(2, 4\), not \(1, 4\)"):
        upsample_columns(values, node - 4, np.ones((2, 4), np.float32), 1)
    node, weight = spline_taps(np.array([1.2, 1.8, 2.2, 3.8]))
    with pytest.raises(ValueError, match="must be one further after each period of 2 columns"):
        upsample_columns(values, node, weight, 2)
