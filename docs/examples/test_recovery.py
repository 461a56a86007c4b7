"""The example recovery suite: real tools, asked to recover what was planted."""

import numpy as np
import pytest
from light_pipeline import find_cells, register, register_wrongly, spikes, traces

from pytest_calsim import (
    RecoveryError,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
)


@pytest.mark.sim("moving")
def test_registration(sim_recording):
    shifts = register(sim_recording.observed)
    assert_shifts_recovered(shifts, sim_recording, max_rmse_px=0.5, convention="correction")


@pytest.mark.sim("moving")
def test_registration_with_defaults_on_raw_frames_is_caught(sim_recording):
    shifts = register_wrongly(sim_recording.observed.values)
    with pytest.raises(RecoveryError, match="RMSE"):
        assert_shifts_recovered(shifts, sim_recording, max_rmse_px=0.5, convention="correction")


@pytest.mark.sim("moving")
def test_doing_nothing_is_caught(sim_recording):
    with pytest.raises(RecoveryError):
        nothing = np.zeros((sim_recording.observed.sizes["frame"], 2))
        assert_shifts_recovered(nothing, sim_recording, max_rmse_px=0.5, convention="correction")


@pytest.fixture(scope="module")
def found(sim_recording_factory):
    """One slow run of the pipeline, several assertions."""
    recording = sim_recording_factory("static")
    footprints = find_cells(recording.observed.values)
    fluorescence = traces(recording.observed.values, footprints)
    return recording, footprints, fluorescence


def test_cells(found):
    recording, footprints, _ = found
    assert_footprints_recovered(footprints, recording, min_recall=0.8, min_precision=0.8, min_iou=0.3)


def test_traces(found):
    recording, footprints, fluorescence = found
    assert_traces_recovered(fluorescence, recording, footprints=footprints, min_pearson=0.7)


def test_spikes(found):
    recording, footprints, fluorescence = found
    assert_spikes_recovered(spikes(fluorescence), recording, footprints=footprints, min_recall=0.5, min_precision=0.5)
