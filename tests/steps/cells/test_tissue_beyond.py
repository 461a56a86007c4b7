"""Light from cells farther away than a cell's light is followed."""

import numpy as np
import pytest

from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.planning import plan
from pytest_calsim.simulation.smooth_light import SmoothLight
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells.tissue_beyond import even_light
from pytest_calsim.steps.smooth_grid import NodeGrid

STEPS = ("cell_activity", "cell_optics", "render")
CLEAR = {"emission_attenuation_um": 25.0}
"""Tissue in which light spreads by no more than half a millimetre, so that a field can hold all of it."""


def spec(placed, side=48, seed=0, activity=None, more=()):
    sensor = {"height_px": side, "width_px": side}
    steps = [{"kind": "place_neurons", **placed}, *({"kind": kind} for kind in (*STEPS, *more))]
    steps[1].update(activity or {})
    fields = {"duration_s": 0.2, "focal_depth_um": 60, "image_sensor": sensor, "tissue": CLEAR}
    return Spec.make({"acquisition": fields, "steps": steps, "seed": seed})


LAYERS = [
    {"density_per_mm3": 3e4, "thickness_um": 20, "brightness": 2, "brightness_cv": 0},
    {"density_per_mm3": 3e4, "thickness_um": 20, "morphology": "cytosolic"},
    {"density_per_mm3": 3e4, "thickness_um": 20, "morphology": "bead"},
    {"density_per_mm3": 3e4, "thickness_um": 20, "nucleus_fraction": 0.7},
    {"density_per_mm3": 9e4, "thickness_um": 12, "soma_radius_um": 9},
]


def halo_by_hand(scene, y, x):
    """Σ flux · Gaussian over all cells of a scene at rest, at one point, per pixel."""
    spots = scene.artifacts["cell_optics"].spots
    light = spots.flux * scene.artifacts["place_neurons"].brightness[spots.source]
    away2 = (spots.y_um - y) ** 2 + (spots.x_um - x) ** 2
    density = (light / spots.sigma_um**2 * np.exp(-away2 / (2 * spots.sigma_um**2))).sum() / (2 * np.pi)
    return density * scene.canvas.pixel_size_um**2


@pytest.mark.parametrize("layer", LAYERS)
def test_it_is_what_all_cells_of_a_large_field_give(layer):
    """Cells of the field and 100 µm around it, with even light, beside all cells of a millimetre one by one."""
    found = []
    expected = []
    for seed in range(4):
        small, large = (
            plan(spec({"populations": [{"depth_um": 60, **layer}]}, side, seed, {"dff_per_spike": 0}))
            for side in (40, 640)
        )
        images = small.artifacts["cell_optics"].patches
        light = small.artifacts["place_neurons"].brightness
        core = sum(light[i] * images.patch(i).values.sum(dtype=float) for i in range(len(light)))
        found.append(small.expected_light().mean(dtype=float) - core / 1600)
        at = (np.arange(8) - 3.5) * 5 * small.canvas.pixel_size_um
        expected.append(np.mean([halo_by_hand(large, y, x) for y in at for x in at]))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.03)


def test_given_cells_are_all_there_is():
    scene = plan(spec({"positions_um": [(60, 0, 0)]}))
    assert scene.artifacts["render"].far_light == 0
    assert scene.artifacts["render"].n_sources == 1


def test_cells_brought_to_an_snr_are_as_bright_beyond_as_in_view():
    steps = {"populations": [{"density_per_mm3": 1e5, "snr": 5, "depth_um": 60, "brightness_cv": 0}]}
    scene = plan(spec(steps, seed=2, more=["sensor"]))
    cells = scene.artifacts["place_neurons"]
    in_view = cells.brightness[cells.in_fov].mean()
    steps["populations"][0].update(snr=None, brightness=in_view)
    assert scene.artifacts["render"].far_light == pytest.approx(plan(spec(steps, seed=2)).artifacts["render"].far_light)
    assert abs(in_view - 1) > 0.1


def test_activity_makes_it_brighter_on_average():
    rest = plan(spec({"populations": [{"depth_um": 60}]}, activity={"dff_per_spike": 0})).artifacts["render"].far_light
    for saturation in (None, {}):
        scene = plan(
            spec({"populations": [{"depth_um": 60, "density_per_mm3": 3e4}]}, 300, activity={"saturation": saturation})
        )
        activity = scene.artifacts["cell_activity"]
        whole = plan(spec({"populations": [{"depth_um": 60}]}, activity={"saturation": saturation}))
        expected = (activity.expected_C / activity.baseline).mean()
        assert whole.artifacts["render"].far_light / rest == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(("pixel_um", "margin"), [(0.3, 0), (1.66, 7), (30.0, 2), (300.0, 0)])
def test_even_light_is_even(pixel_um, margin):
    canvas = Canvas(30, 41, margin, pixel_um)
    light = even_light(canvas, 0.7, first_source=2)
    n = len(light.y_um)
    assert light.spline_images.source.tolist() == list(range(2, n + 2))
    shown = SmoothLight.of([light.spline_images], canvas, None)
    rows = shown.rows(np.ones((n + 2, 3), np.float32))
    image = sum(rows.row_weight[:, k, None] * rows.wide[1][rows.row_node + k] for k in range(4))
    np.testing.assert_allclose(image, 0.7, rtol=1e-6)
    assert image.shape == canvas.shape


def test_nodes_lie_where_their_places_say():
    canvas = Canvas(300, 200, 5, 1.66)
    light = even_light(canvas, 1.0, first_source=0)
    one = np.zeros((len(light.y_um), 1), np.float32)
    near = np.argmin(np.hypot(light.y_um - 60, light.x_um + 50))
    one[near] = 1
    rows = SmoothLight.of([light.spline_images], canvas, None).rows(one)
    image = sum(rows.row_weight[:, k, None] * rows.wide[0][rows.row_node + k] for k in range(4))
    assert (image.sum(1) * canvas.y_um).sum() / image.sum() == pytest.approx(light.y_um[near], abs=0.1)
    assert (image.sum(0) * canvas.x_um).sum() / image.sum() == pytest.approx(light.x_um[near], abs=0.1)
    # From one canvas to another they stay where they are.
    wider = even_light(Canvas(320, 260, 9, 1.66), 1.0, first_source=0)
    assert {*zip(light.y_um, light.x_um, strict=True)} <= {*zip(wider.y_um, wider.x_um, strict=True)}
    assert NodeGrid.of_canvas(canvas, 4).step_px * 1.66 == pytest.approx(np.diff(np.unique(light.y_um)).min())
    assert len(even_light(canvas, 0.0, first_source=0).y_um) == 0
