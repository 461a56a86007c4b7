import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr

from pytest_calsim import Estimate
from pytest_calsim.errors import EstimateError

rng = np.random.default_rng(0)
A = rng.random((4, 5, 7)) * (rng.random((4, 5, 7)) < 0.4)
C = rng.random((4, 11))
S = rng.poisson(0.3, (4, 11))
SHIFTS = rng.normal(size=(11, 2))


def labelled(values, ids, *dims):
    return xr.DataArray(values, dims=("unit_id", *dims), coords={"unit_id": ids})


def test_everything_is_optional_and_kept():
    nothing = Estimate()
    assert (nothing.A, nothing.C, nothing.S, nothing.shifts, nothing.n_units) == (None, None, None, None, 0)
    assert repr(nothing) == "<Estimate of nothing>"
    found = Estimate(A, C, S, SHIFTS)
    np.testing.assert_array_equal(np.asarray(found.A), A.astype(np.float32))
    np.testing.assert_array_equal(found.C, C)
    np.testing.assert_array_equal(found.S, S)
    np.testing.assert_array_equal(found.shifts, SHIFTS)
    assert repr(found) == "<Estimate A (4, 5, 7), C (4, 11), S (4, 11), shifts (11, 2)>"


def test_labelled_traces_are_put_in_the_order_of_the_footprints():
    ids = np.array([7, 2, 9, 4])
    order = [2, 0, 3, 1]
    found = Estimate(labelled(A, ids, "height", "width"), labelled(C[order], ids[order], "frame"))
    np.testing.assert_array_equal(found.C, C)
    np.testing.assert_array_equal(found.labels, ids)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Estimate(A, C[:3]), r"C has shape \(3, 11\); expected \(4, frame\) = \(unit_id, frame\)"),
        (lambda: Estimate(A, C.T), r"C has shape \(11, 4\); expected \(4, frame\) = .*: it is transposed"),
        (lambda: Estimate(A, C, S[:, :9]), r"S has shape \(4, 9\); expected \(4, 11\)"),
        (
            lambda: Estimate(scipy.sparse.csr_array(A.reshape(4, -1))),
            r"scipy.sparse of shape \(4, 35\): say image_shape=",
        ),
        (lambda: Estimate(C=C, cells=[1, 2]), "cells names 2 planted cells for 4 rows"),
        (lambda: Estimate(C=C, cells=[1, 2, 5, 2]), r"cells names planted cells \[2\] more than once"),
        (lambda: Estimate(C=C, cells=[0.5, 1, 2, 3]), "cells must be the numbers of planted cells, not float64"),
        (
            lambda: Estimate(C=C, cells=[True, False, True, True]),
            "cells must be the numbers of planted cells, not bool",
        ),
        (lambda: Estimate(C=C, cells=[-1, 0, 1, 2]), "cells must be the numbers of planted cells, 0 or more, not -1"),
        (lambda: Estimate(A, image_shape="8x8"), r"image_shape must be \(height, width\) in whole pixels, not '8x8'"),
        (lambda: Estimate(A, image_shape=(1, 8, 8)), r"image_shape must be \(height, width\) in whole pixels"),
        (lambda: Estimate(A, image_shape=(-8, -8)), r"image_shape must be \(height, width\) in whole pixels"),
        (lambda: Estimate(A, image_shape=(8.5, 8)), r"image_shape must be \(height, width\) in whole pixels"),
        (lambda: Estimate(labelled(A, [0, 1, 2, np.nan], "height", "width")), "A has unit_id labels that are NaN"),
        (lambda: Estimate(b="b.npy"), r"b is a path or text \('b.npy'\): open it"),
        (lambda: Estimate(b={"b": 1}), "b is a dict"),
        (lambda: Estimate(b=[np.ones((2, 2)), np.ones((3, 3))]), "b is ragged"),
        (lambda: Estimate(b=np.ones((1, 1, 4, 4))), r"b has shape \(1, 1, 4, 4\); expected \('height', 'width'\)"),
        (lambda: Estimate(C=C, cells=4), "cells names 1 planted cells for 4 rows: give a list"),
        (lambda: Estimate(A, C, cells=[0, 1, 2, 3]), "cells is given as well as A"),
        (lambda: Estimate(shifts=SHIFTS, convention="up"), "convention cannot be 'up': say convention='correction'"),
        (
            lambda: Estimate(labelled(A, [0, 1, 2, 3], "height", "width"), labelled(C, [0, 1, 2, 8], "frame")),
            r"C has 4 units whose unit_id labels are not the 4 of the others \(.*, 3 in both\): select one set",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(EstimateError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_labels_of_a_background_in_a_table_are_followed():
    picture = np.arange(12.0).reshape(3, 4)
    turned = pd.DataFrame(picture, index=[2, 1, 0])
    np.testing.assert_array_equal(Estimate(b=turned).background.field, picture[::-1])
    course = pd.DataFrame([np.arange(5.0)], columns=[4, 3, 2, 1, 0])
    np.testing.assert_array_equal(Estimate(f=course).background.course, np.arange(5.0)[::-1])
