"""dask arrays, those of unknown size among them: units chosen by a lazy mask."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from planted import RECORDING, SEEN, A, C

from pytest_calsim import Estimate, assert_footprints_recovered, assert_traces_recovered

lazy = da.from_array(A, chunks=(4, 20, 25))
CHOSEN = np.isin(np.arange(9), SEEN)


@pytest.mark.parametrize(
    "chosen",
    [
        lazy[da.from_array(CHOSEN, chunks=4)],
        lazy[(lazy.max(axis=(1, 2)) > 0) & da.from_array(CHOSEN, chunks=4)],
        xr.DataArray(lazy[da.from_array(CHOSEN, chunks=4)], dims=("unit_id", "height", "width")),
        lazy[SEEN].rechunk((7, 40, 50)),
    ],
    ids=["mask", "computed mask", "xarray", "one chunk"],
)
def test_scored_as_it_is(chosen):
    unknown = str(chosen.shape)
    for given in (chosen, Estimate(chosen)):
        assert assert_footprints_recovered(given, RECORDING, min_recall=1, min_precision=1, min_mean_iou=1).passed
    assert str(chosen.shape) == unknown  # the user's array stays as it is


def test_traces_of_unknown_size():
    traces = da.from_array(C, chunks=4)[da.from_array(CHOSEN, chunks=4)]
    assert assert_traces_recovered(Estimate(A[SEEN], traces), RECORDING, min_pearson=0.999).passed
