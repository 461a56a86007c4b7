"""The assertions on simulated recordings: what a read-out of the movie recovers passes, and nulls do not."""

import numpy as np
import pytest
from scipy import ndimage

from pytest_calsim import (
    Estimate,
    RecoveryError,
    Spec,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
    hungarian_match,
    simulate,
)

SIDE = 96
STEPS = ("cell_activity", "cell_optics", "render", "neuropil", "sensor")
CELLS = {"kind": "place_neurons", "populations": [{"thickness_um": 80, "density_per_mm3": 2.5e4}]}


def recording(*more):
    sensor = {"height_px": SIDE, "width_px": SIDE}
    steps = [CELLS, *({"kind": kind} for kind in STEPS), *more]
    return simulate(Spec(acquisition={"duration_s": 20, "image_sensor": sensor}, steps=steps, seed=3))


@pytest.fixture(scope="module")
def still():
    return recording()


@pytest.fixture(scope="module")
def moving():
    return recording({"kind": "brain_motion"})


def read_out(recording):
    """Footprints by least squares of the movie on the true traces: what there is to recover, with its blur."""
    frames = recording.observed.values.astype(np.float32)
    frames -= np.array([ndimage.gaussian_filter(frame, 10) for frame in frames])
    # Those in view come first; the others are too many for so few frames.
    C = recording.truth.C.values[: recording.truth.cells.in_fov.sum()].astype(np.float64)
    weights = np.linalg.lstsq(np.vstack([C, np.ones(C.shape[1])]).T, frames.reshape(len(frames), -1), rcond=None)[0]
    found = []
    for unit in recording.truth.detectable_subset():
        image = ndimage.gaussian_filter(weights[unit].reshape(SIDE, SIDE), 0.5)
        pixels, values = recording.truth.A_observed.unit(unit)
        centre = np.array(divmod(pixels[values.argmax()], SIDE))
        distance = np.hypot(*(np.indices(image.shape) - centre[:, None, None]))
        peak = np.where(distance < 6, image, 0)
        islands, _ = ndimage.label((image > 0.2 * peak.max()) & (distance < 20))
        found.append(np.where(islands == islands.flat[peak.argmax()], image, 0).clip(0))
    return np.array(found)


@pytest.fixture(scope="module")
def estimate(still):
    return read_out(still)


def test_what_the_movie_holds_passes(still, estimate):
    card = assert_footprints_recovered(estimate, still, min_recall=0.7, min_precision=0.7, min_mean_iou=0.65)
    assert card.as_dict()["footprints.n_counted"] >= 15


def test_recovered_footprints_look_like_the_observed_ones_not_like_the_planted(still, estimate):
    detectable = still.truth.detectable_subset()
    blurred = np.abs(still.truth.cells["defocus_um"].to_numpy()[detectable]) > 15
    assert blurred.sum() >= 5
    iou = {}
    for name in ("A_observed", "A_planted"):
        match = hungarian_match(estimate[blurred], getattr(still.truth, name).select(detectable[blurred]))
        own = match.est == match.true
        iou[name] = match.score[own].sum() / blurred.sum()
    assert iou["A_observed"] > 0.6
    assert iou["A_observed"] > 1.3 * iou["A_planted"]


def test_random_disks_fail(still):
    rng = np.random.default_rng(0)
    y, x = np.indices((SIDE, SIDE))
    at = rng.uniform(0, SIDE, (len(still.truth.detectable_subset()), 2))
    disks = [np.hypot(y - r, x - c) < 3.5 for r, c in at]
    with pytest.raises(RecoveryError):
        assert_footprints_recovered(disks, still, min_recall=0.3, min_precision=0.3)


def test_true_traces_and_spikes_pass_and_shuffled_ones_fail(still, estimate):
    detectable = still.truth.detectable_subset()
    C = still.truth.C.values[detectable]
    S = still.truth.S.values[detectable]
    found = Estimate(estimate, C, S)
    assert_traces_recovered(found, still, min_pearson=0.99)
    assert_spikes_recovered(found, still, min_precision=0.95, min_recall=0.95, tol_frames=0)
    shuffled = Estimate(estimate, np.roll(C, 1, axis=0), np.roll(S, 1, axis=0))
    with pytest.raises(RecoveryError):
        assert_traces_recovered(shuffled, still, min_pearson=0.5)
    with pytest.raises(RecoveryError):
        assert_spikes_recovered(shuffled, still, min_precision=0.7, min_recall=0.7)


def test_zero_motion_fails_on_a_moving_recording_and_passes_on_a_still_one(still, moving):
    zero = np.zeros((still.frames.shape[0], 2))
    assert_shifts_recovered(zero, still, max_rmse_px=0, convention="correction")
    with pytest.raises(RecoveryError, match="zero motion would score"):
        assert_shifts_recovered(zero, moving, max_rmse_px=0.5, convention="correction")
    assert_shifts_recovered(-moving.truth.shifts, moving, max_rmse_px=1e-6, convention="correction", max_offset_px=1e-6)
    assert_shifts_recovered(moving.truth.shifts, moving, max_rmse_px=1e-6, convention="displacement")
