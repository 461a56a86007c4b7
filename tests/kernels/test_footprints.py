"""Sums of pictures under sparse footprints, against dense ones."""

import numpy as np
import pytest

from pytest_calsim.kernels.footprints import weighted_sums

START = np.array([0, 3, 3, 5], np.int64)  # the second unit has no pixel
VALUES = np.array([1, -2, 4, 0.5, 3], np.float32)
PIXELS = np.array([0, 5, 2, 5, 1], np.int32)
WEIGHT = np.array([1.0, 10, 100, 1000, 10000, 0.25])


def test_values_are_weighed_and_summed_unit_by_unit():
    assert weighted_sums(START, VALUES, PIXELS, WEIGHT).tolist() == [1 - 0.5 + 400, 0, 0.125 + 30]
    assert weighted_sums(START, VALUES, PIXELS, WEIGHT, squared=True).tolist() == [1 + 1 + 1600, 0, 0.0625 + 90]


def test_many_are_the_sums_of_a_dense_product():
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((40, 300)) < 0.2, rng.normal(size=(40, 300)), 0).astype(np.float32)
    unit, pixels = np.nonzero(dense)
    start = np.searchsorted(unit, np.arange(41)).astype(np.int64)
    weight = rng.normal(size=300)
    sums = weighted_sums(start, dense[unit, pixels], pixels.astype(np.int32), weight)
    np.testing.assert_allclose(sums, (dense * weight).sum(axis=1), rtol=1e-12, atol=1e-12)


def test_no_unit_has_no_sum():
    empty = np.zeros(0, np.float32), np.zeros(0, np.int32)
    assert weighted_sums(np.zeros(1, np.int64), *empty, WEIGHT).shape == (0,)
    assert weighted_sums(np.zeros(3, np.int64), *empty, np.zeros(0)).tolist() == [0, 0]


@pytest.mark.parametrize("pixel", [-1, 6])
def test_pixels_outside_the_image_are_refused(pixel):
    pixels = PIXELS.copy()
    pixels[3] = pixel
    with pytest.raises(ValueError, match="leave an image of 6 pixels"):
        weighted_sums(START, VALUES, pixels, WEIGHT)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([0, 3, 3, 6], r"values has shape \(5,\), not \(6,\)"),
        ([1, 3, 3, 5], "must ascend from 0"),
        ([0, 4, 3, 5], "must ascend from 0"),
    ],
)
def test_starts_that_do_not_fit_are_refused(start, message):
    with pytest.raises(ValueError, match=message):
        weighted_sums(np.array(start), VALUES, PIXELS, WEIGHT)


def test_pixels_of_another_number_are_refused():
    with pytest.raises(ValueError, match="pixels has shape"):
        weighted_sums(START, VALUES, PIXELS[:-1], WEIGHT)
