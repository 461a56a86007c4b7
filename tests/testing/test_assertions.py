import subprocess
import sys

import numpy as np
import pytest
from planted import FRAMES, HEIGHT, RECORDING, SEEN, SHIFTS, WIDTH, A, BlackFrames, C, S, X, blob, record, rng

from pytest_calsim import (
    Estimate,
    GroundTruth,
    Recording,
    Spec,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
)
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import EstimateError, RecoveryError
from pytest_calsim.simulation.detectability import DETECTABLE_SHOWN_FRACTION, DETECTABLE_SNR_PEAK
from pytest_calsim.testing.scorecard import subscribe


def cells(estimate, min_recall=0.85, min_precision=0.7, recording=RECORDING, **bounds):
    return assert_footprints_recovered(
        estimate, recording, min_recall=min_recall, min_precision=min_precision, **bounds
    )


def failure(*args, **kwargs):
    with pytest.raises(RecoveryError) as caught:
        cells(*args, **kwargs)
    assert not caught.value.scorecard.passed
    return str(caught.value)


# Footprints


def test_a_perfect_estimate_passes_the_highest_bounds():
    card = cells(A[SEEN], 1, 1, min_iou=1, min_mean_iou=1)
    assert card.as_dict() == {
        "footprints.passed": True,
        "footprints.recall": 1,
        "footprints.recall.bound": 1,
        "footprints.precision": 1,
        "footprints.precision.bound": 1,
        "footprints.mean_iou": 1,
        "footprints.mean_iou.bound": 1,
        "footprints.n_estimates": 7,
        "footprints.n_counted": 7,
        "footprints.n_planted": 9,
        "footprints.n_on_background_cells": 0,
        "footprints.offset_px": 0,
        "footprints.offset_px.bound": 0.2,
        "footprints.footprint_shift_height_px": 0,
        "footprints.footprint_shift_width_px": 0,
        "footprints.recall_at_zero_shift": 1,
    }


def test_order_and_brightness_of_the_estimates_do_not_matter():
    order = rng.permutation(7)
    scaled = A[SEEN][order] * rng.uniform(0.1, 10, 7)[:, None, None]
    assert cells(scaled, 1, 1, min_mean_iou=0.99).passed


def test_the_message_gives_numbers_bounds_and_the_denominator_in_words():
    message = failure(A[[0, 1, 2, 3]])
    assert message.splitlines()[:3] == [
        "footprints NOT recovered",
        "  recall 4/7 = 0.57 < 0.85: 4 of 7 detectable cells found; 8 planted in view, 9 in all",
        "  precision 4/4 = 1.00 ≥ 0.70: 0 of 4 estimates match no planted cell",
    ]


def test_estimates_of_cells_that_do_not_count_are_neither_true_nor_false():
    card = cells(A[[*SEEN, 6, 8]], 1, 1)
    assert card.as_dict()["footprints.n_estimates"] == 9
    assert "2 estimates match cells outside units='detectable' and are ignored" in str(card)
    assert "1 estimate matches a cell outside units='detectable' and is ignored" in str(cells(A[[*SEEN, 6]], 1, 1))


@pytest.mark.parametrize(("units", "counted"), [("detectable", 7), ("in_focus", 3), ("all", 8)])
def test_units_say_which_cells_in_view_count(units, counted):
    assert cells(A, 1, 1, units=units).as_dict()["footprints.n_counted"] == counted


def test_a_counted_cell_is_not_lost_to_a_hidden_one_right_below_it():
    # The estimate fits the undetectable unit 8 a little better than the detectable unit 7 beside it.
    below = A.copy()
    below[8] = blob(36, 20)
    recording = record(footprints=below)
    between = blob(36.7, 20)
    assert cells(np.array([*below[[0, 1, 2, 3, 4, 5]], between]), 1, 1, recording=recording).passed


@pytest.mark.parametrize("kept", [[8], [7, 8], [6], [0, 8], range(9)])
def test_an_exact_image_is_its_own_cells_whatever_else_lies_there(kept):
    overlapping = A.copy()
    overlapping[8] = blob(37, 20)  # undetectable, under the detectable unit 7
    overlapping[6] = blob(8, 9)  # out of view, under unit 0
    card = cells(overlapping[list(kept)], 0, 1, recording=record(footprints=overlapping))
    counted = len(set(kept) & set(SEEN))
    assert card.as_dict()["footprints.recall"] == counted / 7
    assert card.as_dict().get("footprints.mean_iou", 1) == (1 if counted else 0)


