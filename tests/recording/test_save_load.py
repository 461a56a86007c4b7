"""Saving and loading: the same bits back, lazily, or a clear refusal."""

from __future__ import annotations

import itertools
import os
import pickle
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from cache_helpers import fingerprint, light_spec

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.errors import StoreError
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.recording.truth import GroundTruth
from pytest_calsim.store import writing


class _Frames:
    """A movie of any shape and type; the numbers say where they belong."""

    def __init__(self, shape: tuple[int, int, int], dtype: str) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.movie = (np.arange(np.prod(shape)) * 7 % 251).reshape(shape).astype(dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.movie[start:stop].copy()


def _recording(shape=(70, 64, 96), dtype="u1", **truth) -> Recording:
    return Recording(light_spec(), _Frames(shape, dtype), GroundTruth(truth), notes=("a note",))


def test_a_saved_recording_comes_back_bit_for_bit(tmp_path: Path) -> None:
    recording = simulate(light_spec())
    recording.save(tmp_path / "a")
    loaded = Recording.load(tmp_path / "a")
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


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_any_frames_in_any_order_are_right_fresh_and_writable(tmp_path: Path, dtype: str) -> None:
    recording = _recording(dtype=dtype)
    recording.save(tmp_path / "a")
    source, movie = Recording.load(tmp_path / "a").frames, recording.frames.read(0, 70)
    assert source.dtype == movie.dtype
    rng = random.Random(0)
    spans = [(0, 70), (0, 0), (70, 70), (69, 70)] + [(i, i + 1) for i in range(70)]
    spans += [tuple(sorted((rng.randint(0, 70), rng.randint(0, 70)))) for _ in range(50)]

    def check(span: tuple[int, int]) -> None:
        block = source.read(*span)
        np.testing.assert_array_equal(block, movie[slice(*span)])
        assert block.flags.writeable
        block[...] = 0  # nobody else may see this

    for span in spans:
        check(span)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, spans))


