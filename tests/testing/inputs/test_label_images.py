"""Label images, as cellpose and scikit-image give them: one whole number a cell, 0 for none."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from planted import RECORDING, SEEN, A

from pytest_calsim import Estimate, assert_footprints_recovered
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.footprints import as_footprints

IMAGE = np.zeros((40, 50), np.int32)
for cell in SEEN:
    IMAGE[0.3 * A[cell].max() < A[cell]] = 10 * cell + 3
NUMBERS = [3, 13, 23, 33, 43, 53, 73]
DIMS = ("height", "width")

FORMS = {
    "numpy": IMAGE,
    "uint16": IMAGE.astype(np.uint16),
    "int64": IMAGE.astype(np.int64),
    "list of lists": IMAGE.tolist(),
    "xarray": xr.DataArray(IMAGE, dims=DIMS),
    "xarray, turned": xr.DataArray(IMAGE, dims=DIMS).T,
    "xarray, rows from the other end": xr.DataArray(IMAGE, dims=DIMS, coords={"height": np.arange(40)})[::-1],
    "pandas": pd.DataFrame(IMAGE),
    "dask": da.from_array(IMAGE, chunks=17),
    "masked": np.ma.masked_equal(IMAGE, 0),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_number_is_a_cell(form):
    card = assert_footprints_recovered(FORMS[form], RECORDING, min_recall=1, min_precision=1)
    assert card.as_dict()["footprints.n_estimates"] == 7
    found = Estimate(FORMS[form])
    assert found.labels.tolist() == NUMBERS
    np.testing.assert_array_equal(np.asarray(found.A)[2], IMAGE == 23)


def test_one_cell_and_none():
    assert as_footprints((IMAGE == 23).astype(int)).unit_id.tolist() == [1]
    assert as_footprints(np.zeros((40, 50), int)).shape == (0, 40, 50)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            IMAGE[None],
            r"A is one image of 7 different whole numbers: give a label image without .* A\[0\]",
        ),
        (IMAGE[None].astype(np.uint8), r"or a single footprint as floats, A.astype\(float\)"),
        (IMAGE.astype(float), r"A has shape \(40, 50\); .* a label image holds whole numbers, A.astype\(int\)"),
        (IMAGE > 0, r"A has shape \(40, 50\); .*needs its unit axis, A\[None\]; a label image holds whole"),
        (xr.DataArray(IMAGE.astype(float), dims=DIMS), r"A is one image of float64: .*A.astype\(int\)"),
        (pd.DataFrame(IMAGE > 0), "A is one image of bool"),
        (IMAGE - 1, "A is a label image with the label -1; expected 0 for none"),
        (IMAGE[:30], r"A has shape \(30, 50\); expected \(units, 40, 50\)"),
        (IMAGE.T, r"A has shape \(50, 40\); expected \(units, 40, 50\)"),
    ],
)
def test_what_is_no_label_image_is_refused_with_the_right_advice(given, message):
    with pytest.raises(EstimateError, match=message) as caught:
        assert_footprints_recovered(given, RECORDING, min_recall=0.5, min_precision=0.5)
    assert "\n" not in str(caught.value)


def test_a_stack_of_masks_of_whole_numbers_is_what_it_looks_like():
    masks = np.array([number == IMAGE for number in NUMBERS])
    for dtype in (bool, np.uint8, int):
        np.testing.assert_array_equal(np.asarray(as_footprints(masks.astype(dtype))), masks)
    np.testing.assert_array_equal(np.asarray(as_footprints(masks[:1].astype(int))), masks[:1])