def halves(cell):
    """The left and the right half of a planted cell's image: neither has an IoU of 0.5 with it, or hardly."""
    middle = np.argwhere(A[cell])[:, 1].mean()
    column = np.arange(WIDTH)
    return A[cell] * (column < middle - 1), A[cell] * (column > middle)


def test_part_of_a_cell_that_motion_carries_out_of_the_picture_is_ignored_once():
    left, right = halves(2)
    others = [unit for unit in SEEN if unit != 2]
    detectable = np.isin(np.arange(9), others)
    carried = record(shown_fraction=np.where(np.arange(9) == 2, 0.6, 1.0), detectable=detectable)
    card = cells([*A[others], left], 1, 1, recording=carried)
    assert "1 estimate matches a cell outside units='detectable' and is ignored" in str(card)
    # Only one of the parts; none that lies mostly elsewhere; and none of a cell that every frame shows.
    assert cells([*A[others], left, right], 0, 0, recording=carried).as_dict()["footprints.precision"] == 6 / 7
    beside = np.roll(left, -6, axis=1)
    assert beside.any()
    assert cells([*A[others], beside], 0, 0, recording=carried).as_dict()["footprints.precision"] == 6 / 7
    shown = record(detectable=detectable)
    assert cells([*A[others], left], 0, 0, recording=shown).as_dict()["footprints.precision"] == 6 / 7
    # Where it counts, a part is not enough.
    assert cells([*A[others], left], 0, 0, recording=carried, units="all").as_dict()["footprints.recall"] < 1
    # An estimate of a cell that counts stays that cell's.
    both = record(shown_fraction=np.where(np.arange(9) == 0, 0.6, 1.0), detectable=np.arange(9) == 1)
    assert cells(A[[1]], 1, 1, recording=both).passed


def test_no_estimates_recall_nothing():
    message = failure(np.zeros((0, HEIGHT, WIDTH)))
    assert "recall 0/7 = 0.00 < 0.85: 0 of 7" in message
    assert "precision undefined ≥ 0.70: 0 of 0 estimates" in message
    assert cells([], 0, 0.7).passed


def reasons(estimate, **kwargs):
    """The last column of both tables, by the first one."""
    message = failure(estimate, 1, 1, **kwargs)
    missed, _, spurious = message.partition("estimates that match no planted cell")
    rows = [line.split(maxsplit=5) for line in missed.splitlines() if line[:5].strip().isdigit() or line[4:5].isdigit()]
    why = [line.split(maxsplit=1) for line in spurious.splitlines() if line[4:5].isdigit()]
    return {int(r[0]): r[5] for r in rows}, {int(r[0]): r[1] for r in why}


def test_a_missed_cell_has_the_reasons_that_hide_it():
    missed, _ = reasons(A[[0]])
    assert missed[2] == "no estimate there"
    assert missed[4] == "no estimate there: largest transient too small: snr_peak 3.5, out of focus (by 41 µm)"
    assert missed[7] == "no estimate there: largest transient small: snr_peak 5.0, at the edge (55 % in view)"
    missed, _ = reasons(A[[0]], units="all")
    assert missed[8] == "no estimate there: never fired, largest transient too small: snr_peak 1.2"


def test_reasons_know_the_rule_that_says_what_is_detectable():
    """They keep copies of its bounds, as simulation takes long to import."""
    for less, said in ((0.01, True), (-0.01, False)):
        peaks = np.full(9, DETECTABLE_SNR_PEAK - less)
        missed, _ = reasons(A[[0]], recording=record(snr_peak=peaks))
        assert ("too small" in missed[2]) == said
        shown = np.full(9, DETECTABLE_SHOWN_FRACTION - less)
        missed, _ = reasons(A[[0]], recording=record(shown_fraction=shown))
        assert ("carried out of view" in missed[2]) == said
        assert ("not in every frame" in failure(A[[0]], recording=record(shown_fraction=shown))) == said


