"""Footprints of the user's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.io import savemat

from pytest_calsim import Spec, simulate
from pytest_calsim.errors import SpecError
from pytest_calsim.microscope.acquisition import ImageSensor
from pytest_calsim.testing.strategies.given import given_footprints

SHAPE = (24, 40)


def spec(images, *, more=(), population=None, **cells):
    sensor = {"height_px": SHAPE[0], "width_px": SHAPE[1]}
    place = {"kind": "place_neurons", "footprints": images, "populations": [population or {}], **cells}
    steps = [place, "cell_activity", "cell_optics", "render", *more]
    return Spec.make({"acquisition": {"duration_s": 2.0, "image_sensor": sensor}, "steps": steps})


def refused(images, **fields):
    with pytest.raises(SpecError) as caught:
        spec(images, **fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def images(n=3, seed=0):
    rng = np.random.default_rng(seed)
    made = np.zeros((n, *SHAPE))
    for image in made:
        row = rng.integers(0, 16)
        column = rng.integers(0, 30)
        image[row : row + 8, column : column + 9] = rng.random((8, 9)) * (rng.random((8, 9)) < 0.7)
    return made


@settings(max_examples=30)
@given(given_footprints(ImageSensor(height_px=SHAPE[0], width_px=SHAPE[1]), 5))
def test_they_come_back_to_the_bit_and_light_the_movie(given_images):
    recording = simulate(spec(given_images))
    truth = recording.truth
    expected = given_images.values
    for name in ("A_planted", "A_observed"):
        np.testing.assert_array_equal(truth[name].values.reshape(expected.shape), expected)
    light = np.tensordot(truth.C.values[:, :3].astype(float), expected.astype(float), axes=(0, 0))
    np.testing.assert_allclose(recording.observed[:3], light, rtol=1e-5, atol=1e-6)


def test_cells_lie_where_their_light_is():
    made = np.zeros((2, *SHAPE))
    made[0, 3, 5] = 2.0
    made[1, 10:14, 20:26] = 0.5
    truth = simulate(spec(made, population={"depth_um": 77.0})).truth
    pixel_um = 1.655172
    np.testing.assert_allclose(truth.cells.y_um, (np.array([3, 11.5]) - 11.5) * pixel_um, atol=1e-3)
    np.testing.assert_allclose(truth.cells.x_um, (np.array([5, 22.5]) - 19.5) * pixel_um, atol=1e-3)
    np.testing.assert_allclose(truth.cells.depth_um, 77)
    np.testing.assert_allclose(truth.cells.radius_um, np.sqrt(np.array([1, 24]) / np.pi) * pixel_um, rtol=1e-4)
    assert truth.cells.in_focus.all()
    assert truth.cells.in_fov.all()


def test_vessels_and_depth_leave_them_as_they_are():
    plain = simulate(spec(images())).truth
    deep = simulate(spec(images(), population={"depth_um": 300.0}, more=["vasculature"])).truth
    np.testing.assert_array_equal(plain.A_observed, deep.A_observed)


@pytest.mark.filterwarnings("ignore:brain_motion. max_shift_um = 4")
def test_motion_moves_them():
    path = np.zeros((40, 2))
    path[20:] = 2 * 1.6551724
    still = simulate(spec(images()))
    moved = simulate(spec(images(), more=[{"kind": "brain_motion", "trajectory_um": path, "max_shift_um": 4}]))
    np.testing.assert_array_equal(moved.truth.A_observed, still.truth.A_observed)
    before = still.observed[30].astype(float)
    after = moved.observed[30].astype(float)
    np.testing.assert_allclose(after[2:, 2:], before[:-2, :-2], atol=1e-4)


def test_a_file_of_matlabs_has_the_cells_last(tmp_path):
    savemat(tmp_path / "A.mat", {"A": np.moveaxis(images(), 0, -1)})
    assert "numpy.moveaxis(A, -1, 0) puts the cells first" in refused(str(tmp_path / "A.mat"))


def test_what_is_wrong_is_one_line():
    assert "footprints has shape (3, 24, 39), not (cell, 24, 40) as the sensor; give" in refused(images()[:, :, 1:])
    assert "footprints has shape (24, 40), not (cell, 24, 40)" in refused(images()[0])
    assert "light is never negative" in refused(-images())
    assert "footprints[1] is zero everywhere; leave that cell out" in refused(images() * [[[1]], [[0]], [[1]]])
    assert "positions_um and footprints both say where" in refused(images(), positions_um=[(1, 2, 3)])
    assert "keep one, as in {'place_neurons.populations': [{}], ...}" in refused(images(), populations=[{}, {}])


def test_none_at_all():
    assert len(simulate(spec(np.zeros((0, *SHAPE)))).truth.cells) == 0
