"""Labels say an order, which is followed; labels that say something else are refused. None is ignored."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from planted import FRAMES, HEIGHT, RECORDING, SEEN, SHIFTS, WIDTH, A, C, S

from pytest_calsim import (
    Estimate,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_traces_recovered,
    field_pearson,
    hungarian_match,
    trace_pearson,
)
from pytest_calsim.errors import EstimateError

IDS = np.array([7, 2, 9, 4, 11, 5, 0])
footprints = xr.DataArray(
    A[SEEN],
    dims=("unit_id", "height", "width"),
    coords={"unit_id": IDS, "height": np.arange(HEIGHT), "width": np.arange(WIDTH)},
)
labelled = xr.DataArray(C[SEEN], dims=("unit_id", "frame"), coords={"unit_id": IDS, "frame": np.arange(FRAMES)})
table = pd.DataFrame(C[SEEN], index=pd.Index(IDS, name="unit_id"))


def well(found):
    assert assert_footprints_recovered(found, RECORDING, min_recall=1, min_precision=1, min_mean_iou=1).passed
    if isinstance(found, Estimate) and found.C is not None:
        assert assert_traces_recovered(found, RECORDING, min_pearson=0.9999).passed


# Followed


@given(st.permutations(range(7)), st.permutations(range(FRAMES)), st.permutations(range(HEIGHT)))
def test_any_order_of_units_frames_rows_and_columns(units, frames, rows):
    well(Estimate(footprints[:, rows, ::-1], labelled[units, frames]))


@pytest.mark.parametrize(
    "traces",
    [
        table.iloc[::-1],
        table.sample(frac=1, random_state=0),
        table.T.rename_axis(index="frame"),
        table[table.columns[::-1]],
        labelled[::-1],
        labelled[:, ::-1],
        labelled.T,
        labelled.assign_coords(unit_id=IDS.astype(float)),
    ],
    ids=["rows", "rows shuffled", "turned", "columns", "unit_id", "frame", "dims", "floats"],
)
def test_labelledin_another_order(traces):
    well(Estimate(footprints, traces))


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("frames", [slice(None), slice(None, None, -1)])
def test_shifts_of_a_table(order, frames):
    table = pd.DataFrame(SHIFTS, columns=["height", "width"]).iloc[frames, order]
    assert assert_shifts_recovered(table, RECORDING, max_rmse_px=0, convention="displacement").passed
    np.testing.assert_array_equal(Estimate(shifts=table).shifts, SHIFTS)


@pytest.mark.parametrize("rows", [slice(0, 40), slice(4, -2), slice(None, None, -1), slice(35, 3, -1)])
@pytest.mark.parametrize("columns", [slice(None), slice(3, 47), slice(0, 48)])
def test_a_labelled_crop_is_put_in_its_place(rows, columns):
    cropped = footprints[2:5, rows, columns]
    expected = footprints[2:5] * 0
    expected.loc[{"height": cropped.height, "width": cropped.width}] = cropped
    for found in (Estimate(cropped), Estimate(cropped, image_shape=(HEIGHT, WIDTH))):
        np.testing.assert_array_equal(np.asarray(found.footprints_on((HEIGHT, WIDTH))), expected.astype(np.float32))
    card = assert_footprints_recovered(cropped, RECORDING, min_recall=0, min_precision=1)
    assert card.as_dict()["footprints.n_estimates"] == 3


def test_pictures_with_labels_of_their_own():
    pictures = [footprints[i] for i in (2, 0, 1)]
    found = Estimate(pictures, labelled[:3])
    assert found.labels.tolist() == IDS[[2, 0, 1]].tolist()
    np.testing.assert_array_equal(found.C, C[SEEN][[2, 0, 1]])
    with pytest.raises(EstimateError, match="A is a list of images whose labels or shapes differ: align"):
        Estimate([footprints[0, 1:], footprints[1, :-1]])


def test_a_selection_of_the_truth_knows_its_cells():
    A_true = RECORDING.truth.A_observed
    found = Estimate(A_true[[5, 0, 3]], C=RECORDING.truth.C.sel(unit_id=[0, 3, 5]))
    np.testing.assert_array_equal(found.C, C[[5, 0, 3]])
    with pytest.raises(EstimateError, match="C has 9 units whose unit_id labels are not the 3"):
        Estimate(A_true[[5, 0, 3]], RECORDING.truth.C)


def test_fields_and_primitives():
    field = xr.DataArray(A[0], dims=("height", "width"), coords={"height": np.arange(HEIGHT)})
    assert field_pearson(field[::-1], A[0]) == pytest.approx(1)
    assert trace_pearson(labelled[:, ::-1], C[SEEN]) == pytest.approx(np.ones(7))
    assert hungarian_match(footprints[:, ::-1], A[SEEN]).mean_iou == 1


# Refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Estimate(C=labelled.assign_coords(frame=labelled.frame + 10)), "C has frame labels 10 to 89"),
        (
            lambda: Estimate(C=labelled.assign_coords(frame=labelled.frame / 20)),
            r"C has frame labels 0\.0 to",
        ),
        (
            lambda: Estimate(C=table.set_axis(table.columns + 1, axis=1)),
            "C has frame labels 1 to 80",
        ),
        (lambda: Estimate(S=table.set_axis(table.columns / 20, axis=1)), "S has frame labels 0.0"),
        (
            lambda: Estimate(C=labelled.assign_coords(unit_id=[1, 1, 2, 3, 4, 5, 5])),
            r"unit_id labels \[1, 5\] m",
        ),
        (lambda: Estimate(footprints.assign_coords(unit_id=IDS * 0)), r"A has the unit_id labels \[0\] more than once"),
        (lambda: Estimate(footprints, table.iloc[:5]), "C has 5 units whose unit_id labels are not the 7"),
        (
            lambda: Estimate(footprints, table.set_axis(list("abcdefg"))),
            "C has 7 units whose unit_id",
        ),
        (lambda: Estimate(footprints[:, ::2]), "A has height labels 0 to 38; expected pixel numbers without gaps"),
        (lambda: Estimate(footprints.assign_coords(width=footprints.width * 1.65)), "A has width labels 0.0 to"),
        (lambda: Estimate(footprints.assign_coords(width=footprints.width - 25)), "A has width labels -25 to 24"),
        (lambda: Estimate(footprints[:, [0, 1, 1, 2]]), "A has height labels 0 to 2; expected pixel numbers"),
        (lambda: Estimate(table.stack()), "expected"),
        (
            lambda: Estimate(C=pd.DataFrame(C, index=pd.MultiIndex.from_product([[0], range(9)]))),
            "of several levels",
        ),
        (lambda: Estimate(shifts=pd.DataFrame(SHIFTS, columns=["x", "y"])), r"shift_dim labels \['x', 'y'\]; expected"),
        (
            lambda: Estimate(shifts=pd.DataFrame(SHIFTS, columns=["height", "height"])),
            r"shift_dim labels \['height', '",
        ),
        (lambda: Estimate(shifts=pd.DataFrame(SHIFTS).iloc[5:]), "shifts has frame labels 5 to 79; expected 0 to 74"),
    ],
)
def test_labels_that_say_something_else(make, message):
    with pytest.raises(EstimateError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_crop_beyond_the_picture():
    with pytest.raises(EstimateError, match="A has height labels 5 to 44; the recording has 0 to 39"):
        assert_footprints_recovered(
            footprints.assign_coords(height=footprints.height + 5), RECORDING, min_recall=0, min_precision=0
        )


def test_a_crop_of_which_only_one_side_is_labelled():
    half = footprints[:, 5:].drop_vars("width")
    assert Estimate(half).footprints_on((HEIGHT, WIDTH)).shape == (7, HEIGHT, WIDTH)
    for cropped in (half[:, :, 3:], footprints[:, :, 3:].drop_vars("height")[:, 1:]):
        with pytest.raises(EstimateError, match=r"A has shape \(7, \d+, 47\); expected \(units, 40, 50\)"):
            assert_footprints_recovered(cropped, RECORDING, min_recall=0, min_precision=0)


@pytest.mark.parametrize("order", [np.arange(9)[::-1], np.arange(9) + 1])
def test_rows_without_footprints_that_are_labelled_otherwise(order):
    turned = xr.DataArray(C[::-1], dims=("unit_id", "frame"), coords={"unit_id": order})
    with pytest.raises(EstimateError, match=r"the rows have unit_id labels .* give the footprints too, or name"):
        assert_traces_recovered(turned, RECORDING, min_pearson=0.5)
    assert assert_traces_recovered(Estimate(C=turned, cells=np.arange(9)[::-1]), RECORDING, min_pearson=0.99).passed


def test_rows_that_pandas_numbered_itself_have_no_labels():
    assert Estimate(footprints, pd.DataFrame(C[SEEN]), pd.DataFrame(S[SEEN])).labels.tolist() == IDS.tolist()
