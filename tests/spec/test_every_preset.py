"""Every preset simulates, with warnings as errors and no filters."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from skimage.registration import phase_cross_correlation

from pytest_calsim import assert_shifts_recovered
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.presets import load_preset, preset_names

# Nearly black on purpose.
DARK = {"miniscope_v4_ca1_dim", "clean", "clean_moving"}

# Read in blocks: a full recording of 608 x 608 pixels is larger than these tests should be.
BLOCK = 30


def asked_for(spec, area_um2):
    """Cells in an area, by the formula of docs/physics.md: density x area x max(thickness, soma) x labelled."""
    return sum(
        p.density_per_mm3 * p.labelled_fraction * area_um2 * max(p.thickness_um, 2 * p.soma_radius_um) * 1e-9
        for p in spec.step("place_neurons").populations
    )


def check(recording: Recording, dark: bool) -> None:
    spec = recording.spec
    truth = recording.truth
    sensor = spec.acquisition.image_sensor
    cells = truth.cells
    assert recording.notes == ()
    exact = [p.n_cells for p in spec.step("place_neurons").populations]
    if None in exact:
        expected = asked_for(spec, np.prod(spec.acquisition.field_size_um))
        # A count from a density is random, so that a larger sensor or another margin shows the same cells and
        # more (docs/physics.md, "Where"). Cells that keep apart vary less than a Poisson count: within four of its
        # deviations.
        assert cells.in_fov.sum() == pytest.approx(expected, abs=4 * expected**0.5)
    else:
        assert cells.in_fov.sum() == sum(exact)
    assert cells.detectable.sum() > 0
    assert all(np.isfinite(truth.arrays[name].values).all() for name in truth.names if not name.startswith("A_"))

    shape = spec.acquisition.n_frames, sensor.height_px, sensor.width_px
    dtype = np.uint8 if sensor.bit_depth <= 8 else np.uint16
    assert (recording.observed.shape, recording.observed.dtype) == (shape, dtype)
    total = 0.0
    for start in range(0, shape[0], BLOCK):
        block = recording.observed[start : start + BLOCK].values
        assert block.max() < 2**sensor.bit_depth
        assert np.mean(block == 2**sensor.bit_depth - 1) < 1e-3
        total += block.sum(dtype=np.float64)
    mean = total / np.prod(shape)
    if sensor.bit_depth == 8:
        assert 40 < mean < 160 if not dark else sensor.black_level_adu / 4 <= mean < 40
    for stage in recording.stages[:-1]:
        assert np.isfinite(recording.stage(stage, frames=slice(0, 1)).values).all()


@pytest.mark.parametrize("name", preset_names())
def test_one_second_is_finite_and_in_range(name):
    check(simulate(load_preset(name, overrides={"acquisition.duration_s": 1})), name in DARK)


@pytest.mark.slow
@pytest.mark.parametrize("name", preset_names())
def test_the_full_length_is_finite_and_in_range(name):
    check(simulate(load_preset(name)), name in DARK)


def test_miniscope_v4_ca1_has_some_970_cells_in_view():
    spec = load_preset("miniscope_v4_ca1")
    assert spec.acquisition.image_sensor.height_px == spec.acquisition.image_sensor.width_px == 608
    cells = spec.step("place_neurons").sample(spec.acquisition, spec.seed, spec.canvas)
    assert 850 <= cells.in_fov.sum() <= 1100
    assert asked_for(spec, (608 * 4.8 / 2.9) ** 2) == pytest.approx(972, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_clean_presets_show_twenty_cells_and_nothing_else(seed):
    still, moving = (load_preset(name, seed=seed) for name in ("clean", "clean_moving"))
    assert set(still.kinds) == {"place_neurons", "cell_activity", "cell_optics", "render", "sensor"}
    assert set(moving.kinds) - set(still.kinds) == {"brain_motion"}
    recording = simulate(still)
    cells = recording.truth.cells
    seen = cells[cells.in_fov]
    assert len(seen) == 20
    assert pdist(seen[["depth_um", "y_um", "x_um"]]).min() >= 40
    assert seen.detectable.mean() >= 0.95  # a cell on the very rim shows little of itself
    shown = simulate(moving).truth.cells
    assert shown.in_fov.sum() == 20
    assert shown[shown.in_fov].y_um.tolist() == seen.y_um.tolist()
    dark = recording.observed.values[:, ~np.asarray(recording.truth.A_observed[:]).any(axis=0)]
    assert dark.mean() == pytest.approx(still.acquisition.image_sensor.black_level_adu / 4, abs=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_raw_frames_of_clean_moving_can_be_registered(seed):
    """Plain cross-correlation with one frame, and no preprocessing: nothing in the picture stays put."""
    recording = simulate(load_preset("clean_moving", seed=seed))
    movie = recording.observed.values.astype(np.float32)
    shifts = [phase_cross_correlation(movie[0], f, upsample_factor=20, normalization=None)[0] for f in movie]
    assert_shifts_recovered(np.array(shifts), recording, max_rmse_px=0.1, convention="correction")
