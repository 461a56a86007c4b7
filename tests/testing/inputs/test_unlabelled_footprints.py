"""Labelled rows beside footprints without labels: their labels say which unit each row is, or are refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from planted import FRAMES, HEIGHT, RECORDING, SEEN, WIDTH, A, C, S, record

from pytest_calsim import Estimate, RecoveryError, assert_spikes_recovered, assert_traces_recovered
from pytest_calsim.errors import EstimateError

# The planted traces all rise: their differences tell the cells apart.
SPIKY = np.diff(C, axis=1, prepend=0)
FOUND = A[SEEN]
TRACES = SPIKY[SEEN]
SHUFFLED = [4, 0, 6, 2, 5, 3, 1]

UNLABELLED = {
    "array": FOUND,
    "list": list(FOUND),
    "xarray": xr.DataArray(FOUND, dims=("unit_id", "height", "width")),
    "scipy.sparse": scipy.sparse.csr_array(FOUND.reshape(7, -1)),
    "the truth": record().truth.A_observed.from_units(
        [(np.flatnonzero(a), a.ravel()[np.flatnonzero(a)]) for a in FOUND], (HEIGHT, WIDTH)
    ),
}


def rows(values, ids, form="pandas"):
    """Rows under their labels, in one of the forms that have some."""
    if form == "pandas":
        return pd.DataFrame(values, index=ids)
    if form == "list of Series":
        return [pd.Series(row, name=label) for row, label in zip(values, ids, strict=True)]
    labelled = xr.DataArray(values, dims=("unit_id", "frame"), coords={"unit_id": ids})
    return labelled if form == "xarray" else [labelled[i] for i in range(len(ids))]


ROWS = ["pandas", "xarray", "list of Series", "list of xarray"]


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("footprints", UNLABELLED)
def test_a_permutation_says_which_unit_each_row_is(footprints, form):
    found = Estimate(UNLABELLED[footprints], rows(TRACES[SHUFFLED], SHUFFLED, form), image_shape=(HEIGHT, WIDTH))
    np.testing.assert_array_equal(found.C, TRACES)
    assert found.labels.tolist() == list(range(7))


@given(st.permutations(range(7)), st.permutations(range(7)))
def test_traces_and_spikes_each_by_their_own_labels(traces, spikes):
    found = Estimate(FOUND, rows(TRACES[traces], traces), rows(S[SEEN][spikes], spikes, "xarray"))
    np.testing.assert_array_equal(found.C, TRACES)
    np.testing.assert_array_equal(found.S, S[SEEN])


def test_spikes_alone_and_beside_traces_without_labels():
    for given_beside in ({"A": FOUND}, {"C": TRACES}, {"A": FOUND, "C": TRACES}):
        found = Estimate(S=rows(S[SEEN][SHUFFLED], SHUFFLED), **given_beside)
        np.testing.assert_array_equal(found.S, S[SEEN])
    found = Estimate(FOUND, S=rows(S[SEEN][SHUFFLED], SHUFFLED))
    assert assert_spikes_recovered(found, RECORDING, min_precision=1, min_recall=1, tol_frames=0).passed


@pytest.mark.parametrize(
    "ids",
    [
        [3, 7, 12, 20, 21, 30, 99],
        [0.5, 1, 2, 3, 4, 5, 6],
        ["ROI2", "ROI3", "ROI5", "ROI8", "ROI9", "ROI10", "ROI100"],
        list("abcdefg"),
        range(1, 8),
    ],
)
def test_ascending_labels_name_the_units_in_their_order(ids):
    for form in ("pandas", "xarray"):
        found = Estimate(FOUND, rows(TRACES, list(ids), form), S[SEEN])
        np.testing.assert_array_equal(found.C, TRACES)
        assert found.labels.tolist() == list(ids)
    with pytest.raises(EstimateError, match=r"C has unit_id labels .*, in no order, and A none that say which of its"):
        Estimate(FOUND, rows(TRACES, list(ids)[::-1]))


def test_spikes_follow_the_names_that_traces_gave():
    ids = np.array([3, 7, 12, 20, 21, 30, 99])
    found = Estimate(FOUND, rows(TRACES, ids), rows(S[SEEN][SHUFFLED], ids[SHUFFLED], "xarray"))
    np.testing.assert_array_equal(found.S, S[SEEN])
    with pytest.raises(
        EstimateError, match=r"S has 7 units whose unit_id labels are not the 7 of the others \(0, 1, 2"
    ):
        Estimate(FOUND, rows(TRACES, ids), rows(S[SEEN], range(7), "xarray"))


@pytest.mark.parametrize(
    ("form", "way"), [("pandas", r"C\.reset_index\(drop=True\)"), ("xarray", r"C\.drop_vars\('unit_id'\)")]
)
def test_the_way_to_give_rows_in_the_order_of_footprints(form, way):
    with pytest.raises(EstimateError, match=f"label A too, or give C in the order of A without labels, {way}$"):
        Estimate(FOUND, rows(TRACES, [12, 3, 7, 99, 4, 2, 1], form))


def test_rows_are_not_too_many_or_too_few():
    with pytest.raises(EstimateError, match=r"C has shape \(5, 80\); expected \(7, frame\)"):
        Estimate(FOUND, rows(TRACES[:5], [3, 1, 2, 0, 4]))


def test_traces_alone_keep_their_order_and_their_labels():
    found = Estimate(C=rows(C[[2, 0, 1]], [2, 0, 1]), S=S[[2, 0, 1]], cells=[2, 0, 1])
    np.testing.assert_array_equal(found.C, C[[2, 0, 1]])
    assert found.labels.tolist() == [2, 0, 1]


def test_rows_in_another_order_are_a_mistake_that_is_named():
    truth = record().truth
    arrays = dict(truth.arrays)
    arrays["C"] = type(arrays["C"])(("unit_id", "frame"), SPIKY)
    recording = type(RECORDING)(RECORDING.spec, RECORDING.frames, type(truth)(arrays))
    for traces in (TRACES[SHUFFLED], rows(TRACES, SHUFFLED)):
        with pytest.raises(RecoveryError, match=r"rows are evidently in another order .* would be 1\.00"):
            assert_traces_recovered(Estimate(FOUND, traces), recording, min_pearson=0.9)
    assert assert_traces_recovered(
        Estimate(FOUND, rows(TRACES[SHUFFLED], SHUFFLED)), recording, min_pearson=0.999
    ).passed


# Tables as other programs write them: frames by cells.

TABLE = pd.DataFrame(TRACES.T, columns=[f"ROI{i}" for i in range(7)])
SECONDS = TABLE.set_axis(np.arange(FRAMES) / 20, axis=0)


@pytest.mark.parametrize(
    ("table", "way"),
    [
        (TABLE, "C.T"),
        (TABLE.sample(frac=1, random_state=0), "C.T"),
        (SECONDS, "C.reset_index(drop=True).T"),
        (SECONDS.set_axis(pd.to_timedelta(SECONDS.index, unit="s")), "C.reset_index(drop=True).T"),
        (pd.DataFrame(TRACES.T), "C.T"),
        (pd.DataFrame(TRACES.T, columns=[3, 7, 12, 20, 21, 30, 99]), "C.T"),
    ],
    ids=["names", "frames shuffled", "seconds", "durations", "no labels", "numbers"],
)
def test_a_table_of_frames_by_cells_says_how_it_is_turned(table, way):
    with pytest.raises(EstimateError) as caught:
        Estimate(FOUND, table)
    assert str(caught.value).endswith(f"it is transposed, give {way}")
    turned = eval(way, {"C": table})
    np.testing.assert_array_equal(Estimate(FOUND, turned).C, TRACES)


@pytest.mark.parametrize("table", [TABLE, SECONDS], ids=["frames", "seconds"])
def test_a_table_of_frames_by_named_cells_alone(table):
    with pytest.raises(EstimateError, match="it is transposed, give C"):
        Estimate(C=table)


@pytest.mark.parametrize("axis", ["index", "columns"])
def test_one_name_tells_the_axes(axis):
    named = TABLE.rename_axis(**({"index": "frame"} if axis == "index" else {"columns": "unit_id"}))
    np.testing.assert_array_equal(Estimate(FOUND, named).C, TRACES)


@pytest.mark.parametrize(
    ("table", "way"),
    [
        (SECONDS.T, "C.set_axis(range(80), axis=1)"),
        (SECONDS.T.set_axis(range(10, 90), axis=1), "C.set_axis(range(80), axis=1)"),
        (
            xr.DataArray(TRACES, dims=("unit_id", "frame"), coords={"frame": np.arange(FRAMES) / 20}),
            "C.assign_coords(frame=range(80))",
        ),
    ],
    ids=["pandas", "another part", "xarray"],
)
def test_frames_in_seconds_are_numbered(table, way):
    with pytest.raises(EstimateError, match="C has frame labels") as caught:
        Estimate(FOUND, table)
    assert str(caught.value).endswith(way)
    np.testing.assert_array_equal(Estimate(FOUND, eval(way, {"C": table})).C, TRACES)


def test_a_table_that_was_kept_as_text(tmp_path):
    path = tmp_path / "C.csv"
    rows(TRACES[SHUFFLED], SHUFFLED).to_csv(path)
    np.testing.assert_allclose(Estimate(FOUND, pd.read_csv(path, index_col=0)).C, TRACES)
    TABLE.to_csv(path, index=False)
    np.testing.assert_allclose(Estimate(FOUND, pd.read_csv(path).T).C, TRACES)
    pd.DataFrame(np.arange(20.0).reshape(10, 2)).to_csv(path)
    shifts = pd.read_csv(path, index_col=0)
    np.testing.assert_array_equal(Estimate(shifts=shifts).shifts, np.arange(20.0).reshape(10, 2))
    np.testing.assert_array_equal(Estimate(shifts=shifts[::-1]).shifts, np.arange(20.0).reshape(10, 2))


# Backgrounds: pictures and courses are paired as footprints and traces are.

COURSES = np.array([np.arange(FRAMES), np.ones(FRAMES)])
BACKGROUND = Estimate(b=FOUND[:2], f=COURSES).background


@pytest.mark.parametrize(
    "courses",
    [
        pd.DataFrame(COURSES[::-1], index=[1, 0]),
        xr.DataArray(COURSES[::-1], dims=("k", "frame"), coords={"k": [1, 0]}),
        [pd.Series(COURSES[1], name=1), pd.Series(COURSES[0], name=0)],
        [pd.Series(COURSES[0])[::-1], pd.Series(COURSES[1])],
    ],
    ids=["pandas", "xarray", "Series", "Series, frames"],
)
def test_courses_of_a_background_by_their_labels(courses):
    found = Estimate(b=FOUND[:2], f=courses).background
    np.testing.assert_array_equal(found.field, BACKGROUND.field)
    np.testing.assert_array_equal(found.course, BACKGROUND.course)


def test_pictures_of_a_background_by_their_labels():
    pictures = xr.DataArray(FOUND[[1, 0]], dims=("k", "height", "width"), coords={"k": [1, 0]})
    courses = xr.DataArray(COURSES, dims=("k", "frame"), coords={"k": [0, 1]})
    np.testing.assert_allclose(Estimate(b=pictures, f=courses).background.field, BACKGROUND.field)
    turned = pd.DataFrame(FOUND[0])[::-1]
    np.testing.assert_array_equal(
        Estimate(b=[turned, pd.DataFrame(FOUND[1])], f=COURSES).background.field, BACKGROUND.field
    )
    np.testing.assert_array_equal(
        Estimate(b=[xr.DataArray(FOUND[0], dims=("height", "width"))]).background.field, FOUND[0]
    )


def test_courses_whose_labels_say_nothing_are_refused():
    with pytest.raises(EstimateError, match="f has component labels 5, 2, in no order, and b none that say which"):
        Estimate(b=FOUND[:2], f=pd.DataFrame(COURSES, index=[5, 2]))
    with pytest.raises(EstimateError, match="f has the component labels"):
        Estimate(b=FOUND[:2], f=pd.DataFrame(COURSES, index=[2, 2]))
    with pytest.raises(EstimateError, match="a list of rows whose labels or lengths differ"):
        Estimate(b=FOUND[:2], f=[pd.Series(COURSES[0]), pd.Series(COURSES[1][:70])])


def test_the_course_in_a_series_by_its_index():
    np.testing.assert_array_equal(Estimate(f=pd.Series(COURSES[0])[::-1]).background.course, COURSES[0])
