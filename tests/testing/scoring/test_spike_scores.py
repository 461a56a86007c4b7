import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from pytest_calsim import spike_precision_recall
from pytest_calsim.errors import EstimateError

events = hnp.arrays(np.bool_, st.just((2, 14)))


@given(events, events, st.integers(0, 4))
def test_hits_are_the_largest_matching_in_the_graph_of_close_events(est, true, tol):
    scores = spike_precision_recall(est, true, tol_frames=tol)
    for unit in range(2):
        e = np.flatnonzero(est[unit])
        t = np.flatnonzero(true[unit])
        graph = csr_array((np.abs(e[:, None] - t) <= tol).astype(np.int32).reshape(len(e), len(t)))
        hits = int((maximum_bipartite_matching(graph) >= 0).sum()) if len(e) and len(t) else 0
        assert (scores.n_hits[unit], scores.n_est[unit], scores.n_true[unit]) == (hits, len(e), len(t))


@given(events, st.integers(0, 3))
def test_precision_and_recall_trade_places_with_estimate_and_truth(est, tol):
    true = np.roll(est, 1, axis=1)
    there = spike_precision_recall(est, true, tol_frames=tol)
    back = spike_precision_recall(true, est, tol_frames=tol)
    np.testing.assert_array_equal(there.precision, back.recall)
    np.testing.assert_array_equal(there.f1, back.f1)


def test_the_scores_of_a_case_counted_by_hand():
    true = np.zeros((1, 20))
    est = np.zeros((1, 20))
    true[0, [2, 5, 6, 15]] = (1, 3, 1, 1)  # 5 holds three spikes of one event
    est[0, [4, 6, 10]] = (0.2, 9.0, 1e-9)
    scores = spike_precision_recall(est, true, tol_frames=2)
    assert (scores.recall[0], scores.precision[0], scores.f1[0]) == (2 / 4, 2 / 3, 4 / 7)


def test_perfect_spikes_score_one_and_what_is_undefined_is_nan():
    true = np.array([[0, 2, 0], [0, 0, 0]])
    scores = spike_precision_recall(true, true)
    np.testing.assert_array_equal(scores.precision, [1, np.nan])
    np.testing.assert_array_equal(scores.recall, [1, np.nan])
    np.testing.assert_array_equal(scores.f1, [1, np.nan])
    silent = spike_precision_recall(true * 0, true)
    assert silent.recall[0] == silent.f1[0] == 0
    assert np.isnan(silent.precision[0])


def test_a_negative_tolerance_is_refused():
    with pytest.raises(EstimateError, match="tol_frames must be a whole number of frames, 0 or more, not -1"):
        spike_precision_recall([[1]], [[1]], tol_frames=-1)
