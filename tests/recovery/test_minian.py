"""minian 2.0.2, asked to recover what was planted: ``python tests/recovery/run.py`` makes its environment first."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_calsim import (
    Estimate,
    RecoveryError,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_traces_recovered,
)

pytestmark = [
    pytest.mark.slow,
    # Other people's deprecations are not ours to fail on.
    pytest.mark.filterwarnings("default"),
]
pytest.importorskip("minian", reason="minian needs an environment of its own: python tests/recovery/run.py")

REGISTERED = {"max_rmse_px": 0.5, "convention": "correction"}
FOUND = {"min_recall": 0.85, "min_precision": 0.7, "min_mean_iou": 0.65}


@pytest.mark.sim("moving")
def test_minian_recovers_the_shifts(sim_recording):
    from minian_pipeline import estimate_shifts

    assert_shifts_recovered(estimate_shifts(sim_recording.observed), sim_recording, **REGISTERED)


@pytest.mark.sim("moving")
def test_no_motion_fails_the_bound(sim_recording):
    nothing = np.zeros((sim_recording.observed.sizes["frame"], 2))
    with pytest.raises(RecoveryError) as caught:
        assert_shifts_recovered(nothing, sim_recording, **REGISTERED)
    assert caught.value.scorecard.as_dict()["shifts.rmse_px"] >= 2


@pytest.fixture(scope="module")
def recording(sim_recording_factory):
    return sim_recording_factory("static")


@pytest.fixture(scope="module")
def found(recording, tmp_path_factory):
    """One slow run of CNMF for every assertion on it."""
    from minian_pipeline import find_cells

    return Estimate.from_minian(find_cells(recording.observed, tmp_path_factory.mktemp("minian")))


def test_minian_recovers_the_footprints(found, recording):
    assert_footprints_recovered(found, recording, **FOUND)


def test_minian_recovers_the_traces(found, recording):
    assert_traces_recovered(found, recording, min_pearson=0.8)


def test_random_disks_fail_the_bound(found, recording):
    rng = np.random.default_rng(0)
    height, width = recording.observed.shape[1:]
    row, column = np.indices((height, width))
    centres = rng.uniform((0, 0), (height, width), (found.n_units, 2))
    disks = np.array([np.hypot(row - y, column - x) < 4 for y, x in centres])
    with pytest.raises(RecoveryError, match=r"recall .* < 0\.85"):
        assert_footprints_recovered(disks, recording, **FOUND)


def test_shuffled_traces_fail_the_bound(found, recording):
    shuffled = Estimate(A=found.A, C=np.roll(found.C, 1, axis=0))
    with pytest.raises(RecoveryError, match="pearson"):
        assert_traces_recovered(shuffled, recording, min_pearson=0.8)