def test_a_cell_that_motion_carries_out_of_the_picture_is_told():
    carried = record(shown_fraction=np.array([1, 1, 1, 0.95, 1, 0.52, 0, 1, 1]))
    missed, _ = reasons(A[[0]], recording=carried)
    assert missed[3] == "no estimate there"
    assert missed[5] == "no estimate there: carried out of view by motion (52 % in every frame)"
    assert "8 planted in view, 1 of them not in every frame, 9 in all" in failure(A[[0]], recording=carried)


@pytest.mark.parametrize(
    ("peaks", "reason"),
    [
        ((1.0, 4.0), ": under a louder neighbour, unit 1"),
        ((1.0, 1.5), ""),  # a sixth of the neighbour's light falls here
        ((1.0, 0.9), ""),
        ((4.0, 1.0), ""),
    ],
)
def test_a_cell_under_a_louder_neighbour_says_which(peaks, reason):
    footprints = A.copy()
    footprints[1] = blob(8, 14.5)
    largest = np.array([*peaks, *[1.0] * 7])
    missed, _ = reasons(footprints[[2, 3, 4, 5]], recording=record(footprints=footprints, largest_transient=largest))
    assert missed[0] == f"no estimate there{reason}"


@pytest.mark.parametrize(("left", "reason"), [(0.2, ": saturated (80 % of its image)"), (0.6, ""), (1.0, "")])
def test_a_saturated_cell_says_so(left, reason):
    missed, _ = reasons(A[[0]], recording=record(unsaturated_fraction=np.full(9, left)))
    assert missed[2] == f"no estimate there{reason}"


def test_the_rule_that_says_what_is_detectable_is_a_fact():
    rule = {"detection_rule": TruthArray((), np.array(2))}
    recording = Recording(Spec(), BlackFrames(), GroundTruth({**RECORDING.truth.arrays, **rule}))
    assert cells(A[SEEN], recording=recording).as_dict()["footprints.detection_rule"] == 2
    other = cells(A[SEEN], recording=recording, units="in_focus", min_precision=0).as_dict()
    assert "footprints.detection_rule" not in other
    assert "footprints.detection_rule" not in cells(A[SEEN]).as_dict()


def test_cells_in_one_estimate_are_merged():
    missed, spurious = reasons(np.array([A[0] + A[1], *A[[2, 3, 4, 5, 7]]]))
    assert missed == {0: "merged with unit 1 in estimate 0", 1: "merged with unit 0 in estimate 0"}
    assert spurious == {0: "merges units 0 and 1"}


def test_a_cell_in_pieces_is_split():
    thirds = [A[3] * (X < 29), A[3] * ((X >= 29) & (X < 32)), A[3] * (X >= 32)]
    missed, spurious = reasons(np.array([*A[[0, 1, 2, 4, 5, 7]], *thirds]))
    assert missed == {3: "split into estimates 6, 7 and 8"}
    assert set(spurious) == {6, 7, 8}
    halves = [A[3] * (X < 30), A[3] * (X >= 30)]
    missed, spurious = reasons(np.array([*A[[0, 1, 2, 4, 5, 7]], *halves]), min_iou=0.6)
    assert missed == {3: "split into estimates 6 and 7"}


def test_a_badly_fitting_estimate_says_how():
    missed, spurious = reasons(np.array([*A[[0, 1, 2, 3, 4, 7]], blob(32, 42, 1.0)]))
    assert missed[5].startswith("estimate 6 fits badly: IoU 0.2")
    assert spurious[6].startswith("fits unit 5 badly: IoU 0.2")
    missed, _ = reasons(np.array([*A[[0, 1, 2, 3, 5, 7]], blob(10, 40, 1.0)]))
    assert missed[4].endswith("times its area; largest transient too small: snr_peak 3.5, out of focus (by 41 µm)")


def test_a_second_estimate_of_a_cell_is_a_duplicate_and_one_of_nothing_is_said_so():
    missed, spurious = reasons(np.array([*A[SEEN], blob(25, 11), blob(3, 27, 1.5)]))
    assert missed == {}
    assert spurious[7].startswith("duplicate of estimate 2 on unit 2 (IoU 0.")
    assert spurious[8] == "no planted cell there"


def test_a_cell_below_another_says_so():
    deep = A.copy()
    deep[1] = blob(9, 8, 2.0)
    missed, _ = reasons(A[[0, 2, 3, 4, 5, 7]], recording=record(footprints=deep))
    assert missed == {1: "lies with unit 0 under estimate 0, which fits that one"}


