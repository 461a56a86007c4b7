"""The comparison of two runs: what equal code shows, what a planted loss shows, what cannot be compared."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim.plugin.history import Entry
from pytest_calsim.plugin.score_changes import LEVEL, compare_runs, describe_changes

N_CELLS = 50


def entries(values, *, test="test_it", score="recall", scene="a", **fields):
    """One entry a seed."""
    return [
        Entry(test, "footprints", {score: float(value)}, scene=scene, seed=seed, rule="1", **fields)
        for seed, value in enumerate(values)
    ]


def verdicts(before, after, **options):
    changes, _ = compare_runs(before, after, **options)
    return {(change.test, change.score): change.verdict for change in changes}


def noisy_recall(rng, share, n_seeds):
    return rng.binomial(N_CELLS, share, n_seeds) / N_CELLS


def test_a_planted_loss_of_two_percent_is_found_with_20_seeds():
    # The pipeline is the same but for one cell in fifty of every recording: the rest of its luck is common.
    rng = np.random.default_rng(1)
    n_found = 0
    for _ in range(100):
        before = noisy_recall(rng, 0.9, 20)
        lost = rng.binomial(np.round(before * N_CELLS).astype(int), 0.02 / 0.9) / N_CELLS
        n_found += verdicts(entries(before), entries(before - lost)) == {("test_it", "recall"): "worse"}
    assert n_found >= 95


# Of a recording's cells, how many more or fewer than usual one run finds, by a luck of its own.
LUCK = {
    "each cell by chance": lambda rng, shape: rng.binomial(N_CELLS, 0.8, shape) - 40,
    "mostly none": lambda rng, shape: rng.choice([-1, 0, 0, 0, 0, 0, 1], shape),
    "rarely many": lambda rng, shape: -rng.binomial(1, 0.1, shape) * rng.integers(5, 20, shape),
}


def run_of_equal_code(rng, luck, quality):
    """Entries of one run: three scores that move together, of each test (row) and seed (column)."""
    n_found = quality + LUCK[luck](rng, quality.shape)
    n_spurious = rng.poisson(2, quality.shape)
    offset_px = 0.1 + rng.exponential(0.05, quality.shape)
    return [
        Entry(
            f"test_{test}",
            "footprints",
            {
                "recall": n_found[test, seed] / N_CELLS,
                "precision": n_found[test, seed] / (n_found[test, seed] + n_spurious[test, seed]),
                "offset_px": offset_px[test, seed],
            },
            at_most=["offset_px"],
            scene="a",
            seed=seed,
            rule="1",
        )
        for test, seed in np.ndindex(*quality.shape)
    ]


@pytest.mark.parametrize("luck", LUCK)
@pytest.mark.parametrize("n_seeds", [5, 8, 20])
@pytest.mark.parametrize("n_tests", [1, 4])
def test_equal_code_hardly_ever_alarms(n_seeds, n_tests, luck):
    # Over 300 pairs of runs the share of alarms keeps to 5 % within 3 standard errors, without any tolerance.
    rng = np.random.default_rng(n_seeds * n_tests)
    n_pairs = 300
    n_alarms = 0
    for _ in range(n_pairs):
        quality = rng.integers(30, 41, (n_tests, n_seeds))
        before = run_of_equal_code(rng, luck, quality)
        after = run_of_equal_code(rng, luck, quality)
        changes, _ = compare_runs(before, after, tolerance=0)
        n_alarms += any(change.verdict == "worse" for change in changes)
    assert n_alarms / n_pairs <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / n_pairs)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 0.1))
def test_the_same_scores_are_as_before(values, tolerance):
    assert verdicts(entries(values), entries(values), tolerance=tolerance) == {("test_it", "recall"): "as before"}


@given(st.lists(st.floats(0.5, 1), min_size=6, max_size=30), st.floats(0.02, 0.4))
def test_a_fall_one_way_is_a_rise_the_other_way(values, loss):
    lower = [value - loss for value in values]
    assert verdicts(entries(values), entries(lower)) == {("test_it", "recall"): "worse"}
    assert verdicts(entries(lower), entries(values)) == {("test_it", "recall"): "better"}
    # An error that rises is a score that falls.
    up = {"score": "rmse_px", "at_most": ["rmse_px"]}
    assert verdicts(entries(lower, **up), entries(values, **up)) == {("test_it", "rmse_px"): "worse"}


@pytest.mark.parametrize(
    ("before", "after", "tolerance", "verdict"),
    [
        ([0.9], [0.8], 0.005, "worse"),  # one seed: the tolerance alone decides
        ([0.9], [0.896], 0.005, "worse within the tolerance"),
        ([0.9], [0.95], 0.005, "better"),
        ([0.9, 0.9], [0.8, 0.95], 0.005, "as before"),
        ([0.9, 0.8], [0.8, 0.7], 0.005, "worse"),
        ([0.9, 0.8, 0.7], [0.8, 0.71, 0.69], 0.005, "as before"),
        ([0.9] * 20, [0.897] * 20, 0.005, "worse within the tolerance"),
        ([0.9] * 20, [0.897] * 20, 0.0, "worse"),
        ([0.9] * 20, [0.5] * 4 + [1.0] * 16, 0.005, "as before"),
    ],
)
def test_verdicts(before, after, tolerance, verdict):
    assert verdicts(entries(before), entries(after), tolerance=tolerance) == {("test_it", "recall"): verdict}


def test_the_interval_is_students():
    from scipy import stats

    gains = np.array([-0.1, -0.05, 0.02, -0.08, -0.03, -0.01])
    (change,), _ = compare_runs(entries([0.9] * 6), entries(0.9 + gains))
    expected = stats.t.interval(0.95, 5, loc=gains.mean(), scale=stats.sem(gains))
    assert change.interval == pytest.approx(expected)
    # by hand: 4 of the 64 sign patterns give a sum as low as -0.25 or lower
    assert change.p_fell == pytest.approx(
        sum(
            sum(s * g for s, g in zip(signs, gains, strict=True)) <= gains.sum() + 1e-12
            for signs in np.ndindex(*[2] * 6)
            for signs in [tuple(2 * s - 1 for s in signs)]
        )
        / 64
    )


def test_pairs_are_those_of_equal_scene_seed_and_turn():
    before = entries([0.9, 0.8, 0.7])
    after = [*entries([0.9, 0.8, 0.7])[1:], *entries([0.1], scene="b"), *entries([0.2], nth=1)]
    (change,), refusals = compare_runs(before, after)
    assert (change.n_pairs, change.gain) == (2, 0)
    assert refusals == []


def test_the_last_attempt_and_the_last_run_count():
    before = [*entries([0.1]), *entries([0.9])]
    after = [*entries([0.2], attempt=1), *entries([0.9], attempt=2)]
    assert verdicts(before, after) == {("test_it", "recall"): "as before"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"scene": "b"}, "its spec changed, or the simulation's version"),
        ({"rule": "2"}, "the rule of scoring changed (1 -> 2)"),
        ({"seed": 7}, "no seed in common"),
        ({"scores": {"recall": math.nan}}, "no score is defined in both"),
        ({"scores": {"another": 0.5}}, "no score is defined in both"),
    ],
)
def test_what_is_not_comparable_is_said_with_its_reason(changed, reason):
    before = entries([0.9])
    changes, refusals = compare_runs(before, [replace(before[0], **changed)])
    assert changes == []
    assert [(refusal.test, refusal.assertion, refusal.reason) for refusal in refusals] == [
        ("test_it", "footprints", reason)
    ]
    assert describe_changes(changes, refusals)[-1] == f"  test_it  footprints: {reason}"


def test_tests_that_only_one_run_has_are_nobodys_business():
    changes, refusals = compare_runs(entries([0.9], test="old"), entries([0.9], test="new"))
    assert (changes, refusals) == ([], [])
