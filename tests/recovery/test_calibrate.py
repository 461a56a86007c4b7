"""The statistics of the calibration, on cells whose curve is known. No pipeline runs here."""

import numpy as np
import pytest
from calibrate import movies
from detection_curve import Curve, area, calibration_error, shares, split_half_error, threshold

rng = np.random.default_rng(0)
X = rng.uniform(0.5, 15, 20_000)


def found(curve, x=X):
    return rng.random(len(x)) < curve.probability(x)


@pytest.mark.parametrize("curve", [Curve(4, 8), Curve(6, 3), Curve(3, 15)])
def test_a_fit_finds_the_curve_that_drew_the_cells(curve):
    fit = Curve.fit(X, found(curve))
    assert fit.middle == pytest.approx(curve.middle, rel=0.02)
    assert fit.slope == pytest.approx(curve.slope, rel=0.1)
    assert fit.at(0.8) == pytest.approx(curve.at(0.8), rel=0.03)
    assert curve.probability(np.array([curve.at(0.8)]))[0] == pytest.approx(0.8)


def test_cells_that_x_tells_apart_have_a_steep_curve_and_no_infinite_one():
    fit = Curve.fit(X, X > 5)
    assert fit.middle == pytest.approx(5, rel=0.02)
    assert 20 < fit.slope < 1e4


def test_area_is_the_share_of_pairs_in_order():
    x = np.array([1.0, 2, 2, 3, 4])
    hit = np.array([False, False, True, True, False])
    pairs = [(a > b) + 0.5 * (a == b) for a in x[hit] for b in x[~hit]]
    assert area(x, hit) == np.mean(pairs)
    assert np.isnan(area(x, np.ones(5, bool)))


def test_a_right_curve_is_calibrated_and_a_wrong_one_is_not():
    right = Curve(5, 6)
    wrong = Curve(8, 6)
    hit = found(right)
    assert calibration_error(right, X, hit) < 0.01
    assert calibration_error(wrong, X, hit) > 0.1
    seed = np.arange(len(X)) % 12
    assert max(split_half_error(X, hit, seed)) < 0.02
    other_half = np.where(seed % 2 == 0, hit, found(wrong))
    assert min(split_half_error(X, other_half, seed)) > 0.1


@pytest.mark.parametrize(("middles", "expected"), [([4, 6, 9], 6), ([4, 6], 4), ([4], 4), ([3, 4, 6, 9], 4)])
def test_half_of_the_pipelines_reach_the_threshold(middles, expected):
    curves = {str(middle): Curve(middle, 8) for middle in middles}
    reached = threshold(X, {name: found(curve) for name, curve in curves.items()})
    assert reached == pytest.approx(Curve(expected, 8).at(0.8), rel=0.03)


def test_bins_hold_every_cell_once():
    bins = shares(X, X > 5)
    assert sum(n for _, _, n, _ in bins) == len(X)
    assert [share for low, _, _, share in bins if low >= 5] == [1] * 6


def test_movies_are_many_and_each_has_its_own_name():
    all_movies = movies()
    assert len(all_movies) == len({movie.key for movie in all_movies}) == 84
    assert len({m.seed for m in all_movies}) == 24
    assert len({m.times_light for m in all_movies}) == 3
    assert len({m.times_density for m in all_movies}) == 2