def test_the_labels_of_the_estimate_are_used():
    import xarray as xr

    images = np.array([*A[SEEN], blob(3, 27, 1.5)])
    labelled = xr.DataArray(images, dims=("unit_id", "height", "width"), coords={"unit_id": np.arange(8) * 10})
    assert "\n    70        no planted cell there" in failure(labelled, 1, 1)


def test_a_table_is_short():
    message = failure([], 1, 1, units="all", recording=record())
    assert len([line for line in message.splitlines() if "no estimate there" in line]) == 8
    many = np.array([blob(3 + i, 27, 1.0) for i in range(12)])
    assert "... and" in failure(many, 0, 1)


def test_min_mean_iou_is_a_bound_of_its_own():
    eroded = np.where(A[SEEN] > np.linspace(0.1, 0.45, 7)[:, None, None], A[SEEN], 0)
    value = cells(eroded, 1, 1).as_dict()["footprints.mean_iou"]
    assert 0.5 < value < 0.95
    message = failure(eroded, 1, 1, min_mean_iou=0.95)
    assert f"mean_iou {value:.2f} < 0.95: over the 7 cells found" in message
    lines = message.splitlines()
    worst = lines[lines.index("  cells found, worst fit first") + 2].split()
    assert (worst[0], worst[-2]) == ("7", "6")  # unit 7, found as estimate 6, was eroded most


def test_pixels_in_the_wrong_order_are_named():
    wrong = np.array([a.ravel(order="F").reshape(HEIGHT, WIDTH) for a in A[SEEN]])
    assert "pixels are evidently in Fortran order: with A.reshape(-1, 50, 40).transpose(0, 2, 1)" in failure(wrong)


def test_estimates_moved_as_a_whole_are_named():
    message = failure(np.roll(A[SEEN], (4, -5), axis=(1, 2)))
    assert "all estimates evidently lie (+4, -5) px from the truth" in message