def test_every_kind_of_truth_comes_back(tmp_path: Path) -> None:
    footprints = SparseFootprints.from_units(
        [(np.array([3, 70]), np.array([0.5, 1.0])), (np.array([], int), np.array([]))], (64, 96)
    )
    truth = {
        "A_planted": footprints,
        "C": TruthArray(("unit_id", "frame"), np.random.default_rng(0).random((2, 70), np.float32), "1"),
        "in_fov": TruthArray(("unit_id",), np.array([True, False])),
        "population": TruthArray(("unit_id",), np.array([3, 4])),
        "focal_depth_um": TruthArray((), np.array(120.5), "um"),
        "nothing": TruthArray(("unit_id", "frame"), np.zeros((0, 70), np.uint16)),
        "long": TruthArray(("sample", "axis"), np.arange(3_000_000.0).reshape(-1, 3)),
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


@pytest.mark.parametrize("consolidated", [True, False])
def test_xarray_and_zarr_open_the_folder(tmp_path: Path, consolidated: bool) -> None:
    recording = _recording(C=TruthArray(("unit_id", "frame"), np.arange(140.0).reshape(2, 70), "dF/F"))
    recording.save(tmp_path / "a")
    path = tmp_path / "a" / "recording.zarr"
    opened = xr.open_zarr(path, consolidated=consolidated)
    xr.testing.assert_equal(opened["observed"], recording.observed.drop_vars(("frame", "height", "width")))
    assert opened["observed"].dtype == np.uint8
    truth = xr.open_zarr(path, group="truth", consolidated=consolidated)
    assert truth["C"].dims == ("unit_id", "frame")
    assert truth["C"].attrs["units"] == "dF/F"
    assert zarr.open(str(path), mode="r")["observed"].shape == (70, 64, 96)


def test_the_bits_do_not_depend_on_the_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = _recording()
    found = set()
    for threads in (1, 2, 3):
        monkeypatch.setattr(writing, "usable_cores", lambda threads=threads: threads)
        recording.save(tmp_path / str(threads))
        zarr_files = sorted((tmp_path / str(threads) / "recording.zarr").rglob("*"))
        found.add(b"".join(path.read_bytes() for path in zarr_files if path.is_file()))
    assert len(found) == 1


def test_the_movie_is_asked_for_block_by_block(tmp_path: Path) -> None:
    source = _Frames((400, 64, 96), "u1")
    asked = []
    read = source.read
    source.read = lambda a, b: asked.append((a, b)) or read(a, b)  # type: ignore[method-assign]
    Recording(light_spec(), source, GroundTruth({})).save(tmp_path / "a")
    spans = sorted(asked)
    assert spans[0][0] == 0
    assert spans[-1][1] == 400
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert max(b - a for a, b in spans) * 64 * 96 <= 4 << 20
    assert len(spans) > 4


def test_saving_never_overwrites_and_leaves_nothing_behind(tmp_path: Path) -> None:
    recording = _recording()
    (tmp_path / "there").mkdir()
    with pytest.raises(StoreError, match="exists already"):
        recording.save(tmp_path / "there")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        recording.save(tmp_path / "file" / "a")
    with pytest.raises(StoreError, match="numbers and booleans"):
        _recording(names=TruthArray(("unit_id",), np.array(["a"], object))).save(tmp_path / "a")
    with pytest.raises(StoreError, match="must be an identifier"):
        _recording(**{"../escape": TruthArray((), np.array(1))}).save(tmp_path / "a")

    class Broken(_Frames):
        def read(self, start: int, stop: int) -> np.ndarray:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Recording(light_spec(), Broken((9, 8, 8), "u1"), GroundTruth({})).save(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "there"]


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no recording there"):
        Recording.load(tmp_path / "nothing")
    with pytest.raises(StoreError, match=r"no manifest.json"):
        Recording.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="not a folder"):
        Recording.load(tmp_path / "file")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    _recording().save(tmp_path / "a")
    (tmp_path / "a" / "recording.zarr" / "observed" / "99.0.0").write_bytes(b"more")
    with pytest.raises(StoreError, match="does not belong"):
        Recording.load(tmp_path / "a")


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege")
@pytest.mark.parametrize("name", ["spec.json", "recording.zarr/observed/0.0.0", "recording.zarr", "."])
def test_symbolic_links_are_refused(tmp_path: Path, name: str) -> None:
    _recording().save(tmp_path / "a")
    there = tmp_path / "a" / name
    there.rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", there)
    with pytest.raises(StoreError, match=r"symbolic link|not a folder"):
        Recording.load(tmp_path / "a")


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege")
def test_a_chunk_that_becomes_a_link_is_refused_when_read(tmp_path: Path) -> None:
    _recording().save(tmp_path / "a")
    loaded = Recording.load(tmp_path / "a")
    chunk = tmp_path / "a" / "recording.zarr" / "observed" / "0.0.0"
    chunk.rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", chunk)
    with pytest.raises(StoreError):
        loaded.observed.values  # noqa: B018


def test_a_damaged_chunk_is_an_error_when_it_is_read_and_not_before(tmp_path: Path) -> None:
    recording = _recording()
    recording.save(tmp_path / "a")
    chunk = tmp_path / "a" / "recording.zarr" / "observed" / "1.0.0"
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)
    loaded = Recording.load(tmp_path / "a")
    np.testing.assert_array_equal(loaded.observed[:10].values, recording.observed[:10].values)
    with pytest.raises(StoreError, match=r"observed/1\.0\.0: damaged"):
        loaded.observed.values  # noqa: B018


def test_a_progress_bar_only_for_a_person_and_a_long_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writing, "_BAR_AFTER_S", 0.0)
    _recording().save(tmp_path / "a")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _recording().save(tmp_path / "b")
    assert "100 %\n" in capsys.readouterr().err
