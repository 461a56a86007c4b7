import numpy as np
import pytest

from pytest_calsim.kernels.packing import PlacedSpheres, place_spheres

HALF_UM, BIN_UM = 60.0, 13.0


def none_yet(capacity: int) -> PlacedSpheres:
    bins = int(np.ceil(2 * HALF_UM / BIN_UM))
    return PlacedSpheres.none_yet(capacity, (bins, bins), (-HALF_UM, -HALF_UM), BIN_UM)


def by_hand(tries, radius, least, centers, radii):
    """The same, against all earlier spheres; appends to the lists."""
    taken = []
    for own, r in zip(tries, radius, strict=True):
        choice = -1
        for t, at in enumerate(own):
            apart = np.array([np.sum((at - c) ** 2) for c in centers])
            needed = np.array([r + other if least is None else least for other in radii])
            if (apart >= needed**2).all():
                choice = t
                centers.append(at)
                radii.append(r)
                break
        taken.append(choice)
    return taken


@pytest.mark.parametrize("least", [None, 0.0, 4.0, 12.9])
def test_spheres_take_the_first_free_try_whichever_call_brings_them(least):
    rng = np.random.default_rng(1)
    placed, centers, radii = none_yet(400), [], []
    for n in (1, 150, 0, 120):
        tries = rng.uniform(-1.2 * HALF_UM, 1.2 * HALF_UM, (n, 7, 3)) * (0.05, 1, 1)
        radius = rng.uniform(2, 6.4, n)
        taken = place_spheres(tries, radius, least, placed)
        assert taken.tolist() == by_hand(tries, radius, least, centers, radii)
        assert placed.count == len(centers)
        assert np.array_equal(placed.center_um[: placed.count], np.reshape(centers, (-1, 3)))
        assert np.array_equal(placed.radius_um[: placed.count], radii)
    if least is None:
        assert 50 < placed.count < 271


def test_what_lies_far_outside_the_bins_belongs_to_the_nearest():
    placed = none_yet(4)
    tries = np.array([[[0, 1e300, -1e300]], [[0, 1e300, -1e300]], [[0, -1e9, 1e9]], [[0, np.inf, 0]]])
    assert place_spheres(tries, np.ones(4), 5.0, placed).tolist() == [0, -1, 0, 0]


def test_spheres_without_a_try_are_not_placed():
    placed = none_yet(3)
    assert place_spheres(np.empty((3, 0, 3)), np.ones(3), None, placed).tolist() == [-1, -1, -1]
    assert placed.count == 0


def test_what_does_not_fit_is_refused():
    placed = none_yet(3)
    with pytest.raises(ValueError, match="room for 3"):
        place_spheres(np.zeros((4, 1, 3)), np.ones(4), None, placed)
    with pytest.raises(ValueError, match="tries_um"):
        place_spheres(np.zeros((2, 1, 2)), np.ones(2), None, placed)
    with pytest.raises(ValueError, match="radius_um"):
        place_spheres(np.zeros((2, 1, 3)), np.ones(3), None, placed)
    with pytest.raises(ValueError, match="bins"):
        PlacedSpheres.none_yet(3, (0, 2), (0, 0), 1.0)
    with pytest.raises(ValueError, match="bins"):
        PlacedSpheres.none_yet(3, (1, 2), (0, 0), 0.0)
    assert placed.count == 0
