import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import xarray as xr

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.footprints import as_footprints
from pytest_calsim.testing.inputs.matrices import as_matrix, as_shifts

A = np.random.default_rng(0).random((3, 4, 5)) * (np.random.default_rng(1).random((3, 4, 5)) < 0.5)
DIMS = ("unit_id", "height", "width")
labelled = xr.DataArray(A, dims=DIMS)

FORMS = {
    "numpy": A,
    "float32": A.astype(np.float32),
    "units last in memory": np.moveaxis(np.moveaxis(A, 0, -1).copy(), -1, 0),
    "list": list(A),
    "dask": da.from_array(A, chunks=(2, 3, 2)),
    "xarray": labelled,
    "xarray, dims in another order": labelled.transpose("width", "unit_id", "height"),
    "xarray on dask": labelled.chunk({"unit_id": 2, "height": 3}).transpose("height", "width", "unit_id"),
    "csr": scipy.sparse.csr_array(A.reshape(3, -1)),
    "csc matrix": scipy.sparse.csc_matrix(A.reshape(3, -1)),
    "coo": scipy.sparse.coo_array(A.reshape(3, -1)),
    "sparse footprints": SparseFootprints.from_units(
        [(np.flatnonzero(a), a.ravel()[np.flatnonzero(a)]) for a in A], (4, 5)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_footprints_of_any_form_are_the_same(form):
    found = as_footprints(FORMS[form], (4, 5))
    np.testing.assert_array_equal(np.asarray(found), A.astype(np.float32))
    assert (np.diff(found.unit(0)[0]) > 0).all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16])
def test_any_real_dtype_will_do(dtype):
    np.testing.assert_array_equal(np.asarray(as_footprints((A > 0).astype(dtype))), A > 0)


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 4, 5)), np.zeros(0)])
def test_no_unit_is_an_estimate_too(nothing):
    assert as_footprints(nothing, (4, 5)).shape == (0, 4, 5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            A[:, :3],
            r"A has shape \(3, 3, 5\); expected \(units, 4, 5\) = \(unit_id, height, width\): if this is a crop, label",
        ),
        (A.transpose(1, 2, 0), r"A has shape \(4, 5, 3\); expected \(units, 4, 5\).*units come first, np.moveaxis"),
        (A.transpose(0, 2, 1), r"A has shape \(3, 5, 4\); expected \(units, 4, 5\).*height and width are swapped"),
        (A[0], r"A has shape \(4, 5\); .*a single footprint needs its unit axis, A\[None\]"),
        (
            A.reshape(3, -1),
            r"A has shape \(3, 20\); .*Estimate.from_caiman\(A.T, dims=\(4, 5\)\).*or given as A.reshape\(-1, 4, 5\)",
        ),
        (
            A.reshape(3, -1).T,
            r"A has shape \(20, 3\); .*Estimate.from_caiman\(A, dims=\(4, 5\)\).*or given as A.T.reshape\(-1, 4, 5\)",
        ),
        (
            (A[0] > 0).astype(int).T,
            r"A has shape \(5, 4\); expected \(units, 4, 5\).*height and width are swapped, A\.T$",
        ),
        ((A[0] > 0).astype(int)[1:], r"A has shape \(3, 5\); expected \(units, 4, 5\).*if this is a crop, label"),
        (A.sum, "A is a function or class"),
        ((A, A[:, 0]), r"A is a tuple of 2 arrays of different kinds: give each by its name, Estimate\(A=\.\.\.,"),
        (None, r"A is None: did the pipeline return it\?"),
        (A[None], r"A has shape \(1, 3, 4, 5\); expected"),
        (
            scipy.sparse.csr_array(A.reshape(3, -1).T),
            r"A has shape \(20, 3\); expected \(units, 20\).*A\.T.*from_caiman",
        ),
        (
            labelled.rename(unit_id="cell"),
            r"A has dims \('cell', 'height', 'width'\); expected \('unit_id', 'height', ",
        ),
        (np.where(A > 0.5, np.nan, A), r"A: the footprint of unit 0 has \d+ NaN or infinite pixels"),
        (np.where(A > 0.5, np.inf, A), r"A: the footprint of unit 0 has \d+ NaN or infinite pixels"),
        (
            da.from_array(np.where(np.arange(3)[:, None, None] == 2, np.nan, A), chunks=1),
            "footprint of unit 2 has 20 NaN",
        ),
        (scipy.sparse.csr_array(np.where(A > 0.5, np.nan, A).reshape(3, -1)), "the footprint of unit 0 has"),
        (-A, r"A: the footprint of unit 0 is negative at \d+ pixels \(lowest -0\.\d+\): clip it, A\.clip\(0\)"),
        (A * 1e40, r"A: the footprint of unit 0 reaches .*e\+\d+, beyond float32: scale it down"),
        (A.astype(complex), "A holds complex128, not real numbers"),
        ([A[0], A[1, :3]], r"A is ragged: its parts are of different shapes, \(3, 5\), \(4, 5\)"),
        ([[[1, 2], [1]]], "A is ragged: its parts are of different shapes"),
        (np.array([["a"]]), r"A has shape \(1, 1\); expected"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(bad, message):
    with pytest.raises(EstimateError, match=message) as caught:
        as_footprints(bad, (4, 5))
    assert "\n" not in str(caught.value)


def test_read_only_sparse_input_stays_as_it_was():
    twice = scipy.sparse.coo_array((np.ones(3), ([0, 0, 1], [2, 2, 7])), shape=(2, 20)).tocsr(copy=True)
    unsorted = scipy.sparse.csr_array((np.ones(3), np.array([5, 2, 5]), np.array([0, 3])), shape=(1, 20))
    found = as_footprints(unsorted, (4, 5))
    np.testing.assert_array_equal(found.unit(0)[0], [2, 5])
    np.testing.assert_array_equal(found.unit(0)[1], [1, 2])
    assert unsorted.nnz == 3
    assert as_footprints(twice, (4, 5)).shape == (2, 4, 5)


C = np.random.default_rng(2).random((3, 6))


@pytest.mark.parametrize(
    "form",
    [
        C,
        C.tolist(),
        da.from_array(C, chunks=2),
        xr.DataArray(C.T, dims=("frame", "unit_id")),
        scipy.sparse.csr_array(C),
    ],
    ids=lambda form: type(form).__name__,
)
def test_traces_of_any_form_are_the_same(form):
    np.testing.assert_array_equal(as_matrix(form, shape=(3, 6), name="C"), C)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (C[:, :5], r"C has shape \(3, 5\); expected \(3, 6\) = \(unit_id, frame\)$"),
        (C[:2], r"C has shape \(2, 6\); expected \(3, 6\)"),
        (C.T, r"C has shape \(6, 3\); expected \(3, 6\) = \(unit_id, frame\): it is transposed, give C\.T$"),
        (C[0], r"C has shape \(6,\); expected \(3, 6\)"),
        (np.where(C[1, 4] == C, np.nan, C), "C has 1 NaN or infinite values, the first at unit_id 1, frame 4"),
        (
            xr.DataArray(C, dims=("unit_id", "time")),
            r"C has dims \('unit_id', 'time'\); expected \('unit_id', 'frame'\).*: C\.rename\(\{'time': 'frame'\}\)$",
        ),
        (C.astype(str), "C holds <U32, not real numbers"),
    ],
)
def test_traces_that_cannot_be_scored_are_refused(bad, message):
    with pytest.raises(EstimateError, match=message):
        as_matrix(bad, shape=(3, 6), name="C")


