"""Verdicts on cells against the same arithmetic on dense pictures, and against filters on rendered frames."""

import warnings

import numpy as np
import pytest
from brute_force import Bench
from scipy import ndimage

from pytest_calsim import load_preset, simulate
from pytest_calsim.errors import PlacementWarning
from pytest_calsim.simulation import detectability
from pytest_calsim.simulation.detectability import (
    DETECTION_RULE,
    LOCAL_BACKGROUND_UM,
    assess_cells,
    share_without_background,
    snr,
)
from pytest_calsim.simulation.planning import plan
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells

CHIP = "acquisition.image_sensor"
CROP = {f"{CHIP}.height_px": 224, f"{CHIP}.width_px": 224}
LONE = {"place_neurons.populations": ({},), "place_neurons.positions_um": ((110.0, 0.0, 0.0),)}


def test_blocks_of_any_size_give_the_same_verdicts(monkeypatch):
    spec = load_preset("moving").edit({"acquisition.duration_s": 1})
    whole = assess_cells(plan(spec))
    monkeypatch.setattr(detectability, "_BLOCK_VALUES", 1000)
    monkeypatch.setattr(detectability, "_BLOCK_FRAMES", 7)
    parts = assess_cells(plan(spec))
    for name, column in whole.items():
        np.testing.assert_allclose(parts[name].values, column.values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_overlap_is_the_largest_cosine_with_another_observed_footprint():
    spec = load_preset("moving").edit({"acquisition.duration_s": 1, "place_neurons.populations.0.min_distance_um": 5})
    truth = simulate(spec).truth
    dense = np.asarray(truth.A_observed, float).reshape(truth.n_units, -1)
    norm = np.linalg.norm(dense, axis=1)
    unit = dense / np.where(norm > 0, norm, 1)[:, None]
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0)
    np.testing.assert_allclose(truth.cells.overlap, cosines.max(axis=1), rtol=1e-5)
    assert (norm == 0).any()
    assert truth.cells.overlap.max() > 0.5


def test_a_lone_cell_overlaps_none():
    assert simulate(load_preset("tiny").edit(LONE)).truth.cells.overlap.tolist() == [0]


def test_patches_of_neuropil_fluctuate_as_well():
    less, more = (
        assess_cells(plan(load_preset("static").edit({"neuropil.local.fluctuation": share})))["background_fluctuation"]
        for share in (0.01, 0.04)
    )
    seen = less.values > 0
    assert seen.any()
    assert (more.values[seen] > less.values[seen]).all()


def test_background_fluctuation_is_that_of_the_neuropil_that_is_painted():
    """Patches are expected to fluctuate as declared; over a long recording and all cells they do."""
    spec = load_preset("static").edit({"acquisition.duration_s": 120, "acquisition.fps": 10})
    scene = plan(spec.edit(drop=["background_cells"]))
    found = assess_cells(scene)["background_fluctuation"].values
    images = scene.require(CellImages)
    activity = scene.require(Activity)
    neuropil = scene.paint(until="neuropil") - scene.paint(until="render")
    under = neuropil.reshape(scene.n_frames, -1) @ images.observed.csr.T.astype(np.float32)
    signal = activity.typical_transient * images.sums(np.ones(scene.canvas.sensor_shape), squared=True)
    seen = scene.require(Cells).in_fov & (images.fov_fraction > 0.9)
    relative = under[:, seen].std(axis=0) / signal[seen]
    np.testing.assert_allclose(np.median(found[seen]), np.median(relative), rtol=0.15)


# --- snr is what a filter on rendered frames reaches ------------------------------------------------------------------


def median_ratio(name, overrides=None):
    crop = {} if name in ("static", "moving", "tiny") else CROP
    scene = plan(load_preset(name).edit({**crop, "acquisition.duration_s": 1, **(overrides or {})}))
    return np.median(Bench(scene).ratios(snr(scene), scene.artifacts["cell_activity"].typical_transient))


@pytest.mark.parametrize(
    "overrides",
    [{}, {f"{CHIP}.row_noise_adu": 2, f"{CHIP}.bit_depth": 10}, {"sensor.photon_rate_per_s_um2": 87_000}],
    ids=["8 bit", "10 bit, row noise", "three times the light: saturating"],
)
def test_a_matched_filter_on_frames_reaches_the_declared_snr(overrides):
    assert median_ratio("static", overrides) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("light", [1, 3])
