"""Files of other programs' formats hold equal pixels and times, and appear whole or not at all."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from pytest_calsim import StoreError, load_preset, simulate
from pytest_calsim.errors import MissingExtraError
from pytest_calsim.recording.exports import movie as movie_module
from pytest_calsim.recording.exports.array_files import write_tiff
from pytest_calsim.recording.exports.video import CHUNK_FRAMES, write_mp4
from pytest_calsim.recording.recording import Recording

TWELVE_BITS = {
    "acquisition.image_sensor.bit_depth": 12,
    "acquisition.image_sensor.adc_bit_depth": 12,
    "acquisition.image_sensor.gain_adu_per_e": 0.5,
    "acquisition.image_sensor.width_px": 61,  # odd, and not square: no axis can be mistaken
    "acquisition.image_sensor.height_px": 48,
    "acquisition.fps": 29.97,
}


@pytest.fixture(scope="module", params=["8 bits", "12 bits", "light"])
def recording(request):
    spec = load_preset("tiny", overrides={"acquisition.duration_s": 2, "acquisition.image_sensor.width_px": 50})
    if request.param == "12 bits":
        return simulate(spec.edit(TWELVE_BITS))
    return simulate(spec, until="leakage" if request.param == "light" else None)


def read_tiff(path):
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(path) as file:
        return np.stack([page.asarray() for page in file.pages])


def read_video(path):
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray() for frame in container.decode(video=0)])


def read_nwb(path):
    pynwb = pytest.importorskip("pynwb")
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        return file.read().acquisition["observed"].data[:].swapaxes(1, 2)


LOSSLESS = {
    "npy": np.load,
    "zarr": lambda path: xr.open_zarr(path).observed.values,
    "tiff": read_tiff,
    "nwb": read_nwb,
    "avi": read_video,
}


def written(recording, kind, folder):
    path = folder / f"movie.{kind}"
    getattr(recording, f"to_{kind}")(path)
    return path


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_hold_equal_pixels(recording, kind, tmp_path):
    if kind == "avi" and recording.frames.dtype.kind == "f":
        with pytest.raises(StoreError, match="float32; use to_tiff"):
            recording.to_avi(tmp_path / "movie.avi")
        return
    read = LOSSLESS[kind](written(recording, kind, tmp_path))
    assert read.dtype == recording.frames.dtype
    np.testing.assert_array_equal(read, recording.observed.values)
    assert [path.name for path in tmp_path.iterdir()] == [f"movie.{kind}"]


@pytest.mark.parametrize("kind", ["npy", "zarr"])
def test_what_is_longer_than_many_blocks_is_in_order(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(movie_module, "_BLOCK_BYTES", 3 * 64 * 64)
    recording = simulate(load_preset("tiny"))
    np.testing.assert_array_equal(LOSSLESS[kind](written(recording, kind, tmp_path)), recording.observed.values)


def test_times_and_scale_are_in_the_files(recording, tmp_path):
    acquisition = recording.spec.acquisition
    times = np.arange(acquisition.n_frames) / acquisition.fps
    stored = xr.open_zarr(written(recording, "zarr", tmp_path))
    np.testing.assert_array_equal(stored.time.values, times)
    assert stored.attrs == {"fps": acquisition.fps, "pixel_size_um": acquisition.pixel_size_um}
    pynwb = pytest.importorskip("pynwb")
    with pynwb.NWBHDF5IO(str(written(recording, "nwb", tmp_path)), "r") as file:
        series = file.read().acquisition["observed"]
        np.testing.assert_array_equal(series.timestamps[:], times)
        np.testing.assert_allclose(series.imaging_plane.grid_spacing[:], acquisition.pixel_size_um)
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(written(recording, "tiff", tmp_path)) as file:
        pixels, centimetres = file.pages[0].tags["XResolution"].value
        assert pixels / centimetres == pytest.approx(1e4 / acquisition.pixel_size_um, rel=1e-6)
        assert file.shaped_metadata[0]["fps"] == acquisition.fps


def test_a_large_tiff_is_a_bigtiff(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    recording = simulate(load_preset("tiny"))
    for limit, big in ((10**9, False), (10**5, True)):
        monkeypatch.setattr("pytest_calsim.recording.exports.array_files._CLASSIC_TIFF_BYTES", limit)
        write_tiff(recording, tmp_path / f"{limit}.tif")
        with tifffile.TiffFile(tmp_path / f"{limit}.tif") as file:
            assert file.is_bigtiff == big


def test_an_avi_plays_at_the_recordings_rate(recording, tmp_path):
    av = pytest.importorskip("av")
    if recording.frames.dtype.kind == "f":
        pytest.skip("no AVI")
    with av.open(str(written(recording, "avi", tmp_path))) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(recording.spec.acquisition.fps, rel=1e-4)
        assert stream.frames == recording.frames.shape[0]


def test_opencv_reads_and_seeks_an_avi(tmp_path):
    cv2 = pytest.importorskip("cv2")  # what suite2p and minian read videos with
    recording = simulate(load_preset("tiny"))
    video = cv2.VideoCapture(str(written(recording, "avi", tmp_path)))
    movie = recording.observed.values
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == len(movie)
    read = np.stack([video.read()[1] for _ in movie])
    np.testing.assert_array_equal(read, np.repeat(movie[..., None], 3, axis=3))
    video.set(cv2.CAP_PROP_POS_FRAMES, 57)
    np.testing.assert_array_equal(video.read()[1][..., 0], movie[57])


class Still:
    """A long movie that costs nothing to paint: frame i is i modulo 251 everywhere."""

    def __init__(self, n_frames, dtype=np.uint8, size=16):
        self.shape = (n_frames, size, size)
        self.dtype = np.dtype(dtype)

    def read(self, start, stop):
        return np.broadcast_to((np.arange(start, stop) % 251)[:, None, None], (stop - start, *self.shape[1:])).astype(
            self.dtype
        )


def still(n_frames, dtype=np.uint8):
    spec = load_preset("tiny")
    recording = simulate(spec)
    return Recording(spec, Still(n_frames, dtype), recording.truth)


@pytest.mark.parametrize(
    ("n_frames", "chunks"), [(1, [1]), (1000, [1000]), (1001, [1000, 1]), (2500, [1000, 1000, 500])]
)
def test_a_miniscope_folder_has_chunks_times_and_metadata(n_frames, chunks, tmp_path):
    recording = still(n_frames)
    folder = tmp_path / "My_V4_Miniscope"
    recording.to_miniscope_folder(folder)
    names = [f"{i}.avi" for i in range(len(chunks))]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, "metaData.json", "timeStamps.csv"])
    parts = [read_video(folder / name) for name in names]
    assert [len(part) for part in parts] == chunks
    np.testing.assert_array_equal(np.concatenate(parts), recording.frames.read(0, n_frames))
    with (folder / "timeStamps.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["Frame Number", "Time Stamp (ms)", "Buffer Index"]
    assert [(int(frame), int(ms)) for frame, ms, _ in rows] == [(i, 50 * i) for i in range(n_frames)]
    metadata = json.loads((folder / "metaData.json").read_text("utf-8"))
    assert metadata["framesPerFile"] == CHUNK_FRAMES
    assert metadata["frameRate"] == "20FPS"
    assert metadata["ROI"] == {"height": 16, "leftEdge": 0, "topEdge": 0, "width": 16}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_miniscope_folder_holds_8_bits_alone(dtype, tmp_path):
    with pytest.raises(StoreError, match=f"8 bits, and these frames are {np.dtype(dtype)}"):
        still(3, dtype).to_miniscope_folder(tmp_path / "folder")
    assert not list(tmp_path.iterdir())


def test_an_mp4_shows_the_movie(recording, tmp_path):
    path = tmp_path / "movie.mp4"
    recording.to_mp4(path, speed=2)
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])
        assert float(stream.average_rate) == pytest.approx(2 * recording.spec.acquisition.fps, rel=1e-3)
    n_frames, height, width = recording.frames.shape
    assert shown.shape == (n_frames, height + height % 2, width + width % 2)
    light = recording.observed.values.astype(float).mean(axis=0)
    assert np.corrcoef(light.ravel(), shown[:, :height, :width].mean(axis=0).ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": (5, 5)}, "low < high"),
        ({"limits": (9, 5)}, "low < high"),
        ({"limits": 3}, "low < high, not 3"),
        ({"limits": ([1], [2, 3])}, "low < high"),
        ({"limits": "ab"}, "low < high, not 'ab'"),
        ({"limits": (float("nan"), 1)}, "low < high"),
        ({"limits": (1, 2, 3)}, "low < high"),
        ({"speed": 0}, "above 0"),
        ({"speed": "2"}, "speed must be a number above 0, not '2'"),
        ({"speed": float("inf")}, "above 0"),
    ],
)
def test_an_mp4_refuses_what_it_cannot_show(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_mp4(still(3), tmp_path / "a.mp4", **options)


ALL = ["tiff", "npy", "zarr", "nwb", "avi", "mp4", "miniscope_folder"]
FILES = [kind for kind in ALL if kind not in ("zarr", "miniscope_folder")]


@pytest.mark.parametrize("kind", ALL)
def test_what_is_there_stays(kind, tmp_path):
    path = tmp_path / f"movie.{kind}"
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        getattr(still(3), f"to_{kind}")(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_replaced_when_told_to(kind, tmp_path):
    path = tmp_path / f"movie.{kind}"
    path.write_text("mine")
    getattr(still(3), f"to_{kind}")(path, overwrite=True)
    assert path.stat().st_size > 100


@pytest.mark.parametrize("kind", FILES)
def test_a_folder_is_never_replaced(kind, tmp_path):
    (tmp_path / "movie").mkdir()
    with pytest.raises(StoreError, match="folders are not replaced"):
        getattr(still(3), f"to_{kind}")(tmp_path / "movie", overwrite=True)


@pytest.mark.parametrize("kind", ALL)
def test_nothing_is_left_of_a_file_that_fails(kind, tmp_path, monkeypatch):
    recording = still(600)

    def fail(start, stop):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording.frames, "read", fail)
    with pytest.raises(StoreError, match="cannot be written: No space left"):
        getattr(recording, f"to_{kind}")(tmp_path / "new" / f"movie.{kind}")
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(("kind", "module"), [("tiff", "tifffile"), ("nwb", "pynwb"), ("avi", "av"), ("mp4", "av")])
def test_a_missing_library_is_one_clear_line(kind, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"needs {module}, .* pip install 'pytest-calsim\[files\]'"):
        getattr(still(3), f"to_{kind}")(tmp_path / "movie")
    assert not list(tmp_path.iterdir())


def test_no_library_is_imported_before_it_is_asked_for(tmp_path):
    code = """
import sys
from pytest_calsim import load_preset, simulate
simulate(load_preset("tiny")).to_npy(sys.argv[1] + "/a.npy")
print([m for m in ("matplotlib", "tifffile", "av", "pynwb", "h5py", "tqdm") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@pytest.mark.parametrize("watched", [True, False])
def test_a_progress_bar_is_shown_to_a_person(watched, tmp_path, monkeypatch):
    counted = []

    class Bar:
        def __init__(self, **options):
            counted.append(options["total"])

        def __enter__(self):
            return self

        def __exit__(self, *error):
            counted.append("closed")

        def update(self, n):
            counted.append(n)

    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=Bar))
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: watched, write=lambda text: None))
    still(7).to_npy(tmp_path / "a.npy")
    assert counted == ([7, 7, "closed"] if watched else [])
