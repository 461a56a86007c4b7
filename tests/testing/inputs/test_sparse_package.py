"""Arrays of the package ``sparse``, which minian and xarray use, alone and within others."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from planted import RECORDING, SEEN, A, C

from pytest_calsim import Estimate, assert_footprints_recovered
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.footprints import as_footprints

sparse = pytest.importorskip("sparse")
COO = sparse.COO.from_numpy(A[SEEN])
DIMS = ("unit_id", "height", "width")


@pytest.mark.parametrize(
    "given",
    [
        COO,
        sparse.GCXS.from_numpy(A[SEEN]),
        sparse.DOK.from_numpy(A[SEEN]),
        xr.DataArray(COO, dims=DIMS),
        xr.DataArray(COO, dims=DIMS).transpose("width", "unit_id", "height"),
        xr.DataArray(COO, dims=DIMS, coords={"height": np.arange(40)})[:, ::-1],
        da.from_array(COO, chunks=(3, 20, 25)),
        xr.DataArray(da.from_array(COO, chunks=(3, 20, 25)), dims=DIMS),
    ],
    ids=["COO", "GCXS", "DOK", "xarray", "turned", "rows from the other end", "dask", "xarray on dask"],
)
def test_footprints(given):
    np.testing.assert_array_equal(np.asarray(as_footprints(given, (40, 50))), A[SEEN].astype(np.float32))
    assert assert_footprints_recovered(given, RECORDING, min_recall=1, min_precision=1, min_mean_iou=1).passed


def test_traces():
    np.testing.assert_array_equal(Estimate(C=sparse.COO.from_numpy(C)).C, C)
    np.testing.assert_array_equal(Estimate(C=xr.DataArray(sparse.COO.from_numpy(C), dims=("unit_id", "frame"))).C, C)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([sparse.COO.from_numpy(a) for a in A], "A is a list of sparse images: give one"),
        (sparse.COO.from_numpy(A + 1, fill_value=1), r"A is sparse with the fill value 1\.0; expected 0"),
        (sparse.COO.from_numpy(A.reshape(9, -1)), r"A has shape \(9, 2000\); expected \(units, 40, 50\)"),
        (sparse.COO.from_numpy(-A), "the footprint of unit 0 is negative"),
        (sparse.COO.from_numpy(np.where(A > 0.9, np.nan, A)), "the footprint of unit 0 has .* NaN or infinite"),
    ],
)
def test_what_cannot_be_scored_is_refused(given, message):
    with pytest.raises(EstimateError, match=message) as caught:
        assert_footprints_recovered(given, RECORDING, min_recall=0.5, min_precision=0.5)
    assert "\n" not in str(caught.value)