@pytest.mark.parametrize(
    ("estimate", "bounds", "message"),
    [
        (A[:, :39], {}, r"A has shape \(9, 39, 50\); expected \(units, 40, 50\) = \(unit_id, height, width\)"),
        (A.transpose(0, 2, 1), {}, "height and width are swapped"),
        (np.where(A > 0.9, np.nan, A), {}, "the footprint of unit 0 has"),
        (-A, {}, "is negative at"),
        (Estimate(C=C), {}, "this Estimate has no A"),
        (Estimate(A[:, 1:]), {}, r"A has shape \(9, 39, 50\); expected \(units, 40, 50\)"),
        (A, {"min_recall": 85}, "min_recall must lie between 0 and 1, not 85"),
        (A, {"min_iou": -0.1}, "min_iou must lie between 0 and 1"),
        (A, {"units": "bright"}, "units must be one of 'detectable', 'in_focus', 'all', not 'bright'"),
        (A, {"recording": record(drop=["detectable"])}, "truth has no 'detectable'.*units='all' needs none"),
        (A, {"recording": record(drop=["A_observed"])}, "truth has no 'A_observed'.*lacks 'cell_optics'"),
        (
            A,
            {"recording": record(detectable=np.zeros(9, bool))},
            "nothing to recover: 0 of 0 detectable cells found; 8 pl",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_line(estimate, bounds, message):
    with pytest.raises(EstimateError, match=message) as caught:
        cells(estimate, **bounds)
    assert "\n" not in str(caught.value)


# Shifts


def moves(estimate, max_rmse_px=0.5, convention="correction", recording=RECORDING, **bounds):
    return assert_shifts_recovered(estimate, recording, max_rmse_px=max_rmse_px, convention=convention, **bounds)


def test_shifts_pass_up_to_a_constant_offset():
    card = moves(-SHIFTS + (3, -4), 1e-9)
    flat = card.as_dict()
    assert flat["shifts.offset_px"] == pytest.approx(5)
    assert flat["shifts.zero_motion_rmse_px"] == pytest.approx(np.sqrt(SHIFTS.var(axis=0).mean()))
    with pytest.raises(RecoveryError, match=r"offset_px 5\.00 > 1\.00"):
        moves(-SHIFTS + (3, -4), max_offset_px=1)
    assert moves(-SHIFTS + (0.3, -0.4), max_offset_px=0.6).passed


def test_a_failure_gives_the_yardstick_and_the_worst_frames():
    wrong = -SHIFTS
    wrong = wrong + 9 * (np.arange(FRAMES) == 33)[:, None]
    with pytest.raises(RecoveryError) as caught:
        moves(wrong)
    still = np.sqrt(SHIFTS.var(axis=0).mean())
    assert f"zero motion would score {still:.2f}" in str(caught.value)
    rows = str(caught.value).splitlines()
    assert rows[rows.index("    frame  height px  width px") + 1].split() == ["33", "-8.89", "-8.89"]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (SHIFTS, "the sign is evidently the opposite: with convention='displacement', RMSE would be 0.00 px"),
        (-SHIFTS[:, ::-1], "the columns are evidently (width, height): swapped, RMSE would be 0.00 px"),
        (SHIFTS[:, ::-1], "the sign the opposite: swapped and with convention='displacement', RMSE would be 0.00 px"),
    ],
)
def test_an_evident_mistake_is_named(wrong, hint):
    with pytest.raises(RecoveryError) as caught:
        moves(wrong)
    assert hint in str(caught.value)


def test_zero_motion_is_no_evident_mistake():
    with pytest.raises(RecoveryError) as caught:
        moves(np.zeros((FRAMES, 2)))
    assert "evidently" not in str(caught.value)


class OneBlackFrame(BlackFrames):
    shape = (1, HEIGHT, WIDTH)


def test_one_frame_has_no_motion_but_an_offset():
    truth = GroundTruth({"shifts": TruthArray(("frame", "shift_dim"), SHIFTS[:1])})
    single = Recording(Spec(), OneBlackFrame(), truth)
    with pytest.raises(EstimateError, match=r"a recording of 1 frame\(s\) shows no motion.*say max_offset_px too"):
        moves(SHIFTS[:1] + 9, recording=single)
    assert moves(-SHIFTS[:1], recording=single, max_offset_px=0).passed
    with pytest.raises(RecoveryError, match="offset_px"):
        moves(-SHIFTS[:1] + 9, recording=single, max_offset_px=1)


def test_labelled_shifts_are_of_the_frames_of_the_recording():
    labelled = RECORDING.truth.shifts
    assert moves(labelled, 0, "displacement").passed
    assert moves(labelled[::-1], 0, "displacement").passed  # followed
    assert moves(labelled[rng.permutation(FRAMES)], 0, "displacement").passed
    for frames in (
        np.arange(FRAMES) + 5,
        np.arange(FRAMES) / 20,
        np.arange(FRAMES) // 2,
        list(map(str, range(FRAMES))),
    ):
        with pytest.raises(EstimateError, match=r"shifts has frame labels .* to .*; expected 0 to 79"):
            moves(labelled.assign_coords(frame=frames))
        with pytest.raises(EstimateError, match="shifts has frame labels"):
            Estimate(shifts=labelled.assign_coords(frame=frames))


def test_a_still_recording_has_shifts_of_zero():
    still = record(drop=["shifts"])
    assert moves(np.ones((FRAMES, 2)), 0, recording=still).passed


@pytest.mark.parametrize(
    ("estimate", "given", "message"),
    [
        (SHIFTS, {"convention": None}, "convention is missing: say convention='correction' .* or convention='displac"),
        (SHIFTS, {"convention": "down"}, "convention cannot be 'down'"),
        (SHIFTS[1:], {}, r"shifts has shape \(79, 2\); expected \(80, 2\) = \(frame, shift_dim\)"),
        (SHIFTS.T, {}, "it is transposed"),
        (np.where(SHIFTS[4, 1] == SHIFTS, np.nan, SHIFTS), {}, "the first at frame 4, shift_dim 1"),
        (Estimate(A), {}, "this Estimate has no shifts"),
        (
            Estimate(shifts=SHIFTS, convention="displacement"),
            {},
            "holds shifts as convention='displacement', not 'corr",
        ),
    ],
)
def test_shifts_that_cannot_be_judged_are_refused(estimate, given, message):
    with pytest.raises(EstimateError, match=message):
        moves(estimate, **given)


# Traces and spikes


def test_traces_are_matched_by_their_footprints():
    order = rng.permutation(9)
    card = assert_traces_recovered(Estimate(A[order], 3 * C[order] - 7), RECORDING, min_pearson=0.999)
    assert card.as_dict()["traces.n_matched"] == 7


def test_the_bound_is_on_the_median_of_the_cells_that_count():
    noisy = C + 4 * rng.normal(size=C.shape) * np.arange(9)[:, None]
    expected = np.median([np.corrcoef(noisy[i], C[i])[0, 1] for i in SEEN])
    with pytest.raises(RecoveryError) as caught:
        assert_traces_recovered(noisy, RECORDING, min_pearson=0.99)
    assert caught.value.scorecard.as_dict()["traces.pearson"] == pytest.approx(expected)
    assert "median over 7 cells; 7 of 7 detectable cells found; 8 planted in view, 9 in all" in str(caught.value)


def test_traces_of_named_cells_need_no_footprints():
    card = assert_traces_recovered(Estimate(C=C[[5, 3]], cells=[5, 3]), RECORDING, min_pearson=0.999)
    assert card.as_dict()["traces.n_matched"] == 2


def test_no_cell_found_is_no_trace_recovered():
    with pytest.raises(RecoveryError, match=r"pearson undefined < -1\.00: no counted cell was found; 0 of 7"):
        assert_traces_recovered(Estimate([blob(3, 27, 1.0)], C[:1]), RECORDING, min_pearson=-1)


def test_no_cell_found_is_no_spike_recovered_whatever_the_bounds():
    with pytest.raises(RecoveryError, match=r"recall undefined < 0\.00: no counted cell was found; 0 of 7"):
        assert_spikes_recovered(Estimate([blob(3, 27, 1.0)], S=S[:1]), RECORDING, min_precision=0, min_recall=0)


def with_truth(name, values):
    truth = dict(RECORDING.truth.arrays) | {name: TruthArray(("unit_id", "frame"), values)}
    return Recording(Spec(), BlackFrames(), GroundTruth(truth))


def test_constant_true_traces_compare_with_nothing():
    with pytest.raises(EstimateError, match="nothing to compare: the true traces of all 7 cells found are constant"):
        assert_traces_recovered(C, with_truth("C", np.ones_like(C)), min_pearson=0)


def test_cells_that_never_fired_have_no_recall_but_a_precision():
    silent = with_truth("S", 0 * S)
    with pytest.raises(EstimateError, match="nothing to recover: none of the 7 cells found fired"):
        assert_spikes_recovered(S, silent, min_precision=0, min_recall=0.1)
    with pytest.raises(RecoveryError, match=r"precision 0/\d+ = 0\.00 < 0\.50"):
        assert_spikes_recovered(S, silent, min_precision=0.5, min_recall=0)
    assert assert_spikes_recovered(0 * S, silent, min_precision=0.5, min_recall=0).passed


def test_spikes_are_pooled_over_the_cells_that_count():
    kept = S * (rng.random(S.shape) < 0.6)
    card = assert_spikes_recovered(kept, RECORDING, min_precision=1, min_recall=0.1, tol_frames=0)
    expected = (kept[SEEN] > 0).sum() / (S[SEEN] > 0).sum()
    assert card.as_dict()["spikes.recall"] == pytest.approx(expected)
    with pytest.raises(
        RecoveryError, match=r"recall \d+/\d+ = 0\.\d\d < 0\.90: events within ± 0 frames; 7 of 7 detect"
    ):
        assert_spikes_recovered(kept, RECORDING, min_precision=1, min_recall=0.9, tol_frames=0)


def test_spikes_may_be_late_by_the_tolerance():
    late = np.roll(S, 2, axis=1)
    late[:, :2] = 0
    assert assert_spikes_recovered(Estimate(A, S=late), RECORDING, min_precision=1, min_recall=0.9).passed


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (Estimate(A), "this Estimate has no C"),
        (C[:4], r"the estimate has 4 rows for 9 planted cells: give its footprints, Estimate\(A=..., C=...\), or name"),
        (C[:, 1:], r"C has shape \(9, 79\); expected \(unit_id, 80\)"),
        (np.where(C[2, 3] == C, np.nan, C), "C has 1 NaN or infinite values, the first at unit_id 2, frame 3"),
        (Estimate(C=C[:2], cells=[4, 9]), "cells reaches from 4 to 9; the planted cells are 0 to 8"),
    ],
)
def test_traces_that_cannot_be_judged_are_refused(estimate, message):
    with pytest.raises(EstimateError, match=message):
        assert_traces_recovered(estimate, RECORDING, min_pearson=0.5)


