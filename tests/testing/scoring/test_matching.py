import itertools
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_calsim import hungarian_match
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.scoring.matching import assign

scores = hnp.arrays(
    np.float64, st.tuples(st.integers(0, 3), st.integers(0, 3)), elements=st.sampled_from([0, 0.1, 0.3, 0.5, 0.6, 0.9])
)


def best_total(table, min_score, bonus):
    """Highest total over all one-to-one matchings, by trying every one."""
    n_est, n_true = table.shape
    slots = [*range(n_true), *([None] * n_est)]
    best = 0.0
    for choice in set(itertools.permutations(slots, n_est)):
        pairs = [(e, t) for e, t in enumerate(choice) if t is not None]
        if all(table[p] > 0 and table[p] >= min_score for p in pairs):
            best = max(best, sum(table[e, t] + bonus[t] for e, t in pairs))
    return best


@given(scores, st.sampled_from([0.0, 0.5]))
def test_the_total_is_the_highest_of_all_matchings(table, min_score):
    match = assign(table, min_score=min_score)
    assert len(set(match.est.tolist())) == len(set(match.true.tolist())) == len(match)
    np.testing.assert_array_equal(match.score, table[match.est, match.true])
    assert (match.score > 0).all()
    assert (match.score >= min_score).all()
    assert match.score.sum() == pytest.approx(best_total(table, min_score, np.zeros(table.shape[1])))


@given(scores, st.data())
def test_cells_that_are_not_preferred_compete_by_the_square_of_their_score(table, data):
    preferred = data.draw(hnp.arrays(np.bool_, table.shape[1]))
    match = assign(table, min_score=0.3, preferred=preferred)
    competing = np.where(table >= 0.3, np.where(preferred, table, table**2), 0)
    np.testing.assert_array_equal(match.score, table[match.est, match.true])
    assert (match.score >= 0.3).all()  # the threshold is one of the score itself
    assert competing[match.est, match.true].sum() == pytest.approx(best_total(competing, 0, np.zeros(table.shape[1])))


@pytest.mark.parametrize(
    ("preferred", "other", "winner"), [(0.6, 0.7, 0), (0.5, 0.7, 0), (0.5, 0.8, 1), (0.99, 1.0, 1), (0.51, 1.0, 1)]
)
def test_a_close_call_is_the_preferred_cells_and_an_exact_fit_its_own(preferred, other, winner):
    table = np.array([[preferred, other]])
    assert assign(table, min_score=0.5, preferred=np.array([True, False])).true.tolist() == [winner]
    assert assign(table, min_score=0.5).true.tolist() == [1]


def test_a_good_pair_is_not_given_up_for_two_bad_ones():
    table = np.array([[0.6, 0.45], [0.45, 0.0]])
    assert len(assign(table, min_score=0.5)) == 1
    assert len(assign(table)) == 2


