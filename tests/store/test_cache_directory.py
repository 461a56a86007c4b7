"""The directory of a cache: what is listed, what goes and what stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pytest_calsim.spec.spec import Spec
from pytest_calsim.store.cache_directory import CacheDirectory
from pytest_calsim.store.recording_file import Provenance
from pytest_calsim.store.writing import RecordingData


class _Frames:
    shape = (20, 16, 16)
    dtype = np.dtype(np.uint8)

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.zeros((stop - start, 16, 16), np.uint8)


def _spec(seed: int) -> Spec:
    return Spec.make({"steps": ["leakage"], "seed": seed})


def _add(directory: CacheDirectory, *seeds: int) -> list[Path]:
    for seed in seeds:
        spec = _spec(seed)
        origin = Provenance(spec.key(), f"seed {seed}", None, (), 1.5, 12.0)
        directory.add(RecordingData(spec, _Frames(), {}, origin))
    return [directory.path(_spec(seed).key()) for seed in seeds]


@pytest.fixture
def directory(tmp_path: Path) -> CacheDirectory:
    """An empty directory that does not exist yet."""
    return CacheDirectory(tmp_path / "root")


def test_nothing_is_written_before_it_must_be(directory: CacheDirectory) -> None:
    with pytest.raises(FileNotFoundError):
        directory.open(_spec(1))
    assert directory.entries() == directory.verify() == []
    assert (directory.clear(), directory.evict(0), directory.sweep()) == ((0, 0), 0, 0)
    assert not directory.root.exists()


@pytest.mark.parametrize("key", ["", "../escape", "a" * 63, "A" * 64, "a" * 65, "a" * 64 + "\n", "/" + "a" * 63])
def test_only_keys_become_paths(directory: CacheDirectory, key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        directory.path(key)


def test_the_least_recently_used_go_first(directory: CacheDirectory) -> None:
    files = _add(directory, 0, 1, 2, 3)
    for age, file in enumerate(files):
        os.utime(file, (0, 1000 - age))
    directory.open(_spec(3))
    total = sum(file.stat().st_size for file in files)
    last_two = files[0].stat().st_size + files[3].stat().st_size
    assert [e.key for e in directory.entries()] == [_spec(seed).key() for seed in (3, 0, 1, 2)]
    assert directory.evict(total) == 0
    assert directory.evict(last_two) == 2
    assert [file.exists() for file in files] == [True, False, False, True]
    assert directory.evict(last_two - 1) == 1
    assert [file.exists() for file in files] == [False, False, False, True]
    assert directory.evict(0) == 1


def test_entries_say_what_there_is(directory: CacheDirectory) -> None:
    (file, bad) = _add(directory, 1, 2)
    bad.write_bytes(b"damaged")
    os.utime(bad, (5, 5))
    first, second = directory.entries()
    assert (first.key, first.label, first.path, first.cost_s > 1.5, first.created) == (
        _spec(1).key(),
        "seed 1",
        file,
        True,
        12.0,
    )
    assert (second.label, second.size_bytes, second.cost_s, second.used) == ("(unreadable)", 7, 0.0, 5.0)
    assert bad.exists(), "looking removes nothing"


def test_recordings_of_other_formats_count_and_go_with_the_least_recently_used(directory: CacheDirectory) -> None:
    (file,) = _add(directory, 1)
    folder = directory.root / "v1" / ("0" * 64)
    (folder / "recording.zarr").mkdir(parents=True)
    (folder / "recording.zarr" / "0").write_bytes(bytes(10**6))
    newer = directory.root / "v3" / f"{'1' * 64}.new"
    newer.parent.mkdir()
    newer.write_bytes(bytes(1000))
    os.utime(folder, (0, 0))
    os.utime(newer, (1, 1))
    assert [(e.label, e.size_bytes >= 1000) for e in directory.entries()] == [
        ("seed 1", True),
        ("(unreadable)", True),
        ("(unreadable)", True),
    ]
    assert directory.verify() == []
    assert directory.evict(file.stat().st_size + 1000) == 1
    assert not folder.exists()
    assert directory.clear() == (2, 0)
    assert not newer.exists()


def test_verify_finds_removes_and_tells(directory: CacheDirectory) -> None:
    files = _add(directory, 1, 2, 3, 4)
    data = bytearray(files[1].read_bytes())
    data[data.index(b"observed/0.0.0") + 500] ^= 1
    files[1].write_bytes(data)
    files[2].write_bytes(files[0].read_bytes())
    (directory.folder / "stranger").mkdir()
    problems = directory.verify()
    assert len(problems) == 2
    assert any(str(files[1]) in p and "observed/0.0.0 is damaged" in p for p in problems)
    assert any(str(files[2]) in p and "another spec" in p for p in problems)
    assert [file.exists() for file in files] == [True, False, False, True]
    assert directory.verify() == []
    assert (directory.folder / "stranger").exists()


def test_half_written_files_are_swept_unless_somebody_is_at_them(directory: CacheDirectory) -> None:
    key = _spec(1).key()
    _add(directory, 2)
    mine = directory.folder / f"{key}.zarr.zip.abc.partial"
    orphan = directory.folder / f"{_spec(3).key()}.zarr.zip.def.partial"
    with directory.turn(key, name="", deadline_s=0, say=print):
        mine.touch()
        orphan.touch()
        assert directory.sweep() == 1
        assert mine.exists()
        assert not orphan.exists()
    assert directory.sweep() == 1
    assert [path.name for path in directory.folder.iterdir()] == [f"{_spec(2).key()}.zarr.zip"]


def test_turns_of_two_keys_do_not_wait_for_each_other(directory: CacheDirectory) -> None:
    said: list[str] = []
    with (
        directory.turn(_spec(1).key(), name="one", deadline_s=60, say=said.append) as first,
        directory.turn(_spec(2).key(), name="two", deadline_s=60, say=said.append) as second,
    ):
        assert (first, second, said) == (0.0, 0.0, [])


HOLD = """
import sys
from pathlib import Path
from pytest_calsim.store.cache_directory import CacheDirectory
with CacheDirectory(Path(sys.argv[1])).turn(sys.argv[2], name="", deadline_s=0, say=print):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("deadline_s", [0, 0.2])
def test_a_turn_is_taken_past_the_deadline(directory: CacheDirectory, deadline_s: float) -> None:
    command = [sys.executable, "-c", HOLD, str(directory.root), _spec(1).key()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"  # it ends where the process fails
        said: list[str] = []
        with directory.turn(_spec(1).key(), name="it", deadline_s=deadline_s, say=said.append) as waited_s:
            assert waited_s >= deadline_s
            assert said[-1] == "it: waited 0 s, simulating it here"
        holder.communicate()


def test_what_an_exception_interrupts_leaves_no_lock(directory: CacheDirectory) -> None:
    for _ in range(2):
        with (
            pytest.raises(KeyboardInterrupt),
            directory.turn(_spec(1).key(), name="", deadline_s=0, say=pytest.fail),
        ):
            raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX lets open files be removed")
def test_an_open_file_outlives_clearing(directory: CacheDirectory) -> None:
    _add(directory, 1)
    file = directory.open(_spec(1))
    assert directory.clear() == (1, 0)
    assert file.read(0, 20).shape == (20, 16, 16)
    file.verify()


def test_the_time_of_use_is_kept_without_access_times(directory: CacheDirectory) -> None:
    (path,) = _add(directory, 1)
    os.utime(path, (0, 0))
    before = time.time()
    directory.open(_spec(1))
    assert path.stat().st_mtime >= before - 1