@pytest.mark.parametrize(
    "name",
    [
        "clean",
        "generic_1p_ca1",
        "generic_1p_cortex_l23",
        "grin_low_na_ca1",
        "miniscope_v4_ca1",
        "miniscope_v4_ca1_bleaching",
        "miniscope_v4_ca1_dim",
        "miniscope_v4_ca1_still",
        "miniscope_v4_cortex_l23",
        "moving",
        "static",
        "tiny",
    ],
)
def test_snr_is_reached_on_every_preset_at_its_light_and_three_times_that(name, light):
    brighter = {"sensor.photon_rate_per_s_um2": light * load_preset(name).step("sensor").photon_rate_per_s_um2}
    if (name, light) == ("tiny", 3):  # its pixels are all but full: no cell is left to measure
        assert snr(plan(load_preset(name).edit(brighter))).max() < 0.5
        return
    assert median_ratio(name, brighter) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("row_noise_adu", [0, 0.5, 1, 2])
@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize("name", ["static", "miniscope_v4_ca1_dim"])
def test_snr_is_reached_at_every_depth_and_row_noise(name, bit_depth, row_noise_adu):
    chip = {f"{CHIP}.bit_depth": bit_depth, f"{CHIP}.row_noise_adu": row_noise_adu}
    assert median_ratio(name, chip) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_registration_brings_in_the_fixed_pattern_and_nothing_else():
    """snr is that of frames before registration, which moves PRNU below the tissue."""

    def registered(prnu_fraction):
        scene = plan(load_preset("moving").edit({f"{CHIP}.prnu_fraction": prnu_fraction}))
        bench = Bench(scene, registered=True)
        return np.median(bench.ratios(snr(scene), scene.artifacts["cell_activity"].typical_transient))

    assert registered(0) == pytest.approx(1, abs=0.05)
    assert registered(0.02) < registered(0.01) < 0.95


@pytest.mark.parametrize("worse", [{"bit_depth": 6}, {"row_noise_adu": 4}, {"read_noise_e": 60}, {"full_well_e": 2500}])
def test_every_noise_lowers_every_snr(worse):
    spec = load_preset("tiny")
    before = snr(plan(spec))
    after = snr(plan(spec.edit({f"{CHIP}.{name}": value for name, value in worse.items()})))
    assert (after[before > 0] < before[before > 0]).all()


# --- the largest transient ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("add", [[], [{"kind": "bleaching", "lifetime_s": 3}]], ids=["lasting", "bleaching"])
def test_the_largest_transient_is_that_of_the_truth(add):
    spec = load_preset("tiny").edit({"acquisition.duration_s": 20}, add=add)  # more frames than one block
    recording = simulate(spec)
    C = recording.truth.C.values.astype(float)
    left = 1.0 if recording.truth.bleaching is None else recording.truth.bleaching.values
    rise = ((C - recording.truth.cells.amplitude.to_numpy()[:, None]) * left).max(axis=1)
    np.testing.assert_allclose(recording.truth.cells.largest_transient, np.maximum(rise, 0), rtol=1e-5, atol=1e-6)


def test_a_baseline_that_drifts_is_no_transient():
    drift = {"cell_activity.baseline_fluctuation": 0.3, "cell_activity.baseline_time_constant_s": 2}
    plain, drifting = (plan(load_preset("tiny").edit(changed)) for changed in ({}, drift))
    before, after = (assess_cells(scene)["largest_transient"].values for scene in (plain, drifting))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(snr(drifting), snr(plain))
    silent = {"cell_activity.active_rate_hz": 1e-6, "cell_activity.quiescent_rate_hz": 0}
    cells = simulate(load_preset("tiny").edit({**drift, **silent})).truth.cells
    assert (cells.largest_transient == 0).all()
    assert not cells.detectable.any()


def test_a_longer_recording_shows_larger_transients_and_the_same_snr():
    short, long = (plan(load_preset("tiny").edit({"acquisition.duration_s": s})) for s in (2, 8))
    np.testing.assert_array_equal(snr(short), snr(long))
    before, after = (assess_cells(scene)["largest_transient"].values for scene in (short, long))
    assert (after >= before).all()
    assert (after > before).any()


@pytest.mark.parametrize("brightness", [0.4, 1000], ids=["dim", "bright"])
@pytest.mark.parametrize("add", [[], [{"kind": "bleaching", "lifetime_s": 3}]], ids=["lasting", "bleaching"])
@pytest.mark.filterwarnings("ignore:sensor")  # such bright cells fill the wells
def test_cells_that_never_rise_are_not_detectable(brightness, add):
    silent = {"cell_activity.active_rate_hz": 1e-6, "cell_activity.quiescent_rate_hz": 0}
    bright = {"place_neurons.populations.0.brightness": brightness}
    cells = simulate(load_preset("tiny").edit({**silent, **bright}, add=add)).truth.cells
    assert (cells.largest_transient == 0).all()
    assert (cells.n_spikes == 0).all()
    assert (cells.snr_peak == 0).all()
    assert not cells.detectable.any()


