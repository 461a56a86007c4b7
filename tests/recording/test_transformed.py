"""``recording.transformed``: the movie and its truth stay fitting, whatever is done to both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_calsim import Estimate, SpecError, assert_footprints_recovered, load_preset, simulate

QUICK = settings(max_examples=25, derandomize=True, database=None, deadline=None)


@pytest.fixture(scope="module")
def recording():
    size = {
        "acquisition.image_sensor.height_px": 40,
        "acquisition.image_sensor.width_px": 56,
        "brain_motion.max_shift_um": 3,
    }
    return simulate(load_preset("moving", overrides={"acquisition.duration_s": 0.5, **size}))


@pytest.fixture(scope="module")
def movie(recording):
    return recording.observed.values


@st.composite
def geometries(draw):
    top, bottom, left, right = (draw(st.integers(0, 9)) for _ in range(4))
    return {
        "crop": (slice(top, 40 - bottom), slice(left, 56 - right)),
        "pad_px": tuple(draw(st.integers(0, 4)) for _ in range(4)),
        "mirror": draw(st.sampled_from([(), "height", "width", ("width", "height")])),
        "transpose": draw(st.booleans()),
    }


def by_hand(images, how, fill=0):
    """The same with NumPy's own functions, on ``(..., height, width)``."""
    top, bottom, left, right = how["pad_px"]
    images = images[(..., *how["crop"])]
    images = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(top, bottom), (left, right)], constant_values=fill)
    axes = {"height": -2, "width": -1}
    for name in axes:
        if name in how["mirror"]:
            images = np.flip(images, axes[name])
    return images.swapaxes(-1, -2) if how["transpose"] else images


@QUICK
@given(how=geometries(), fill=st.integers(0, 255))
def test_pixels_go_where_numpy_puts_them(recording, movie, how, fill):
    turned = recording.transformed(**how, fill=fill)
    np.testing.assert_array_equal(turned.observed.values, by_hand(movie, how, fill))
    np.testing.assert_array_equal(turned.frames.read(3, 5), turned.observed.values[3:5])
    np.testing.assert_array_equal(
        np.asarray(turned.truth.A_observed), by_hand(np.asarray(recording.truth.A_observed), how)
    )
    np.testing.assert_array_equal(turned.truth["prnu"].values, by_hand(recording.truth["prnu"].values, how))
    neuropil = recording.truth.neuropil_spatial.values
    np.testing.assert_array_equal(turned.truth.neuropil_spatial.values, by_hand(neuropil, how))
    assert turned.observed.dtype == movie.dtype


@QUICK
@given(how=geometries())
def test_shifts_and_places_turn_with_the_picture(recording, how):
    turned = recording.transformed(**how)
    sign = [-1 if name in how["mirror"] else 1 for name in ("height", "width")]
    order = [1, 0] if how["transpose"] else [0, 1]
    np.testing.assert_array_equal(turned.truth.shifts.values, (recording.truth.shifts.values * sign)[:, order])
    at = np.stack([recording.truth["y_um"].values, recording.truth["x_um"].values], axis=1)
    now = np.stack([turned.truth["y_um"].values, turned.truth["x_um"].values], axis=1)
    np.testing.assert_array_equal(now, (at * sign)[:, order])
    np.testing.assert_array_equal(turned.truth["depth_um"].values, recording.truth["depth_um"].values)


@QUICK
@given(how=geometries())
def test_cells_that_were_cut_off_are_out_of_view(recording, how):
    turned = recording.transformed(**how)
    pixel_um = recording.spec.acquisition.pixel_size_um
    row = recording.truth["y_um"].values / pixel_um + 20
    column = recording.truth["x_um"].values / pixel_um + 28
    (rows, columns) = how["crop"]
    inside = (row >= rows.start) & (row <= rows.stop) & (column >= columns.start) & (column <= columns.stop)
    cells = turned.truth.cells
    before = recording.truth.cells
    np.testing.assert_array_equal(cells.in_fov, before.in_fov & inside)
    np.testing.assert_array_equal(cells.detectable, before.detectable & inside)
    assert (cells.fov_fraction <= before.fov_fraction + 1e-6).all()
    left_of_it = np.asarray(turned.truth.A_observed).sum(axis=(1, 2), dtype=float)
    whole = np.asarray(recording.truth.A_observed).sum(axis=(1, 2), dtype=float)
    expected = before.fov_fraction * np.divide(left_of_it, whole, out=np.zeros(len(whole)), where=whole > 0)
    np.testing.assert_allclose(cells.fov_fraction, expected, atol=1e-5)


@pytest.mark.parametrize(
    "how", [{"transpose": True}, {"mirror": "width"}, {"crop": (slice(4, 38), slice(0, 50)), "mirror": "height"}]
)
def test_the_assertions_take_it_like_any_recording(recording, how):
    turned = recording.transformed(**how)
    found = Estimate(A=turned.truth.A_observed, shifts=-turned.truth.shifts, convention="correction")
    assert_footprints_recovered(found, turned, min_recall=1, min_precision=1, units="all")


