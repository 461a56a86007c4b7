"""What a NumPy masked array hides is never scored."""

import dask.array as da
import numpy as np
import pytest
from planted import RECORDING, SEEN, SHIFTS, A, C, S

from pytest_calsim import (
    Estimate,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
    field_pearson,
    trace_pearson,
)
from pytest_calsim.errors import EstimateError

HIDDEN = np.ma.masked_array(np.where(A[SEEN] < 0.1, 7.0, A[SEEN]), mask=A[SEEN] < 0.1)


@pytest.mark.parametrize(
    "given",
    [HIDDEN, list(HIDDEN), tuple(HIDDEN), da.ma.masked_array(HIDDEN.data, mask=HIDDEN.mask)],
    ids=["array", "list", "tuple", "dask"],
)
def test_hidden_pixels_lie_outside_the_footprint(given):
    found = Estimate(given)
    np.testing.assert_array_equal(np.asarray(found.A), HIDDEN.filled(0).astype(np.float32))
    assert assert_footprints_recovered(given, RECORDING, min_recall=1, min_precision=1).passed


def test_a_border_of_nan_that_is_masked():
    bordered = A[SEEN].copy()
    bordered[:, :2] = np.nan
    assert assert_footprints_recovered(np.ma.masked_invalid(bordered), RECORDING, min_recall=1, min_precision=1).passed


def hide(values, one=True):
    mask = np.zeros(values.shape, bool)
    mask.flat[5] = True
    return np.ma.masked_array(values, mask if one else True)


@pytest.mark.parametrize(
    "judge",
    [
        lambda: assert_traces_recovered(Estimate(A, hide(C)), RECORDING, min_pearson=0.9),
        lambda: assert_traces_recovered(hide(C), RECORDING, min_pearson=0.9),
        lambda: assert_traces_recovered(list(hide(C)), RECORDING, min_pearson=0.9),
        lambda: assert_spikes_recovered(Estimate(A, S=hide(S)), RECORDING, min_recall=0.9, min_precision=0.9),
        lambda: assert_shifts_recovered(hide(SHIFTS, one=False), RECORDING, max_rmse_px=1, convention="correction"),
        lambda: assert_shifts_recovered(hide(SHIFTS), RECORDING, max_rmse_px=1, convention="correction"),
        lambda: Estimate(C=da.ma.masked_array(C, mask=C > 5)),
        lambda: trace_pearson(hide(C), C),
        lambda: field_pearson(hide(A[0]), A[0]),
    ],
)
def test_hidden_values_of_traces_spikes_shifts_and_pictures_are_refused(judge):
    with pytest.raises(EstimateError, match=r"hides \d+ values under its mask: fill them") as caught:
        judge()
    assert "\n" not in str(caught.value)


def test_a_mask_that_hides_nothing_is_no_matter():
    assert assert_traces_recovered(Estimate(A, np.ma.masked_array(C)), RECORDING, min_pearson=0.99).passed
