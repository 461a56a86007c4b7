"""Sparse footprints against the same arithmetic on dense pictures."""

import numpy as np
import pytest

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.patches import Patch, Patches
from pytest_calsim.kernels.rect import Rect

HEIGHT, WIDTH = 9, 12
CORNERS = [(0, 0), (-2, 3), (7, 10), (4, -3), (-20, 2), (3, 40), (2, 2)]


def _patches():
    rng = np.random.default_rng(0)
    sizes = [(3, 4), (5, 5), (4, 4), (1, 9), (2, 2), (3, 3), (0, 0)]
    values = [(rng.random(s) * (rng.random(s) < 0.7)).astype(np.float32) for s in sizes]
    return [Patch(v, *corner) for v, corner in zip(values, CORNERS, strict=True)]


def _dense(patch, first, shape):
    image = np.zeros((100, 100), np.float32)
    r, c = patch.row + 30, patch.column + 30
    image[r : r + patch.values.shape[0], c : c + patch.values.shape[1]] = patch.values
    return image[30 + first :, 30 + first :][: shape[0], : shape[1]]


@pytest.mark.parametrize("first", [0, 2])
def test_a_window_onto_patches(first):
    patches = _patches()
    footprints = SparseFootprints.from_patches(Patches.of(patches), Rect(first, first, HEIGHT, WIDTH))
    assert footprints.shape == (len(patches), HEIGHT, WIDTH)
    assert (footprints.data != 0).all()
    for unit, patch in enumerate(patches):
        np.testing.assert_array_equal(footprints[unit], _dense(patch, first, (HEIGHT, WIDTH)))
        assert (np.diff(footprints.unit(unit)[0]) > 0).all()


def test_no_patches():
    footprints = SparseFootprints.from_patches(Patches.of([]), Rect(0, 0, HEIGHT, WIDTH))
    assert footprints.shape == (0, HEIGHT, WIDTH)
    assert footprints.sums(np.ones((HEIGHT, WIDTH))).shape == (0,)


@pytest.mark.parametrize("first", [0, 2])
def test_sums_over_each_unit(first):
    patches = _patches()
    weight = np.random.default_rng(1).random((HEIGHT, WIDTH))
    dense = np.stack([_dense(patch, first, (HEIGHT, WIDTH)).astype(float) for patch in patches])
    seen = SparseFootprints.from_patches(Patches.of(patches), Rect(first, first, HEIGHT, WIDTH))
    np.testing.assert_allclose(seen.sums(weight), (dense * weight).sum((1, 2)), rtol=1e-12)
    squared = seen.sums(weight, squared=True)
    np.testing.assert_allclose(squared, (dense**2 * weight).sum((1, 2)), rtol=1e-12)