def test_what_a_local_background_leaves_of_each_image():
    scene = plan(load_preset("static").edit({"acquisition.duration_s": 1}))
    images = scene.artifacts["cell_optics"]
    shares = share_without_background(images)
    sigma_px = LOCAL_BACKGROUND_UM / scene.canvas.pixel_size_um
    imaged = np.flatnonzero(images.patches.box[:, 2])
    assert not shares[images.patches.box[:, 2] == 0].any()
    for unit in imaged[::7].tolist():
        image = np.pad(images.patches.patch(unit).values.astype(float), 60)
        left = image - ndimage.gaussian_filter(image, sigma_px, truncate=8)
        assert shares[unit] == pytest.approx(np.linalg.norm(left) / np.linalg.norm(image), rel=1e-3)
    uncut = images.fov_fraction > 0.99
    deep = images.defocus_um > 60
    assert shares[uncut & deep].max() < 0.5 < shares[uncut & ~deep].min()


# --- what neighbours and motion leave of it -------------------------------------------------------------------------


@pytest.mark.parametrize("add", [[], [{"kind": "bleaching", "lifetime_s": 3}]], ids=["lasting", "bleaching"])
def test_light_of_neighbours_is_what_a_reading_of_painted_frames_varies_by_without_the_cell(add):
    crowded = {
        "place_neurons.populations.0.min_distance_um": 4,
        "place_neurons.populations.0.density_per_mm3": 60_000,
        "acquisition.tissue.emission_attenuation_um": 1e5,  # without scattered light
        "acquisition.tissue.excitation_attenuation_um": 1e5,
    }
    fields = ["sensor", "leakage", "illumination", "vignette", "vasculature", "background_cells", "neuropil"]
    spec = load_preset("tiny").edit(crowded, drop=fields, add=add)
    recording = simulate(spec)
    cells = recording.truth.cells
    images = np.asarray(recording.truth.A_observed, float)
    silent = simulate(spec.edit({"cell_activity.active_rate_hz": 1e-6, "cell_activity.quiescent_rate_hz": 0}))
    rises = recording.observed.values.astype(float) - silent.observed.values
    left = 1.0 if recording.truth.bleaching is None else recording.truth.bleaching.values
    own = (recording.truth.C.values.astype(float) - silent.truth.C.values) * left
    typical = plan(spec).require(Activity).typical_transient
    seen = np.flatnonzero(cells.in_fov)
    for i in seen.tolist():
        others = rises - own[i][:, None, None] * images[i]
        reading = np.tensordot(others, images[i], 2) / (images[i] ** 2).sum()
        # A five-hundredth of the light is scattered.
        assert cells.neighbour_fluctuation[i] * typical[i] == pytest.approx(reading.std(), rel=0.02, abs=1e-3)
    assert (cells.neighbour_fluctuation[seen] > 0.1).sum() >= 3


