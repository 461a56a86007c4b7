"""An estimate on a background cell, out of focus, is neither true nor false; nothing else is forgiven by that."""

import numpy as np
import pytest

from pytest_calsim import Estimate, RecoveryError, assert_footprints_recovered, compare, load_preset, score, simulate
from pytest_calsim.steps.background.background_cells import BackgroundCellLight

BLURRED = {"background_cells.least_disk_um": 10, "acquisition.duration_s": 20}


class Scene:
    """A recording with background cells, what is true of it, and disks where they are."""

    def __init__(self, preset):
        self.recording = simulate(load_preset(preset, overrides=BLURRED))
        light = self.recording.scene.find(BackgroundCellLight)
        truth = self.recording.truth
        n_frames, height, width = self.recording.frames.shape
        acquisition = self.recording.spec.acquisition
        self.row = light.center_um[:, 1] / acquisition.pixel_size_um + (height - 1) / 2
        self.column = light.center_um[:, 2] / acquisition.pixel_size_um + (width - 1) / 2
        slope = acquisition.optics.na / np.sqrt(acquisition.optics.refractive_index**2 - acquisition.optics.na**2)
        self.radius = np.abs(light.defocus_um) * slope / acquisition.pixel_size_um
        self.courses = light.gains(0, n_frames)
        inside = (self.row > 12) & (self.row < height - 13) & (self.column > 12) & (self.column < width - 13)
        self.small = np.flatnonzero(inside & (self.radius < 12) & (self.courses.std(axis=1) > 0))
        self.found = truth.detectable_subset()
        self.A = np.asarray(truth.A_observed[self.found])
        self.C = truth.C.values[self.found]

    def disks(self, cells, scale=1.0, by=(0, 0)):
        y, x = np.indices(self.recording.frames.shape[1:])
        at = zip(self.row[cells] + by[0], self.column[cells] + by[1], scale * self.radius[cells], strict=True)
        return np.array([np.hypot(y - row, x - column) <= radius for row, column, radius in at], float)

    def estimate(self, extra, traces=None):
        """All detectable cells, and something more."""
        C = None if traces is None else np.concatenate([self.C, traces])
        return Estimate(np.concatenate([self.A, extra]), C)

    def numbers(self, *args):
        flat = score(self.estimate(*args), self.recording).as_dict()
        return flat["footprints.n_on_background_cells"], flat["footprints.precision"]


@pytest.fixture(scope="module")
def scene():
    return Scene("static")


def noisy(courses, amount=0.5):
    return courses + amount * courses.std(axis=1, keepdims=True) * np.random.default_rng(0).normal(size=courses.shape)


def test_a_footprint_in_the_disk_whose_trace_follows_the_cell_is_neither_true_nor_false(scene):
    cells = scene.small[:8]
    small = scene.disks(cells, scale=0.5, by=(1, -1))  # pipelines find the middle of a disk
    assert scene.numbers(small, noisy(scene.courses[cells])) == (8, 1)


def test_without_traces_the_whole_disk_is_and_a_part_of_it_is_not(scene):
    cells = scene.small[:8]
    n, precision = scene.numbers(scene.disks(cells))
    assert n >= 6  # two disks may lie on one another, and one of them have two estimates
    assert precision == len(scene.found) / (len(scene.found) + 8 - n)
    assert scene.numbers(scene.disks(cells, scale=0.5)) == (0, len(scene.found) / (len(scene.found) + 8))


@pytest.mark.parametrize(
    "traces",
    [
        lambda scene, cells: scene.courses[np.roll(scene.small[8:24], 3)[:8]],
        lambda scene, cells: -scene.courses[cells],
        lambda scene, cells: np.random.default_rng(1).normal(size=(8, scene.courses.shape[1])),
        lambda scene, cells: np.ones((8, scene.courses.shape[1])),
        lambda scene, cells: np.roll(scene.courses[cells], 60, axis=1),
        lambda scene, cells: scene.C[:8],
    ],
    ids=["of others", "upside down", "of noise", "constant", "late", "of cells in focus"],
)
def test_a_trace_that_follows_something_else_makes_it_false(scene, traces):
    cells = scene.small[:8]
    n, precision = scene.numbers(scene.disks(cells), traces(scene, cells))
    assert n <= 1  # an unrelated trace correlates by 0.5 once in a while
    assert precision <= len(scene.found) / (len(scene.found) + 7)


