"""Evident mistakes are named, and what is no mistake is not."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from planted import RECORDING, SEEN, A, C, S, record
from scipy.sparse import csr_array

from pytest_calsim import (
    Estimate,
    RecoveryError,
    assert_footprints_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
)
from pytest_calsim.testing.input_mistakes import footprint_mistakes, spike_mistakes
from pytest_calsim.testing.inputs.footprints import as_footprints, read_footprints
from pytest_calsim.testing.scoring.footprints import score_footprints

STILL = record(drop=["shifts"])


def message(judge):
    with pytest.raises(RecoveryError) as caught:
        judge()
    return str(caught.value)


def footprints(images, recording=STILL, **more):
    bounds = {"min_recall": 0.9, "min_precision": 0.9} | more
    return message(lambda: assert_footprints_recovered(images, recording, **bounds))


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda A: A[:, ::-1], "rows are evidently counted from the other end: turned, recall would be 1.00"),
        (lambda A: A[:, :, ::-1], "columns are evidently counted from the other end: turned, recall would be 1.00"),
        (
            lambda A: np.array([a.ravel(order="F").reshape(a.shape) for a in A]),
            "pixels are evidently in Fortran order: with A.reshape(-1, 50, 40).transpose(0, 2, 1), recall would be 1",
        ),
        (lambda A: np.roll(A, (4, -5), axis=(1, 2)), "all estimates evidently lie (+4, -5) px from the truth"),
        (lambda A: np.roll(A, (-3, 0), axis=(1, 2)), "all estimates evidently lie (-3, +0) px from the truth"),
    ],
)
@pytest.mark.parametrize("recording", [STILL, RECORDING], ids=["still", "moving"])
def test_pixels_in_another_order_or_place(turn, words, recording):
    assert words in footprints(turn(A[SEEN]), recording, footprint_shift=None)


@pytest.mark.parametrize("turn", [lambda A: A[:, ::-1], lambda A: A[:, :, ::-1]], ids=["rows", "columns"])
def test_images_from_the_other_end_are_turned_to_the_pixel(turn):
    assert "turned, recall would be 1.00" in footprints(turn(A[SEEN]), min_iou=0.95)


def square(form):
    """Transposed footprints of a square picture in some form, and the estimate that its advice makes of them."""
    images = blobs.transpose(0, 2, 1)
    coords = {dim: np.arange(40) for dim in ("height", "width")}
    labels = np.zeros((40, 40), int)
    for i, image in enumerate(images):
        labels[image > 0.2] = i + 1
    return {
        "array": lambda: images,
        "list": lambda: list(images),
        "dask": lambda: da.from_array(images),
        "xarray": lambda: xr.DataArray(images, dims=("unit_id", "height", "width"), coords=coords),
        "label image": lambda: labels,
        "scipy.sparse": lambda: csr_array(images.reshape(len(images), -1)),
    }[form]()


blobs = A[[1, 2, 3, 7], :, :40]


@pytest.mark.parametrize(
    ("form", "way"),
    [
        ("array", "A.transpose(0, 2, 1)"),
        ("list", "[a.T for a in A]"),
        ("dask", "A.transpose(0, 2, 1)"),
        ("xarray", "A.rename(height='width', width='height')"),
        ("label image", "A.T"),
        ("scipy.sparse", "Estimate.from_caiman(A.T, dims=(40, 40))"),
    ],
)
def test_transposed_squares_are_turned_in_the_form_they_are_in(form, way):
    found = square(form)
    expected = as_footprints(blobs, (40, 40))
    counted = np.ones(len(blobs), bool)
    read = read_footprints(found, (40, 40))
    scores = score_footprints(read.A, expected, counted, min_iou=0.5)
    (note,) = footprint_mistakes(read.A, expected, scores, min_iou=0.5, form=read.form)
    assert f"with {way}, recall would be 1.00" in note
    turned = eval(way, {"A": found, "Estimate": Estimate})
    turned = turned.A if isinstance(turned, Estimate) else as_footprints(turned, (40, 40))
    assert score_footprints(turned, expected, counted, min_iou=0.5).recall == 1


def test_what_readers_read_in_another_order_is_said_in_their_words():
    rowwise = A[SEEN].reshape(7, -1).T
    found = Estimate.from_caiman(rowwise, dims=(40, 50))
    assert "pixels are evidently in C order: with Estimate(A=csr_array(A).T, image_shape=(40, 50))" in footprints(found)
    right = Estimate(A=csr_array(rowwise).T, image_shape=(40, 50))
    assert assert_footprints_recovered(right, STILL, min_recall=1, min_precision=1).passed
    columnwise = np.array([a.ravel(order="F") for a in A[SEEN]])
    found = Estimate(csr_array(columnwise), image_shape=(40, 50))
    assert "pixels are evidently in Fortran order: with Estimate.from_caiman(A.T, dims=(40, 50))" in footprints(found)
    stat = [
        {"ypix": image.nonzero()[1], "xpix": image.nonzero()[0], "lam": image[image.nonzero()]}
        for image in A[[1, 2, 3]]
    ]
    assert "with ypix and xpix the other way round" in footprints(
        Estimate.from_suite2p(stat, (40, 50)), units="in_focus"
    )


def test_an_offset_with_the_wrong_sign():
    images = np.roll(A[SEEN], (3, 3), axis=(1, 2))
    assert assert_footprints_recovered(
        images, RECORDING, min_recall=0.8, min_precision=0.8, footprint_shift=(3, 3)
    ).passed
    assert "px from the truth: moved back, recall would be" in footprints(images, RECORDING, footprint_shift=(-3, -3))


def test_random_estimates_are_no_mistake():
    junk = np.random.default_rng(3).permuted(A[SEEN].reshape(7, -1), axis=1).reshape(7, 40, 50)
    assert "evidently" not in footprints(junk)


@pytest.mark.parametrize(("lag", "words"), [(1, "1 frame late"), (3, "3 frames late"), (-2, "2 frames early")])
def test_traces_that_come_late_or_early(lag, words):
    spiky = np.diff(C, axis=1, prepend=0)
    truth = record(footprints=A)
    arrays = dict(truth.truth.arrays)
    arrays["C"] = type(arrays["C"])(("unit_id", "frame"), spiky)
    recording = type(truth)(truth.spec, truth.frames, type(truth.truth)(arrays))
    found = Estimate(A, np.roll(spiky, lag, axis=1))
    assert f"the traces are evidently {words}: moved, their median correlation would be 1.00" in message(
        lambda: assert_traces_recovered(found, recording, min_pearson=0.99)
    )
    noise = Estimate(A, np.random.default_rng(5).random(C.shape))
    assert "evidently" not in message(lambda: assert_traces_recovered(noise, recording, min_pearson=0.99))


def spikes(S_est, recording=STILL, footprints=A, **more):
    bounds = {"min_recall": 0.99, "min_precision": 0.99} | more
    return message(lambda: assert_spikes_recovered(Estimate(footprints, S=S_est), recording, **bounds))


@pytest.mark.parametrize("tol_frames", [0, 2, 3])
def test_spikes_of_rows_in_another_order(tol_frames):
    turned = S.copy()
    turned[SEEN] = S[np.roll(SEEN, 1)]
    words = "the rows are evidently in another order than the {}: each with the cell it follows best, "
    right = "recall would be 1.00 and precision 1.00"
    assert words.format("footprints") + right in spikes(turned, tol_frames=tol_frames)
    named = spikes(turned, footprints=None, tol_frames=tol_frames)
    assert words.format("planted cells") + right in named


@pytest.mark.parametrize(
    ("lag", "tol_frames", "words"), [(1, 0, "1 frame late"), (-2, 1, "2 frames early"), (4, 2, "4 frames late")]
)
def test_spikes_that_come_late_or_early(lag, tol_frames, words):
    said = spikes(np.roll(S, lag, axis=1), tol_frames=tol_frames)
    assert f"the spikes are evidently {words}: moved, recall would be 1.00 and precision 1.00" in said


@pytest.mark.parametrize("tol_frames", [0, 2])
def test_random_spikes_are_no_mistake(tol_frames):
    noise = np.random.default_rng(5).random(S.shape)
    assert "evidently" not in spikes(noise, spike_thresh=0.9, tol_frames=tol_frames)


def test_small_values_that_are_no_events_do_not_hide_the_order():
    floor = np.random.default_rng(6).random(S.shape)
    said = spikes(np.roll(S, 1, axis=0) * 10 + floor, spike_thresh=5)
    assert "the rows are evidently in another order than the footprints" in said


def test_spikes_that_are_all_off_by_the_tolerance_still_tell_their_order():
    true = np.random.default_rng(7).random((8, 400)) < 0.02
    est = np.zeros(true.shape)
    for i, (row, frame) in enumerate(np.argwhere(true)):
        est[row, np.clip(frame + (3 if i % 2 else -3), 0, 399)] = 1
    (note,) = spike_mistakes(np.roll(est, 1, axis=0), true, tol_frames=3, spike_thresh=0)
    assert note.startswith("the rows are evidently in another order than the footprints")


def test_events_that_agree_by_chance_in_any_order_are_no_mistake():
    """A wide tolerance makes any two rows alike in some order."""
    rng = np.random.default_rng(8)
    est = rng.random((30, 40)) < 0.05
    true = rng.random((30, 40)) < 0.05
    assert spike_mistakes(est, true, tol_frames=5, spike_thresh=0) == []
