import pytest

from pytest_calsim import Optics, load_preset, sweep
from pytest_calsim.errors import SpecError

TINY = load_preset("tiny")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("place_neurons.populations.0.min_distance_um", 3.0),
        ("place_neurons.populations.0.soma_radius_um", 4.0),
        ("sensor.photon_rate_per_s_um2", 500.0),
    ],
)
def test_steps_before_a_kind_means_the_same(path, value):
    changed = TINY.edit({path: value})
    assert changed != TINY
    assert TINY.edit({f"steps.{path}": value}) == changed


def test_a_whole_step_may_be_given_by_either_path():
    table = {"photon_rate_per_s_um2": 500.0}
    assert TINY.edit({"steps.sensor": table}) == TINY.edit({"sensor": table})


@pytest.mark.parametrize(
    ("table", "paths"),
    [
        ({"acquisition": {"fps": 10}}, {"acquisition.fps": 10}),
        ({"acquisition": {"optics": {"na": 0.2}, "fps": 10}}, {"acquisition.optics.na": 0.2, "acquisition.fps": 10}),
        ({"acquisition.optics": {"na": 0.2}}, {"acquisition.optics.na": 0.2}),
        ({"sensor": {"photon_rate_per_s_um2": 500}}, {"sensor.photon_rate_per_s_um2": 500}),
        ({"steps.sensor": {"photon_rate_per_s_um2": 500}}, {"sensor.photon_rate_per_s_um2": 500}),
        ({"place_neurons.populations.0": {"depth_um": 90}}, {"place_neurons.populations.0.depth_um": 90}),
    ],
)
def test_a_table_leaves_the_fields_that_it_does_not_name(table, paths):
    moving = load_preset("moving")
    assert moving.edit(table) == moving.edit(paths) != moving


def test_a_model_replaces_the_whole():
    changed = TINY.edit({"acquisition.optics": Optics(na=0.2)})
    assert changed.acquisition.optics == Optics(na=0.2)


def test_a_wrong_name_in_a_table_names_the_right_one():
    with pytest.raises(SpecError, match=r"path 'acquisition.fsp': nothing named 'fsp'.*did you mean 'fps'"):
        TINY.edit({"acquisition": {"fsp": 10}})


def test_all_fields_are_listed_by_paths_that_set_them():
    for name in ("tiny", "moving", "miniscope_v4_ca1_bleaching"):
        spec = load_preset(name)
        assert spec.edit(spec.fields()) == spec
    assert load_preset("moving").fields()["brain_motion.oscillator.rms_um"] == 1.2


def test_presets_and_sweeps_take_the_same_paths():
    path = "steps.sensor.photon_rate_per_s_um2"
    assert load_preset("tiny", overrides={path: 500}) == TINY.edit({path: 500})
    assert [spec.step("sensor").photon_rate_per_s_um2 for spec, _ in sweep(TINY, {path: [200, 500]})] == [200, 500]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (
            "steps.place_neurons.populations.0.min_distance",
            "nothing named 'min_distance' under 'place_neurons.populations.0'; did you mean 'min_",
        ),
        ("steps.place_neuron.min_distance_um", "no step 'place_neuron' in this spec; did you mean 'place_neurons'?"),
        ("steps.brain_motion.max_shift_um", "this spec has no step 'brain_motion'; add it first"),
        ("steps.acquisition.fps", "'acquisition' is no step; did you mean 'acquisition.fps'?"),
        ("steps.seed", "'seed' is no step; did you mean 'seed'?"),
        ("steps", "name a step's field, such as 'background_cells'; or add and drop"),
        ("steps.", "no step '' in this spec; known: "),
        ("steps.0.min_distance_um", "no step '0' in this spec; known: "),
        ("acquisition.fps.x", "'acquisition.fps' is a value and has no part 'x'"),
        ("place_neurons.populations.7.snr", "nothing named '7' under 'place_neurons.populations'; known: 0"),
        (7, "must be dotted text such as 'acquisition.fps'"),
    ],
)
def test_a_wrong_path_names_the_right_one(path, line):
    with pytest.raises(SpecError) as caught:
        TINY.edit({path: 1})
    message = str(caught.value)
    assert message.startswith(f"path {path!r}")
    assert line in message
    assert "\n" not in message
