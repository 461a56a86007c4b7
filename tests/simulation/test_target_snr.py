"""Cells given a target snr in place of a brightness."""

import warnings

import numpy as np
import pytest

from pytest_calsim.errors import PlacementWarning, SpecError
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.simulation.planning import plan
from pytest_calsim.simulation.scene import Scene
from pytest_calsim.spec.spec import Spec

SNR = 6.0


def scene_spec(populations=None, *, duration_s=4, add=(), **overrides):
    steps = {
        "place_neurons": {"populations": populations or [{"snr": SNR, "depth_um": 60, "thickness_um": 20}]},
        "cell_activity": {"mean_quiescent_s": 2},
        "cell_optics": {},
        "render": {},
        "neuropil": {},
        "vignette": {"corner_fraction": 0.3},
        "sensor": {},
    }
    spec = Spec.make(
        {
            "acquisition": {"duration_s": duration_s, "image_sensor": {"height_px": 64, "width_px": 64}},
            "steps": [{"kind": kind, **fields} for kind, fields in steps.items()],
            "seed": 3,
        }
    )
    return spec.edit(overrides, add=add)


def matched_filter_snr(recording, unit):
    """The snr of one cell by hand: signal and noise electrons pixel by pixel."""
    truth = recording.truth
    scene = recording.scene
    sensor = recording.spec.acquisition.image_sensor
    electrons = recording.scene.artifacts["sensor"].photons_per_unit * sensor.quantum_efficiency
    signal = truth.A_observed[unit] * np.asarray(truth.vignette) * electrons
    signal *= scene.artifacts["cell_activity"].typical_transient[unit]
    steps = 2 ** (sensor.adc_bit_depth - sensor.bit_depth) / sensor.gain_adu_per_e
    noise = scene.expected_light() * electrons + sensor.read_noise_e**2 + steps**2 / 12
    return np.sqrt((signal**2 / noise).sum())


def test_cells_in_view_reach_the_target_and_differ_by_what_lies_under_them():
    recording = simulate(scene_spec())
    cells = recording.truth.cells
    inside = cells[cells.in_fov]
    assert len(inside) > 5
    np.testing.assert_allclose(inside.snr, SNR, rtol=0.01)
    for unit in inside.index[:3]:
        assert matched_filter_snr(recording, unit) == pytest.approx(SNR, rel=0.011)


def test_in_even_background_a_vignette_asks_for_the_inverse_root_of_itself():
    """Signal goes with v·g, shot noise with √v: the same snr takes g ∝ 1/√v."""
    flat = {"kind": "neuropil", "components": [{"contrast": 0}]}
    spec = scene_spec([{"snr": 0.5, "morphology": "bead"}], add=[flat], **{"acquisition.image_sensor.read_noise_e": 0})
    spec = spec.edit({"cell_activity.rate_spread": 0, "place_neurons.positions_um": [(60, 0.8, 0.8), (60, 43.9, 43.9)]})
    recording = simulate(spec)
    vignette = np.asarray(recording.truth.vignette)
    centre, corner = (vignette[np.asarray(recording.truth.A_planted[unit]) > 0].item() for unit in (0, 1))
    amplitude = recording.truth.cells.amplitude
    assert amplitude[1] / amplitude[0] == pytest.approx(np.sqrt(centre / corner), rel=0.03)
    assert centre / corner > 1.5


@pytest.mark.parametrize("target", [0.5, 40.0])
def test_dim_and_bright_targets_are_reached(target):
    cells = simulate(scene_spec([{"snr": target}])).truth.cells
    np.testing.assert_allclose(cells.snr[cells.in_fov], target, rtol=0.01)


def test_in_the_dark_noise_is_their_own_light_alone():
    spec = scene_spec(**{"acquisition.image_sensor.read_noise_e": 0}).edit(drop=["neuropil"])
    cells = simulate(spec).truth.cells
    np.testing.assert_allclose(cells.snr[cells.in_fov], SNR, rtol=0.01)


def test_cells_outside_are_as_bright_as_the_median_one():
    moving = {"kind": "brain_motion", "max_shift_um": 12}
    with pytest.warns(UserWarning, match="of the field of view"):
        spec = scene_spec([{"snr": SNR, "brightness_cv": 0}], add=[moving])
    cells = simulate(spec).truth.cells
    outside = cells[~cells.in_fov]
    assert len(outside) > 5
    np.testing.assert_allclose(outside.amplitude, cells[cells.in_fov].amplitude.median(), rtol=1e-12)
    np.testing.assert_allclose(cells.snr[cells.in_fov], SNR, rtol=0.01)


