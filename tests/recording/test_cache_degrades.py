"""Where a cache cannot be written, the test still gets its recording, with one clear warning."""

from __future__ import annotations

import errno
import gc
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from cache_helpers import PROCESSES, expected, fingerprint, light_spec, request_on_mount, request_with_limited_files

from pytest_calsim.errors import CacheWarning
from pytest_calsim.store import files
from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.store.turns import try_lock

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary folders, to see what stays there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _assert_served(root: Path, temporary: Path) -> RecordingCache:
    """Two specs, twice each, with one warning altogether; the second time from the temporary folder."""
    cache = RecordingCache(root)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for seed in (1, 2, 1, 2):
            cache._in_hand.clear()
            assert fingerprint(cache.get(light_spec(seed))) == expected(light_spec(seed))
    (message,) = [str(w.message) for w in told]
    assert issubclass(told[0].category, CacheWarning)
    assert f"the recording cache {root} cannot be written (" in message
    assert f"go to {temporary}" in message
    assert (cache.counters.simulated, cache.counters.hits) == (2, 2)
    return cache


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_root_that_is_a_file(tmp_path: Path, temporary: Path, where: str) -> None:
    (tmp_path / "file").write_text("not mine")
    cache = _assert_served(tmp_path / where, temporary)
    assert (tmp_path / "file").read_text() == "not mine"
    assert cache.entries() == cache.verify() == []
    del cache
    gc.collect()
    assert not list(temporary.iterdir()), "the temporary folder goes with the cache"


@linux_only
@pytest.mark.parametrize("root", ["/proc/calsim", "/sys/calsim"])
def test_a_root_that_cannot_be_made(temporary: Path, root: str) -> None:
    _assert_served(Path(root), temporary)


def test_a_root_that_is_out_of_reach(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "cache"
    recording = RecordingCache(root).get(light_spec(1))
    real_open, scandir = os.open, os.scandir

    def cut_off(call: Any) -> Any:
        def reach(path: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(path, str | Path) and Path(path).is_relative_to(root):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
            return call(path, *arguments, **options)

        return reach

    monkeypatch.setattr(os, "open", cut_off(real_open))
    monkeypatch.setattr(os, "scandir", cut_off(scandir))
    _refuse(monkeypatch, root, errno.ESTALE, 0)
    _assert_served(root, temporary)
    with pytest.warns(CacheWarning, match="cannot be written"):
        assert fingerprint(recording) == expected(light_spec(1))


def _refuse(monkeypatch: pytest.MonkeyPatch, root: Path, code: int, after_bytes: int) -> None:
    """From now on the disk under a root takes that much and no more."""
    room = [after_bytes]
    write = files.write_file

    def full(path: Path, data: bytes) -> None:
        room[0] -= len(data) if path.is_relative_to(root) else 0
        if room[0] < 0 and path.is_relative_to(root):
            path.write_bytes(data[: len(data) // 2])
            raise OSError(code, os.strerror(code), str(path))
        write(path, data)

    monkeypatch.setattr("pytest_calsim.store.writing.write_file", full)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("after_bytes", [0, 3000, 9000])
def test_a_disk_that_fills_up(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, code: int, after_bytes: int
) -> None:
    root = tmp_path / "cache"
    _refuse(monkeypatch, root, code, after_bytes)
    _assert_served(root, temporary)
    assert not list((root / "v1").iterdir())
    assert not list((root / "tmp").iterdir())


def test_no_disk_at_all(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(monkeypatch, tmp_path, errno.ENOSPC, 0)
    cache = RecordingCache(tmp_path / "cache")
    with pytest.warns(CacheWarning, match="painted when they are read") as told:
        assert fingerprint(cache.get(light_spec(1))) == expected(light_spec(1))
    assert len(told) == 1
    assert fingerprint(cache.get(light_spec(2))) == expected(light_spec(2))
    assert not list(temporary.glob("*/tmp/*"))


@linux_only
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def not_here(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", not_here)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        try_lock(tmp_path / "a.lock")
    cache = RecordingCache(tmp_path / "root")
    for seed in (1, 2, 1, 2):
        cache._in_hand.clear()
        assert fingerprint(cache.get(light_spec(seed))) == expected(light_spec(seed))
    assert (cache.counters.simulated, cache.counters.hits) == (2, 2)


def test_damage_that_cannot_be_set_aside(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "cache"
    recording = RecordingCache(root).get(light_spec(1))
    chunk = next((root / "v1").glob("*/recording.zarr/observed/0.0.0"))
    chunk.write_bytes(b"")
    rename = Path.rename

    def read_only(self: Path, target: Path) -> Path:
        if self.is_relative_to(root):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", read_only)
    with pytest.warns(CacheWarning, match="cannot be written"):
        assert fingerprint(recording) == expected(light_spec(1))
    cache = RecordingCache(root)
    with pytest.warns(CacheWarning, match="cannot be written"):
        assert fingerprint(cache.get(light_spec(1))) == expected(light_spec(1))
    assert chunk.read_bytes() == b""


@linux_only
@pytest.mark.parametrize("limit", [0, 2000, 10_000])
def test_a_limit_on_file_size(tmp_path: Path, limit: int) -> None:
    out = PROCESSES.Queue()
    process = PROCESSES.Process(target=request_with_limited_files, args=(tmp_path / "cache", limit, out))
    process.start()
    digests, told, counters = out.get()
    process.join()
    assert digests == [expected(light_spec(1)), expected(light_spec(2))]
    assert counters["simulated"] == 2
    assert len(told) == 1
    assert "cannot be written" in told[0]
    assert not list((tmp_path / "cache").glob("v1/*"))
    assert not list((tmp_path / "cache").glob("tmp/*"))


def _ask_on_mount(mounts: list[list[str]], root: Path, seeds: list[int]) -> Any:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting needs root on Linux")
    out = PROCESSES.Queue()
    process = PROCESSES.Process(target=request_on_mount, args=(mounts, root, seeds, out))
    process.start()
    answer = out.get()
    process.join()
    if answer is None:
        pytest.skip("mounting is not allowed here")
    return answer


def test_a_small_file_system(tmp_path: Path) -> None:
    mounts = [["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]]
    digests, told, counters, _, left = _ask_on_mount(mounts, tmp_path, [1, 2])
    assert digests == [expected(light_spec(seed, frames=400)) for seed in (1, 2)]
    assert counters["simulated"] == 2
    (message,) = told
    assert "No space left on device" in message
    assert left == []


def test_a_read_only_file_system_still_serves_what_it_has(tmp_path: Path) -> None:
    RecordingCache(tmp_path).get(light_spec(1, frames=400))
    mounts = [["--bind", str(tmp_path), str(tmp_path)], ["-o", "remount,ro,bind", str(tmp_path)]]
    digests, told, counters, housekeeping, left = _ask_on_mount(mounts, tmp_path, [1, 2])
    assert digests == [expected(light_spec(seed, frames=400)) for seed in (1, 2)]
    assert (counters["hits"], counters["simulated"]) == (1, 1)
    (message,) = told
    assert "Read-only file system" in message
    assert housekeeping == (0, 0, 0)
    assert left == [light_spec(1, frames=400).key()]
