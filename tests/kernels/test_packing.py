import numpy as np
import pytest
from scipy import stats

from pytest_calsim.kernels.packing import PLACED, REFUSED, UNCERTAIN, PlacedSpheres, draw_candidates, place_spheres

HALF_UM = 60.0
BIN_UM = 13.0
BOX_UM = (-HALF_UM, HALF_UM, -HALF_UM, HALF_UM)


def none_yet(**kwargs):
    return PlacedSpheres.none_yet(BOX_UM, BIN_UM, **kwargs)


def by_hand(centers, radii, least, earlier, largest=None):
    """The same, against all earlier spheres (centre, radius, whether certain); appends to them."""
    states = []
    for at, radius in zip(centers, radii, strict=True):
        near = [
            certain
            for other, size, certain in earlier
            if np.linalg.norm(at - other) < (radius + size if least is None else least)
        ]
        reach = 0 if largest is None else radius + largest if least is None else least
        inside = min(HALF_UM - abs(at[1]), HALF_UM - abs(at[2])) >= reach or largest is None
        states.append(REFUSED if any(near) else PLACED if inside and not near else UNCERTAIN)
        if not any(near):
            earlier.append((at, radius, states[-1] == PLACED))
    return states


@pytest.mark.parametrize("largest", [None, 6.4])
@pytest.mark.parametrize("least", [None, 0.0, 4.0, 12.9])
def test_spheres_are_placed_where_no_earlier_one_is_whichever_call_brings_them(least, largest):
    rng = np.random.default_rng(1)
    placed = none_yet(nothing_beyond=largest is None)
    earlier = []
    for n in (1, 250, 0, 320):
        centers = rng.uniform(-0.98 * HALF_UM, 0.98 * HALF_UM, (n, 3)) * (0.05, 1, 1)
        radius = rng.uniform(2, 6.4, n)
        state = place_spheres(centers, radius, least, placed, largest_um=largest or 0.0)
        assert state.tolist() == by_hand(centers, radius, least, earlier, largest)
        assert placed.count == len(earlier)
        assert np.array_equal(placed.center_um[: placed.count], np.reshape([c for c, _, _ in earlier], (-1, 3)))
        assert placed.certain[: placed.count].tolist() == [certain for _, _, certain in earlier]
    if least is None:
        assert 50 < placed.count < 500
    if largest is not None and least != 0:
        assert (~placed.certain[: placed.count]).sum() > 10


def test_what_is_certain_does_not_depend_on_what_lies_beyond():
    """More of the plane turns uncertain spheres into placed or refused ones, and changes no other."""
    rng = np.random.default_rng(2)
    centers = rng.uniform(-HALF_UM, HALF_UM, (600, 3)) * (0.05, 1, 1)
    inner = (np.abs(centers[:, 1:]) < 40).all(axis=1)
    radius = rng.uniform(3, 6, 600)
    few = PlacedSpheres.none_yet((-40, 40, -40, 40), BIN_UM)
    some = place_spheres(centers[inner], radius[inner], None, few, largest_um=6.0)
    all_ = place_spheres(centers, radius, None, none_yet(), largest_um=6.0)[inner]
    known = some != UNCERTAIN
    assert known.sum() > 40
    assert np.array_equal(some[known], all_[known])
    assert set(all_[~known]) >= {PLACED, REFUSED}


@pytest.mark.parametrize("stop_after", [0, 1, 7])
def test_it_stops_at_the_last_one_that_counts(stop_after):
    rng = np.random.default_rng(3)
    centers = rng.uniform(-HALF_UM, HALF_UM, (100, 3))
    counts = centers[:, 1] > 0
    placed = none_yet(nothing_beyond=True)
    state = place_spheres(
        centers, np.full(100, 4.0), None, placed, largest_um=4.0, counts=counts, stop_after=stop_after
    )
    counted = np.flatnonzero((state == PLACED) & counts[: len(state)])
    assert len(counted) == stop_after
    assert len(state) == (counted[-1] + 1 if stop_after else 0)
    assert placed.count == (state != REFUSED).sum()


def test_what_lies_far_outside_the_bins_belongs_to_the_nearest():
    centers = np.array([[0, 1e300, -1e300], [0, 1e300, -1e300], [0, -1e9, 1e9], [0, np.inf, 0]])
    placed = none_yet(nothing_beyond=True)
    state = place_spheres(centers, np.ones(4), 5.0, placed, largest_um=1.0)
    assert state[:3].tolist() == [PLACED, REFUSED, PLACED]


def test_what_does_not_fit_is_refused():
    placed = none_yet()
    with pytest.raises(ValueError, match="center_um"):
        place_spheres(np.zeros((2, 2)), np.ones(2), None, placed, largest_um=1.0)
    with pytest.raises(ValueError, match="counts"):
        place_spheres(np.zeros((2, 3)), np.ones(2), None, placed, largest_um=1.0, counts=np.ones(3, bool))
    with pytest.raises(ValueError, match="must be positive"):
        PlacedSpheres.none_yet((0, 0, 0, 1), 1.0)
    with pytest.raises(ValueError, match="must be positive"):
        PlacedSpheres.none_yet((0, 1, 0, 1), 0.0)
    for rate, until in ((0.0, 1.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match="have no number"):
            draw_candidates(np.ones(1, np.uint64), rate, until)
    assert placed.count == 0


# --- candidates


def keys(n):
    return np.random.default_rng(0).integers(0, 2**64, n, dtype=np.uint64)


def test_candidates_are_a_poisson_process_with_independent_numbers():
    drawn = draw_candidates(keys(4000), 3.0, 2.0)
    counts = np.bincount(drawn.tile, minlength=4000)
    assert abs(counts.mean() - 6) < 4 * np.sqrt(6 / 4000)
    found = np.bincount(np.minimum(counts, 15), minlength=16)
    expected = 4000 * np.append(stats.poisson.pmf(range(15), 6), stats.poisson.sf(14, 6))
    assert stats.chisquare(found, expected).pvalue > 1e-3
    assert stats.kstest(drawn.arrival / 2, "uniform").pvalue > 1e-3
    for axis in range(3):
        assert stats.kstest(drawn.place[:, axis], "uniform").pvalue > 1e-3
    assert stats.kstest(drawn.size, stats.triang(0.5, -1, 2).cdf).pvalue > 1e-3
    assert stats.kstest(drawn.normal, "norm").pvalue > 1e-3
    numbers = np.column_stack([drawn.arrival, drawn.place, drawn.size, drawn.normal])
    apart = np.corrcoef(numbers.T) - np.eye(6)
    assert np.abs(apart).max() < 4 / np.sqrt(len(numbers))


def test_a_later_time_and_other_tiles_only_append():
    few = draw_candidates(keys(5)[1:4], 2.0, 3.0)
    many = draw_candidates(keys(5), 2.0, 9.0)
    same = (many.tile >= 1) & (many.tile < 4) & (many.arrival <= 3)
    for name in ("number", "arrival", "place", "size", "normal"):
        assert np.array_equal(getattr(many, name)[same], getattr(few, name))
    assert many.number.tolist() == [i for n in np.bincount(many.tile, minlength=5) for i in range(n)]


def test_so_many_of_each_tile_and_no_more():
    drawn = draw_candidates(keys(3), 1.0, np.inf, most=4)
    assert drawn.tile.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert np.array_equal(drawn.of(drawn.number < 2).arrival, draw_candidates(keys(3), 1.0, np.inf, most=2).arrival)
    assert len(draw_candidates(keys(0), 1.0, 5.0).tile) == len(draw_candidates(keys(3), 1.0, 0.0).tile) == 0
