"""Patches put on a large picture: as runs of its rows, and pixel by pixel, against sums made patch by patch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_calsim.arrays.patches import Patch, Patches
from pytest_calsim.kernels.rect import Rect


def picture_of(patches, shape, share):
    """Each patch times its share, added to a picture."""
    picture = np.zeros(shape)
    for i in range(len(patches.box)):
        values, row, column = patches.patch(i)
        height, width = values.shape
        picture[row : row + height, column : column + width] += share[i] * values
    return picture


def picture_of_runs(runs, shape, share):
    """The same from runs, as the kernel reads them."""
    height, width = shape
    picture = np.zeros(shape)
    for row in range(height):
        for k in range(runs.row_start[row], runs.row_start[row + 1]):
            pixels = runs.values[runs.begin[k] : runs.begin[k + 1]]
            left = runs.left[k]
            assert 0 <= left <= left + len(pixels) <= width
            picture[row, left : left + len(pixels)] += share[runs.unit[k]] * pixels
    return picture


def check(patches, shape):
    share = np.arange(1.0, len(patches.box) + 1)
    expected = picture_of(patches, shape, share)
    runs = patches.row_runs(shape)
    np.testing.assert_array_equal(picture_of_runs(runs, shape, share), expected)
    assert len(runs.begin) == len(runs.unit) + 1 == len(runs.left) + 1
    assert runs.row_start[-1] == len(runs.unit)
    return runs


@st.composite
def placed_patches(draw):
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 30))
    patches = []
    for _ in range(draw(st.integers(0, 4))):
        height = draw(st.integers(1, shape[0]))
        width = draw(st.integers(1, shape[1]))
        values = draw(arrays.arrays(np.float32, (height, width), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0])))
        patches.append(Patch(values, draw(st.integers(0, shape[0] - height)), draw(st.integers(0, shape[1] - width))))
    return Patches.of(patches), shape


@given(placed_patches())
def test_runs_make_the_picture(placed):
    check(*placed)


@given(placed_patches(), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 15), st.integers(0, 15))
def test_a_window_shows_what_it_does_of_the_picture(placed, row, column, height, width):
    patches, shape = placed
    window = Rect(row, column, height, width)
    counts, indices, values = patches.pixels_within(window)
    unit = np.repeat(np.arange(len(patches.box)), counts)
    assert (values != 0).all()
    for i in range(len(patches.box)):
        alone = picture_of(patches, shape, np.arange(len(patches.box)) == i)
        wide = np.pad(alone, 40)[40 + row :, 40 + column :][:height, :width]
        found = np.zeros((height, width))
        found.flat[indices[unit == i]] = values[unit == i]
        np.testing.assert_array_equal(found, wide)


@pytest.mark.parametrize(("column", "left"), [(0, 0), (5, 5), (12, 12), (13, 12), (19, 12)])
def test_a_run_is_filled_up_to_eight_pixels_and_stays_within_the_picture(column, left):
    runs = check(Patches.of([Patch(np.full((1, 1), 3, np.float32), 2, column)]), (4, 20))
    assert runs.left.tolist() == [left]
    assert np.diff(runs.begin).tolist() == [8]
    assert runs.row_start.tolist() == [0, 0, 0, 1, 1]


def test_dark_rows_have_no_run_and_gaps_belong_to_one():
    values = np.zeros((3, 9), np.float32)
    values[0, [1, 7]] = 1
    values[2, 4] = 1
    runs = check(Patches.of([Patch(values, 0, 0), Patch(values[:1], 2, 1)]), (3, 20))
    assert runs.unit.tolist() == [0, 0, 1]
    assert runs.left.tolist() == [1, 4, 2]


@pytest.mark.parametrize("patches", [[], [Patch(np.zeros((2, 3), np.float32), 1, 1)]], ids=["none", "dark"])
def test_nothing_gives_no_run(patches):
    runs = check(Patches.of(patches), (4, 5))
    assert runs.unit.size == 0
    assert runs.values.size == 0
