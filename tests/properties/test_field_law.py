"""The field of view is a window onto tissue that goes on beyond it."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import edited, scene_of
from painting import paint_block

from pytest_calsim import Spec, load_preset
from pytest_calsim.errors import SpecWarning
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.motion.brain_motion import LARGEST_PIXEL_UM
from pytest_calsim.steps.pixels import Displacement

FEW = settings(max_examples=8, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
TISSUE = ("render", "background_cells", "neuropil")
CELL_STEPS = ("place_neurons", "cell_activity", "cell_optics", "render")

layers = st.fixed_dictionaries(
    {
        "density_per_mm3": st.floats(1e4, 2e5),
        "depth_um": st.floats(40, 160),
        "thickness_um": st.floats(0, 60),
        "soma_radius_um": st.floats(3, 8),
        "morphology": st.sampled_from(["soma", "cytosolic", "bead"]),
    }
)
# More vessels, between the cells or far above them.
vessels = st.sampled_from([[{"top_depth_um": 60, "bottom_depth_um": 130, "root_radius_um": 6}], [{"top_depth_um": 0}]])
sizes = st.integers(10, 20)
more = st.integers(0, 15)


@st.composite
def tissues(draw):
    """All that lies in tissue on a small sensor, in focus somewhere within it."""
    cells = {"kind": "place_neurons", "populations": draw(st.lists(layers, min_size=1, max_size=2))}
    steps = [cells, *({"kind": kind} for kind in ("cell_activity", "cell_optics", "render"))]
    more_steps = [
        {"kind": "neuropil", "local": draw(st.none() | st.just({}))},
        {"kind": "background_cells"},
        {"kind": "vasculature", "trees_per_mm2": draw(st.floats(2, 100)), "more_layers": draw(st.just([]) | vessels)},
        {"kind": "bleaching", "lifetime_s": 1, "spread": 0.3},
        {"kind": "illumination", "corner_fraction": 0.2, "reference_radius_um": 100},
    ]
    steps += [step for step in more_steps if draw(st.booleans())]
    image_sensor = {"height_px": draw(sizes), "width_px": draw(sizes), "pixel_pitch_um": draw(st.floats(4, 9))}
    acquisition = {
        "focal_depth_um": draw(st.floats(40, 160)),
        "duration_s": 0.2,
        "image_sensor": image_sensor,
        "optics": {"field_curvature_radius_um": draw(st.none() | st.floats(500, 3000))},
    }
    seed = draw(st.integers(0, 2**32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)  # layers out of focus are as good as others
        return Spec.make({"acquisition": acquisition, "steps": steps, "seed": seed})


def tissue(spec):
    """The noise-free light of the tissue in the field of view, without motion."""
    scene = scene_of(spec)
    *_, last = (stage for stage in scene.stages if stage in TISSUE)
    return scene.canvas.crop(scene.paint(until=last, canvas=True))


def assert_same_light(a, b):
    """To the rounding of single precision in sums over waves; 1 is the unit of light."""
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(float(b.max()), 1.0))


@FEW
@given(tissues(), more, more)
def test_a_larger_sensor_shows_more_of_one_tissue(spec, rows, columns):
    sensor = spec.acquisition.image_sensor
    size = {"height_px": sensor.height_px + 2 * rows, "width_px": sensor.width_px + 2 * columns}
    larger = edited(spec, {f"acquisition.image_sensor.{name}": value for name, value in size.items()})
    window = np.s_[:, rows : rows + sensor.height_px, columns : columns + sensor.width_px]
    assert_same_light(tissue(larger)[window], tissue(spec))


@FEW
@given(tissues(), st.sampled_from([0.5, 1.0]), st.booleans())
def test_more_margin_shows_more_of_one_tissue(spec, share, exact):
    if exact:
        spec = edited(spec, {"place_neurons.populations.0.n_cells": 2})
    # Motion between larger pixels is refused.
    magnification = max(spec.acquisition.image_sensor.pixel_pitch_um / LARGEST_PIXEL_UM, 2.9)
    spec = edited(spec, {"acquisition.optics.magnification": magnification})
    shift = share * min(spec.acquisition.field_size_um)
    motion = {"kind": "brain_motion", "max_shift_um": shift}
    moving = edited(spec, add=[motion])
    assert moving.canvas.margin_px > spec.canvas.margin_px == 0
    assert_same_light(tissue(moving), tissue(spec))


@FEW
@given(tissues(), st.floats(1, 3))
def test_what_density_adds_is_light(spec, factor):
    """More density adds cells and moves none: nowhere does it grow darker, but where later layers give way."""
    first = spec.step("place_neurons").populations[0]
    dense = {"place_neurons.populations": [first.model_copy(update={"n_cells": None})]}
    few = edited(spec, dense)
    many = edited(few, {"place_neurons.populations.0.density_per_mm3": first.density_per_mm3 * factor})
    least = tissue(few)
    most = tissue(many)
    assert (most - least).min() > -1e-5 * max(float(most.max()), 1.0)


@pytest.mark.parametrize("steps", [["neuropil"], ["illumination", "vignette", "leakage"], ["sensor"]])
def test_what_is_fixed_to_the_axis_does_not_depend_on_the_sensor_either(steps):
    """Fields with a reference radius, the sensor's fixed pattern and its noise."""
    fields = {"illumination", "vignette", "leakage"}
    made = [{"kind": kind, **({"reference_radius_um": 60} if kind in fields else {})} for kind in steps]
    chip = {"prnu_fraction": 0.02, "dsnu_adu": 3, "row_noise_adu": 1, "hot_pixel_fraction": 0.05}
    leak = [] if "leakage" in steps else [{"kind": "leakage", "corner_fraction": 1}]

    def movie(height, width):
        sensor = {**chip, "height_px": height, "width_px": width}
        return scene_of(
            Spec.make({"acquisition": {"duration_s": 0.2, "image_sensor": sensor}, "steps": [*made, *leak]})
        ).paint()

    np.testing.assert_array_equal(movie(48, 40)[:, 4:-4, 10:-10], movie(40, 20))
    np.testing.assert_array_equal(movie(51, 23)[:, 10:-10, :], movie(31, 23))


