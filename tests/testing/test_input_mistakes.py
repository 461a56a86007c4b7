"""Evident mistakes are named, and what is no mistake is not."""

import numpy as np
import pytest
from planted import RECORDING, SEEN, A, C, record

from pytest_calsim import Estimate, RecoveryError, assert_footprints_recovered, assert_traces_recovered

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
        (lambda A: A[:, ::-1], "rows are evidently counted from the other end"),
        (lambda A: A[:, :, ::-1], "columns are evidently counted from the other end"),
        (
            lambda A: np.array([a.ravel(order="F").reshape(a.shape) for a in A]),
            r"rows and columns are evidently swapped: read in Fortran order",
        ),
        (lambda A: np.roll(A, (4, -5), axis=(1, 2)), "all estimates evidently lie (+4, -5) px from the truth"),
        (lambda A: np.roll(A, (-3, 0), axis=(1, 2)), "all estimates evidently lie (-3, +0) px from the truth"),
    ],
)
@pytest.mark.parametrize("recording", [STILL, RECORDING], ids=["still", "moving"])
def test_pixels_in_another_order_or_place(turn, words, recording):
    assert words in footprints(turn(A[SEEN]), recording, footprint_shift=None)


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
