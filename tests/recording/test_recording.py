import pickle

import numpy as np
import pytest

from pytest_calsim.errors import SpecError
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.spec import Spec


@pytest.fixture(scope="module")
def recording():
    acquisition = {"duration_s": 1, "image_sensor": {"height_px": 24, "width_px": 32}}
    steps = [{"kind": "vignette"}, {"kind": "leakage", "level": 2}, {"kind": "sensor"}]
    return simulate(Spec.make({"acquisition": acquisition, "steps": steps}))


def test_observed_has_minians_dims_and_the_sensors_type(recording):
    assert recording.observed.dims == ("frame", "height", "width")
    assert recording.observed.name == "observed"
    assert recording.observed.shape == (20, 24, 32)
    assert recording.observed.dtype == np.uint8


@pytest.mark.parametrize("stage", [None, "leakage", "sensor"])
def test_a_movie_knows_its_times_and_its_scale(recording, stage):
    movie = recording.observed if stage is None else recording.stage(stage)
    np.testing.assert_allclose(movie.coords["time"], 0.05 * np.arange(20))
    assert movie.coords["time"].attrs == {"units": "s"}
    pixel_size_um = recording.spec.acquisition.pixel_size_um
    assert movie.attrs == {"units": "1" if stage == "leakage" else "ADU", "fps": 20, "pixel_size_um": pixel_size_um}
    assert movie[3:5].coords["time"].values.tolist() == pytest.approx([0.15, 0.2])


def test_truth_tells_what_it_has(recording):
    assert repr(recording.truth) == "<GroundTruth of 0 planted cells>\n  height, width: leakage, vignette"


@pytest.mark.parametrize(
    "index",
    [
        (slice(None),),
        (slice(3, 9),),
        (slice(9, 3, -2), slice(None, None, -1)),
        (slice(5, 5),),
        (4,),
        (-1, slice(2, 7), 3),
        ([7, 2, 2], slice(None), [1, 30]),
        (np.arange(20) % 3 == 0,),
    ],
)
def test_lazy_indexing_is_numpys(recording, index):
    whole = recording.observed.values
    lazy = recording.observed[index].values
    expected = whole[index[0]]
    for axis, part in enumerate(index[1:], start=expected.ndim - 2):
        expected = np.take(expected, np.arange(expected.shape[axis])[part], axis=axis)
    np.testing.assert_array_equal(lazy, expected)


def test_every_read_is_fresh_and_writable(recording):
    first = recording.observed.values
    before = first.copy()
    first += 1
    np.testing.assert_array_equal(recording.observed.values, before)


def test_a_mutated_data_array_damages_nobody(recording):
    mine = recording.observed.load()
    before = recording.observed.values
    mine.values[:] = 0
    np.testing.assert_array_equal(recording.observed.values, before)


def test_a_recording_cannot_be_changed(recording):
    for name in ("spec", "notes", "until", "truth"):
        with pytest.raises(AttributeError):
            setattr(recording, name, None)
    with pytest.raises(ValueError, match="read-only"):
        recording.scene.artifacts["vignette"].field[:] = 0
    with pytest.raises(TypeError):
        recording.scene.artifacts["vignette"] = None


def test_the_truth_is_walked_by_name(recording):
    assert tuple(recording.truth) == recording.truth.names
    assert all(name in recording.truth for name in recording.truth)


def test_an_unknown_truth_names_the_nearest(recording):
    with pytest.raises(KeyError, match="did you mean 'vignette'"):
        recording.truth["vignete"]


def test_truth_is_read_only(recording):
    with pytest.raises(ValueError, match="read-only"):
        recording.truth.vignette.values[0, 0] = 0


def test_absent_effects_are_none(recording):
    assert recording.truth.shifts is None
    assert recording.truth.C is None
    assert recording.truth.A_planted is None
    assert len(recording.truth.cells) == 0


def test_stages_paint_on_demand(recording):
    assert recording.stages == ("vignette", "leakage", "sensor")
    np.testing.assert_array_equal(recording.stage("leakage", slice(2, 4)).values[0], recording.truth.leakage.values)
    with pytest.raises(SpecError, match=r"no stage 'leakag'; known, in the order of light: vignette, leakage, sensor"):
        recording.stage("leakag")


@pytest.mark.parametrize("frames", [3, "a", (0, 5)])
def test_frames_of_a_stage_are_a_slice(recording, frames):
    with pytest.raises(SpecError, match="must be a slice, such as slice"):
        recording.stage("leakage", frames)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a",), "frames 'a'..20 are not within the recording's 0..20"),
        ((0, 2.5), "frames 0..2.5 are not within"),
        ((5, 3), "frames 5..3 are not within"),
        ((0, 21), "frames 0..21 are not within"),
        ((-1, 3), "frames -1..3 are not within"),
    ],
)
def test_frames_that_are_not_there_are_not_painted(recording, arguments, message):
    with pytest.raises(SpecError, match=message):
        recording.scene.paint(*arguments)


@pytest.mark.parametrize("threads", [0, -1, "2", 1.5])
def test_some_thread_paints(recording, threads):
    with pytest.raises(SpecError, match=f"threads = {threads!r} must be a whole number, 1 or more"):
        recording.scene.paint(threads=threads)


def test_until_stops_there(recording):
    short = simulate(recording.spec, until="leakage")
    assert short.observed.dtype == np.float32
    assert short.stages == ("vignette", "leakage")
    np.testing.assert_array_equal(short.observed.values, recording.stage("leakage").values)


def test_dask_reads_the_same_lazily(recording):
    pytest.importorskip("dask")
    chunked = recording.observed.chunk({"frame": 7})
    np.testing.assert_array_equal(chunked.compute(scheduler="threads").values, recording.observed.values)


def test_truth_travels_as_it_is(recording, monkeypatch):
    monkeypatch.setattr("pytest_calsim.simulation.scene.Scene.of", None)
    again = pickle.loads(pickle.dumps(recording.truth))
    assert again.names == recording.truth.names
    for name, value in recording.truth.arrays.items():
        assert type(again.arrays[name]) is type(value)
    assert np.array_equal(np.asarray(again.A_observed), np.asarray(recording.truth.A_observed))
    assert again.cells.equals(recording.truth.cells)


def test_a_scene_travels_as_its_spec(recording):
    again = pickle.loads(pickle.dumps(recording.scene))
    np.testing.assert_array_equal(again.paint(3, 5), recording.scene.paint(3, 5))