def test_another_population_keeps_its_brightness():
    own = {"brightness": 2, "density_per_mm3": 2e4}
    both = plan(scene_spec([{"snr": SNR, "density_per_mm3": 1e4}, own])).artifacts["place_neurons"]
    plain = plan(scene_spec([{"density_per_mm3": 1e4}, own])).artifacts["place_neurons"]
    second = both.population == 1
    assert second.any()
    np.testing.assert_array_equal(both.brightness[second], plain.brightness[second])
    np.testing.assert_array_equal(both.center_um, plain.center_um)
    assert not np.isclose(both.brightness, plain.brightness)[~second].any()


def test_the_rest_of_the_scene_is_as_without_a_target():
    aimed = plan(scene_spec())
    plain = plan(scene_spec([{"depth_um": 60, "thickness_um": 20}]))
    one = aimed.artifacts["cell_activity"]
    other = plain.artifacts["cell_activity"]
    np.testing.assert_array_equal(one.spike_time_s, other.spike_time_s)
    images = [scene.artifacts["cell_optics"].patches.values for scene in (aimed, plain)]
    np.testing.assert_array_equal(*images)
    np.testing.assert_array_equal(aimed.artifacts["neuropil"].temporal, plain.artifacts["neuropil"].temporal)
    np.testing.assert_allclose(one.C / one.baseline[:, None], other.C / other.baseline[:, None], rtol=1e-5)


def test_every_step_is_planned_from_the_brightened_cells():
    """The scene is what planning each step once gives when placement has solved for the brightness."""
    spec = scene_spec()
    scene = plan(spec)
    again = Scene.of(spec, {"place_neurons": scene.artifacts["place_neurons"]})
    np.testing.assert_array_equal(again.paint(0, 5), scene.paint(0, 5))


def test_a_longer_recording_continues_a_shorter_one():
    short = plan(scene_spec(duration_s=1))
    long = plan(scene_spec(duration_s=4))
    np.testing.assert_array_equal(
        short.artifacts["place_neurons"].brightness, long.artifacts["place_neurons"].brightness
    )
    np.testing.assert_array_equal(short.paint(), long.paint(0, short.n_frames))


def test_any_block_on_any_thread_has_the_same_bits():
    whole = plan(scene_spec(duration_s=1)).paint()
    again = plan(scene_spec(duration_s=1))
    np.testing.assert_array_equal(again.paint(13, 20), whole[13:20])
    np.testing.assert_array_equal(again.paint(0, 13, threads=3), whole[:13])


def test_a_cell_that_no_brightness_brings_there_is_told_and_as_bright_as_the_others():
    near = (60.0, 0.0, 0.0)
    far = (1900.0, 20.0, 20.0)
    population = {"snr": SNR, "brightness_cv": 0, "depth_um": 60}
    spec = scene_spec([population], **{"acquisition.focal_depth_um": 60})
    spec = spec.edit({"place_neurons.positions_um": (near, far)})
    with pytest.warns(PlacementWarning, match=r"1 of 2 cells in view of populations\.0 .* to reach snr = 6"):
        recording = simulate(spec)
    cells = recording.truth.cells
    assert cells.snr[0] == pytest.approx(SNR, rel=0.01)
    assert cells.snr[1] < 0.1 * SNR
    assert cells.amplitude[1] == cells.amplitude[0]
    assert len(recording.notes) == 1
    assert np.isfinite(recording.stage("neuropil").values).all()


def test_cells_without_a_response_are_told():
    spec = scene_spec(**{"cell_activity.dff_per_spike": 0})
    with pytest.warns(PlacementWarning, match=r"(\d+) of \1 cells in view"):
        cells = simulate(spec).truth.cells
    assert (cells.snr == 0).all()
    assert 0.3 < cells.amplitude.mean() < 3


@pytest.mark.parametrize("kind", ["sensor", "render"])
def test_a_target_needs_the_steps_that_measure_it(kind):
    with pytest.raises(
        SpecError, match=rf"populations\.0\.snr = 6 .*needs \w+, which no step provides; add '{kind}'"
    ) as caught:
        scene_spec().edit(drop=[kind])
    assert "\n" not in str(caught.value)


def test_no_cells_at_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recording = simulate(scene_spec([{"snr": SNR, "density_per_mm3": 0}]))
    assert recording.truth.n_units == 0
