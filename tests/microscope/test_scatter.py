"""Scattered light beside a photon Monte Carlo."""

import itertools
from functools import cache

import numpy as np
import pytest
from photons import collected_light, light_within

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics, Tissue
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.fusion import expected_light
from pytest_calsim.steps.cells.cell_activity import CellActivity
from pytest_calsim.steps.cells.cell_optics import CellOptics
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population
from pytest_calsim.steps.cells.render import Render
from pytest_calsim.steps.step import Context

R_UM = np.array([8.0, 11, 20, 50, 100, 200])
MEAN_FREE_PATH = 0.6
"""Over M_em."""


@cache
def monte_carlo(depth_um, attenuation_um=100.0, n=40_000):
    rays = collected_light(depth_um, MEAN_FREE_PATH * attenuation_um, n)
    return light_within(np.append(R_UM, np.inf), rays)


def gaussians(depth_um, attenuation_um):
    """Light of a point within R_UM and in all, through tissue that loses no excitation."""
    tissue = Tissue(excitation_attenuation_um=1e6, emission_attenuation_um=attenuation_um)
    z = np.array([float(depth_um)])
    share, sigma = tissue.skirt(z)
    share = np.concatenate([tissue.core_fraction(z), share[:, 0]])
    sigma = np.concatenate([tissue.scatter_sigma_um(z), sigma[:, 0]])
    within = share * (1 - np.exp(-(R_UM[:, None] ** 2) / (2 * sigma**2)))
    return np.append(within.sum(1), share.sum())


def test_the_monte_carlo_agrees_with_itself_in_clear_tissue():
    # Hardly any scattering: what absorption leaves on the way up is all at the point.
    rays = collected_light(100.0, 1e7, 2000)
    assert light_within([1.0], rays)[0] == pytest.approx(np.exp(-0.03), abs=0.001)


def test_the_monte_carlo_gives_the_table_of_docs_physics():
    # Another code's figures at z = 120 µm (docs/physics.md).
    found = light_within([5.5, 8, 11, 20, 50, 100, 200, 500], collected_light(120.0, 60.0, 40_000))
    assert found == pytest.approx([0.25, 0.30, 0.37, 0.52, 0.80, 0.99, 1.19, 1.52], rel=0.06)


@pytest.mark.parametrize("depth_um", [50.0, 100.0, 150.0])
def test_light_within_a_distance_follows_the_monte_carlo(depth_um):
    assert gaussians(depth_um, 100.0) == pytest.approx(monte_carlo(depth_um), rel=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attenuation_um", "depth_um"), [*itertools.product([50, 200], [25, 50, 75, 100, 150]), (200, 200)]
)
def test_the_fit_scales_with_attenuation(attenuation_um, depth_um):
    found = monte_carlo(float(depth_um), float(attenuation_um), 100_000)
    assert gaussians(depth_um, attenuation_um) == pytest.approx(found, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("depth_um", [20, 35, 50, 75, 100, 120, 150, 200])
def test_many_photons_and_depths(depth_um):
    assert gaussians(depth_um, 100.0) == pytest.approx(monte_carlo(float(depth_um), 100.0, 100_000), rel=0.08)


def painted_point(depth_um, **tissue):
    """The light of a bead of brightness 1 in focus, its distance from each pixel, and its spots' light in all."""
    acquisition = Acquisition(
        fps=20,
        duration_s=0.05,
        focal_depth_um=depth_um,
        optics=Optics(magnification=4.8),
        image_sensor=ImageSensor(height_px=420, width_px=420),
        tissue=Tissue(**tissue),
    )
    canvas = Canvas(420, 420, 0, acquisition.pixel_size_um)
    bead = Population(morphology="bead", brightness_cv=0)
    placed = PlaceNeurons(positions_um=((depth_um, 0.3, -0.4),), populations=(bead,))
    cells = placed.plan(Context(acquisition, canvas, 0, "place_neurons"))
    images = CellOptics().plan(Context(acquisition, canvas, 0, "cell_optics"), cells)
    activity = CellActivity().plan(Context(acquisition, canvas, 0, "cell_activity"), cells)
    light = Render().plan(Context(acquisition, canvas, 0, "render"), cells, images, activity)
    picture = expected_light([light], canvas).astype(float) / activity.baseline[0]
    distance = np.hypot(canvas.y_um[:, None] - 0.3, canvas.x_um + 0.4)
    return picture, distance, images.spots.flux.sum() + images.patches.values.sum(dtype=float)


@pytest.mark.parametrize("depth_um", [50.0, 100.0, 150.0])
def test_a_painted_point_follows_the_monte_carlo(depth_um):
    picture, distance, total = painted_point(depth_um, excitation_attenuation_um=1e6)
    found = [picture[distance <= r].sum() for r in R_UM] + [total]
    assert found == pytest.approx(monte_carlo(depth_um), rel=0.1)


def test_lost_excitation_is_never_emitted():
    lit, _, total = painted_point(120.0, excitation_attenuation_um=1e6)
    dim, _, less = painted_point(120.0, excitation_attenuation_um=200.0)
    np.testing.assert_allclose(dim, lit * np.exp(-0.6), rtol=2e-4, atol=1e-9)
    assert less == pytest.approx(total * np.exp(-0.6), rel=1e-3)


def test_shares_are_bounded_whatever_depth_and_tissue():
    for attenuation_um in (10.0, 100.0, 1e3, 1e6):
        tissue = Tissue(emission_attenuation_um=attenuation_um)
        share, sigma = tissue.skirt(np.array([-5.0, 0.0, 1e-3, 1.0, 100.0, 1e3, 1e4]))
        assert np.isfinite(share).all()
        assert (share >= 0).all()
        assert share.sum(0).max() < 6
        assert (np.diff(sigma, axis=1) >= 0).all()