@pytest.mark.parametrize("shift_um", [0, 16, 21])
@pytest.mark.parametrize("preset", ["miniscope_v4_ca1", "miniscope_v4_cortex_l23"])
def test_the_rim_is_as_bright_as_the_middle(preset, shift_um):
    """Cells' images, and what they scatter, in the outer 8 pixels; silent cells, no fields, no vessels, many seeds.

    Still, and as the mean of frames in which the tissue walks about.
    """
    rim = []
    middle = []
    for seed in range(16):
        spec = load_preset(preset).edit(
            {
                "acquisition.duration_s": 0.25,
                "acquisition.image_sensor.height_px": 256,
                "acquisition.image_sensor.width_px": 256,
                "place_neurons.populations.0.brightness_cv": 0,
                "cell_activity.dff_per_spike": 0,
            },
            seed=seed,
            drop=[k for k in load_preset(preset).kinds if k not in CELL_STEPS],
            add=[{"kind": "brain_motion", "max_shift_um": shift_um}] if shift_um else [],
        )
        scene = scene_of(spec)
        images, halo = light_of_cells(scene)
        inner = np.zeros(images.shape, bool)
        inner[8:-8, 8:-8] = True
        rim.append((images[~inner].mean(), halo[~inner].mean()))
        middle.append((images[inner].mean(), halo[inner].mean()))
    assert np.mean(rim, axis=0) / np.mean(middle, axis=0) == pytest.approx([1, 1], abs=0.05)


def light_of_cells(scene):
    """The mean picture of silent cells' images alone, and of what they scatter; each ``(height, width)``."""
    whole = scene.paint().mean(axis=0, dtype=float)
    patches = scene.require(CellImages).patches
    core = np.zeros(scene.canvas.shape)
    for i, brightness in enumerate(scene.require(Activity).baseline.tolist()):
        patch = patches.patch(i)
        height, width = patch.values.shape
        core[patch.row : patch.row + height, patch.column : patch.column + width] += brightness * patch.values
    motion = scene.find(Displacement)
    if motion is None:
        images = scene.canvas.crop(core)
    else:
        blocks = np.repeat(core[np.newaxis].astype(np.float32), scene.n_frames, axis=0)
        images = paint_block([motion], blocks, 0, scene.canvas).mean(axis=0, dtype=float)
    return images, whole - images
