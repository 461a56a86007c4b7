"""A registered movie is judged in its own frame, and nothing is forgiven unseen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import RECORDING, SEEN, SHIFTS, A, C, S, record, sparse
from scipy import ndimage

from pytest_calsim import (
    Estimate,
    RecoveryError,
    assert_background_recovered,
    assert_footprints_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
    score,
)
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.matched_cells import Residual
from pytest_calsim.testing.scoring.shared_offset import align, fit_offset, nearest_in_hull

STILL = record(drop=["shifts"])
BOUNDS = {"min_recall": 0.85, "min_precision": 0.85}


def moved(images, offset):
    """Pictures moved by any offset, with nothing moved in."""
    return np.array([ndimage.shift(image, offset, order=1) for image in images])


def judged(estimate, recording=RECORDING, **given):
    return assert_footprints_recovered(estimate, recording, **(BOUNDS | given))


def facts(card):
    flat = card.as_dict()
    return (
        flat["footprints.footprint_shift_height_px"],
        flat["footprints.footprint_shift_width_px"],
        flat["footprints.recall_at_zero_shift"],
    )


# Motion within ± 5 px, so that no cell leaves the picture.
GENTLE = np.clip(SHIFTS - SHIFTS.mean(axis=0), -5, 5)
MOVING = record(shifts=GENTLE)


@pytest.mark.parametrize("frame", [0, 17, 40, 79])
@pytest.mark.parametrize("how", ["shifts", "given", "fitted"])
def test_a_registered_estimate_is_found_where_its_template_lies(frame, how):
    offset = GENTLE[frame]
    images = moved(A[SEEN], offset)
    given = {
        "shifts": Estimate(images, shifts=offset - GENTLE, convention="correction"),
        "given": images,
        "fitted": images,
    }[how]
    card = judged(given, MOVING, min_mean_iou=0.75, footprint_shift=tuple(offset) if how == "given" else "auto")
    height, width, _ = facts(card)
    assert np.hypot(height - offset[0], width - offset[1]) < (0.35 if how == "fitted" else 1e-9)


@given(st.integers(0, 79), st.sampled_from(["correction", "displacement"]), st.floats(-3, 3), st.floats(-3, 3))
def test_any_constant_in_the_shifts_is_where_the_footprints_lie(frame, convention, dy, dx):
    sign = -1 if convention == "correction" else 1
    shifts = sign * (GENTLE - GENTLE[frame] + (dy, dx))
    found = Estimate(A[SEEN], shifts=shifts, convention=convention)
    numbers = score(found, MOVING).as_dict()
    expected = GENTLE[frame] - (dy, dx)
    assert numbers["footprints.footprint_shift_height_px"] == pytest.approx(expected[0], abs=1e-9)
    assert numbers["footprints.footprint_shift_width_px"] == pytest.approx(expected[1], abs=1e-9)


def test_the_truth_at_zero_shift_is_left_there():
    assert facts(judged(A[SEEN], MOVING, min_mean_iou=1)) == (0, 0, 1)


def test_the_message_gives_recall_at_zero_and_at_the_offset_used():
    images = moved(A[SEEN[:3]], GENTLE[40])
    with pytest.raises(RecoveryError) as caught:
        judged(images, MOVING)
    line = next(line for line in str(caught.value).splitlines() if "frame of reference" in line)
    assert "fitted within the tissue's motion, as no shifts are given: recall 3/7 there, 0/7 at zero shift" in line
    assert facts(caught.value.scorecard)[2] == 0


def test_a_still_recording_forgives_no_offset():
    for offset in [(4, -3), (2, 0), (0, 6)]:
        with pytest.raises(RecoveryError) as caught:
            judged(moved(A[SEEN], offset), STILL, min_iou=0.7)
        assert facts(caught.value.scorecard)[:2] == (0, 0)
        assert "frame of reference" not in str(caught.value)


def registered(footprints, recording):
    """An estimate on a still recording, or on a moving one, with the shifts that brought it to zero."""
    shifts = {"shifts": -GENTLE, "convention": "correction"} if recording is MOVING else {}
    return Estimate(footprints, **shifts)


@pytest.mark.parametrize("offset", [(0.5, 0), (0, -0.5), (0.5, 0.5), (-0.35, 0.35)])
@pytest.mark.parametrize("recording", [STILL, MOVING], ids=["still", "moving"])
@pytest.mark.parametrize("bounds", [{}, {"max_offset_px": 0.25, "min_mean_iou": 0.6}], ids=["unasked", "asked"])
def test_half_a_pixel_is_seen(recording, offset, bounds):
    assert judged(registered(A[SEEN], recording), recording, **bounds).passed
    off = registered(moved(A[SEEN], offset), recording)
    with pytest.raises(
        RecoveryError, match=r"offset_px 0\.\d+ > 0\.\d+: the cells found lie \(.*\) px from where they"
    ):
        judged(off, recording, **bounds)
    assert judged(off, recording, max_offset_px=None).passed


def test_half_a_pixel_without_shifts_is_where_the_template_may_lie_and_is_shown():
    card = judged(moved(A[SEEN], (0.5, 0)), MOVING)
    assert facts(card)[0] == pytest.approx(0.5, abs=0.1)
    assert "fitted within the tissue's motion, as no shifts are given: recall 7/7 there, 7/7 at zero shift" in str(card)


def test_what_scatters_from_cell_to_cell_is_no_shared_offset():
    scattered = [
        moved(A[[i]], by)[0] for i, by in zip(SEEN, np.linspace(-1.2, 1.2, 7)[:, None] * (1, 0.3), strict=True)
    ]
    assert judged(scattered, STILL).passed
    one_wrong = np.concatenate([A[SEEN[1:]], moved(A[SEEN[:1]], (1.5, 0))])
    assert judged(one_wrong, STILL).as_dict()["footprints.offset_px"] < 0.01


@pytest.mark.parametrize(("n", "judges"), [(1, False), (4, False), (5, True)])
def test_a_few_cells_show_no_shared_offset_unless_it_is_asked_for(n, judges):
    off = moved(A[SEEN[:n]], (0.5, 0))
    card = score(off, STILL).as_dict()
    assert card["footprints.offset_px"] > 0.3
    assert "footprints.offset_px.bound" not in card
    failures = [given for given in ({}, {"max_offset_px": 0.25}) if not _passes(off, **given)]
    assert len(failures) == (2 if judges else 1)


def _passes(estimate, **given):
    try:
        return judged(estimate, STILL, min_recall=0, **given).passed
    except RecoveryError:
        return False


@pytest.mark.parametrize("n", [20, 60])
def test_the_error_of_a_shared_offset_is_what_it_scatters_by(n):
    """Against many draws: the standard error of the median."""
    rng = np.random.default_rng(n)
    draws = [Residual.of(rng.normal((0.5, 0), 0.3, (n, 2))) for _ in range(400)]
    assert np.mean([r.dy_px for r in draws]) == pytest.approx(0.5, abs=0.02)
    assert np.median([r.error_px for r in draws]) == pytest.approx(np.std([r.dy_px for r in draws]), rel=0.15)
    assert np.isinf(Residual.of(np.array([[0.5, 0]])).error_px)


@pytest.mark.parametrize("recording", [STILL, MOVING], ids=["still", "moving"])
@pytest.mark.parametrize("corner", [(1, 0), (0, 1), (3, 0), (0, 4), (4, 4)])
def test_a_crop_that_is_not_put_in_its_place_is_seen(recording, corner):
    cropped = A[SEEN][:, corner[0] :, corner[1] :]
    back = np.pad(cropped, [(0, 0), (0, corner[0]), (0, corner[1])])  # at the wrong end
    with pytest.raises(RecoveryError, match=r"^footprints NOT recovered\n  (recall|offset_px 1\.\d\d >)"):
        judged(registered(back, recording), recording)
    with pytest.raises(EstimateError, match="if this is a crop, label its rows and columns"):
        judged(cropped, STILL)


def test_nothing_beyond_what_the_tissue_did_is_forgiven():
    far = GENTLE.max(axis=0) + 3
    with pytest.raises(RecoveryError) as caught:
        judged(moved(A[SEEN], far), MOVING)
    height, width, _ = facts(caught.value.scorecard)
    assert height <= GENTLE[:, 0].max()
    assert width <= GENTLE[:, 1].max()


@pytest.mark.parametrize(
    ("shifts", "convention", "message"),
    [
        (SHIFTS, "correction", "the sign is evidently the opposite: with convention='displacement'"),
        (-SHIFTS, "displacement", "the sign is evidently the opposite: with convention='correction'"),
        (-SHIFTS[:, ::-1], "correction", r"the columns are evidently \(width, height\)"),
        (np.zeros_like(SHIFTS), "correction", r"aligned RMSE is \d+\.\d\d px, 1 px at most\. Judge them by assert_"),
        (np.roll(-SHIFTS, 12, axis=0), "correction", r"the estimate's shifts are wrong"),
        (-SHIFTS, None, "not what their sign means: say Estimate.*convention"),
        (-SHIFTS[1:], "correction", r"shifts has shape \(79, 2\); expected \(80, 2\)"),
    ],
)
@pytest.mark.parametrize("judge", ["footprints", "traces", "spikes"])
def test_wrong_shifts_say_nothing_and_are_refused_by_name(judge, shifts, convention, message):
    found = Estimate(A, C, S, shifts, convention=convention)
    with pytest.raises(EstimateError, match=message) as caught:
        {
            "footprints": lambda: judged(found),
            "traces": lambda: assert_traces_recovered(found, RECORDING, min_pearson=0.9),
            "spikes": lambda: assert_spikes_recovered(found, RECORDING, min_recall=0.9, min_precision=0.9),
        }[judge]()
    assert "\n" not in str(caught.value)
    assert judged(found, footprint_shift=None).passed  # whoever knows better can say so
    assert judged(found, footprint_shift=(0, 0)).passed


@pytest.mark.parametrize("scale", [0.01, 0.1, 0.2])
def test_a_flipped_sign_is_refused_however_small_the_motion(scale):
    small = record(shifts=scale * SHIFTS)
    for sign, convention in ((1, "correction"), (-1, "displacement")):
        with pytest.raises(EstimateError, match="the sign is evidently the opposite"):
            judged(Estimate(A[SEEN], shifts=sign * scale * SHIFTS, convention=convention), small)
        assert judged(Estimate(A[SEEN], shifts=-sign * scale * SHIFTS, convention=convention), small).passed


@pytest.mark.parametrize("noise", [0, 0.05, 0.5])
def test_shifts_of_a_still_recording_may_have_any_noise(noise):
    shifts = np.random.default_rng(2).normal(0, noise, SHIFTS.shape)
    assert judged(Estimate(A[SEEN], shifts=shifts, convention="correction"), STILL).passed


def test_shifts_that_are_nearly_right_are_used():
    noisy = -SHIFTS + np.random.default_rng(0).normal(0, 0.8, SHIFTS.shape)
    card = judged(Estimate(A[SEEN], shifts=noisy, convention="correction"))
    assert "as the estimate's shifts say" in str(card)


@pytest.mark.parametrize("given", ["Auto", "none", (1,), (1, 2, 3), (np.nan, 0), ("a", "b"), 3, [[1, 2]]])
def test_an_offset_that_is_none_is_refused(given):
    with pytest.raises(EstimateError, match=r"footprint_shift must be 'auto', \(rows, columns\) in px or None, not"):
        judged(A[SEEN], footprint_shift=given)


def test_traces_and_spikes_are_matched_in_the_frame_of_reference_too():
    offset = GENTLE[40]
    images = moved(A[SEEN], offset)
    found = Estimate(images, C[SEEN], S[SEEN], offset - GENTLE, convention="correction")
    assert assert_traces_recovered(found, MOVING, min_pearson=0.99).as_dict()["traces.n_matched"] == 7
    assert assert_spikes_recovered(found, MOVING, min_recall=1, min_precision=1).as_dict()["spikes.n_matched"] == 7
    with pytest.raises(RecoveryError):
        assert_traces_recovered(found, MOVING, min_pearson=0.99, footprint_shift=None)
    with pytest.raises(RecoveryError):
        assert_spikes_recovered(found, MOVING, min_recall=1, min_precision=1, footprint_shift=None)


def test_an_estimate_of_nothing_fits_nowhere():
    with pytest.raises(RecoveryError, match="recall 0/7"):
        judged([], MOVING)
    with pytest.raises(RecoveryError, match="recall 0/7"):
        judged(np.zeros((3, 40, 50)), MOVING)


# The arithmetic


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=8),
    st.floats(-20, 20),
    st.floats(-20, 20),
)
def test_the_nearest_point_of_a_hull(corners, y, x):
    corners = np.array(corners)
    at = np.array([y, x])
    found = nearest_in_hull(corners, at)
    # No corner lies further towards the point than the found one does: that makes it the nearest of a convex set.
    toward = at - found
    assert ((corners - found) @ toward <= 1e-3 * (1 + np.hypot(*toward))).all()
    # And it lies in the hull: in no direction beyond all corners.
    angles = np.linspace(0, 2 * np.pi, 60)
    directions = np.stack([np.sin(angles), np.cos(angles)])
    assert (found @ directions <= (corners @ directions).max(axis=0) + 1e-6).all()


@pytest.mark.parametrize("offset", [(2, -3), (0, 0), (-4, 0)])
def test_whole_pixels_are_moved_exactly(offset):
    whole = np.array([np.roll(a, offset, axis=(0, 1)) for a in A[[2, 3]]])
    est, true = align(sparse(whole), sparse(A[[2, 3]]), offset)
    np.testing.assert_array_equal(np.asarray(est), np.asarray(true))


@pytest.mark.parametrize("offset", [(0.5, 0.5), (1.25, -2.4), (-0.1, 0.3)])
def test_a_fraction_of_a_pixel_is_interpolated(offset):
    smooth = sparse(np.array([np.exp(-((np.arange(40)[:, None] - 20) ** 2 + (np.arange(50) - 25) ** 2) / 18)]))
    exact = np.exp(-((np.arange(40)[:, None] - 20 - offset[0]) ** 2 + (np.arange(50) - 25 - offset[1]) ** 2) / 18)
    est, true = align(sparse(exact[None]), smooth, offset)
    np.testing.assert_allclose(np.asarray(est), np.asarray(true), atol=0.01)


def test_a_fit_ignores_what_matches_no_cell():
    rng = np.random.default_rng(1)
    junk = [np.roll(A[3], rng.integers(-15, 15, 2), axis=(0, 1)) for _ in range(5)]
    found = np.array([*moved(A[SEEN], (3, -2)), *junk])
    dy, dx = fit_offset(sparse(found), sparse(A), np.array([[-5.0, -5], [5, -5], [5, 5], [-5, 5]]))
    assert np.hypot(dy - 3, dx + 2) < 0.3


def test_a_background_is_compared_where_it_lies(sim_recording_factory):
    recording = sim_recording_factory("moving", overrides={"acquisition.duration_s": 4})
    first = recording.truth.shifts.values[0]
    still = recording.observed.values.mean(axis=0)
    found = Estimate(b=still, shifts=first - recording.truth.shifts.values, convention="correction")
    card = assert_background_recovered(found, recording, min_pearson=0.3)
    assert "frame of reference: the image lies" in str(card)