# Around them


JUDGES = {
    "footprints": lambda recording=RECORDING, **given: assert_footprints_recovered(
        A, recording, **({"min_recall": 0.5, "min_precision": 0.5} | given)
    ),
    "shifts": lambda recording=RECORDING, **given: assert_shifts_recovered(
        -SHIFTS, recording, convention="correction", **({"max_rmse_px": 0.5} | given)
    ),
    "traces": lambda recording=RECORDING, **given: assert_traces_recovered(
        C, recording, **({"min_pearson": 0.5} | given)
    ),
    "spikes": lambda recording=RECORDING, **given: assert_spikes_recovered(
        S, recording, **({"min_recall": 0.5, "min_precision": 0.5} | given)
    ),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.1, "0.5", True, np.float32(np.nan), [0.5]])
@pytest.mark.parametrize(
    ("judge", "name"),
    [
        *(("footprints", name) for name in ("min_recall", "min_precision", "min_iou", "min_mean_iou")),
        *(("shifts", name) for name in ("max_rmse_px", "max_offset_px")),
        *(("traces", name) for name in ("min_pearson", "min_iou")),
        *(("spikes", name) for name in ("min_recall", "min_precision", "min_iou", "tol_frames")),
    ],
)
def test_a_bound_that_bounds_nothing_is_refused(judge, name, value):
    with pytest.raises(EstimateError, match=f"^{name} must .*, not ") as caught:
        JUDGES[judge](**{name: value})
    assert "\n" not in str(caught.value)