def blobs(n, rng, shape=(24, 30)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    at = rng.uniform((0, 0), shape, (n, 2))
    images = np.exp(-((y - at[:, :1, None]) ** 2 + (x - at[:, 1:, None]) ** 2) / 8)
    return np.where(images > 0.05, images, 0.0)


def test_a_perfect_estimate_scores_one():
    A = blobs(6, np.random.default_rng(0))
    for metric in ("iou", "cosine"):
        match = hungarian_match(A, A, metric=metric)
        np.testing.assert_array_equal(match.true, match.est)
        np.testing.assert_allclose(match.score, 1, rtol=1e-6)


@given(st.permutations(range(5)), st.lists(st.sampled_from([0.25, 1.0, 8.0]), min_size=5, max_size=5))
def test_order_and_scale_of_the_units_do_not_matter(order, scale):
    rng = np.random.default_rng(1)
    true = blobs(6, rng)
    est = blobs(5, rng)
    plain = hungarian_match(est, true)
    other = hungarian_match((est * np.array(scale)[:, None, None])[order], true)
    pairs = sorted((order[e], t, s) for e, t, s in zip(other.est, other.true, other.score, strict=True))
    assert pairs == sorted(zip(plain.est, plain.true, plain.score, strict=True))


def test_the_iou_is_that_of_masks_counted_by_hand():
    A = np.zeros((1, 4, 6))
    B = np.zeros((1, 4, 6))
    A[0, 0:4, 0:3] = 1
    B[0, 0:4, 1:5] = 1
    assert hungarian_match(A, B).score[0] == (4 * 2) / (4 * 5)


def test_the_cosine_is_that_of_the_pictures():
    rng = np.random.default_rng(2)
    A = rng.random((1, 5, 6))
    B = rng.random((1, 5, 6))
    expected = (A * B).sum() / np.sqrt((A**2).sum() * (B**2).sum())
    assert hungarian_match(A, B, metric="cosine").score[0] == pytest.approx(expected, rel=1e-6)


def test_sparse_and_dense_agree_in_any_mixture():
    rng = np.random.default_rng(3)
    est = blobs(5, rng)
    true = blobs(7, rng)
    plain = hungarian_match(est, true)
    sparse = [scipy.sparse.csr_array(A.reshape(len(A), -1)) for A in (est, true)]
    for a, b in [(sparse[0], true), (est, sparse[1]), sparse]:
        match = hungarian_match(a, b)
        np.testing.assert_array_equal(match.true, plain.true)
        np.testing.assert_array_equal(match.score, plain.score)


def test_no_estimates_match_nothing():
    assert len(hungarian_match(np.zeros((0, 24, 30)), blobs(2, np.random.default_rng(0)))) == 0


def test_an_unknown_metric_is_refused():
    with pytest.raises(EstimateError, match="metric must be 'iou' or 'cosine', not 'dice'"):
        hungarian_match(np.ones((1, 2, 2)), np.ones((1, 2, 2)), metric="dice")


@pytest.mark.parametrize("min_score", [np.nan, 1.1, -0.1, "0.5"])
def test_a_lowest_score_that_means_nothing_is_refused(min_score):
    with pytest.raises(EstimateError, match="min_score must lie between 0 and 1, not "):
        hungarian_match(np.ones((1, 2, 2)), np.ones((1, 2, 2)), min_score=min_score)


def test_nine_hundred_units_at_full_size_take_little_memory_beyond_the_input():
    # In a process of its own: the peak grows by what matching adds to its input.
    script = textwrap.dedent("""
        import resource
        import numpy as np
        import scipy.optimize, scipy.sparse
        from pytest_calsim import hungarian_match
        n, side = 900, 608
        A = np.zeros((n, side, side), np.uint8)
        y, x = np.mgrid[-9:10, -9:10]
        rng = np.random.default_rng(0)
        for image in A:
            r, c = rng.integers(0, side - 19, 2)
            image[r : r + 19, c : c + 19] = 200 * np.exp(-(y**2 + x**2) / 18)
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = peak()
        match = hungarian_match(A, A[::-1])
        assert len(match) == n and match.score.min() > 0.99, match.score.min()
        print(peak() - before)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 500


def planted_squares():
    """Three squares; estimates of the first (all of it), the second (half), and one of nothing."""
    true = np.zeros((3, 8, 8))
    true[0, :2, :2] = true[1, 4:6, :4] = true[2, 6:, 6:] = 1
    est = np.zeros((3, 8, 8))
    est[0, 4:6, :2] = est[1, :2, :2] = est[2, :2, 6:] = 1
    return est, true


def test_a_match_sums_itself_up():
    match = hungarian_match(*planted_squares())
    assert (match.n_est, match.n_true, len(match)) == (3, 3, 2)
    assert match.pairing == ((0, 1), (1, 0))
    assert match.matched_pairs() == ((0, 1), (1, 0))
    assert match.matched_pairs(0.6) == ((1, 0),)
    assert match.recall() == match.precision() == 2 / 3
    assert match.recall(0.6) == match.precision(0.6) == 1 / 3
    assert match.mean_iou == 0.75


@pytest.mark.parametrize(("est", "true"), [(0, 3), (3, 0), (0, 0), (1, 3)])
def test_a_match_of_few_or_none(est, true):
    A_est, A_true = planted_squares()
    match = hungarian_match(A_est[:est], A_true[:true])
    assert (match.n_est, match.n_true) == (est, true)
    found = int(est > 0 and true > 0)
    assert match.recall(0.1) == (found / true if true else 0)
    assert match.precision(0.1) == (found / est if est else 0)
    assert match.mean_iou == (0.5 if found else 0)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan, "0.5", None])
def test_a_threshold_is_a_share(threshold):
    match = hungarian_match(*planted_squares())
    for of in (match.recall, match.precision, match.matched_pairs):
        with pytest.raises(EstimateError, match="threshold must lie between 0 and 1, not"):
            of(threshold)


def test_the_cosine_knows_empty_footprints():
    A_est, A_true = planted_squares()
    A_est[1] = 0
    assert hungarian_match(A_est, A_true, metric="cosine").pairing == ((0, 1),)
    assert hungarian_match(A_est, A_true).pairing == ((0, 1),)
