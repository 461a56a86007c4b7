"""What could not be simulated is refused when the spec is made, in one line that says what to do."""

import numpy as np
import pytest

from pytest_calsim.errors import SpecError
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.presets import load_preset
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells.bleaching import Bleaching
from pytest_calsim.steps.step import SpecContext

NOTHING_DRAWN = {"brain_motion.random_walk": None, "brain_motion.oscillator": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # activity
        ({"cell_activity.rise_s": 0.5, "cell_activity.decay_s": 0.5}, "rise_s = 0.5 must be below decay_s = 0.5"),
        ({"cell_activity.rise_s": 0.5}, "rise_s = 0.5 must be below decay_s = 0.178"),
        ({"cell_activity.active_rate_hz": 100, "cell_activity.refractory_s": 0.01}, "lower it to 0.009 or less"),
        ({"cell_activity.active_rate_hz": 5e-324}, "active_rate_hz = 5e-324"),
        ({"cell_activity.saturation": {"kd_nm": 1e4, "hill_coefficient": 8, "spike_nm": 1}}, "bring kd_nm nearer"),
        # probabilities and shares
        ({"place_neurons.populations.0.labelled_fraction": 1.1}, "labelled_fraction = 1.1: input should be less than"),
        ({"place_neurons.populations.0.labelled_fraction": -0.1}, "labelled_fraction = -0.1"),
        ({"acquisition.image_sensor.hot_pixel_fraction": 2}, "hot_pixel_fraction = 2"),
        ({"acquisition.image_sensor.quantum_efficiency": 1.01}, "quantum_efficiency = 1.01"),
        ({"vignette.corner_fraction": 1.5}, "vignette.corner_fraction = 1.5"),
        ({"neuropil.components.0.activity_fraction": -1}, "activity_fraction = -1"),
        # motion
        (
            NOTHING_DRAWN | {"brain_motion.trajectory_um": [(0, 0)] * 599},
            "599 pairs for 600 frames; give one a frame, or",
        ),
        (
            NOTHING_DRAWN
            | {"brain_motion.trajectory_um": [(0, 0), (1, 1)], "brain_motion.trajectory_time_s": [0, 29.9]},
            "trajectory_time_s spans 0 to 29.9 s; cover the recording, 0 to 30 s",
        ),
        (
            NOTHING_DRAWN | {"brain_motion.trajectory_um": [(0, 0), (0, -10.5)] * 300},
            "trajectory_um reaches 10.5 um, beyond max_shift_um = 10; raise max_shift_um",
        ),
        (
            NOTHING_DRAWN
            | {
                "brain_motion.trajectory_um": [(0, 0), (1, 0), (2, 0)],
                "brain_motion.trajectory_time_s": [0, 1e-300, 40],
            },
            "trajectory_time_s[0:2] = 0, 1e-300 must ascend, by 1e-06 s or more",
        ),
        ({"brain_motion.trajectory_um": [(0, 0)] * 600}, "trajectory_um is the whole motion; set random_walk and"),
        ({"brain_motion.max_shift_um": 300}, "max_shift_um = 300 exceeds the field of view (211.9 um); keep it below"),
        # positions
        ({"place_neurons.populations.0.depth_um": 5}, "reaches 5 um above the tissue's surface; lower thickness_um"),
        ({"place_neurons.populations": [{}], "place_neurons.positions_um": [(-1, 0, 0)]}, "has depth z = -1.0 um"),
        (
            {"place_neurons.populations": [{}], "place_neurons.positions_um": [(9, 0, 0), (9, 0, 300)]},
            "positions_um[1] lies off the tissue: (y, x) = (0.0, 300.0) um from the optical axis",
        ),
        ({"place_neurons.positions_um": [(9, 0, 0)]}, "of one population, and 2 are given; keep one"),
        (
            {"acquisition.optics.magnification": 40, "place_neurons.populations.1.soma_radius_um": 8},
            "populations.1: soma_radius_um = 8: a soma of 16 um is larger than the field of view, ",
        ),
        # instrument
        ({"acquisition.optics.field_curvature_radius_um": 149.8}, "must exceed the corner of the field of view, 149.8"),
        ({"acquisition.image_sensor.black_level_adu": 1023}, "must stay below the ADC's top code 1023"),
        ({"acquisition.image_sensor.bit_depth": 12}, "bit_depth = 12 must not exceed adc_bit_depth = 10"),
        ({"acquisition.optics.na": 1.2, "acquisition.optics.refractive_index": 1.2}, "must stay below 0.95 x"),
        ({"acquisition.duration_s": 0.01}, "holds no whole frame; give at least 0.05 s"),
        ({"acquisition.focal_depth_um": "Auto"}, "focal_depth_um"),
        ({"seed": -1}, "seed = -1"),
        ({"sensor.photon_rate_per_s_um2": float("nan")}, "photon_rate_per_s_um2 = nan"),
        ({"leakage.level": float("inf")}, "leakage.level = inf"),
    ],
)
def test_refused_in_one_line(change, message):
    with pytest.raises(SpecError) as caught:
        load_preset("moving", overrides=change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"place_neurons.populations.0.density_per_mm3": 1e6},
            "ask for 46581 cells in and around the field of view, and at most 20000",
        ),
        ({"acquisition.fps": 1000, "acquisition.duration_s": 1e5}, "holds 100000000 frames, and at most 10000000"),
        ({"acquisition.duration_s": 4e5}, "acquisition.duration_s = 400000.0"),
        (
            {"acquisition.fps": 90, "acquisition.duration_s": 9e4, "cell_activity.quiescent_rate_hz": 90},
            "'cell_activity' alone",
        ),
        (
            {
                "acquisition.image_sensor.height_px": 8192,
                "acquisition.image_sensor.width_px": 8192,
                "acquisition.optics.field_curvature_radius_um": None,
                "acquisition.optics.magnification": 20,
                "brain_motion.max_shift_um": 1900,
                "place_neurons.populations.0.density_per_mm3": 1000,
                "background_cells.populations": [{"density_per_mm3": 1000}],
            },
            "'vasculature' alone",
        ),
    ],
)
def test_more_than_memory_holds_is_refused(change, message):
    with pytest.raises(SpecError) as caught:
        load_preset("miniscope_v4_ca1", overrides=change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_hour_of_a_thousand_cells_is_not_too_much():
    spec = load_preset("miniscope_v4_ca1", overrides={"acquisition.fps": 30, "acquisition.duration_s": 3600})
    assert spec.acquisition.n_frames == 108_000


def test_the_sizes_foreseen_are_those_planned():
    blurred = {"acquisition.duration_s": 200, "background_cells.least_disk_um": 10}
    spec = load_preset("static", overrides=blurred, add=[{"kind": "bleaching"}])
    spec = spec.edit(add=[{"kind": "vasculature"}])
    planned = plan(spec).artifacts
    context = SpecContext(spec.acquisition, spec.canvas, frozenset())
    n_cells = spec.step("place_neurons").cost(context).n_cells
    assert n_cells == pytest.approx(len(planned["place_neurons"]), abs=4 * n_cells**0.5)

    def foreseen(kind):
        cost = spec.step(kind).cost(context)
        return cost.fixed_bytes + n_cells * cost.bytes_per_cell

    # How many cells there are is random; what each takes is not.
    n_placed = len(planned["place_neurons"])
    activity = planned["cell_activity"]
    neuropil = planned["neuropil"]
    checkpoints = sum(part.nbytes for state in activity.traces.checkpoints for part in state)
    # Spikes, too, are random, by as much as they differ from cell to cell: the rest is exact.
    spikes = np.diff(activity.spike_start) * 8.0
    foreseen_spikes = n_placed * spec.step("cell_activity").cost(context).bytes_per_cell - checkpoints
    assert foreseen_spikes == pytest.approx(spikes.sum(), abs=4 * spikes.std() * n_placed**0.5)
    fading = sum(values.nbytes for values in planned["bleaching"].cells[:3])
    assert n_placed * spec.step("bleaching").cost(context).bytes_per_cell == pytest.approx(fading, rel=0.1)
    layers = neuropil.spatial.nbytes + neuropil.temporal.nbytes
    patches = sum(images.patches.values.nbytes for images in neuropil.spline_images)
    courses = 2 * neuropil.gains(0, 80).nbytes  # of a window
    assert 1 <= foreseen("neuropil") / (layers + patches + courses) < 5
    background = planned["background_cells"]
    images = sum(images.patches.values.nbytes for images in background.spline_images)
    assert 1 <= foreseen("background_cells") / (images + 4 * background.gains(0, 60).nbytes) < 5
    assert 1 <= foreseen("vasculature") / planned["vasculature"].clear.nbytes < 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overrides": 3}, "overrides = 3 must be a dict of values by dotted path"),
        ({"overrides": [("acquisition.fps", 3)]}, "overrides = [('acquisition.fps', 3)] must be a dict"),
        ({"add": "bleaching"}, "add = 'bleaching' must be a list, such as ['sensor']"),
        ({"add": {"kind": "bleaching"}}, "add = {'kind': 'bleaching'} must be a list"),
        ({"add": Bleaching()}, "must be a list"),
        ({"add": 3}, "add = 3 must be a list"),
        ({"drop": "leakage"}, "drop = 'leakage' must be a list"),
        ({"drop": None}, "drop = None must be a list"),
    ],
)
def test_a_change_in_another_form_is_told_the_right_one(change, message):
    for call in (lambda: load_preset("moving", **change), lambda: load_preset("moving").edit(**change)):
        with pytest.raises(SpecError) as caught:
            call()
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"steps": [{"kind": "leakage", "levle": 1}]}, "leakage.levle: no such field; did you mean 'level'?"),
        ({"steps": [{"kind": "sensor", "xyz": 1}]}, "sensor.xyz: no such field; known: photon_rate_per_s_um2"),
        ({"acquisition": {"optics": {"nna": 0.2}}}, "acquisition.optics.nna: no such field; did you mean 'na'?"),
        ({"sed": 3}, "sed: no such field; did you mean 'seed'?"),
        (
            {"steps": [{"kind": "place_neurons", "populations": [{}, {"z_um": 3, "depth": 9}]}]},
            "place_neurons.populations.1.z_um: no such field; ",
        ),
        (
            {"steps": [{"kind": "vasculature", "more_layers": [{"depths_um": 3}]}]},
            "vasculature.more_layers.0.depths_um: no such field; did you mean ",
        ),
        (3, "Spec = 3: input should be a valid dictionary"),
        ({"steps": [{"kind": "place_neurons", "positions_um": [["x" * 999] * 3]}]}, "xxx... (str): input should be"),
    ],
)
def test_wrong_data_are_told_the_nearest_field(data, message):
    with pytest.raises(SpecError) as caught:
        Spec.make(data)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_first_try_with_nothing_but_cells_is_told_what_to_add():
    with pytest.raises(SpecError, match=r"needs Activity.*add 'cell_activity'"):
        Spec.make({"steps": [{"kind": k} for k in ("place_neurons", "cell_optics", "render")]})


def test_the_very_limits_simulate():
    """Just inside what is refused above."""
    spec = load_preset(
        "tiny",
        overrides={
            "acquisition.duration_s": 0.5,
            "acquisition.optics.field_curvature_radius_um": 75.0,
            "acquisition.image_sensor.bit_depth": 4,
            "cell_activity.rise_s": 0.178,
            "cell_activity.active_rate_hz": 90,
            "cell_activity.refractory_s": 0.01,
            "place_neurons.populations.1.thickness_um": 460,
        },
    )
    assert simulate(spec).observed.values.max() <= 15