def test_gain_offset_and_type_change_codes_alone(recording, movie):
    changed = recording.transformed(gain=2.5, offset=-7, dtype="int32")
    np.testing.assert_array_equal(changed.observed.values, np.rint(movie * 2.5 - 7).astype(np.int32))
    assert changed.truth.names == recording.truth.names
    for name in recording.truth.names:
        np.testing.assert_array_equal(changed.truth[name], recording.truth[name])
    as_float = recording.transformed(dtype=np.float32)
    assert as_float.observed.dtype == np.float32
    np.testing.assert_array_equal(as_float.observed.values, movie)
    halved = recording.transformed(gain=0.5, dtype="float64").observed.values
    np.testing.assert_array_equal(halved, movie / 2)


def test_chunks_make_a_dask_array(recording, movie):
    chunked = recording.transformed(chunks={"frame": 4, "height": 17}).observed
    assert chunked.chunks == ((4, 4, 2), (17, 17, 6), (56,))
    np.testing.assert_array_equal(chunked.values, movie)
    in_cubes = recording.transformed(chunks=20, transpose=True)
    assert in_cubes.observed.chunks == ((10,), (20, 20, 16), (20, 20))
    assert in_cubes.altered == "transformed: transposed, in chunks of 20 (frame) x 20 (height) x 20 (width)"


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"gain": 8}, "do not fit into uint8 (0 to 255); give a wider dtype"),
        ({"offset": -300}, "do not fit into uint8"),
        ({"pad_px": 2, "fill": 256}, "fill from 256 to 256 do not fit into uint8"),
        ({"fill": -1}, "fill from -1 to -1 do not fit into uint8"),
        ({"dtype": "bool"}, "dtype bool holds no codes"),
        ({"dtype": "U4"}, "dtype <U4 holds no codes"),
        ({"gain": 0}, "gain = 0 must be above 0"),
        ({"offset": np.inf}, "offset = inf must be a finite number"),
        ({"gain": "2"}, "gain = '2' must be a finite number"),
        ({"fill": None, "pad_px": 1}, "fill = None must be a number"),
        ({"mirror": 3}, "mirror = 3 must name each"),
        ({"mirror": [["width"]]}, "once at most"),
        ({"chunks": "a"}, "chunks = 'a' must be a size, or sizes by axis such as {'frame': 50}"),
        ({"mirror": "frame"}, "mirror = 'frame' must name each of 'height' and 'width' once at most"),
        ({"mirror": ("width", "width")}, "once at most"),
        ({"crop": (slice(5, 5), slice(None))}, "crop keeps no rows of 40"),
        ({"crop": (slice(None), slice(0, 20, 2))}, "crop keeps no columns of 56, or not all between two"),
        ({"pad_px": (0, -1, 0, 0)}, "must not be negative; crop=(rows, columns) cuts pixels off"),
    ],
)
def test_what_cannot_be_meant_is_one_line(recording, how, line):
    with pytest.raises(SpecError) as caught:
        recording.transformed(**how)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_codes_that_fit_by_chance_are_taken(recording, movie):
    """The converter could give larger ones, but this movie has none."""
    times = 255 // int(movie.max())
    assert times * 255 > 255
    assert recording.transformed(gain=times).observed.values.max() == times * movie.max()


def test_light_without_a_sensor_has_no_whole_numbers(recording):
    light = simulate(recording.spec.edit(drop=["sensor"]))
    with pytest.raises(SpecError, match="light of type float32 cannot become uint16"):
        light.transformed(dtype="uint16")
    assert light.transformed(gain=3, offset=-1).observed.dtype == np.float32


def test_what_it_is_stands_in_its_repr_and_what_it_is_not_is_refused(recording, tmp_path):
    turned = recording.transformed(crop=(slice(1, None), slice(None)), mirror="height", transpose=True)
    assert "transformed: 1 px cut off at the top, mirrored along height, transposed>" in repr(turned)
    assert turned.spec == recording.spec
    assert recording.altered == ""
    assert recording.transformation is None
    for refused in (
        lambda: turned.save(tmp_path / "it.zarr.zip"),
        lambda: turned.stage("sensor"),
        lambda: turned.transformed(transpose=True),
    ):
        with pytest.raises(SpecError, match=r"altered \(transformed: 1 px cut off.*use the one it comes from"):
            refused()
    assert not list(tmp_path.iterdir())


def test_it_is_written_to_files_as_it_is(recording, tmp_path):
    turned = recording.transformed(transpose=True)
    turned.to_npy(tmp_path / "it.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "it.npy"), turned.observed.values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crop": slice(0, 40)}, r"crop = slice\(0, 40, None\) must be \(rows, columns\), two slices"),
        ({"crop": (0, 40)}, r"crop = \(0, 40\) must be \(rows, columns\), two slices"),
        ({"pad_px": 1.5}, "pad_px = 1.5 must be whole pixels"),
        ({"pad_px": (1, 2)}, r"pad_px = \(1, 2\) must be whole pixels, one number or \(top, bottom, left, right\)"),
        ({"dtype": "uint7"}, "dtype = 'uint7' is no type of numbers; give one such as 'uint16'"),
    ],
)
def test_what_has_another_form_is_refused_with_the_right_one(change, words):
    with pytest.raises(SpecError, match=words):
        simulate(load_preset("tiny")).transformed(**change)


def test_numbers_of_numpy_are_numbers():
    recording = simulate(load_preset("tiny", overrides={"acquisition.duration_s": 0.2}))
    padded = recording.transformed(pad_px=tuple(np.arange(4)))
    assert padded.observed.shape == (4, 64 + 0 + 1, 64 + 2 + 3)