def test_a_trace_without_the_place_makes_it_false(scene):
    cells = scene.small[:8]
    far = np.array([np.hypot(scene.row - r, scene.column - c) for r, c in zip(scene.row, scene.column, strict=True)])
    elsewhere = [int(np.flatnonzero(far[cell] > 40)[0]) for cell in cells]
    places = scene.disks([cell for cell in elsewhere if cell in scene.small] or scene.small[-8:], scale=0.5)
    n, _ = scene.numbers(places, scene.courses[cells][: len(places)])
    assert n <= 1


def test_random_blobs_are_not_forgiven(scene):
    rng = np.random.default_rng(2)
    y, x = np.indices(scene.recording.frames.shape[1:])
    at = rng.uniform(0, 128, (60, 2))
    blobs = np.array(
        [
            np.hypot(y - row, x - column) <= radius
            for (row, column), radius in zip(at, rng.uniform(3, 8, 60), strict=True)
        ],
        float,
    )
    for traces in (None, rng.normal(size=(60, scene.courses.shape[1]))):
        n, precision = scene.numbers(blobs, traces)
        assert n <= 6  # of disks about as large as those of background cells, one in ten lies on one
        assert precision < 0.35
    with pytest.raises(RecoveryError, match="precision"):
        assert_footprints_recovered(scene.estimate(blobs), scene.recording, min_recall=1, min_precision=0.5)


def test_one_estimate_on_each(scene):
    # One on whose disk no other lies that happens to be active at the same time.
    apart = np.hypot(scene.row[:, None] - scene.row[scene.small], scene.column[:, None] - scene.column[scene.small])
    alone = (apart <= scene.radius[:, None]).sum(axis=0) == 1
    cell = scene.small[alone][:1]
    twice = np.concatenate([scene.disks(cell, scale=0.5), scene.disks(cell, scale=0.6)])
    n, precision = scene.numbers(twice, np.repeat(scene.courses[cell], 2, axis=0))
    assert n == 1
    assert precision == len(scene.found) / (len(scene.found) + 1)


def test_the_message_says_how_many(scene):
    cells = scene.small[:2]
    found = scene.estimate(scene.disks(cells, scale=0.5), scene.courses[cells])
    card = assert_footprints_recovered(found, scene.recording, min_recall=1, min_precision=1)
    assert "2 estimates lie on cells of the background, out of focus, and are ignored" in str(card)
    assert len(compare(found, scene.recording).spurious) == 0
    assert set(compare(found, scene.recording).ignored) == {found.n_units - 2, found.n_units - 1}


def test_they_are_looked_for_in_the_estimate_s_own_frame():
    scene = Scene("moving")
    truth = scene.recording.truth
    carried_out = np.asarray(truth.A_observed)[truth.cells.shown_fraction < 0.9]  # part of one is ignored by itself
    taken = (carried_out > 0.1 * carried_out.max(axis=(1, 2), keepdims=True)).any(axis=0)
    cells = scene.small[~(scene.disks(scene.small, scale=0.5) * taken).any(axis=(1, 2))][:6]
    by = scene.recording.truth.shifts.values[0].round().astype(int)
    footprints = np.concatenate([scene.A, scene.disks(cells, scale=0.5)])
    moved = np.roll(footprints, by, axis=(1, 2))
    found = Estimate(moved, np.concatenate([scene.C, scene.courses[cells]]))
    flat = score(found, scene.recording, footprint_shift=tuple(by)).as_dict()
    assert np.abs(by).max() >= 2
    assert flat["footprints.precision"] == 1
    assert flat["footprints.n_on_background_cells"] == 6
    assert score(found, scene.recording, footprint_shift=None).as_dict()["footprints.precision"] < 0.5


def test_where_there_are_none_nothing_is_looked_for():
    recording = simulate(load_preset("static", overrides={"acquisition.duration_s": 2}).edit(drop=["background_cells"]))
    blob = np.zeros((1, 128, 128))
    blob[0, 60:64, 60:64] = 1
    assert score(blob, recording).as_dict()["footprints.n_on_background_cells"] == 0


def test_a_short_recording_asks_for_a_closer_likeness(scene):
    """In 100 frames unrelated courses often correlate by 0.5: there is no telling."""
    short = simulate(load_preset("static", overrides=BLURRED | {"acquisition.duration_s": 4}))
    rng = np.random.default_rng(3)
    cells = scene.small[:12]
    for traces in (scene.courses[cells][:, :80], rng.random((12, 80))):
        C = np.concatenate([scene.C[:, :80], traces])
        found = Estimate(np.concatenate([scene.A, scene.disks(cells, scale=0.5)]), C)
        assert score(found, short).as_dict()["footprints.n_on_background_cells"] == 0