def test_a_data_array_of_shifts_says_its_own_order():
    plain = np.arange(8.0).reshape(4, 2)
    swapped = xr.DataArray(plain[:, ::-1], dims=("frame", "shift_dim"), coords={"shift_dim": ["width", "height"]})
    np.testing.assert_array_equal(as_shifts(swapped), plain)
    np.testing.assert_array_equal(as_shifts(swapped.T, n_frames=4), plain)
    with pytest.raises(EstimateError, match=r"shift_dim labels \['x', 'y'\]; expected \['height', 'width'\]"):
        as_shifts(swapped.assign_coords(shift_dim=["x", "y"]))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((9, 2)), r"shifts has shape \(9, 2\); expected \(10, 2\) = \(frame, shift_dim\)$"),
        (np.zeros((2, 10)), r"shifts has shape \(2, 10\); expected \(10, 2\) = \(frame, shift_dim\): it is transposed"),
        (np.zeros(10), r"shifts has shape \(10,\); expected \(10, 2\)"),
        (np.zeros((10, 3)), r"shifts has shape \(10, 3\); expected \(10, 2\)"),
        (np.full((10, 2), np.nan), "shifts has 20 NaN or infinite values, the first at frame 0, shift_dim 0"),
    ],
)
def test_shifts_that_cannot_be_scored_are_refused(bad, message):
    with pytest.raises(EstimateError, match=message):
        as_shifts(bad, n_frames=10)


def test_no_row_is_a_matrix_too():
    assert as_matrix([], shape=(None, 6), name="C").shape == (0, 6)
    with pytest.raises(EstimateError, match=r"C has shape \(0,\); expected \(unit_id, frame\)"):
        as_matrix([], shape=(None, None), name="C")
