"""The background poses the one-photon problem: local, large beside the cells, and of no low rank."""

import pytest
from one_photon import judge

from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.presets import load_preset

REALISTIC = [
    "generic_1p_ca1",
    "generic_1p_cortex_l23",
    "grin_low_na_ca1",
    "miniscope_v4_ca1",
    "miniscope_v4_ca1_dim",
    "miniscope_v4_cortex_l23",
]


def still(preset, side_px=None, duration_s=None):
    spec = load_preset(preset)
    changed = {"acquisition.duration_s": duration_s} if duration_s else {}
    if side_px:
        changed |= {f"acquisition.image_sensor.{side}_px": side_px for side in ("height", "width")}
    return spec.edit(changed, drop=[kind for kind in ("brain_motion", "bleaching") if kind in spec.kinds])


@pytest.fixture(scope="module")
def crop():
    """A sixth of the V4's field, for half of its time. How many components there are goes with the field's area."""
    return still("miniscope_v4_ca1", 256, 15)


def test_most_of_the_field_of_the_realistic_preset_poses_the_problem():
    found = judge(still("miniscope_v4_ca1", 512).edit({"acquisition.fps": 10}))
    assert found.poses_the_problem, found


def test_without_its_patches_it_does_not(crop):
    found = judge(crop.edit({"neuropil.local": None}))
    assert found.residual < 0.3, found
    assert found.global_share > 0.95, found


def test_with_layers_alone_two_components_hold_it_all(crop):
    layers = crop.edit({"neuropil.local": None}, drop=["background_cells"])
    assert judge(layers).residual < 0.1  # what cells scatter onto each other
    clear = layers.edit({"acquisition.tissue.emission_attenuation_um": 1e6})
    assert judge(clear).global_share > 0.9999


def test_cells_out_of_focus_alone_are_of_many_components_and_small(crop):
    # The bar is that of the whole background, 15. Cells differ in their transients' size, and some fire together, so
    # that fewer components hold their light than when all were alike.
    cells = judge(crop.edit({"neuropil.local": None, "neuropil.level": 0.0}))
    assert cells.components >= 15, cells
    assert 0.005 < cells.residual < 0.3, cells


@pytest.mark.slow
@pytest.mark.parametrize("preset", REALISTIC)
def test_every_realistic_preset_poses_the_problem(preset):
    found = judge(still(preset))
    assert found.poses_the_problem, found


def test_a_bleaching_recording_bleaches_as_its_fluorophore_does():
    """Frames fall by local illumination, leakage apart; each source is as bright at the end as its own curve says."""
    bleaching = load_preset(
        "miniscope_v4_ca1_bleaching",
        overrides={f"acquisition.image_sensor.{side}_px": 200 for side in ("height", "width")},
    ).edit(drop=["brain_motion"])
    scene = plan(bleaching)
    # The same without bleaching: sources fluctuate alike.
    fresh = plan(bleaching.edit(drop=["bleaching"]))
    leak = scene.artifacts["leakage"].field.mean()
    light = scene.artifacts["illumination"].field.astype(float)
    lifetime_s = bleaching.step("bleaching").lifetime_s
    for frame in (0, 150, 400, scene.n_frames - 1):
        faded, full = (s.paint(frame, frame + 1, "leakage")[0].astype(float) for s in (scene, fresh))
        seconds = (frame + 0.5) / bleaching.acquisition.fps
        left = (faded.mean() - leak) / (full.mean() - leak)
        weights = full - scene.artifacts["leakage"].field
        curve = pytest.approx(
            (weights * 2.718281828 ** (-light * seconds / lifetime_s)).sum() / weights.sum(), rel=0.01
        )
        assert left == curve
    codes = scene.paint(0, 20).mean(), scene.paint(scene.n_frames - 20).mean()
    black = bleaching.acquisition.image_sensor.black_level_adu / 4
    assert (codes[1] - black) / (codes[0] - black) < 0.75
