"""Zips read by position: the same as Python's own reader finds, at any size."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim.errors import StoreError
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.archive import Archive
from pytest_calsim.store.recording_file import Provenance, RecordingFile
from pytest_calsim.store.writing import RecordingData, write_archive

NAMES = st.text("abc/.0_é", min_size=1, max_size=12)


@given(members=st.dictionaries(NAMES, st.binary(max_size=300), max_size=8), before=st.binary(max_size=20))
def test_members_are_those_of_pythons_own_reader(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes], before: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.zip"
    with open(path, "wb") as file:
        file.write(before)  # a zip may begin anywhere in a file
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    found = Archive(path)
    assert set(found.names) == set(members)
    assert {name: found.read(name) for name in found.names} == members
    out = np.zeros(5, np.uint8)
    for name, data in members.items():
        if len(data) != 5:
            with pytest.raises(StoreError, match="is damaged"):
                found.read_into(name, out)


def test_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("a", b"1")
    with pytest.raises(StoreError, match="/a: b is missing"):
        Archive(tmp_path / "a").read("b")
    with pytest.raises(FileNotFoundError):
        Archive(tmp_path / "b")


def test_a_size_beyond_all_memory_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("a", b"1234")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data.replace(struct.pack("<2I", 4, 4), struct.pack("<2I", 2**31, 2**31)))
    with pytest.raises(StoreError, match="lies outside the file"):
        Archive(tmp_path / "a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("pipe", "loop", "dangling", "."):
        with pytest.raises(StoreError, match="not a file"):
            Archive(tmp_path / name)


def test_files_are_closed_with_their_archives(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("a", b"1234")
    (tmp_path / "bad").write_bytes(b"no zip")
    before = os.listdir("/proc/self/fd")
    for _ in range(10):
        Archive(tmp_path / "a").read("a")
        with pytest.raises(StoreError):
            Archive(tmp_path / "bad")
    assert os.listdir("/proc/self/fd") == before


class _Zeros:
    """A movie of zeros, but for the first pixel of each frame."""

    def __init__(self, n_frames: int) -> None:
        self.shape = (n_frames, 1024, 4096)
        self.dtype = np.dtype(np.uint8)

    def read(self, start: int, stop: int) -> np.ndarray:
        block = np.zeros((stop - start, *self.shape[1:]), np.uint8)
        block[:, 0, 0] = np.arange(start, stop) % 251
        return block


class _SparseFile:
    """Leaves holes where zeros are written."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        zeros = np.frombuffer(data, np.uint8)
        if len(zeros) < 4096 or zeros[4096:].any():
            return self._file.write(data)
        self._file.write(data[:4096])
        self._file.seek(len(data) - 4096, os.SEEK_CUR)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _write(path: Path, n_frames: int, begin: int = 0) -> None:
    spec = Spec.make({"steps": ["leakage"]})
    with open(path, "wb") as file:
        file.seek(begin)
        write_archive(
            _SparseFile(file), RecordingData(spec, _Zeros(n_frames), {}, Provenance(spec.key(), "", None, (), 0, 0))
        )


def _check(path: Path, n_frames: int) -> None:
    if path.stat().st_blocks * 512 > 100e6:
        pytest.skip("this file system has no sparse files")
    found = RecordingFile(path)
    for frame in (0, 1, n_frames // 2, n_frames - 1):
        block = found.read(frame, frame + 1)
        assert block[0, 0, 0] == frame % 251
        assert not block[0, 1:].any()


def test_a_file_with_its_recording_beyond_4_gb(tmp_path: Path) -> None:
    _write(tmp_path / "far", 5, begin=5 << 30)
    _check(tmp_path / "far", 5)


@pytest.mark.slow
def test_a_recording_of_more_than_4_gb(tmp_path: Path) -> None:
    _write(tmp_path / "large", 1100)
    assert (tmp_path / "large").stat().st_size > 1100 << 22
    _check(tmp_path / "large", 1100)


def test_a_written_file_is_what_zips_of_other_programs_are(tmp_path: Path) -> None:
    simulate(Spec.make({"steps": ["leakage"], "acquisition": {"duration_s": 0.2}})).save(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o644}, "unpacked files can be read"
        assert archive.namelist()[0] == "spec.json"
