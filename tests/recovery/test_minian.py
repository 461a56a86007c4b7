"""minian 2.0.2, asked to recover what was planted. Run by ``python tests/recovery/run.py``, which makes its environment."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_calsim import RecoveryError, assert_footprints_recovered, assert_shifts_recovered, assert_traces_recovered

pytestmark = [
    pytest.mark.slow,
    # Other people's deprecations are not ours to fail on.
    pytest.mark.filterwarnings("default"),
]
pytest.importorskip("minian", reason="minian needs an environment of its own: python tests/recovery/run.py")


@pytest.mark.sim("moving")
def test_minian_recovers_the_shifts(sim_recording):
    from minian_pipeline import estimate_shifts

    shifts = estimate_shifts(sim_recording.observed)
    assert_shifts_recovered(shifts, sim_recording, max_rmse_px=0.5, convention="correction")


@pytest.mark.sim("moving")
def test_no_motion_fails_the_bound(sim_recording):
    nothing = np.zeros((sim_recording.observed.sizes["frame"], 2))
    with pytest.raises(RecoveryError) as caught:
        assert_shifts_recovered(nothing, sim_recording, max_rmse_px=0.5, convention="correction")
    assert caught.value.scorecard.as_dict()["rmse_px"] >= 2


@pytest.fixture(scope="module")
def recording(sim_recording_factory):
    return sim_recording_factory("static", overrides=SMALL)


SMALL = {
    "acquisition.image_sensor.height_px": 96,
    "acquisition.image_sensor.width_px": 96,
    "acquisition.duration_s": 30,
}


@pytest.fixture(scope="module")
def found(recording, tmp_path_factory):
    """One slow run of CNMF for every assertion on it."""
    from minian_pipeline import cnmf

    return cnmf(recording.observed, tmp_path_factory.mktemp("minian"))


def test_minian_recovers_the_footprints(found, recording):
    assert_footprints_recovered(found["A"], recording, min_recall=0.85, min_precision=0.7, min_mean_iou=0.65)


def test_minian_recovers_the_traces(found, recording):
    assert_traces_recovered(found["C"], recording, footprints=found["A"], min_pearson=0.8)


def test_random_disks_fail_the_bound(found, recording):
    rng = np.random.default_rng(0)
    _, height, width = found["A"].shape
    y, x = np.mgrid[:height, :width]
    disks = np.stack(
        [
            np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width)) < rng.uniform(2.5, 5)
            for _ in range(found.sizes["unit_id"])
        ]
    )
    with pytest.raises(RecoveryError):
        assert_footprints_recovered(disks, recording, min_recall=0.85, min_precision=0.7, min_mean_iou=0.65)
