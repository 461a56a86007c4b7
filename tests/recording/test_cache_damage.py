"""No wrong byte is ever served: damage is found, removed and made good, before opening and in the middle of reading."""

from __future__ import annotations

import json
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cache_helpers import expected, fingerprint, light_spec, stored

from pytest_calsim.errors import CacheWarning
from pytest_calsim.recording.cache import CacheCounters, RecordingCache
from pytest_calsim.recording.simulate import simulate

SPEC = light_spec(1, frames=300, size=64, noisy=True)
RIGHT = expected(SPEC)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one whole recording."""
    root = tmp_path_factory.mktemp("whole")
    RecordingCache(root).get(SPEC)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(whole / "v2", tmp_path / "v2")
    return tmp_path


def _file(root: Path) -> Path:
    return root / "v2" / f"{SPEC.key()}.zarr.zip"


def _flip(path: Path, at: int, mask: int = 1) -> None:
    """Damage one byte in place."""
    with open(path, "r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ mask]))


def _offset(path: Path, member: str) -> int:
    """Where a member's data begins."""
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo(member).header_offset + 30 + len(member)


def _truncate(path: Path, size: int) -> None:
    with open(path, "r+b") as file:
        file.truncate(size)


def _rewrite(path: Path, **changes: bytes) -> None:
    """Write a sound zip in which some members are others; ``b""`` leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.update(changes)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if data:
                archive.writestr(name, data)


def _edit_metadata(path: Path, edit: Callable[[dict], object]) -> None:
    with zipfile.ZipFile(path) as archive:
        whole = json.loads(archive.read(".zmetadata"))
    edit(whole["metadata"])
    _rewrite(path, **{".zmetadata": json.dumps(whole).encode()})


def _swap_in_directory(path: Path) -> None:
    """Let the directory lead from either of two chunks' names to the other's data, both of them sound."""
    data = path.read_bytes()
    start = data.rindex(b"PK\5\6")
    directory = int.from_bytes(data[start + 16 : start + 20], "little")
    names = data[directory:]
    for old, new in ((b"/2.0.0", b"/x.0.0"), (b"/1.0.0", b"/2.0.0"), (b"/x.0.0", b"/1.0.0")):
        names = names.replace(b"observed" + old, b"observed" + new)
    path.write_bytes(data[:directory] + names)


FOUND_WHEN_OPENED: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "last byte gone": lambda path: _truncate(path, path.stat().st_size - 1),
    "half of it gone": lambda path: _truncate(path, path.stat().st_size // 2),
    "first half gone": lambda path: path.write_bytes(path.read_bytes()[path.stat().st_size // 2 :]),
    "text": lambda path: path.write_text("not a recording"),
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "file").write_text("")),
    "a dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "spec damaged": lambda path: _flip(path, _offset(path, "spec.json")),
    "metadata damaged": lambda path: _flip(path, _offset(path, ".zmetadata") + 7),
    "no spec": lambda path: _rewrite(path, **{"spec.json": b""}),
    "no metadata": lambda path: _rewrite(path, **{".zmetadata": b""}),
    "another spec inside": lambda path: _rewrite(path, **{"spec.json": light_spec(2).canonical_json().encode()}),
    "no zarr": lambda path: _rewrite(path, **{".zmetadata": b"[1, 2]"}),
    "no movie": lambda path: _edit_metadata(path, lambda metadata: metadata.pop("observed/.zarray")),
    "no provenance": lambda path: _edit_metadata(path, lambda metadata: metadata.pop(".zattrs")),
    "another key": lambda path: _edit_metadata(
        path, lambda metadata: metadata[".zattrs"]["pytest_calsim"].update(key="0" * 64)
    ),
    "a fact too many": lambda path: _edit_metadata(
        path, lambda metadata: metadata[".zattrs"]["pytest_calsim"].update(new=1)
    ),
    "a compressed array": lambda path: _edit_metadata(
        path, lambda metadata: metadata["observed/.zarray"].update(compressor={"id": "zlib", "level": 1})
    ),
    "deflated": lambda path: path.write_bytes(_deflated(path)),
    "another recording": lambda path: simulate(light_spec(2)).save(path, overwrite=True),
    "some stages only": lambda path: simulate(SPEC, until="leakage").save(path, overwrite=True),
}

FOUND_WHEN_READ: dict[str, Callable[[Path], object]] = {
    "a chunk damaged": lambda path: _flip(path, _offset(path, "observed/2.0.0") + 1000, 128),
    "a chunk's header damaged": lambda path: _flip(path, _offset(path, "observed/2.0.0") - 44),
    "the last chunk damaged": lambda path: _flip(path, _offset(path, "observed/4.0.0")),
    "truth damaged": lambda path: _flip(path, _offset(path, "truth/leakage/0.0") + 11),
    "a chunk missing": lambda path: _rewrite(path, **{"observed/2.0.0": b""}),
    "truth missing": lambda path: _rewrite(path, **{"truth/leakage/0.0": b""}),
    "a short chunk": lambda path: _rewrite(path, **{"observed/2.0.0": b"short"}),
    "two chunks exchanged": _swap_in_directory,
}


def _deflated(path: Path) -> bytes:
    other = path.with_name("other")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as target:
        for name in archive.namelist():
            target.writestr(name, archive.read(name))
    return other.read_bytes()


def _told(seen: list[warnings.WarningMessage]) -> str:
    (message,) = [str(w.message) for w in seen]
    assert issubclass(seen[0].category, CacheWarning)
    assert "instead" in message
    assert SPEC.key() in message
    return message


def _assert_written_anew(root: Path) -> None:
    again = RecordingCache(root)
    assert fingerprint(again.get(SPEC)) == RIGHT
    assert again.counters.hits + again.counters.simulated == 1
    assert again.verify() == []
    assert len(stored(root)) == 1
    last = RecordingCache(root)
    assert fingerprint(last.get(SPEC)) == RIGHT
    assert last.counters.hits == 1


@pytest.mark.parametrize("how", {**FOUND_WHEN_OPENED, **FOUND_WHEN_READ})
def test_damage_before_opening(root: Path, how: str) -> None:
    {**FOUND_WHEN_OPENED, **FOUND_WHEN_READ}[how](_file(root))
    cache = RecordingCache(root)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert fingerprint(cache.get(SPEC)) == RIGHT
    _told(seen)
    assert cache.counters.rebuilt == 1
    assert cache.counters.simulated == 0
    _assert_written_anew(root)


@pytest.mark.parametrize(
    "how", ["a chunk damaged", "a chunk's header damaged", "the last chunk damaged", "truth damaged", "half of it gone"]
)
def test_damage_between_two_reads(root: Path, how: str) -> None:
    cache = RecordingCache(root)
    recording = cache.get(SPEC)
    first = recording.observed[:3].values
    {**FOUND_WHEN_OPENED, **FOUND_WHEN_READ}[how](_file(root))  # in place: the open file has it too
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert fingerprint(recording) == RIGHT
        assert fingerprint(recording) == RIGHT
    assert (recording.observed[:3].values == first).all()
    _told(seen)
    assert cache.counters.rebuilt == 1
    assert stored(root) == []
    assert fingerprint(cache.get(SPEC)) == RIGHT, "the next request of the same process writes it anew"
    assert len(stored(root)) == 1
    _assert_written_anew(root)


@pytest.mark.parametrize("what", ["the file", "the folder", "another file in its place"])
def test_an_open_recording_outlives_its_name(root: Path, what: str) -> None:
    cache = RecordingCache(root)
    recording = cache.get(SPEC)
    if what == "the file":
        _file(root).unlink()
    elif what == "the folder":
        shutil.rmtree(root)
    else:
        other = root / "other"
        other.write_text("not a recording")
        other.replace(_file(root))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fingerprint(recording) == RIGHT
    assert cache.counters == CacheCounters(hits=1, seconds_saved=cache.counters.seconds_saved)


def test_a_good_file_in_the_place_of_a_bad_one_is_left_alone(root: Path) -> None:
    recording = RecordingCache(root, note=lambda _: None).get(SPEC)
    good = _file(root).read_bytes()
    FOUND_WHEN_READ["a chunk damaged"](_file(root))
    _file(root).rename(root / "bad")
    _file(root).write_bytes(good)
    assert fingerprint(recording) == RIGHT
    assert RecordingCache(root).verify() == []
    assert len(stored(root)) == 1


def test_a_warning_that_is_an_error_undoes_nothing(root: Path) -> None:
    cache = RecordingCache(root)
    recording = cache.get(SPEC)
    FOUND_WHEN_READ["a chunk damaged"](_file(root))
    with pytest.raises(CacheWarning, match="damaged"):
        recording.observed.values  # noqa: B018
    assert fingerprint(recording) == RIGHT
    FOUND_WHEN_OPENED["empty"](_file(root))
    with pytest.raises(CacheWarning, match="damaged, or not a recording"):
        RecordingCache(root).get(SPEC)
    _assert_written_anew(root)


def test_a_disk_that_damages_all_it_holds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_calsim.store import archive

    notes: list[str] = []
    cache = RecordingCache(root, note=notes.append)
    recording = cache.get(SPEC)
    monkeypatch.setattr(archive.zlib, "crc32", lambda data: -1)
    assert fingerprint(recording) == RIGHT
    assert fingerprint(cache.get(SPEC)) == RIGHT
    assert fingerprint(RecordingCache(root, note=notes.append).get(SPEC)) == RIGHT
    assert all("damaged" in note for note in notes)


@pytest.mark.parametrize(
    "name", [".DS_Store", "._x.zarr.zip", "Thumbs.db", "desktop.ini", ".nfs0000000001", "notes.txt"]
)
def test_files_of_the_system_disturb_nothing(root: Path, name: str) -> None:
    for folder in (root, root / "v2"):
        (folder / name).write_bytes(b"left behind")
    cache = RecordingCache(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fingerprint(cache.get(SPEC)) == RIGHT
    assert cache.counters.hits == 1
    assert cache.verify() == []
    assert len(cache.entries()) == 1
    assert (cache.evict(0), cache.sweep()) == (1, 0)
    assert (root / "v2" / name).exists()


def _damage_bytes(root: Path, whole: Path, places: list[int], rng: random.Random) -> None:
    for at in places:
        shutil.copy(_file(whole), _file(root))
        _flip(_file(root), at, 1 << rng.randrange(8))
        cache = RecordingCache(root, note=lambda _: None)
        assert fingerprint(cache.get(SPEC)) == RIGHT, at
        assert cache.counters.simulated == 0, at


def _places(whole: Path, n_directory: int, n_anywhere: int, rng: random.Random) -> list[int]:
    data = _file(whole).read_bytes()
    directory = data.index(b"PK\1\2")
    return rng.sample(range(directory, len(data)), n_directory) + rng.sample(range(len(data)), n_anywhere)


def test_damage_to_a_byte_anywhere(root: Path, whole: Path) -> None:
    rng = random.Random(0)
    _damage_bytes(root, whole, _places(whole, 60, 20, rng), rng)


@pytest.mark.slow
def test_damage_to_many_bytes(root: Path, whole: Path) -> None:
    rng = random.Random(1)
    data = _file(whole).read_bytes()
    n_directory = len(data) - data.index(b"PK\1\2")
    _damage_bytes(root, whole, _places(whole, n_directory, 1000, rng), rng)