def test_any_real_number_in_range_is_a_bound():
    assert JUDGES["traces"](min_pearson=-1, min_iou=np.float32(0.5)).passed
    assert JUDGES["spikes"](min_recall=1, min_precision=np.float64(1), tol_frames=np.int64(0)).passed
    assert JUDGES["shifts"](max_rmse_px=100, max_offset_px=1e-9).passed


@pytest.mark.parametrize("tol_frames", [1.5, 2.0, -1, "2"])
def test_a_tolerance_is_a_whole_number_of_frames(tol_frames):
    with pytest.raises(EstimateError, match="tol_frames must be a whole number of frames, 0 or more, not "):
        JUDGES["spikes"](tol_frames=tol_frames)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("given", [RECORDING.observed, RECORDING.truth, None])
def test_the_recording_itself_is_asked_for(judge, given):
    with pytest.raises(EstimateError, match=r"has no \.truth to compare with: give the recording itself"):
        JUDGES[judge](given)


def test_only_the_line_of_the_user_is_shown(pytester):
    pytester.makepyfile(
        """
        import dask.array as da
        import numpy as np
        from pytest_calsim import Estimate, Spec, assert_footprints_recovered, assert_shifts_recovered, simulate
        from pytest_calsim import assert_spikes_recovered, shift_rmse, spike_precision_recall, trace_pearson

        FRAMES = simulate(Spec(steps=["leakage"], acquisition={"duration_s": 0.2}))
        BOUNDS = {"min_recall": 0.5, "min_precision": 0.5}

        def test_bound():
            assert_footprints_recovered([], FRAMES, min_recall=float("nan"), min_precision=0.5)

        def test_estimate():
            Estimate([np.zeros((2, 3)), np.zeros((4, 3))])

        def test_dask():
            Estimate(da.full((2, 3, 4), np.nan, chunks=1))

        def test_shifts():
            assert_shifts_recovered(np.zeros((3, 7)), FRAMES, max_rmse_px=1, convention="correction")

        def test_truth():
            assert_footprints_recovered([], FRAMES, **BOUNDS)

        def test_scores():
            trace_pearson([1, 2], [[1, 2]])

        def test_missed_motion():
            moves = np.zeros(FRAMES.frames.shape[:1] + (2,))
            moves[0] = 9
            assert_shifts_recovered(moves, FRAMES, max_rmse_px=0, convention="correction")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=7)
    result.stdout.no_fnmatch_line("*pytest_calsim/*.py*")
    result.stdout.no_fnmatch_line("*site-packages*")
    assert result.stdout.str().count("test_only_the_line_of_the_user_is_shown.py:") >= 7


def test_every_scorecard_is_published_passed_or_failed():
    heard = []
    stop = subscribe(heard.append)
    try:
        passed = cells(A[SEEN])
        with pytest.raises(RecoveryError) as caught:
            moves(SHIFTS)
    finally:
        stop()
    assert heard == [passed, caught.value.scorecard]
    assert all(type(v) in (bool, int, float, str) for card in heard for v in card.as_dict().values())


def test_importing_an_assertion_imports_neither_scipy_nor_xarray_nor_pytest():
    heavy = "{'scipy', 'xarray', 'pandas', 'pydantic', 'numba', 'zarr', 'pytest', 'dask'}"
    code = f"import sys; from pytest_calsim import assert_footprints_recovered; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# Where shifts are zero


@pytest.mark.parametrize(
    ("origin", "anchored"),
    [("truth", SHIFTS), ("mean", SHIFTS - SHIFTS.mean(axis=0)), ("first", SHIFTS - SHIFTS[0])],
)
def test_an_offset_is_measured_against_the_zero_that_is_said(origin, anchored):
    assert moves(-anchored, 1e-9, max_offset_px=1e-9, origin=origin).passed
    with pytest.raises(RecoveryError, match=r"offset_px 5\.00 > 1\.00: mean difference \(height, width\)"):
        moves(-anchored + (3, -4), max_offset_px=1, origin=origin)
    for other in {"truth", "mean", "first"} - {origin}:
        with pytest.raises(RecoveryError, match="offset_px"):
            moves(-anchored, max_offset_px=1e-9, origin=other)


@pytest.mark.parametrize("origin", ["zero", None, 0, "Mean"])
def test_an_unknown_origin_is_refused(origin):
    with pytest.raises(EstimateError, match="origin must be one of 'truth', 'mean', 'first', not"):
        moves(-SHIFTS, origin=origin)


def test_an_estimate_that_knows_its_convention_need_not_be_told():
    for convention, sign in (("correction", -1), ("displacement", 1)):
        found = Estimate(shifts=sign * SHIFTS, convention=convention)
        assert assert_shifts_recovered(found, RECORDING, max_rmse_px=0).passed
        assert assert_shifts_recovered(found, RECORDING, max_rmse_px=0, convention=convention).passed
    with pytest.raises(EstimateError, match="convention is missing"):
        assert_shifts_recovered(Estimate(shifts=SHIFTS), RECORDING, max_rmse_px=0)


# Scale


@pytest.mark.parametrize("scale", [0.1, 0.7, 1.5, 10, -1])
def test_a_scale_is_seen_where_it_is_asked_for(scale):
    found = Estimate(A, scale * C)
    with pytest.raises(RecoveryError, match=r"gain_error .* > 0\.10: median over 7 cells of \|gain / 1 - 1\|"):
        assert_traces_recovered(found, RECORDING, min_pearson=-1, max_gain_error=0.1)
    if scale > 0:
        assert assert_traces_recovered(found, RECORDING, min_pearson=0.99).passed
        card = assert_traces_recovered(found, RECORDING, min_pearson=0.99, max_gain_error=1e-6, gain=scale)
        assert card.as_dict()["traces.gain"] == pytest.approx(scale)


@pytest.mark.parametrize("gain", [0, -1, np.nan, np.inf, "1"])
def test_a_gain_is_above_zero(gain):
    with pytest.raises(EstimateError, match="gain must"):
        assert_traces_recovered(C, RECORDING, min_pearson=0, gain=gain)


def test_small_values_of_spikes_can_be_left_out():
    noisy = S + 0.1 * rng.random(S.shape)
    bounds = {"min_recall": 1, "min_precision": 1, "tol_frames": 0}
    assert assert_spikes_recovered(noisy, RECORDING, spike_thresh=0.5, **bounds).passed
    with pytest.raises(RecoveryError, match="precision"):
        assert_spikes_recovered(noisy, RECORDING, **bounds)


def test_empty_units_are_no_estimates_and_said_so():
    images = np.array([*A[SEEN], *np.zeros((2, HEIGHT, WIDTH))])
    card = cells(Estimate(images, np.vstack([C[SEEN], C[:2]])), 1, 1)
    assert "2 estimates have no pixel in the image and are ignored" in str(card)
    assert card.as_dict()["footprints.n_estimates"] == 9
    assert "recall 0/7" in failure(np.zeros((4, HEIGHT, WIDTH)))
