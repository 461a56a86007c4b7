"""CaImAn's estimates: pixels in Fortran order, and the components that were accepted."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from planted import RECORDING, SEEN, SHIFTS, A, C, S, blob

from pytest_calsim import Estimate, assert_background_recovered, assert_footprints_recovered
from pytest_calsim.errors import EstimateError

JUNK = np.array([blob(3, 27, 1.0), blob(20, 45, 1.0), blob(30, 5, 1.0)])
EVERY = np.concatenate([JUNK[:1], A[SEEN], JUNK[1:]])
TRACES = np.concatenate([C[:1] * 0, C[SEEN], C[:2] * 0])
SPIKES = np.concatenate([S[:1] * 0, S[SEEN], S[:2] * 0])
GOOD = np.arange(1, 8)
FLAT = np.stack([image.ravel(order="F") for image in EVERY], axis=1)


def estimates(images=EVERY, matrix=scipy.sparse.csc_matrix, **more):
    flat = np.stack([image.ravel(order="F") for image in images], axis=1)
    return SimpleNamespace(**({"A": matrix(flat), "C": TRACES, "S": SPIKES, "dims": (40, 50)} | more))


@pytest.mark.parametrize("matrix", [scipy.sparse.csc_matrix, scipy.sparse.coo_array, np.asarray])
def test_pixels_are_in_fortran_order(matrix):
    found = Estimate.from_caiman(estimates(matrix=matrix), shifts_rig=list(map(tuple, SHIFTS)))
    np.testing.assert_array_equal(np.asarray(found.A), EVERY.astype(np.float32))
    np.testing.assert_array_equal(found.C, TRACES)
    np.testing.assert_array_equal(found.shifts, SHIFTS)
    assert found.convention == "correction"


@pytest.mark.parametrize("idx", [GOOD, GOOD.tolist(), GOOD[::-1], GOOD[None], GOOD.astype(np.int32)])
def test_rejected_components_are_no_estimates(idx):
    found = Estimate.from_caiman(estimates(idx_components=idx, idx_components_bad=np.array([0, 8, 9])))
    assert found.labels.tolist() == GOOD.tolist()
    np.testing.assert_array_equal(found.C, C[SEEN])
    np.testing.assert_array_equal(found.S, S[SEEN])
    assert assert_footprints_recovered(found, RECORDING, min_recall=1, min_precision=1).passed


@pytest.mark.parametrize("matrix", [np.asarray, scipy.sparse.csc_matrix, scipy.sparse.coo_array, pd.DataFrame])
def test_pixels_by_units_alone(matrix):
    found = Estimate.from_caiman(matrix(FLAT), dims=(40, 50), shifts_rig=SHIFTS)
    np.testing.assert_array_equal(np.asarray(found.A), EVERY.astype(np.float32))
    assert (found.C, found.convention) == (None, "correction")


@pytest.mark.parametrize(
    "holder",
    [
        lambda found: found,
        lambda found: {"estimates": found, "dims": None},
        lambda found: SimpleNamespace(estimates=found),
    ],
    ids=["estimates", "cnm, as a dict", "cnm"],
)
def test_a_dict_of_the_names_of_estimates(holder):
    names = {"A": FLAT, "C": TRACES, "S": SPIKES, "dims": (40, 50), "idx_components": GOOD}
    found = Estimate.from_caiman(holder(names))
    np.testing.assert_array_equal(np.asarray(found.A), EVERY[GOOD].astype(np.float32))
    np.testing.assert_array_equal(found.C, TRACES[GOOD])
    np.testing.assert_array_equal(found.S, SPIKES[GOOD])


def test_rows_that_are_labelled_are_put_in_the_order_of_components():
    order = np.random.default_rng(2).permutation(10)
    table = pd.DataFrame(TRACES[order], index=order)
    np.testing.assert_array_equal(Estimate.from_caiman(estimates(C=table)).C, TRACES)


def test_after_select_components_all_are():
    assert Estimate.from_caiman(estimates(idx_components=None, idx_components_bad=None)).n_units == 10


def test_none_accepted_is_an_estimate_of_none():
    found = Estimate.from_caiman(estimates(idx_components=np.zeros(0, int)))
    assert (found.n_units, found.A.shape, found.C.shape) == (0, (0, 40, 50), (0, 80))


def test_what_was_not_computed_is_not_there():
    found = Estimate.from_caiman(SimpleNamespace(A=estimates().A), (40, 50))
    assert (found.C, found.S, found.shifts, found.background) == (None, None, None, None)


@pytest.mark.parametrize("dims", [(40, 50), [40, 50], np.array([40, 50]), np.array([[40, 50]])])
def test_dims_of_any_kind_and_owner(dims):
    without = estimates()
    del without.dims
    for found in (
        Estimate.from_caiman(without, dims),
        Estimate.from_caiman(SimpleNamespace(estimates=without, dims=dims)),
        Estimate.from_caiman(SimpleNamespace(estimates=estimates(dims=dims))),
    ):
        assert found.A.shape == (10, 40, 50)


def test_the_background():
    pictures = np.stack([blob(20, 25, 20), blob(5, 5, 30)])
    courses = np.array([np.full(80, 2.0), np.arange(80.0)])
    b = np.stack([picture.ravel(order="F") for picture in pictures], axis=1)
    found = Estimate.from_caiman(estimates(b=b, f=courses)).background
    np.testing.assert_allclose(found.field, 2 * pictures[0] + 39.5 * pictures[1])
    np.testing.assert_allclose(found.course, pictures.mean(axis=(1, 2)) @ courses)
    with pytest.raises(EstimateError, match="this Estimate has no background"):
        assert_background_recovered(Estimate.from_caiman(estimates()), RECORDING, min_pearson=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Estimate.from_caiman(SimpleNamespace(A=estimates().A)), r"from_caiman needs dims=\(height, width\)"),
        (lambda: Estimate.from_caiman(estimates(), (40, 49)), r"A has shape \(2000, 10\); expected \(1960, units\)"),
        (lambda: Estimate.from_caiman(estimates(), (40, 25, 2)), r"dims must be \(height, width\), not \(40, 25, 2\)"),
        (lambda: Estimate.from_caiman(SimpleNamespace(A=None, dims=(4, 5))), "this SimpleNamespace has no A"),
        (lambda: Estimate.from_caiman(SimpleNamespace(estimates=SimpleNamespace())), "has no A: give cnm.estimates"),
        (lambda: Estimate.from_caiman(estimates(idx_components=[3, 10])), "idx_components names 10; A has the compon"),
        (lambda: Estimate.from_caiman(estimates(idx_components=GOOD > 3)), "idx_components names"),
        (
            lambda: Estimate.from_caiman(estimates(C=TRACES[:4])),
            r"C has 4 rows for the 10 components of A: of different runs\?",
        ),
        (lambda: Estimate.from_caiman(estimates(b=np.ones((9, 1)), f=C[:1])), r"b has shape \(9, 1\); expected \(2000"),
        (lambda: Estimate.from_caiman(estimates(C=np.vstack([TRACES, TRACES]))), "C has 20 rows for the 10 components"),
        (lambda: Estimate.from_caiman({"C": TRACES}, (40, 50)), "this dict of C has no A: give cnm.estimates after"),
        (lambda: Estimate.from_caiman({"A": estimates().A}), r"from_caiman needs dims=\(height, width\)"),
        (lambda: Estimate.from_caiman(np.asarray(FLAT)), r"from_caiman needs dims=\(height, width\)"),
        (lambda: Estimate.from_caiman(FLAT.T, (40, 50)), r"A has shape \(10, 2000\); .*: it is transposed, give A\.T$"),
        (
            lambda: Estimate.from_caiman(EVERY, (40, 50)),
            r"A has shape \(10, 40, 50\); .* given as Estimate\(A=\.\.\.\)$",
        ),
        (lambda: Estimate.from_caiman({"A": EVERY}, (40, 50)), r"A has shape \(10, 40, 50\); from_caiman takes"),
        (lambda: Estimate.from_caiman(None, (40, 50)), r"from_caiman takes cnm.estimates or cnm, .*, not None"),
        (lambda: Estimate.from_caiman("cnm.hdf5"), r"load_CNMF\(path\), not a path or text \('cnm.hdf5'\)"),
        (
            lambda: Estimate.from_caiman({"A": FLAT, "C": pd.DataFrame(TRACES, index=range(20, 10, -1))}, (40, 50)),
            "C has unit_id labels 20, 19, 18, ..., in no order, and A none",
        ),
        (lambda: Estimate.from_caiman(estimates(), (40.5, 50)), r"dims must be \(height, width\) in whole pixels, not"),
        (lambda: Estimate.from_caiman(estimates(), 2000), r"dims must be \(height, width\) in whole pixels, not 2000"),
        (
            lambda: Estimate.from_caiman(estimates(), "40x50"),
            r"dims must be \(height, width\) in whole pixels, not '40",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(EstimateError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_saved_matrix_and_an_empty_background_are_read():
    saved = np.empty((), object)
    saved[()] = scipy.sparse.csc_matrix(estimates().A)
    assert Estimate.from_caiman(estimates(A=saved)).n_units == Estimate.from_caiman(estimates()).n_units
    nothing = estimates(b=np.zeros((2000, 0)), f=np.zeros((0, 80)))
    assert Estimate.from_caiman(nothing).background is None
