"""minian's results: units of the last update, and what its viewer discarded and merged."""

import numpy as np
import pytest
import xarray as xr
from planted import RECORDING, SEEN, SHIFTS, A, C, S, blob

from pytest_calsim import Estimate, assert_footprints_recovered, assert_shifts_recovered, assert_traces_recovered
from pytest_calsim.errors import EstimateError

IDS = np.array([3, 5, 6, 8, 11, 12, 20])


def labelled(values, ids, *dims, **coords):
    return xr.DataArray(values, dims=("unit_id", *dims), coords={"unit_id": ids, **coords})


def results(labels=None):
    coords = {} if labels is None else {"unit_labels": ("unit_id", np.asarray(labels))}
    return {
        "A": labelled(A[SEEN], IDS, "height", "width", **coords),
        "C": labelled(C[SEEN], IDS, "frame", **coords),
        "S": labelled(S[SEEN], IDS, "frame", **coords),
        "motion": xr.DataArray(-SHIFTS, dims=("frame", "shift_dim"), coords={"shift_dim": ["height", "width"]}),
    }


def test_units_are_those_of_the_traces():
    every = results()
    kept = [2, 0]
    every["A"] = every["A"].transpose("height", "width", "unit_id").chunk()
    every["C"] = every["C"][kept]
    every["S"] = every["S"][kept[::-1]]
    for form in (every, xr.Dataset({"A": results()["A"][kept], "C": every["C"]})):
        found = Estimate.from_minian(form)
        np.testing.assert_array_equal(np.asarray(found.A), A[SEEN][kept].astype(np.float32))
        np.testing.assert_array_equal(found.C, C[SEEN][kept])
        np.testing.assert_array_equal(found.labels, IDS[kept])
    np.testing.assert_array_equal(Estimate.from_minian(every).S, S[SEEN][kept])


def test_motion_is_a_correction_and_known_to_be():
    found = Estimate.from_minian(results())
    assert assert_shifts_recovered(found, RECORDING, max_rmse_px=0).passed
    assert assert_footprints_recovered(found, RECORDING, min_recall=1, min_precision=1).passed


@pytest.mark.parametrize("labels", [IDS, np.arange(7)], ids=["as unit_id", "counted"])
def test_a_viewer_that_changed_nothing(labels):
    found = Estimate.from_minian(results(labels))
    np.testing.assert_array_equal(found.labels, IDS)
    np.testing.assert_array_equal(found.C, C[SEEN])


@pytest.mark.parametrize("where", ["A", "C", "S"])
def test_discarded_units_are_no_estimates(where):
    labels = IDS.copy()
    labels[[1, 4]] = -1
    found = results()
    found[where] = results(labels)[where]
    assert Estimate.from_minian(found).labels.tolist() == IDS[[0, 2, 3, 5, 6]].tolist()
    assert Estimate.from_minian(xr.Dataset(results(labels))).labels.tolist() == IDS[[0, 2, 3, 5, 6]].tolist()


def test_merged_units_are_one():
    halves = A[SEEN].copy()
    left = np.arange(50) < 30
    halves[3] = A[3] * left
    halves[6] = A[3] * ~left
    found = results([3, 5, 6, 8, 11, 12, 8])
    found["A"].values[:] = halves
    merged = Estimate.from_minian(found)
    assert merged.labels.tolist() == IDS[:6].tolist()
    np.testing.assert_array_equal(np.asarray(merged.A)[3], A[3].astype(np.float32))
    np.testing.assert_allclose(merged.C[3], (C[SEEN][3] + C[SEEN][6]) / 2)
    with_all = Estimate.from_minian({"A": labelled([blob(3, 3), blob(3, 3)], [1, 2], "height", "width")})
    assert with_all.n_units == 2


def test_the_background():
    field = xr.DataArray(blob(20, 25, 30), dims=("height", "width"))
    course = xr.DataArray(np.arange(80.0), dims="frame")
    found = Estimate.from_minian({**results(), "b": field, "f": course})
    np.testing.assert_allclose(found.background.field, 39.5 * field)
    np.testing.assert_allclose(np.corrcoef(found.background.course, course)[0, 1], 1)


def test_any_of_them_will_do():
    assert Estimate.from_minian({"motion": results()["motion"]}).n_units == 0
    assert assert_traces_recovered(
        Estimate.from_minian({k: v for k, v in results().items() if k != "motion"}), RECORDING, min_pearson=0.999
    ).passed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r | {"C": r["C"].assign_coords(unit_id=IDS + 1)},
            "unit_id of C are missing from A",
        ),
        (
            lambda r: r | {"C": r["C"].assign_coords(unit_id=IDS * 0 + 3)},
            r"C has the unit_id labels \[3\]",
        ),
        (lambda r: r | {"A": r["A"].assign_coords(unit_id=IDS * 0 + 3)}, r"A has the unit_id labels \[3\]"),
        (lambda r: r | {"S": r["S"][:3]}, "S has 3 units whose unit_id labels are not the 7"),
        (lambda r: results([0, 1, np.nan, 3, 4, 5, -1]), "unit_labels of A must be whole numbers, -1 for no cell, not"),
        (lambda r: results([*"abcdefg"]), "unit_labels of A must be whole numbers"),
        (
            lambda r: results([0, 1, 2, 3, 4, 5, 6]) | {"C": results([0, 0, 2, 3, 4, 5, 6])["C"]},
            "unit_labels of C and of A differ for unit 5: give the arrays that the viewer saved together",
        ),
        (lambda r: r["A"], "from_minian takes a Dataset or a dict of arrays, not DataArray"),
        (lambda r: list(r.values()), "from_minian takes a Dataset or a dict of arrays, not list"),
        (lambda r: {"footprints": r["A"]}, "from_minian found none of A, C, S, motion, b, f: there is footprints"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(EstimateError, match=message) as caught:
        Estimate.from_minian(change(results()))
    assert "\n" not in str(caught.value)
