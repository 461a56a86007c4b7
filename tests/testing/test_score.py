"""All scores in one call: text, dict and table; nothing is demanded and nothing is published."""

import numpy as np
import pytest
from planted import RECORDING, SEEN, SHIFTS, A, C, S, record

from pytest_calsim import (
    Estimate,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
    score,
)
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.scorecard import subscribe

WHOLE = Estimate(A[SEEN], C[SEEN] + 1, S[SEEN], -SHIFTS, convention="correction")


def test_the_numbers_are_those_of_the_assertions():
    numbers = score(WHOLE, RECORDING).as_dict()
    cards = [
        assert_footprints_recovered(WHOLE, RECORDING, min_recall=0, min_precision=0),
        assert_shifts_recovered(WHOLE, RECORDING, max_rmse_px=9),
        assert_traces_recovered(WHOLE, RECORDING, min_pearson=-1),
        assert_spikes_recovered(WHOLE, RECORDING, min_recall=0, min_precision=0),
    ]
    demanded = {name: value for card in cards for name, value in card.as_dict().items()}
    assert numbers == {n: v for n, v in demanded.items() if not n.endswith((".bound", ".passed"))}


def test_text_dict_and_table():
    found = score(WHOLE, RECORDING)
    text = str(found)
    for line in ("recall 7/7 = 1.00: 7 of 7 detectable cells found", "rmse_px 0.00: over 80 frames", "pearson 1.00"):
        assert line in text
    assert "recovered" not in text  # nothing was demanded
    table = found.to_pandas()
    assert table.shape == (1, len(found.as_dict()))
    assert table.loc[0, "footprints.recall"] == 1
    assert all(type(v) in (bool, int, float, str) for v in found.as_dict().values())


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        (A[SEEN], ["footprints"]),
        (Estimate(A[SEEN]), ["footprints"]),
        (Estimate(A[SEEN], C[SEEN]), ["footprints", "traces"]),
        (Estimate(C=C), ["traces"]),
        (Estimate(S=S), ["spikes"]),
        (Estimate(shifts=SHIFTS, convention="displacement"), ["shifts"]),
        (WHOLE, ["shifts", "footprints", "traces", "spikes"]),
    ],
)
def test_what_is_there_is_scored(given, kinds):
    found = score(given, RECORDING)
    assert [card.assertion for card in found.cards] == kinds
    assert found.skipped == {}


def test_a_bad_result_is_only_reported():
    found = score(Estimate(A[:1] * 0 + 1, C[:1], S[:1]), RECORDING)
    assert found.as_dict()["footprints.recall"] == 0
    assert np.isnan(found.as_dict()["traces.pearson"])
    assert "pearson undefined: no counted cell was found" in str(found)


def test_what_cannot_be_scored_says_why():
    found = score(Estimate(C=C, S=S), record(drop=["S"]))
    assert found.skipped == {"spikes": "the recording's truth has no 'S': its spec lacks 'cell_activity'"}
    assert "spikes not scored: the recording's truth has no 'S'" in str(found)
    unknown = score(Estimate(shifts=SHIFTS), RECORDING)
    assert unknown.skipped["shifts"].startswith("convention is missing")
    flipped = score(Estimate(A, C, shifts=SHIFTS, convention="correction"), RECORDING)
    assert flipped.as_dict()["shifts.rmse_px"] > 1  # this much can be said
    for name in ("footprints", "traces"):
        assert "the sign is evidently the opposite" in flipped.skipped[name]


def test_nothing_is_published():
    heard = []
    stop = subscribe(heard.append)
    try:
        score(WHOLE, RECORDING)
    finally:
        stop()
    assert heard == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: score(Estimate(), RECORDING), "nothing to score: this Estimate is of nothing"),
        (lambda: score(WHOLE, RECORDING.truth), r"of type GroundTruth, which has no \.truth to compare with"),
        (lambda: score(WHOLE, RECORDING, min_iou=2), "min_iou must lie between 0 and 1, not 2"),
        (lambda: score(WHOLE, RECORDING, units="some"), "units must be one of"),
        # Not among what is skipped: these are faults of the call, not of the estimate.
        (lambda: score(WHOLE, RECORDING, tol_frames=1.5), "tol_frames must be a whole number of frames"),
        (lambda: score(WHOLE, RECORDING, spike_thresh="0"), "spike_thresh must be a finite number"),
        (lambda: score(WHOLE, RECORDING, footprint_shift=3), "footprint_shift must be 'auto'"),
        (lambda: score(WHOLE, RECORDING, footprint_shift=([1], [1, 2])), "footprint_shift must be 'auto'"),
        (lambda: score(A[:, 1:], RECORDING), r"A has shape \(9, 39, 50\)"),
    ],
)
def test_what_cannot_be_read_is_refused(call, message):
    with pytest.raises(EstimateError, match=message):
        call()
