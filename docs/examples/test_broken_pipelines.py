"""Pipelines that were broken on purpose: each is caught by the assertion made for it, and the unbroken one passes.

Every test holds the sound and the broken result against the same bounds.
"""

import numpy as np
import pytest
from light_pipeline import find_cells, infer_spikes, read_traces, register
from scipy import ndimage

from pytest_calsim import (
    Estimate,
    RecoveryError,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
)

FOUND = {"min_recall": 0.8, "min_precision": 0.9, "min_mean_iou": 0.7, "max_offset_px": 0.25}
# What a change of 1 in the truth is in this pipeline's traces: it was measured, and differs much from cell to cell.
TRACED = {"min_pearson": 0.95, "gain": 2, "max_gain_error": 0.7}
# Of five seeds: recalls .78 .88 .77 .92 .76, precisions .83 .83 .84 .77 .77. Whoever asks for more of one gets less of
# the other: dim cells' single spikes are no larger than noise.
SPIKED = {"min_recall": 0.75, "min_precision": 0.75, "tol_frames": 1}


@pytest.fixture(scope="module", params=[0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def recording(request, sim_recording_factory):
    return sim_recording_factory("static", seed=request.param)


@pytest.fixture(scope="module")
def sound(recording):
    pytest.importorskip("oasis", reason="oasis-deconv has no wheels for this Python")
    movie = recording.observed.values
    footprints = find_cells(movie).clip(0)
    traces, spikes = infer_spikes(read_traces(movie, footprints), recording.spec.acquisition.fps)
    return Estimate(A=footprints, C=traces, S=spikes)


def test_the_sound_pipeline_passes(sound, recording):
    assert_footprints_recovered(sound, recording, **FOUND)
    assert_traces_recovered(sound, recording, **TRACED)
    assert_spikes_recovered(sound, recording, **SPIKED)


def test_a_threshold_too_high(recording):
    with pytest.raises(RecoveryError, match=r"^footprints NOT recovered\n  recall .* < 0\.80"):
        assert_footprints_recovered(find_cells(recording.observed, min_peak=12).clip(0), recording, **FOUND)


def test_neighbours_fused(sound, recording):
    images = np.asarray(sound.A)
    centres = np.array([np.argwhere(image).mean(axis=0) for image in images])
    distance = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e9 * np.eye(len(centres))
    fused = [images[i] + images[distance[i].argmin()] for i in range(len(images))]
    with pytest.raises(RecoveryError, match=r"merged with unit \d+ in estimate"):
        assert_footprints_recovered(fused, recording, **FOUND)


def test_half_a_pixel_off(sound, recording):
    off = [ndimage.shift(image, (0.5, 0.5), order=1) for image in np.asarray(sound.A)]
    with pytest.raises(RecoveryError, match=r"offset_px 0\.\d\d > 0\.[23]"):
        assert_footprints_recovered(off, recording, **FOUND)


def test_axes_swapped(sound, recording):
    with pytest.raises(RecoveryError, match="rows and columns are evidently swapped"):
        assert_footprints_recovered(np.asarray(sound.A).transpose(0, 2, 1), recording, **FOUND)


def test_no_background_removed(sound, recording):
    """The traces of raw frames follow the slow glow, which all cells share."""
    pixels = recording.observed.values.reshape(recording.observed.sizes["frame"], -1).astype(float)
    traces = np.linalg.lstsq(np.asarray(sound.A).reshape(sound.n_units, -1).T, pixels.T, rcond=None)[0]
    traces, _ = infer_spikes(traces, recording.spec.acquisition.fps)
    with pytest.raises(RecoveryError, match=r"pearson .* < 0\.95"):
        assert_traces_recovered(Estimate(sound.A, traces), recording, **TRACED)


def test_one_frame_late(sound, recording):
    late = Estimate(sound.A, np.roll(sound.C, 1, axis=1), np.roll(sound.S, 1, axis=1))
    # What is late hits fewer events, of as many: recall and precision fall by one share, and the one that was nearer
    # to its bound crosses it first.
    with pytest.raises(RecoveryError, match=r" 0\.\d\d < 0\.75: events within ± 1 frames") as caught:
        assert_spikes_recovered(late, recording, **SPIKED)
    before = assert_spikes_recovered(sound, recording, **SPIKED).as_dict()
    after = caught.value.scorecard.as_dict()
    shares = [after[name] / before[name] for name in ("spikes.recall", "spikes.precision")]
    assert max(shares) < 0.9
    assert shares[0] == pytest.approx(shares[1])
    with pytest.raises(RecoveryError, match=r"the traces are evidently 1 frame late"):
        assert_traces_recovered(late, recording, **TRACED)


def test_traces_scaled(sound, recording):
    """A correlation sees no scale, and another unit is a common mistake."""
    with pytest.raises(RecoveryError, match=r"gain_error .* > 0\.70"):
        assert_traces_recovered(Estimate(sound.A, 3 * sound.C), recording, **TRACED)


def test_units_shuffled(sound, recording):
    shuffled = Estimate(sound.A, np.roll(sound.C, 1, axis=0), np.roll(sound.S, 1, axis=0))
    with pytest.raises(RecoveryError, match="the rows are evidently in another order than the footprints"):
        assert_traces_recovered(shuffled, recording, **TRACED)
    with pytest.raises(RecoveryError, match="precision"):
        assert_spikes_recovered(shuffled, recording, **SPIKED)


@pytest.mark.sim("moving")
def test_sign_flipped_and_columns_swapped(sim_recording):
    correction = register(sim_recording.observed)
    bounds = {"max_rmse_px": 0.2, "convention": "correction"}
    assert_shifts_recovered(correction, sim_recording, **bounds)
    with pytest.raises(RecoveryError, match="the sign is evidently the opposite"):
        assert_shifts_recovered(-correction, sim_recording, **bounds)
    with pytest.raises(RecoveryError, match=r"the columns are evidently \(width, height\)"):
        assert_shifts_recovered(correction[:, ::-1], sim_recording, **bounds)
