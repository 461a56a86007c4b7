"""Every preset simulates, with warnings as errors and no filters."""

import numpy as np
import pytest

from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.presets import load_preset, preset_names

# Nearly black on purpose.
DIM = {"miniscope_v4_ca1_dim"}

# Read in blocks: a full recording of 608 x 608 pixels is larger than these tests should be.
BLOCK = 30


def asked_for(spec, area_um2):
    """Cells in an area, by the formula of docs/physics.md: density x area x max(thickness, soma) x labelled."""
    return sum(
        p.density_per_mm3 * p.labelled_fraction * area_um2 * max(p.thickness_um, 2 * p.soma_radius_um) * 1e-9
        for p in spec.step("place_neurons").populations
    )


def check(recording: Recording, dim: bool) -> None:
    spec = recording.spec
    truth = recording.truth
    sensor = spec.acquisition.image_sensor
    cells = truth.cells
    assert recording.notes == ()
    expected = asked_for(spec, np.prod(spec.acquisition.field_size_um))
    assert cells.in_fov.sum() == pytest.approx(expected, abs=4 * expected**0.5)  # a count from a density is random
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
        assert 40 < mean < 160 if not dim else sensor.black_level_adu / 4 < mean < 40
    for stage in recording.stages[:-1]:
        assert np.isfinite(recording.stage(stage, frames=slice(0, 1)).values).all()


@pytest.mark.parametrize("name", preset_names())
def test_one_second(name):
    check(simulate(load_preset(name, overrides={"acquisition.duration_s": 1})), name in DIM)


@pytest.mark.slow
@pytest.mark.parametrize("name", preset_names())
def test_full_length(name):
    check(simulate(load_preset(name)), name in DIM)


def test_miniscope_v4_ca1_has_some_970_cells_in_view():
    spec = load_preset("miniscope_v4_ca1")
    assert spec.acquisition.image_sensor.height_px == spec.acquisition.image_sensor.width_px == 608
    cells = spec.step("place_neurons").sample(spec.acquisition, spec.seed, spec.canvas)
    assert 850 <= cells.in_fov.sum() <= 1100
    assert asked_for(spec, (608 * 4.8 / 2.9) ** 2) == pytest.approx(972, abs=1)
