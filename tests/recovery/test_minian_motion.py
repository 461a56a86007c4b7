"""minian's own tests of ``estimate_motion``, on recordings of this plugin, within minian's own bounds.

Run by ``python tests/recovery/run.py``. There is no conftest.py: the marks say what each test needs.
"""

from __future__ import annotations

import numpy as np
import pytest

from pytest_calsim import RecoveryError, assert_shifts_recovered

pytestmark = [
    pytest.mark.slow,
    # Other people's deprecations are not ours to fail on.
    pytest.mark.filterwarnings("default"),
    pytest.mark.sim("clean_moving"),
]
pytest.importorskip("minian", reason="minian needs an environment of its own: python tests/recovery/run.py")

WITHIN = {"max_rmse_px": 0.25, "max_offset_px": 0.5, "origin": "mean", "convention": "correction"}
PIXEL_UM = 4.8 / 2.9
"""How much tissue a pixel of ``clean_moving`` sees: the Miniscope V4's pitch over its magnification, µm."""

FRAMES = np.arange(120)
RAMP_AND_SINE_PX = np.column_stack([5 * FRAMES / 119, 3 * np.sin(3 * np.pi * FRAMES / 119)])
KNOWN = {
    "kind": "brain_motion",
    "trajectory_um": [tuple(PIXEL_UM * shift) for shift in RAMP_AND_SINE_PX],
    "max_shift_um": 10,
}


def as_movie(recording):
    """Give the movie as minian wants it: float, dask-backed."""
    return recording.observed.astype(np.float32).chunk({"frame": 40})


def estimated(recording):
    from minian.motion_correction import estimate_motion

    return estimate_motion(as_movie(recording), dim="frame").compute()


def test_a_random_walk(sim_recording):
    assert_shifts_recovered(estimated(sim_recording), sim_recording, **WITHIN)


@pytest.mark.sim(seeds=3)
def test_other_random_walks(sim_recording):
    assert_shifts_recovered(estimated(sim_recording), sim_recording, **WITHIN)


@pytest.mark.sim(drop=["brain_motion"], add=[KNOWN])
def test_a_known_trajectory(sim_recording):
    # The truth is what was asked for, so the estimate is held against the formula too.
    np.testing.assert_allclose(sim_recording.truth.shifts, RAMP_AND_SINE_PX, atol=1e-5)
    assert_shifts_recovered(estimated(sim_recording), sim_recording, **WITHIN)


@pytest.mark.sim("clean")
def test_a_still_movie(sim_recording):
    assert sim_recording.truth.shifts is None
    assert_shifts_recovered(estimated(sim_recording), sim_recording, **WITHIN)


def test_correction_sharpens_the_mean(sim_recording):
    from minian.motion_correction import apply_transform

    movie = as_movie(sim_recording)
    corrected = apply_transform(movie, estimated(sim_recording))
    middle = {"height": slice(40, -40), "width": slice(40, -40)}  # what is filled in at the rim is no tissue
    contrast = [float(m.isel(middle).mean("frame").std()) for m in (movie, corrected)]
    assert contrast[1] > contrast[0]


def test_the_opposite_sign_fails_the_bound(sim_recording):
    with pytest.raises(RecoveryError, match="rmse_px"):
        assert_shifts_recovered(-estimated(sim_recording), sim_recording, **WITHIN)
