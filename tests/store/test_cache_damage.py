"""No wrong byte is ever served: damage is found, set aside and rebuilt, before opening and in the middle of reading."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from store_helpers import expected, fingerprint, light_spec

from pytest_calsim.errors import CacheWarning
from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.store.files import digest
from pytest_calsim.store.zarr2 import to_json

SPEC = light_spec(1, frames=300, size=64, noisy=True)
RIGHT = expected(SPEC)
NAMES = (
    "manifest.json",
    "spec.json",
    "recording.zarr/.zmetadata",
    "recording.zarr/observed/.zarray",
    "recording.zarr/observed/2.0.0",
    "recording.zarr/truth/leakage/0.0",
    "recording.zarr/truth/leakage/.zattrs",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one whole entry."""
    root = tmp_path_factory.mktemp("whole")
    RecordingCache(root).get(SPEC)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(whole / "v1", tmp_path / "v1")
    return tmp_path


def _entry(root: Path) -> Path:
    return root / "v1" / SPEC.key()


def _flip(path: Path, at: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flip-first": lambda path: _flip(path, 0),
    "flip-middle": lambda path: _flip(path, path.stat().st_size // 2, 128),
    "flip-last": lambda path: _flip(path, -1),
    "truncate": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "extend": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "empty": lambda path: path.write_bytes(b""),
    "delete": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


def _assert_rebuilt(root: Path, cache: RecordingCache, seen: list[warnings.WarningMessage]) -> None:
    told = [str(w.message) for w in seen if w.category is CacheWarning]
    assert len(told) == 1
    assert "set aside" in told[0]
    (place,) = (root / "quarantine").iterdir()
    assert (place / "entry").exists()
    assert (place / "reason.txt").read_text().strip() in told[0]
    assert cache.counters.rebuilt == 1
    assert cache.counters.simulated == 0
    assert RecordingCache(root).verify() == []
    assert fingerprint(RecordingCache(root).get(SPEC)) == RIGHT


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", DAMAGE)
def test_damage_before_opening(root: Path, name: str, how: str) -> None:
    DAMAGE[how](_entry(root) / name)
    cache = RecordingCache(root)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert fingerprint(cache.get(SPEC)) == RIGHT
    _assert_rebuilt(root, cache, seen)


@pytest.mark.parametrize("name", ["recording.zarr/observed/2.0.0", "recording.zarr/truth/leakage/0.0"])
@pytest.mark.parametrize("how", DAMAGE)
def test_damage_between_two_reads(root: Path, name: str, how: str) -> None:
    cache = RecordingCache(root)
    recording = cache.get(SPEC)
    first = recording.observed[:3].values
    DAMAGE[how](_entry(root) / name)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert fingerprint(recording) == RIGHT
        assert fingerprint(recording) == RIGHT
    assert (recording.observed[:3].values == first).all()
    _assert_rebuilt(root, cache, seen)


def _swap(root: Path, one: str, other: str) -> None:
    a, b = _entry(root) / one, _entry(root) / other
    data = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(data)


def _reseal(root: Path, **changes: object) -> None:
    path = _entry(root) / "manifest.json"
    body = json.loads(path.read_bytes())
    del body["seal"]
    body.update(changes)
    path.write_bytes(to_json({**body, "seal": digest(to_json(body))}))


def _edit_spec(root: Path) -> None:
    path = _entry(root) / "spec.json"
    path.write_text(path.read_text().replace('"seed":1', '"seed":2'))


def _foreign_entry(root: Path) -> None:
    RecordingCache(root).get(light_spec(2))
    shutil.rmtree(_entry(root))
    (root / "v1" / light_spec(2).key()).rename(_entry(root))


OTHER = {
    "swapped chunks": lambda root: _swap(root, "recording.zarr/observed/1.0.0", "recording.zarr/observed/2.0.0"),
    "swapped truth": lambda root: _swap(root, "recording.zarr/truth/leakage/0.0", "recording.zarr/truth/vignette/0.0"),
    "edited spec": _edit_spec,
    "other simulation": lambda root: _reseal(root, sim_version=0),
    "other format": lambda root: _reseal(root, store_format=99),
    "other key": lambda root: _reseal(root, key="0" * 64),
    "half a manifest": lambda root: _reseal(root, movie=None),
    "another spec's entry": _foreign_entry,
    "a stranger's file": lambda root: (_entry(root) / "notes.txt").write_text("mine"),
    "a link": lambda root: (
        _entry(root).rename(root / "moved"),
        _entry(root).symlink_to(root / "moved", target_is_directory=True),
    ),
    "a file": lambda root: (shutil.rmtree(_entry(root)), _entry(root).write_text("")),
}


@pytest.mark.parametrize("how", OTHER)
def test_foreign_stale_or_edited_entries(root: Path, how: str) -> None:
    OTHER[how](root)
    cache = RecordingCache(root)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert fingerprint(cache.get(SPEC)) == RIGHT
    _assert_rebuilt(root, cache, seen)


def test_a_vanished_entry_is_made_anew_without_a_word(root: Path) -> None:
    cache = RecordingCache(root)
    recording = cache.get(SPEC)
    shutil.rmtree(root)
    assert fingerprint(recording) == RIGHT
    assert cache.counters.simulated == 1
    assert fingerprint(recording) == RIGHT
    assert cache.counters.simulated == 1


def test_a_warning_that_is_an_error_does_not_undo_the_repair(root: Path) -> None:
    cache = RecordingCache(root)
    recording = cache.get(SPEC)
    _flip(_entry(root) / "recording.zarr/observed/2.0.0", 40)
    with pytest.raises(CacheWarning, match="damaged"):
        recording.observed.values  # noqa: B018
    assert fingerprint(recording) == RIGHT
    assert cache.get(SPEC) is recording


def test_a_disk_that_damages_all_it_holds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_calsim.store import folder

    cache = RecordingCache(root)
    recording = cache.get(SPEC)
    monkeypatch.setattr(folder, "read_file", lambda path: b"rot")
    with pytest.warns(CacheWarning, match="set aside"):
        assert fingerprint(recording) == RIGHT
    assert fingerprint(recording) == RIGHT


@pytest.mark.slow
def test_every_byte_of_a_sample(root: Path, whole: Path) -> None:
    rng = random.Random(0)
    files = sorted(path.relative_to(_entry(whole)) for path in _entry(whole).rglob("*") if path.is_file())
    for name in files:
        size = (_entry(whole) / name).stat().st_size
        for at in sorted(rng.sample(range(size), min(size, 25))):
            _flip(_entry(root) / name, at, 1 << rng.randrange(8))
            cache = RecordingCache(root)
            with pytest.warns(CacheWarning, match="set aside"):
                assert fingerprint(cache.get(SPEC)) == RIGHT
            assert cache.counters.rebuilt == 1
        shutil.rmtree(root / "quarantine")
