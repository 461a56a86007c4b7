import numpy as np
import pytest

from pytest_calsim.steps.cells.tissue_beyond import spots_beyond
from pytest_calsim.steps.pixels import GaussianSpots


def layer(half_um, sigma_um, spacing_um=5.0, seed=0):
    """An even layer of spots in a rectangle; flux 1 each."""
    y, x = (np.arange(-half + spacing_um / 2, half, spacing_um) for half in half_um)
    y, x = (v.ravel() for v in np.meshgrid(y, x, indexing="ij"))
    return GaussianSpots.one_each(y, x, np.full(len(y), sigma_um), np.ones(len(y)))


def light_at(spots, gains, y, x):
    away = (spots.y_um - y) ** 2 + (spots.x_um - x) ** 2
    return (gains[spots.source] * spots.flux / spots.sigma_um**2 * np.exp(-away / (2 * spots.sigma_um**2))).sum() / (
        2 * np.pi
    )


@pytest.mark.parametrize("sigma_um", [6.0, 30.0, 100.0, 500.0, 1e4])
@pytest.mark.parametrize("half_um", [(100.0, 100.0), (60.0, 140.0)])
def test_an_even_layer_is_even_up_to_its_rim_and_beyond(half_um, sigma_um):
    inside = layer(half_um, sigma_um)
    gain = np.full(inside.n_sources, 1.7)
    beyond = spots_beyond(inside, gain, half_um)
    even = 1.7 / 25
    for share in ((0, 0), (0.5, -0.7), (1, 0), (-1, 1), (0.97, -0.2)):
        y = share[0] * half_um[0]
        x = share[1] * half_um[1]
        found = light_at(inside, gain, y, x) + light_at(beyond, np.ones(1), y, x)
        assert found == pytest.approx(even, rel=0.02)


def test_nothing_of_it_lies_inside_and_it_has_one_source():
    beyond = spots_beyond(layer((100.0, 60.0), 40.0), np.ones(10_000), (100.0, 60.0))
    assert beyond.n_sources == 1
    assert ((np.abs(beyond.y_um) > 100) | (np.abs(beyond.x_um) > 60)).all()


def test_each_width_is_continued_as_such():
    wide = layer((100.0, 100.0), 90.0)
    narrow = layer((100.0, 100.0), 12.0)
    both = GaussianSpots.joined([wide, narrow])
    beyond = spots_beyond(both, np.ones(both.n_sources), (100.0, 100.0))
    split = beyond.sigma_um < 40
    for spots, part in ((narrow, split), (wide, ~split)):
        alone = spots_beyond(spots, np.ones(spots.n_sources), (100.0, 100.0))
        np.testing.assert_allclose(beyond.flux[part], alone.flux)
        np.testing.assert_allclose(beyond.sigma_um[part], alone.sigma_um)


def test_dark_layers_have_nothing_beyond():
    assert len(spots_beyond(layer((50.0, 50.0), 20.0), np.zeros(400), (50.0, 50.0)).flux) == 0
