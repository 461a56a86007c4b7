"""Sparse footprints against the same arithmetic on dense pictures."""

from dataclasses import replace

import numpy as np
import pytest

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.patches import Patch, Patches
from pytest_calsim.kernels.rect import Rect

HEIGHT = 9
WIDTH = 12
CORNERS = [(0, 0), (-2, 3), (7, 10), (4, -3), (-20, 2), (3, 40), (2, 2)]


def _patches():
    rng = np.random.default_rng(0)
    sizes = [(3, 4), (5, 5), (4, 4), (1, 9), (2, 2), (3, 3), (0, 0)]
    values = [(rng.random(s) * (rng.random(s) < 0.7)).astype(np.float32) for s in sizes]
    return [Patch(v, *corner) for v, corner in zip(values, CORNERS, strict=True)]


def _dense(patch, first, shape):
    image = np.zeros((100, 100), np.float32)
    r = patch.row + 30
    c = patch.column + 30
    image[r : r + patch.values.shape[0], c : c + patch.values.shape[1]] = patch.values
    return image[30 + first :, 30 + first :][: shape[0], : shape[1]]


@pytest.mark.parametrize("first", [0, 2])
def test_a_window_onto_patches_shows_their_pixels_in_it(first):
    patches = _patches()
    footprints = SparseFootprints.from_patches(Patches.of(patches), Rect(first, first, HEIGHT, WIDTH))
    assert footprints.shape == (len(patches), HEIGHT, WIDTH)
    assert (footprints.data != 0).all()
    for unit, patch in enumerate(patches):
        np.testing.assert_array_equal(footprints[unit], _dense(patch, first, (HEIGHT, WIDTH)))
        assert (np.diff(footprints.unit(unit)[0]) > 0).all()


def test_no_patches_make_no_footprints():
    footprints = SparseFootprints.from_patches(Patches.of([]), Rect(0, 0, HEIGHT, WIDTH))
    assert footprints.shape == (0, HEIGHT, WIDTH)
    assert footprints.sums(np.ones((HEIGHT, WIDTH))).shape == (0,)


@pytest.mark.parametrize("first", [0, 2])
def test_sums_are_those_of_dense_images(first):
    patches = _patches()
    weight = np.random.default_rng(1).random((HEIGHT, WIDTH))
    dense = np.stack([_dense(patch, first, (HEIGHT, WIDTH)).astype(float) for patch in patches])
    seen = SparseFootprints.from_patches(Patches.of(patches), Rect(first, first, HEIGHT, WIDTH))
    np.testing.assert_allclose(seen.sums(weight), (dense * weight).sum((1, 2)), rtol=1e-12)
    squared = seen.sums(weight, squared=True)
    np.testing.assert_allclose(squared, (dense**2 * weight).sum((1, 2)), rtol=1e-12)


def test_the_matrix_has_a_row_a_unit_and_a_column_a_pixel():
    footprints = SparseFootprints.from_patches(Patches.of(_patches()), Rect(0, 0, HEIGHT, WIDTH))
    assert footprints.csr.shape == (len(CORNERS), HEIGHT * WIDTH)
    np.testing.assert_array_equal(footprints.csr.toarray(), np.asarray(footprints).reshape(len(CORNERS), -1))


def _labelled():
    units = [([2, 5], [1.0, 2.0]), ([], []), ([0], [3.0]), ([7, 9, 11], [1.0, 1.0, 4.0])]
    footprints = SparseFootprints.from_units([(np.array(p, int), np.array(v)) for p, v in units], (3, 4))
    return replace(footprints, unit_id=np.array([10, 20, 30, 40]))


@pytest.mark.parametrize(
    "key",
    [
        slice(1, 3),
        slice(None, None, -1),
        [3, 0],
        np.array([2, 2, -1]),
        np.array([True, False, True, False]),
        [True, False, False, True],
        [],
        np.array([], np.int64),
        np.zeros(4, bool),
    ],
    ids=str,
)
def test_a_selection_of_units_is_that_of_the_dense_array(key):
    footprints = _labelled()
    chosen = footprints[key]
    dense_key = np.array(key, int) if isinstance(key, list) and not key else key
    np.testing.assert_array_equal(np.asarray(chosen), np.asarray(footprints)[dense_key])
    np.testing.assert_array_equal(chosen.unit_id, footprints.unit_id[dense_key])
    np.testing.assert_array_equal(chosen.dense().unit_id, footprints.unit_id[dense_key])


@pytest.mark.parametrize("key", [0, 3, -1, np.int64(2), np.uint8(1)])
def test_one_unit_is_a_picture(key):
    picture = _labelled()[key]
    np.testing.assert_array_equal(picture, np.asarray(_labelled())[key])
    picture[0, 0] = 9  # fresh


@pytest.mark.parametrize(
    "key", [4, -5, [0, 4], [True, False], [0.5], [[0, 1]], (0, 1), (), np.zeros((4, 3), bool), "0"]
)
def test_what_selects_no_units(key):
    with pytest.raises(IndexError):
        _labelled()[key]


@pytest.mark.parametrize("rows", [-3, -1, 0, 2])
@pytest.mark.parametrize("columns", [-2, 0, 1, 5])
@pytest.mark.parametrize("picture", [None, (3, 4), (5, 9), (2, 2)])
def test_moved_footprints_lose_what_leaves_the_picture(rows, columns, picture):
    footprints = _labelled()
    big = np.zeros((4, 40, 40), np.float32)
    big[:, 15 + rows : 18 + rows, 15 + columns : 19 + columns] = np.asarray(footprints)
    height, width = picture or (3, 4)
    found = footprints.moved(rows, columns, picture)
    np.testing.assert_array_equal(np.asarray(found), big[:, 15 : 15 + height, 15 : 15 + width])
    np.testing.assert_array_equal(found.unit_id, footprints.unit_id)
