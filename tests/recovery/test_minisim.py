"""Our scores beside those of minisim 1.0.3, on the same arrays, in an environment that has both.

``pip install 'minisim==1.0.3' 'zarr<3'`` and this package, then ``pytest tests/recovery/test_minisim.py -m slow``.
Where the definitions are the same so are the numbers; docs/reference/scores.md says where they are not, and why.
"""

from __future__ import annotations

import numpy as np
import pytest

from pytest_calsim import field_pearson, hungarian_match, shift_rmse, trace_pearson

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
metrics = pytest.importorskip("minisim.metrics", reason="minisim needs an environment of its own")

EXACT = {"rtol": 1e-6, "atol": 1e-6}
SEEDS = range(5)


def arrays(seed):
    """Thirty true blobs; estimates of most of them, moved, reshaped, scaled and shuffled, and some of nothing."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :70]
    centres = rng.uniform((0, 0), (60, 70), (30, 2))
    widths = rng.uniform(1.5, 4, 30)

    def blobs(at, width):
        square = (y - at[:, 0, None, None]) ** 2 + (x - at[:, 1, None, None]) ** 2
        image = np.exp(-square / (2 * width[:, None, None] ** 2))
        return np.where(image > 0.05, image, 0).astype(np.float32)

    true = blobs(centres, widths)
    kept = rng.permutation(30)[:24]
    found = blobs(centres[kept] + rng.normal(0, 1, (24, 2)), widths[kept] * rng.uniform(0.7, 1.3, 24))
    junk = blobs(rng.uniform((0, 0), (60, 70), (5, 2)), np.full(5, 2.0))
    est = np.concatenate([found * rng.uniform(0.2, 5, (24, 1, 1)).astype(np.float32), junk])
    return est, true, rng


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("how", "prepare"),
    [
        ({"metric": "cosine"}, lambda A: A),
        (
            {"metric": "iou", "energy_frac": 1.0},
            lambda A: 1.0 * (0.3 * A.max(axis=(1, 2), keepdims=True) < A),
        ),
        ({"metric": "iou", "energy_frac": 1.0}, lambda A: A),
    ],
    ids=["cosine", "IoU of masks", "IoU of supports"],
)
def test_matching(seed, how, prepare):
    est, true, _ = arrays(seed)
    est = prepare(est)
    true = prepare(true)
    ours = hungarian_match(est, true, **how)
    theirs = metrics.hungarian_match(est, true, **how)
    assert (ours.n_est, ours.n_true) == (theirs.n_est, theirs.n_true)
    total = sum(theirs.similarity_matrix[pair] for pair in theirs.pairing)
    np.testing.assert_allclose(ours.score.sum(), total, **EXACT)
    if ours.pairing == theirs.pairing:  # several matchings may have the same total
        np.testing.assert_allclose(ours.score, [theirs.similarity_matrix[pair] for pair in theirs.pairing], **EXACT)
        np.testing.assert_allclose(ours.mean_iou, theirs.mean_iou, **EXACT)
    for threshold in (0.1, 0.5, 0.7):
        assert ours.recall(threshold) == pytest.approx(theirs.recall(threshold), abs=1e-6)
        assert ours.precision(threshold) == pytest.approx(theirs.precision(threshold), abs=1e-6)
        assert ours.matched_pairs(threshold) == tuple(theirs.matched_pairs(threshold))


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_of_graded_footprints_differ_by_definition(seed):
    """Energy is the sum of squares here, the sum there, and equal pixels stay together here: other overlaps."""
    est, true, _ = arrays(seed)
    ours = hungarian_match(est, true)
    theirs = metrics.hungarian_match(est, true)
    assert set(ours.matched_pairs(0.5)) & set(theirs.matched_pairs(0.5))
    assert not np.allclose(ours.mean_iou, theirs.mean_iou, **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_traces(seed):
    est, true, rng = arrays(seed)
    C_true = rng.random((30, 200)).cumsum(axis=1)
    C_est = rng.random((29, 200)).cumsum(axis=1)
    C_true[3] = 1
    pairing = hungarian_match(est, true).pairing
    np.testing.assert_allclose(
        trace_pearson(C_est, C_true, pairing), metrics.trace_pearson(C_est, C_true, pairing), **EXACT
    )


def test_a_constant_estimate_is_nothing_here_and_unknown_there():
    moving = np.arange(5.0)[None]
    still = np.ones((1, 5))
    assert trace_pearson(still, moving).tolist() == [0]
    assert np.isnan(metrics.trace_pearson(still, moving, [(0, 0)])).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("convention", ["correction", "displacement"])
def test_shifts(seed, convention):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(300, 2)).cumsum(axis=0)
    est = (-1 if convention == "correction" else 1) * (true + rng.normal(0, 0.3, true.shape) + (3, -2))
    theirs = metrics.shift_rmse(est, true, correction=convention == "correction", align=True)
    assert shift_rmse(est, true, convention=convention) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_fields(seed):
    est, true, _ = arrays(seed)
    theirs = metrics.field_pearson(est.sum(axis=0), true.sum(axis=0))
    assert field_pearson(est.sum(axis=0), true.sum(axis=0)) == pytest.approx(theirs, abs=1e-6)
