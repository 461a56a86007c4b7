"""Where a cache cannot be read or written, a test still gets its recording; what went wrong is told once."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cache_helpers import (
    PROCESSES,
    expected,
    fingerprint,
    leftovers,
    light_spec,
    request_on_mount,
    request_with_limited_files,
    stored,
)

from pytest_calsim.errors import CacheWarning
from pytest_calsim.recording.cache import RecordingCache, default_root
from pytest_calsim.store import archive, writing

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def _assert_painted(root: Path, why: str = "cannot be written (", note_count: int = 1) -> RecordingCache:
    """Two specs, twice each, with one warning altogether."""
    cache = RecordingCache(root)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for seed in (1, 2, 1, 2):
            assert fingerprint(cache.get(light_spec(seed))) == expected(light_spec(seed))
    assert len(told) == note_count
    for warning in told:
        assert issubclass(warning.category, CacheWarning)
        assert warning.filename == __file__, "it stands in the line that asked"
        assert why in str(warning.message)
        assert str(root) in str(warning.message)
        assert "painted when" in str(warning.message)
    assert (cache.counters.simulated, cache.counters.hits) == (2, 2)
    return cache


@pytest.mark.parametrize("where", ["file", "file/below", "link"])
def test_a_root_that_is_no_folder(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("not mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    cache = _assert_painted(tmp_path / where)
    assert (tmp_path / "file").read_text() == "not mine"
    assert cache.entries() == cache.verify() == []
    assert (cache.clear(), cache.evict(0), cache.sweep()) == ((0, 0), 0, 0)


@linux_only
@pytest.mark.parametrize("root", ["/proc/calsim", "/sys/calsim"])
def test_a_root_that_cannot_be_made(root: str) -> None:
    _assert_painted(Path(root))


@linux_only
def test_a_place_that_lets_nobody_in(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing keeps root out; the same with a read-only file system below")
    RecordingCache(tmp_path).get(light_spec(1))
    for mode in (0o000, 0o500):
        (tmp_path / "v2").chmod(mode)
        cache = RecordingCache(tmp_path, note=lambda _: None)
        assert fingerprint(cache.get(light_spec(1))) == expected(light_spec(1))
        assert fingerprint(cache.get(light_spec(2))) == expected(light_spec(2))
        (tmp_path / "v2").chmod(0o700)


def test_a_root_that_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = RecordingCache(tmp_path).get(light_spec(1))

    def cut_off(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(archive.os, "open", cut_off)
    monkeypatch.setattr(archive, "_read_some_at", cut_off)
    monkeypatch.setattr(writing, "open", cut_off, raising=False)
    _assert_painted(tmp_path)
    with pytest.warns(CacheWarning, match=os.strerror(errno.ESTALE)):
        assert fingerprint(recording) == expected(light_spec(1))


class _FullDisk:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: Any, code: int, room: int) -> None:
        self._file = file
        self._code = code
        self._room = room

    def write(self, data: Any) -> int:
        self._room -= len(data)
        if self._room < 0:
            self._file.write(data[: len(data) // 2])
            raise OSError(self._code, os.strerror(self._code))
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("after_bytes", [0, 3000, 50_000])
def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, after_bytes: int) -> None:
    monkeypatch.setattr(writing, "open", lambda *a: _FullDisk(Path.open(*a), code, after_bytes), raising=False)
    _assert_painted(tmp_path, os.strerror(code))
    assert stored(tmp_path) == []
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(writing.os, call, fail)
    _assert_painted(tmp_path, os.strerror(errno.EIO))
    assert stored(tmp_path) == []
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("free", [0, 10_000, 40 * 32 * 32 * 4 - 1])
def test_a_recording_larger_than_the_free_disk_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    begun: list[Path] = []
    monkeypatch.setattr(writing, "open", lambda path, *_: begun.append(path), raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    _assert_painted(tmp_path, "MB are free", note_count=2)
    assert begun == []


def test_a_small_recording_is_kept_beside_one_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000))
    cache = RecordingCache(tmp_path)
    with pytest.warns(CacheWarning, match=r"large is not kept in .*: the movie may take 2 MB, and 0 MB are free"):
        cache.get(light_spec(1, frames=400), label="large")
    cache.get(light_spec(2))
    assert len(stored(tmp_path)) == 1


def test_a_folder_that_is_taken_away_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def late(source: Path, target: Path) -> None:
        shutil.rmtree(tmp_path)
        replace(source, target)

    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(writing.os, "replace", late)
        cache = RecordingCache(tmp_path)
        assert fingerprint(cache.get(light_spec(1))) == expected(light_spec(1))
    cache.get(light_spec(2))
    assert len(stored(tmp_path)) == 1, "the next one is kept again"


@linux_only
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def not_here(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", not_here)
    cache = RecordingCache(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in (1, 2):
            assert fingerprint(cache.get(light_spec(seed))) == expected(light_spec(seed))
            assert RecordingCache(tmp_path).get(light_spec(seed)).spec.seed == seed
    assert cache.counters.simulated == 2
    assert len(stored(tmp_path)) == 2
    (tmp_path / "v2" / f"{light_spec(3).key()}.zarr.zip.0.partial").touch()
    assert cache.sweep() == 0, "where there are no locks nobody knows whether it is being written"


def test_damage_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    recording = RecordingCache(tmp_path, note=notes.append).get(light_spec(1))
    (file,) = stored(tmp_path)
    file.write_bytes(b"x" * file.stat().st_size)

    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("unlink", "mkdir"):
        monkeypatch.setattr(Path, name, read_only)
    monkeypatch.setattr(writing.os, "replace", read_only)
    assert fingerprint(recording) == expected(light_spec(1))
    cache = RecordingCache(tmp_path, note=notes.append)
    assert fingerprint(cache.get(light_spec(1))) == expected(light_spec(1))
    assert "cannot be written" in notes[-1]
    assert cache.clear() == (0, 1)


@linux_only
@pytest.mark.parametrize("limit", [0, 2000, 10_000])
def test_a_limit_on_file_size(tmp_path: Path, limit: int) -> None:
    out = PROCESSES.Queue()
    process = PROCESSES.Process(target=request_with_limited_files, args=(tmp_path / "cache", limit, out))
    process.start()
    digests, told, counters = out.get(timeout=120)
    process.join()
    assert digests == [expected(light_spec(1)), expected(light_spec(2))]
    assert counters["simulated"] == 2
    assert len(told) == 1
    assert "cannot be written" in told[0]
    assert stored(tmp_path / "cache") == []
    assert leftovers(tmp_path / "cache") == []


def _ask_on_mount(mounts: list[list[str]], root: Path, seeds: list[int]) -> Any:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting needs root on Linux")
    out = PROCESSES.Queue()
    process = PROCESSES.Process(target=request_on_mount, args=(mounts, root, seeds, out))
    process.start()
    answer = out.get(timeout=120)
    process.join()
    if answer is None:
        pytest.skip("mounting is not allowed here")
    return answer


def test_a_small_file_system(tmp_path: Path) -> None:
    mounts = [["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]]
    digests, told, counters, _, left = _ask_on_mount(mounts, tmp_path, [1, 2])
    assert digests == [expected(light_spec(seed, frames=400)) for seed in (1, 2)]
    assert counters["simulated"] == 2
    assert all("MB are free" in message for message in told)
    assert left == []


def test_a_file_system_that_is_full_although_it_has_room_for_the_movie(tmp_path: Path) -> None:
    # The movie takes 1.64 MB of the 1.65 MB; what comes with it does not fit.
    mounts = [["-t", "tmpfs", "-o", "size=1648k", "tmpfs", str(tmp_path)]]
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
    assert left == [stored(tmp_path)[0].name]


NO_HOME = """
import os, pwd, sys, warnings
def unknown(*_): raise KeyError("uid not found")
pwd.getpwuid = pwd.getpwnam = unknown
from cache_helpers import expected, fingerprint, light_spec
from pytest_calsim import simulate_cached
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    recordings = [simulate_cached(light_spec(seed)) for seed in (1, 2)]
assert [fingerprint(r) for r in recordings] == [expected(light_spec(seed)) for seed in (1, 2)]
(message,) = [str(w.message) for w in told]
assert "no home directory" in message and "painted when" in message, message
"""


def _run(code: str, folder: Path, **changes: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "LANG")}
    paths = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parent)])
    environment |= {"PYTHONPATH": paths, **changes}
    script = folder.parent / "script.py"
    script.write_text(code, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a home is found otherwise")
def test_no_home_and_an_unknown_user(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    _run(NO_HOME, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_an_older_platformdirs_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: "~/.cache/pytest-calsim")
    _assert_painted(default_root(), "no home directory")
    assert list(tmp_path.iterdir()) == []


ODD_PLACE = """
import os, sys
from pathlib import Path
from cache_helpers import expected, fingerprint, light_spec
from pytest_calsim.recording.cache import RecordingCache
os.umask(0o077)
for hits in (0, 1):
    cache = RecordingCache(Path(os.fsdecode("Größe & Maße".encode())) / "the cache")
    assert fingerprint(cache.get(light_spec(1), label="größer")) == expected(light_spec(1))
    assert cache.counters.hits == hits
assert cache.verify() == []
assert [entry.label for entry in cache.entries()] == ["größer"]
"""


def test_spaces_umlauts_a_link_a_narrow_umask_and_an_ascii_locale(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    _run(ODD_PLACE, tmp_path / "link", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    (file,) = (tmp_path / "real").rglob("*.zarr.zip")
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_warnings_as_errors_in_threads(tmp_path: Path) -> None:
    """What is read in a thread fails no more than what is read here."""
    notes: list[str] = []
    recording = RecordingCache(tmp_path, note=notes.append).get(light_spec(1, frames=400))
    (file,) = stored(tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(fingerprint(recording))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected(light_spec(1, frames=400))] * 4
    assert len(notes) == 1
