"""Saving and loading: the same bits back, lazily, or a clear refusal."""

from __future__ import annotations

import itertools
import os
import pickle
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from cache_helpers import fingerprint, leftovers, light_spec
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim.arrays import parallel
from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.parallel import usable_cores
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import StoreError
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.spec.presets import load_preset
from pytest_calsim.store import writing


class _Frames:
    """A movie of any shape and type; the numbers say where they belong."""

    def __init__(self, shape: tuple[int, int, int], dtype: str) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.movie = (np.arange(np.prod(shape)) * 7 % 251).reshape(shape).astype(dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.movie[start:stop].copy()


def _recording(shape=(70, 64, 96), dtype="u1", **truth) -> Recording:
    return Recording(light_spec(), _Frames(shape, dtype), GroundTruth(truth), notes=("a note",))


def test_a_saved_recording_comes_back_bit_for_bit(tmp_path: Path) -> None:
    recording = simulate(light_spec())
    recording.save(tmp_path / "new" / "a.zarr.zip")
    loaded = Recording.load(tmp_path / "new" / "a.zarr.zip")
    assert loaded.spec == recording.spec
    assert loaded.stages == recording.stages
    assert loaded.truth.names == recording.truth.names
    assert fingerprint(loaded) == fingerprint(recording)
    assert fingerprint(pickle.loads(pickle.dumps(loaded))) == fingerprint(recording)
    np.testing.assert_array_equal(loaded.stage("leakage").values, recording.stage("leakage").values)


def test_until_and_notes_are_kept(tmp_path: Path) -> None:
    simulate(light_spec(), until="vignette").save(tmp_path / "a")
    assert Recording.load(tmp_path / "a").stages == ("vignette",)
    _recording().save(tmp_path / "b")
    assert Recording.load(tmp_path / "b").notes == ("a note",)


def test_a_saved_recording_can_be_saved_again(tmp_path: Path) -> None:
    recording = simulate(light_spec())
    recording.save(tmp_path / "a")
    Recording.load(tmp_path / "a").save(tmp_path / "b")
    assert fingerprint(Recording.load(tmp_path / "b")) == fingerprint(recording)


@pytest.fixture(scope="module", params=["u1", "u2", "f4"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, np.ndarray]:
    """A loaded recording of ten chunks, the last of them short, and its movie."""
    recording = _recording(shape=(337, 64, 192), dtype=request.param)
    path = tmp_path_factory.mktemp("saved") / "a.zarr.zip"
    recording.save(path)
    return Recording.load(path), recording.frames.read(0, 337)


@given(ends=st.tuples(st.integers(0, 337), st.integers(0, 337)))
def test_any_frames_of_a_stored_movie_are_those_of_the_whole(saved, ends: tuple[int, int]) -> None:
    loaded, movie = saved
    start, stop = sorted(ends)
    block = loaded.frames.read(start, stop)
    np.testing.assert_array_equal(block, movie[start:stop])
    assert block.dtype == movie.dtype
    assert block.flags.writeable
    block[...] = 0  # nobody else may see this


def test_frame_by_frame_and_in_threads(saved) -> None:
    loaded, movie = saved
    wrong: list[int] = []

    def check(order: list[int]) -> None:
        wrong.extend(i for i in order if not np.array_equal(loaded.frames.read(i, i + 1)[0], movie[i]))

    orders = [list(range(337)), list(range(336, -1, -1)), list(range(0, 337, 50)) * 5]
    threads = [threading.Thread(target=check, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("span", [(-1, 5), (5, 4), (0, 338), (338, 338)])
def test_frames_that_are_not_there_are_refused(saved, span: tuple[int, int]) -> None:
    with pytest.raises(IndexError, match=rf"{span[0]}\.\.{span[1]} are not within the recording's 0\.\.337"):
        saved[0].frames.read(*span)


def test_every_kind_of_truth_comes_back(tmp_path: Path) -> None:
    footprints = SparseFootprints.from_units(
        [(np.array([3, 70]), np.array([0.5, 1.0])), (np.array([], int), np.array([]))], (64, 96)
    )
    truth = {
        "A_planted": footprints,
        "A_observed": SparseFootprints.from_units([], (64, 96)),
        "C": TruthArray(("unit_id", "frame"), np.random.default_rng(0).random((2, 70), np.float32), "1"),
        "in_fov": TruthArray(("unit_id",), np.array([True, False])),
        "population": TruthArray(("unit_id",), np.array([3, 4])),
        "focal_depth_um": TruthArray((), np.array(120.5), "um"),
        "nothing": TruthArray(("unit_id", "frame"), np.zeros((0, 70), np.uint16)),
        "empty": TruthArray(("unit_id", "frame"), np.zeros((70, 0), np.uint16)),
        "long": TruthArray(("sample", "axis"), np.arange(3_000_000.0).reshape(-1, 3)),
        "strided": TruthArray(("sample", "axis"), np.arange(12.0).reshape(3, 4).T[::2]),
    }
    recording = _recording(**truth)
    recording.save(tmp_path / "a")
    loaded = Recording.load(tmp_path / "a")
    assert fingerprint(loaded) == fingerprint(recording)
    for name, value in truth.items():
        if isinstance(value, TruthArray):
            kept = loaded.truth.arrays[name]
            assert (kept.dims, kept.units, kept.values.dtype) == (value.dims, value.units, value.values.dtype)
            assert not kept.values.flags.writeable
    assert loaded.truth.A_planted is not None
    assert loaded.truth.A_planted.shape == footprints.shape
    assert loaded.truth.focal_depth_um == 120.5
    assert list(loaded.truth.cells.columns) == ["in_fov", "population"]
    with pytest.raises(KeyError):
        loaded.truth.arrays["missing"]


def test_truth_that_nobody_asks_for_is_not_read(tmp_path: Path) -> None:
    _recording(C=TruthArray(("unit_id", "frame"), np.zeros((2, 70)))).save(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data.replace(b"truth/C/0.0", b"truth/C/0.1"))
    loaded = Recording.load(tmp_path / "a")
    assert loaded.truth.names == ("C",)
    assert loaded.truth.arrays["C"].dims == ("unit_id", "frame")
    with pytest.raises(StoreError, match=r"truth/C/0\.0 is missing"):
        loaded.truth.arrays["C"].values  # noqa: B018


@pytest.mark.parametrize("consolidated", [None, True, False])
@pytest.mark.filterwarnings("ignore:Object at spec.json is not recognized")  # of zarr 3, when it lists the file itself
def test_xarray_and_zarr_open_the_file(tmp_path: Path, consolidated: bool) -> None:
    recording = _recording(C=TruthArray(("unit_id", "frame"), np.arange(140.0).reshape(2, 70), "dF/F"))
    recording.save(tmp_path / "a")
    with zarr.storage.ZipStore(tmp_path / "a", mode="r") as store:
        opened = xr.open_zarr(store, consolidated=consolidated)
        xr.testing.assert_equal(opened["observed"], recording.observed.drop_vars(("frame", "time", "height", "width")))
        assert opened["observed"].dtype == np.uint8
        truth = xr.open_zarr(store, group="truth", consolidated=consolidated)
        assert truth["C"].dims == ("unit_id", "frame")
        assert truth["C"].attrs["units"] == "dF/F"
        assert zarr.open_group(store, mode="r")["observed"].shape == (70, 64, 96)


def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = _recording()
    monkeypatch.setattr(writing.time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    for threads in (1, 2, 3):
        monkeypatch.setattr(parallel, "usable_cores", lambda threads=threads: threads)
        recording.save(tmp_path / str(threads))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


class _SlowToAppend(_Frames):
    """Tells how many blocks were painted and not yet appended."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape, "u1")
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> np.ndarray:
        self.asked.append((start, stop))
        return super().read(start, stop)


def test_the_movie_is_asked_for_in_blocks_that_are_never_far_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _SlowToAppend((4000, 64, 96))
    append = writing._append
    ahead: list[int] = []
    appended: list[str] = []

    def slowly(archive, name, data):
        if name.startswith("observed/") and ".z" not in name:
            threading.Event().wait(0.002)
            ahead.append(len(source.asked) - len(appended))
            appended.append(name)
        append(archive, name, data)

    monkeypatch.setattr(writing, "_append", slowly)
    Recording(light_spec(), source, GroundTruth({})).save(tmp_path / "a")
    spans = sorted(source.asked)
    assert spans[0][0] == 0
    assert spans[-1][1] == 4000
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert max(b - a for a, b in spans) * 64 * 96 <= 4 << 20
    assert len(spans) > 4
    assert max(ahead) <= 2 * usable_cores() + 1


def test_a_file_is_synced_once_and_then_renamed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(writing.os, name, lambda *a, name=name, call=call: (calls.append(name), call(*a)))
    _recording().save(tmp_path / "a")
    assert calls == ["fsync", "replace"]


def test_nothing_is_overwritten_unasked_and_nothing_is_left_behind(tmp_path: Path) -> None:
    recording = _recording()
    (tmp_path / "there").mkdir()
    for overwrite in (False, True):
        with pytest.raises(StoreError, match="exists already"):
            recording.save(tmp_path / "there", overwrite=overwrite)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="give overwrite=True to replace a file"):
        recording.save(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be written"):
        recording.save(tmp_path / "file" / "a")
    with pytest.raises(StoreError, match="numbers and booleans"):
        _recording(names=TruthArray(("unit_id",), np.array(["a"], object))).save(tmp_path / "file", overwrite=True)
    with pytest.raises(StoreError, match="must be an identifier"):
        _recording(**{"../escape": TruthArray((), np.array(1))}).save(tmp_path / "a")

    class Broken(_Frames):
        def read(self, start: int, stop: int) -> np.ndarray:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Recording(light_spec(), Broken((9, 8, 8), "u1"), GroundTruth({})).save(tmp_path / "a")
    assert leftovers(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_is_replaced_when_asked_to_and_readers_keep_the_old_one(tmp_path: Path) -> None:
    _recording().save(tmp_path / "a")
    old = Recording.load(tmp_path / "a")
    other = simulate(light_spec(2))
    other.save(tmp_path / "a", overwrite=True)
    assert fingerprint(Recording.load(tmp_path / "a")) == fingerprint(other)
    np.testing.assert_array_equal(old.observed, _recording().observed)


def test_who_was_faster_is_not_overwritten(tmp_path: Path) -> None:
    class Faster(_Frames):
        def read(self, start: int, stop: int) -> np.ndarray:
            (tmp_path / "a").write_text("mine")
            return super().read(start, stop)

    with pytest.raises(StoreError, match="exists already"):
        Recording(light_spec(), Faster((9, 8, 8), "u1"), GroundTruth({})).save(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "mine"
    assert leftovers(tmp_path) == ["a"]


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        Recording.load(tmp_path / "nothing")
    with pytest.raises(StoreError, match=r"not a file; a recording is a single file, NAME\.zarr\.zip"):
        Recording.load(tmp_path)
    for content in (b"", b"text", b"PK\5\6" + bytes(18)):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(StoreError, match=r"damaged, or not a recording|spec\.json is missing"):
            Recording.load(tmp_path / "file")


def test_a_recording_of_another_version_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _recording().save(tmp_path / "a")
    monkeypatch.setattr("pytest_calsim.spec.spec.SIM_VERSION", 10**6)
    with pytest.raises(StoreError, match="another version of this package or its steps; simulate it again"):
        Recording.load(tmp_path / "a")


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege")
def test_a_link_to_a_recording_is_followed(tmp_path: Path) -> None:
    _recording().save(tmp_path / "a")
    os.symlink(tmp_path / "a", tmp_path / "link")
    np.testing.assert_array_equal(Recording.load(tmp_path / "link").observed, _recording().observed)


@pytest.mark.parametrize("place", ["movie", "truth"])
def test_damage_is_an_error_when_it_is_read_and_not_before(tmp_path: Path, place: str) -> None:
    recording = _recording(noise=TruthArray(("height",), np.arange(64.0)))
    recording.save(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as archive:
        at = archive.getinfo("observed/1.0.0" if place == "movie" else "truth/noise/0").header_offset + 100
    data = bytearray((tmp_path / "a").read_bytes())
    data[at] ^= 1
    (tmp_path / "a").write_bytes(data)
    loaded = Recording.load(tmp_path / "a")
    np.testing.assert_array_equal(loaded.observed[:10].values, recording.observed[:10].values)
    with pytest.raises(StoreError, match=r"observed/1\.0\.0 is damaged" if place == "movie" else "noise/0 is damaged"):
        loaded.observed.values if place == "movie" else loaded.truth["noise"]


def test_loaded_truth_has_the_labels_of_simulated_truth(tmp_path):
    simulated = simulate(load_preset("moving", overrides={"acquisition.duration_s": 1}))
    simulated.save(tmp_path / "r")
    loaded = Recording.load(tmp_path / "r").truth
    assert loaded.names == simulated.truth.names
    assert list(loaded.shifts.shift_dim.values) == ["height", "width"]
    for name in loaded.names:
        xr.testing.assert_identical(loaded[name].load(), simulated.truth[name].load())


@pytest.mark.parametrize("path", [3, None, b"a"])
def test_what_is_no_path_is_refused(path):
    for call in (_recording().save, _recording().to_npy, Recording.load):
        with pytest.raises(TypeError, match=r"is no path: give text or a pathlib\.Path"):
            call(path)