def test_neighbours_only_take_from_the_peak_and_a_lone_cell_keeps_it():
    scene = plan(load_preset("static"))
    found = {name: column.values for name, column in assess_cells(scene).items()}
    alone = snr(scene, found["largest_transient"]) * share_without_background(scene.require(CellImages))
    rises = alone > 0
    of_others = found["neighbour_fluctuation"] * scene.require(Activity).typical_transient
    noise = np.hypot(1 / alone[rises], of_others[rises] / found["largest_transient"][rises])
    np.testing.assert_allclose(found["snr_peak"][rises], 1 / noise, rtol=1e-9)
    lone = plan(load_preset("tiny").edit(LONE))
    cell = {name: column.values for name, column in assess_cells(lone).items()}
    left = share_without_background(lone.require(CellImages))
    assert cell["neighbour_fluctuation"].tolist() == [0]
    np.testing.assert_allclose(cell["snr_peak"], snr(lone, cell["largest_transient"]) * left, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:brain_motion")  # it moves far for so small a field
@pytest.mark.parametrize("whole", [True, False], ids=["whole pixels", "parts of pixels"])
def test_the_shown_fraction_is_what_every_frame_shows(whole):
    path = np.array([(0, 0), (-6, 2), (6, -5), (3, 6)]) * (1 if whole else 0.93)
    spec = load_preset("tiny")
    um = spec.acquisition.pixel_size_um
    motion = {
        "kind": "brain_motion",
        "max_shift_um": 6 * um,
        "trajectory_um": tuple((y * um, x * um) for y, x in path for _ in range(spec.acquisition.n_frames // 4)),
    }
    recording = simulate(spec.edit(add=[motion]))
    shifts = recording.truth.shifts.values
    shape = recording.observed.shape[1:]
    shown = np.ones(shape)
    for y, x in np.unique(shifts, axis=0):
        inside = np.pad(np.ones(shape), 8)
        # The window lies over the tissue against the shift.
        moved = ndimage.shift(inside, (-y, -x), order=1)[8:-8, 8:-8]
        shown = np.minimum(shown, moved)
    squares = np.asarray(recording.truth.A_observed, float) ** 2
    whole_sum = squares.sum(axis=(1, 2))
    expected = np.divide((squares * shown).sum(axis=(1, 2)), whole_sum, out=np.ones(len(squares)), where=whole_sum > 0)
    found = recording.truth.cells.shown_fraction
    np.testing.assert_allclose(found, expected, atol=1e-6 if whole else 0.03)
    assert found.min() < 0.1 < 0.9 < found.max()
    assert (simulate(spec).truth.cells.shown_fraction == 1).all()


@pytest.mark.parametrize(("y_um", "detectable"), [(0, True), (15, False)])
def test_a_cell_that_motion_carries_out_of_view_is_not_detectable(y_um, detectable):
    spec = load_preset("tiny").edit({**LONE, "acquisition.duration_s": 2})
    height = spec.canvas.sensor_shape[0] * spec.acquisition.pixel_size_um / 2
    away = {
        "kind": "brain_motion",
        "max_shift_um": 15,
        "trajectory_um": ((0, 0), (-y_um, 0), (-y_um, 0), (0, 0)),
        "trajectory_time_s": (0, 0.2, 1.6, 2),
    }
    active = {
        "place_neurons.positions_um": ((110.0, 6 - height, 0.0),),
        "cell_activity.spike_times_s": ((0.01,) * 5,),
        "cell_activity.active_rate_hz": 1e-6,
        "cell_activity.quiescent_rate_hz": 0.0,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = simulate(spec.edit(active, add=[away])).truth.cells
    assert cells.in_fov.all()
    assert (cells.snr_peak > 4.85).all()
    assert cells.detectable.tolist() == [detectable]


def test_detectable_is_in_view_with_a_large_enough_peak_and_names_its_rule():
    truth = simulate(load_preset("moving")).truth
    cells = truth.cells
    shown = cells.in_fov & (cells.shown_fraction >= 0.9)
    np.testing.assert_array_equal(cells.detectable, shown & (cells.snr_peak >= 4.85))
    assert 0 < cells.detectable.sum() < (cells.in_fov & (cells.snr_peak >= 4.85)).sum() < len(cells)
    assert int(truth["detection_rule"]) == DETECTION_RULE
    printed = cells.to_string(line_width=80, max_cols=4).splitlines()  # as pandas prints it on a terminal of 80 columns
    assert printed[0].split() == ["snr_peak", "detectable", "...", "y_um", "x_um"]


@pytest.mark.parametrize("drop", ["render", "cell_activity", "sensor"])
def test_a_verdict_that_needs_a_missing_step_is_left_out(drop):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gone = {"cell_activity": ["cell_activity", "render", "background_cells"]}
        spec = load_preset("tiny").edit(drop=gone.get(drop, [drop]))
    cells = simulate(spec).truth.cells
    assert ("detectable" in cells) == (drop == "sensor")
    if drop == "sensor":
        assert np.isinf(cells.snr[cells.n_spikes > 0]).all()


# --- saturation ----------------------------------------------------------------------------------------------------


def test_the_expected_picture_is_what_saturates():
    """No cell alone reaches the full well here: cells and background together do."""
    # Three times its light, by which the median pixel's electrons come to 1.02 full wells.
    bright = load_preset("static").edit({"acquisition.duration_s": 1, "sensor.photon_rate_per_s_um2": 87_000})
    with pytest.warns(
        PlacementWarning, match=r"sensor: [4-6]\d\.\d % of the pixels are saturated with every cell at rest"
    ):
        recording = simulate(bright)
    assert any("saturated" in note for note in recording.notes)
    left = recording.truth.cells.unsaturated_fraction
    assert left.min() < 0.1
    assert left.max() == 1
    before = simulate(load_preset("static")).truth.cells.snr
    full = left < 1e-3
    assert full.sum() > 5
    assert (recording.truth.cells.snr[full] < 0.15 * before[full]).all()


@pytest.mark.parametrize("name", ["static", "moving", "tiny"])
def test_small_presets_do_not_saturate(name):
    recording = simulate(load_preset(name).edit({"acquisition.duration_s": 1}))
    assert not recording.notes
    assert (recording.truth.cells.unsaturated_fraction == 1).all()
