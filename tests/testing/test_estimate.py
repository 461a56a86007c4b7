from types import SimpleNamespace

import numpy as np
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
        (lambda: Estimate(scipy.sparse.csr_array(A.reshape(4, -1))), r"scipy.sparse of shape \(4, 35\): say picture="),
        (lambda: Estimate(C=C, cells=[1, 2]), "cells names 2 planted cells for 4 rows"),
        (lambda: Estimate(C=C, cells=[1, 2, 5, 2]), r"cells names planted cells \[2\] more than once"),
        (lambda: Estimate(C=C, cells=[0.5, 1, 2, 3]), "cells must be the numbers of planted cells, not float64"),
        (
            lambda: Estimate(C=C, cells=[True, False, True, True]),
            "cells must be the numbers of planted cells, not bool",
        ),
        (lambda: Estimate(C=C, cells=4), "cells names 1 planted cells for 4 rows: give a list"),
        (lambda: Estimate(A, C, cells=[0, 1, 2, 3]), "cells given beside A"),
        (lambda: Estimate(shifts=SHIFTS, convention="up"), "convention cannot be 'up': say convention='correction'"),
        (
            lambda: Estimate(labelled(A, [0, 1, 2, 3], "height", "width"), labelled(C, [0, 1, 2, 8], "frame")),
            r"C has 4 units whose unit_id labels are not the 4 of the others: select one set, A\.sel\(unit_id=C\.unit_id\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(EstimateError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_minian_keeps_the_units_of_its_traces():
    ids = np.array([3, 5, 6, 8])
    kept = [2, 0]
    results = {
        "A": labelled(A, ids, "height", "width").transpose("height", "width", "unit_id").chunk(),
        "C": labelled(C[kept], ids[kept], "frame"),
        "S": labelled(S[kept[::-1]], ids[kept[::-1]], "frame"),
        "motion": xr.DataArray(SHIFTS, dims=("frame", "shift_dim"), coords={"shift_dim": ["height", "width"]}),
    }
    for form in (results, xr.Dataset({"A": results["A"].sel(unit_id=ids[kept]), "C": results["C"]})):
        found = Estimate.from_minian(form)
        np.testing.assert_array_equal(np.asarray(found.A), A[kept].astype(np.float32))
        np.testing.assert_array_equal(found.C, C[kept])
        np.testing.assert_array_equal(found.labels, ids[kept])
    found = Estimate.from_minian(results)
    np.testing.assert_array_equal(found.S, S[kept])
    assert found.convention == "correction"
    with pytest.raises(EstimateError, match=r"1 unit_id of C are missing from A \(\[9\]\)\. Are A and C from the same"):
        Estimate.from_minian(results | {"C": labelled(C[:2], [3, 9], "frame")})


def test_caiman_flattens_in_fortran_order():
    flat = np.stack([a.ravel(order="F") for a in A], axis=1)
    for matrix in (scipy.sparse.csc_matrix(flat), scipy.sparse.csc_array(flat), flat):
        estimates = SimpleNamespace(A=matrix, C=C, S=S, dims=(5, 7))
        found = Estimate.from_caiman(estimates, shifts_rig=list(map(tuple, SHIFTS)))
        np.testing.assert_array_equal(np.asarray(found.A), A.astype(np.float32))
        np.testing.assert_array_equal(found.shifts, SHIFTS)
        assert found.convention == "correction"
    without = SimpleNamespace(A=matrix)
    assert Estimate.from_caiman(without, (5, 7)).C is None
    with pytest.raises(EstimateError, match=r"from_caiman needs dims=\(height, width\)"):
        Estimate.from_caiman(without)
    with pytest.raises(EstimateError, match=r"A has shape \(35, 4\); expected \(30, units\)"):
        Estimate.from_caiman(without, (5, 6))


def test_suite2p_lists_the_pixels_of_each_roi():
    stat = []
    for a in A:
        y, x = np.nonzero(a)
        shuffled = rng.permutation(len(y))
        stat.append({"ypix": y[shuffled], "xpix": x[shuffled], "lam": a[y, x][shuffled]})
    Fneu = rng.random(C.shape)
    iscell = np.array([[1, 0.9], [0, 0.1], [1, 0.8], [1, 0.7]])
    found = Estimate.from_suite2p(
        stat, (5, 7), F=C, Fneu=Fneu, spks=S, iscell=iscell, yoff=SHIFTS[:, 0], xoff=SHIFTS[:, 1]
    )
    kept = [0, 2, 3]
    np.testing.assert_array_equal(np.asarray(found.A), A[kept].astype(np.float32))
    np.testing.assert_allclose(found.C, C[kept] - 0.7 * Fneu[kept])
    np.testing.assert_array_equal(found.S, S[kept])
    np.testing.assert_array_equal(found.shifts, SHIFTS)
    np.testing.assert_array_equal(found.labels, kept)
    assert found.convention == "displacement"
    np.testing.assert_array_equal(Estimate.from_suite2p(stat, (5, 7), F=C).C, C)
    np.testing.assert_array_equal(Estimate.from_suite2p(stat, (5, 7), iscell=iscell[:, 0] > 0).labels, kept)
    with pytest.raises(
        EstimateError, match=r"stat\[0\] reaches pixel \(\d, \d\); expected within \(height, width\) = \(3, 7\)"
    ):
        Estimate.from_suite2p(stat, (3, 7))


STAT = [dict(zip(("ypix", "xpix"), np.nonzero(a), strict=True), lam=a[np.nonzero(a)]) for a in A]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"F": C[:3]}, r"F has shape \(3, 11\); expected \(4, frame\)"),
        ({"F": C, "Fneu": C[:, :1]}, r"Fneu has shape \(4, 1\); expected \(4, 11\), as F"),
        ({"spks": np.vstack([S, S])}, r"spks has shape \(8, 11\); expected \(4, frame\)"),
        ({"iscell": [1, 0, 1]}, r"iscell has shape \(3,\); expected \(4, 2\) or \(4,\)"),
        ({"iscell": np.ones((5, 2))}, r"iscell has shape \(5, 2\)"),
        ({"yoff": SHIFTS[:, 0]}, "xoff is missing"),
        ({"xoff": SHIFTS[:, 0]}, "yoff is missing"),
        ({"yoff": SHIFTS[:, 0], "xoff": SHIFTS[1:, 0]}, r"yoff and xoff have shapes \(11,\) and \(10,\)"),
        ({"stat": [*STAT[:3], {"ypix": [-1, 0], "xpix": [1, 1], "lam": [1, 1]}]}, r"stat\[3\] reaches pixel \(-1, 1\)"),
        ({"stat": [*STAT[:3], {"ypix": [1], "xpix": [7], "lam": [1]}]}, r"stat\[3\] reaches pixel \(1, 7\); expected"),
    ],
)
def test_what_suite2p_did_not_save_together_is_refused(given, message):
    with pytest.raises(EstimateError, match=message) as caught:
        Estimate.from_suite2p(**({"stat": STAT, "shape": (5, 7)} | given))
    assert "\n" not in str(caught.value)
