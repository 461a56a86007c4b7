"""Traces and spikes of pairs of rows, as a matching gives them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim import spike_precision_recall, trace_gain, trace_pearson
from pytest_calsim.errors import EstimateError

rng = np.random.default_rng(0)
EST = rng.random((5, 30))
TRUE = rng.random((3, 30))
S_EST = (EST > 0.7) * EST
S_TRUE = (TRUE > 0.7) * 1.0
pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=6)


@given(pairs)
def test_pairs_are_rows_put_beside_each_other(pairing):
    e, t = np.array(pairing, int).reshape(-1, 2).T
    np.testing.assert_array_equal(trace_pearson(EST, TRUE, pairing), trace_pearson(EST[e], TRUE[t]))
    np.testing.assert_array_equal(trace_gain(EST, TRUE, np.array(pairing, int)), trace_gain(EST[e], TRUE[t]))
    paired = spike_precision_recall(S_EST, S_TRUE, pairing)
    beside = spike_precision_recall(S_EST[e], S_TRUE[t])
    np.testing.assert_array_equal(paired.n_hits, beside.n_hits)
    np.testing.assert_array_equal(paired.n_est, beside.n_est)


@pytest.mark.parametrize(
    ("pairing", "message"),
    [
        ([(5, 0)], "pairing names row 5 of the estimate, which has 5 rows"),
        ([(0, 0), (1, 3)], "pairing names row 3 of the truth, which has 3 rows"),
        ([(-1, 0)], "pairing names row -1 of the estimate"),
        ([(0.5, 0)], "pairing must be pairs of whole numbers"),
        ("ab", "pairing must be pairs of whole numbers, .*, not 'ab'"),
        ([0, 1, 2], "pairing must be pairs"),
        ([(0, 1, 2)], "pairing must be pairs"),
        ([0, 0], "pairing must be pairs"),
    ],
)
@pytest.mark.parametrize("of", [trace_pearson, trace_gain, spike_precision_recall])
def test_a_pair_of_rows_that_are_not_there(of, pairing, message):
    with pytest.raises(EstimateError, match=message):
        of(EST, TRUE, pairing)


def test_without_pairs_there_are_as_many_rows():
    with pytest.raises(EstimateError, match=r"C_est has shape \(5, 30\); expected \(3, 30\)"):
        trace_pearson(EST, TRUE)
    with pytest.raises(EstimateError, match=r"S_est has shape \(5, 29\); expected \(unit_id, 30\)"):
        spike_precision_recall(S_EST[:, 1:], S_TRUE, [(0, 0)])


@given(st.floats(0.01, 100), st.floats(-1e3, 1e3))
def test_gain_is_the_slope(gain, offset):
    np.testing.assert_allclose(trace_gain(gain * TRUE + offset, TRUE), np.full(3, gain), rtol=1e-6)


def test_gain_of_a_constant_truth_is_unknown_and_of_a_constant_estimate_none():
    assert np.isnan(trace_gain(TRUE, np.ones((3, 30)))).all()
    np.testing.assert_allclose(trace_gain(np.ones((3, 30)), TRUE), 0, atol=1e-12)
    assert trace_gain(np.zeros((2, 0)), np.zeros((2, 0))).shape == (2,)


@pytest.mark.parametrize("thresh", [0.0, 0.8, 0.95, 2.0])
def test_small_values_are_no_events(thresh):
    found = spike_precision_recall(S_EST[:3], S_TRUE, tol_frames=0, spike_thresh=thresh)
    expected = spike_precision_recall(np.where(S_EST[:3] > thresh, S_EST[:3], 0), S_TRUE, tol_frames=0)
    np.testing.assert_array_equal(found.n_est, expected.n_est)
    np.testing.assert_array_equal(found.n_hits, expected.n_hits)
    assert (found.n_true == (S_TRUE > 0).sum(axis=1)).all()  # of the truth every spike is an event


@pytest.mark.parametrize("thresh", [np.nan, np.inf, "0", None, True])
def test_a_threshold_is_a_number(thresh):
    with pytest.raises(EstimateError, match="spike_thresh must be a finite number, not"):
        spike_precision_recall(S_EST[:3], S_TRUE, spike_thresh=thresh)
