import gc
import json
import math
import weakref

import numpy as np
import pytest
from planted import RECORDING, SEEN, A, record

from pytest_calsim import Estimate, RecoveryError, assert_footprints_recovered
from pytest_calsim.testing.scorecard import Check, Scorecard, Table, publish, subscribe


@pytest.mark.parametrize(
    ("check", "passed", "text"),
    [
        (Check("recall", 4 / 6, 0.85, fraction=(4, 6), words="4 of 6"), False, "recall 4/6 = 0.67 < 0.85: 4 of 6"),
        (Check("recall", 0.85, 0.85), True, "recall 0.85 ≥ 0.85"),
        (Check("rmse_px", 0.504, 0.5, at_most=True), False, "rmse_px 0.504 > 0.500"),
        (Check("rmse_px", 0.12, 0.5, at_most=True), True, "rmse_px 0.12 ≤ 0.50"),
        (Check("precision", math.nan, 0.7, fraction=(0, 0), may_be_undefined=True), True, "precision undefined ≥ 0.70"),
        (Check("recall", math.nan, 0.0), False, "recall undefined < 0.00"),
        (Check("rmse_px", math.nan, 0.5, at_most=True), False, "rmse_px undefined > 0.50"),
        (Check("recall", 0.9, math.nan), False, "recall 0.90 < nan"),
    ],
)
def test_a_check_says_its_numbers(check, passed, text):
    assert check.passed is passed
    assert str(check) == text


CARD = Scorecard(
    "footprints",
    [Check("precision", 0.9, 0.7), Check("recall", 0.5, 0.85)],
    {"n_planted": 12},
    [Table("missed", ("unit", "why"), (("3", "dim"), ("11", "at the edge")), 5)],
    ["a note"],
)


def test_the_text_puts_what_failed_first_and_says_how_much_is_left_out():
    assert str(CARD).splitlines() == [
        "footprints NOT recovered",
        "  recall 0.50 < 0.85",
        "  precision 0.90 ≥ 0.70",
        "  a note",
        "  missed",
        "    unit  why",
        "    3     dim",
        "    11    at the edge",
        "    ... and 3 more",
    ]


def test_the_dict_is_flat_and_plain():
    assert CARD.as_dict() == {
        "footprints.passed": False,
        "footprints.precision": 0.9,
        "footprints.precision.bound": 0.7,
        "footprints.recall": 0.5,
        "footprints.recall.bound": 0.85,
        "footprints.n_planted": 12,
    }
    json.dumps(CARD.as_dict(), allow_nan=False)


def test_listeners_hear_of_every_card_until_they_stop():
    heard = []
    stop = subscribe(heard.append)
    try:
        assert publish(CARD) is CARD
        assert heard == [CARD]
    finally:
        stop()
    stop()
    publish(CARD)
    assert len(heard) == 1


def test_flat_values_are_builtin_whatever_the_bounds():
    card = Scorecard("shifts", [Check("rmse_px", np.float32(0.25), np.float64(0.5), at_most=True)], {"n": np.int64(3)})
    flat = card.as_dict()
    assert flat == {"shifts.passed": True, "shifts.rmse_px": 0.25, "shifts.rmse_px.bound": 0.5, "shifts.n": 3}
    assert {type(value) for value in flat.values()} == {bool, float, int}


def test_a_card_keeps_neither_recording_nor_estimate_but_knows_its_spec():
    recording = record()
    estimate = Estimate(A[SEEN])
    spec = recording.spec
    gone = weakref.ref(recording), weakref.ref(estimate)
    card = assert_footprints_recovered(estimate, recording, min_recall=1, min_precision=1)
    del recording, estimate
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert card.spec == spec


def test_the_error_of_a_missed_bound_has_what_was_judged():
    estimate = Estimate(A[SEEN[:2]])
    with pytest.raises(RecoveryError) as caught:
        assert_footprints_recovered(estimate, RECORDING, min_recall=1, min_precision=1)
    assert caught.value.recording is RECORDING
    assert caught.value.estimate is estimate
    assert caught.value.scorecard.spec == RECORDING.spec
