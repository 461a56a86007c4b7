"""The cache as one process sees it: requests, counters, housekeeping."""

from __future__ import annotations

import dataclasses
import gc
import os
import pickle
import queue
import threading
import time
from pathlib import Path

import pytest
from store_helpers import expected, fingerprint, light_spec

from pytest_calsim.recording import simulate as simulation
from pytest_calsim.store import turns
from pytest_calsim.recording.cache import CacheCounters, RecordingCache, default_root
from pytest_calsim.store.shelf import Shelf


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds of what was simulated, in order."""
    seeds: list[int] = []
    simulate = simulation.simulate

    def counted(spec, until=None):
        seeds.append(spec.seed)
        return simulate(spec, until)

    monkeypatch.setattr(simulation, "simulate", counted)
    return seeds


def test_a_spec_is_simulated_once(tmp_path: Path, simulated: list[int]) -> None:
    cache = RecordingCache(tmp_path)
    first = cache.get(light_spec(1))
    assert cache.get(light_spec(1)) is first
    again = RecordingCache(tmp_path)
    assert fingerprint(again.get(light_spec(1))) == fingerprint(first) == expected(light_spec(1))
    assert simulated == [1]
    saved = cache.entries()[0].cost_s
    assert cache.counters == CacheCounters(simulated=1, hits=1, seconds_saved=saved)
    assert again.counters == CacheCounters(hits=1, seconds_saved=saved)


def test_a_hit_gives_what_the_simulation_gave(tmp_path: Path) -> None:
    made = RecordingCache(tmp_path).get(light_spec(1))
    found = RecordingCache(tmp_path).get(light_spec(1))
    assert found.spec == made.spec
    assert found.stages == made.stages
    assert found.observed.identical(made.observed)
    assert found.truth.names == made.truth.names


def test_counters_add_up() -> None:
    total = CacheCounters(simulated=1, seconds_saved=0.5)
    total.add(CacheCounters(simulated=2, hits=3, waited=4, rebuilt=5, seconds_saved=1.0))
    assert total.as_dict() == {"simulated": 3, "hits": 3, "waited": 4, "rebuilt": 5, "seconds_saved": 1.5}


def test_off_uses_no_disk(tmp_path: Path, simulated: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = RecordingCache(None)
    recording = cache.get(light_spec(1))
    assert cache.get(light_spec(1)) is recording
    assert fingerprint(recording) == expected(light_spec(1))
    assert (cache.counters.simulated, cache.counters.hits, simulated) == (1, 1, [1])
    assert cache.entries() == cache.verify() == []
    assert (cache.clear(), cache.evict(0), cache.sweep()) == ((0, 0), 0, 0)
    assert not list(tmp_path.iterdir())


def test_threads_share_one_simulation(tmp_path: Path, simulated: list[int]) -> None:
    cache, found = RecordingCache(tmp_path), []
    threads = [threading.Thread(target=lambda: found.append(cache.get(light_spec(1)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(recording) for recording in found}) == 1
    assert simulated == [1]
    assert cache.counters.hits == 7


def test_who_waits_says_so_and_takes_what_the_other_made(
    tmp_path: Path, simulated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = light_spec(1)
    RecordingCache(tmp_path / "other").get(spec, label="made elsewhere")
    monkeypatch.setattr(turns, "_FIRST_MESSAGE_S", 0.0)
    shelf, said, found = Shelf(tmp_path / "cache"), queue.Queue[str](), []
    shelf.prepare()
    lock = turns.try_lock(shelf.lock_path(spec.key()))
    assert lock is not None
    shelf.lock_path(spec.key()).with_suffix(".holder").write_text("gw2")
    cache = RecordingCache(tmp_path / "cache", say=said.put)
    waiter = threading.Thread(target=lambda: found.append(cache.get(spec, label="light")))
    waiter.start()
    assert said.get() == "light: waiting for gw2, 0 s"
    (tmp_path / "other" / "v1" / spec.key()).rename(shelf.path(spec.key()))
    waiter.join()
    lock.release()
    assert fingerprint(found[0]) == expected(spec)
    assert simulated == [1]
    counted = cache.counters
    assert (counted.waited, counted.hits, counted.simulated) == (1, 0, 0)
    assert 0 <= counted.seconds_saved <= cache.entries()[0].cost_s


def test_memory_does_not_keep_every_recording(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    for seed in range(40):
        cache.get(light_spec(seed, frames=2, size=8))
    gc.collect()
    assert len(list((tmp_path / "in-use").glob("*/*"))) < 20
    assert cache.counters.simulated == 40


def test_recordings_travel_to_other_processes(tmp_path: Path) -> None:
    recording = RecordingCache(tmp_path, say=lambda _: None).get(light_spec(1))
    copy = pickle.loads(pickle.dumps(recording))
    for entry in (tmp_path / "v1").iterdir():
        entry.rename(tmp_path / "gone")
    assert fingerprint(copy) == fingerprint(recording) == expected(light_spec(1))


def test_the_root_is_marked_as_a_cache(tmp_path: Path) -> None:
    RecordingCache(tmp_path).get(light_spec(1))
    assert (tmp_path / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert default_root().name == "pytest-calsim"


def test_entries_tell_label_size_age_and_cost(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    before = time.time()
    cache.get(light_spec(1), label="tiny")
    cache.get(light_spec(2), label="../../etc/passwd")
    newest, oldest = cache.entries()
    assert (oldest.key, oldest.label) == (light_spec(1).key(), "tiny")
    assert newest.path.parent == tmp_path / "v1"
    assert oldest.size_bytes == sum(
        path.stat().st_size for path in oldest.path.rglob("*") if path.is_file() and path.name != "manifest.json"
    )
    assert before <= oldest.created <= newest.created <= time.time()
    assert oldest.cost_s > 0
    os.utime(newest.path / "manifest.json", (0, 0))
    RecordingCache(tmp_path).get(light_spec(1))
    assert [entry.label for entry in cache.entries()] == ["tiny", "../../etc/passwd"]


def _age(root: Path, seed: int, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(root / "v1" / light_spec(seed).key() / "manifest.json", (then, then))


def test_eviction_takes_what_was_unused_for_longest_and_nothing_in_use(tmp_path: Path) -> None:
    for seed in range(4):
        RecordingCache(tmp_path).get(light_spec(seed))
        _age(tmp_path, seed, 1000 * (seed + 1))
    gc.collect()
    user = RecordingCache(tmp_path)
    kept = user.get(light_spec(3))
    _age(tmp_path, 3, 9000)
    keeper = RecordingCache(tmp_path)
    sizes = {entry.key: entry.size_bytes for entry in keeper.entries()}
    assert keeper.evict() == 0
    limit = sizes[light_spec(0).key()] + sizes[light_spec(3).key()]
    assert RecordingCache(tmp_path, max_bytes=limit).evict() == 2
    assert {entry.key for entry in keeper.entries()} == {light_spec(0).key(), light_spec(3).key()}
    assert fingerprint(kept) == expected(light_spec(3))
    assert keeper.clear() == (1, 1)
    assert (user.counters.hits, user.counters.simulated) == (1, 0)
    del kept, user
    gc.collect()
    assert keeper.clear() == (1, 0)
    assert not list((tmp_path / "v1").iterdir())


def test_eviction_takes_what_was_set_aside_first(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    cache.get(light_spec(1))
    cache._in_hand.clear()
    gc.collect()
    (tmp_path / "quarantine" / "old").mkdir(parents=True)
    (tmp_path / "quarantine" / "old" / "data").write_bytes(b"x" * 1000)
    size = cache.entries()[0].size_bytes
    assert cache.evict(size + 1000) == 0
    assert (tmp_path / "quarantine" / "old").exists()
    assert cache.evict(size + 999) == 0
    assert not (tmp_path / "quarantine" / "old").exists()
    assert cache.evict(size - 1) == 1


def test_what_dead_processes_left_is_swept_after_a_safe_age(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    cache.get(light_spec(1))
    old, fresh = tmp_path / "tmp" / "old", tmp_path / "tmp" / "fresh"
    for work in (old, fresh):
        (work / "recording.zarr").mkdir(parents=True)
        (work / "recording.zarr" / "0").write_text("x")
    for path in (old / "recording.zarr" / "0", old / "recording.zarr", old):
        os.utime(path, (time.time() - 4000,) * 2)
    os.utime(fresh, (0, 0))  # only the folder is old: something in it was just written
    (tmp_path / "quarantine" / "set-aside").mkdir(parents=True)
    os.utime(tmp_path / "quarantine" / "set-aside", (0, 0))
    dead = tmp_path / "in-use" / "dead"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / light_spec(1).key()).touch()
    assert cache.sweep() == 2
    assert not old.exists()
    assert fresh.exists()
    assert not dead.exists()
    assert len(list((tmp_path / "in-use").iterdir())) == 1
    assert len(cache.entries()) == 1


def test_verify_finds_sets_aside_and_tells(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    for seed in (1, 2, 3):
        cache.get(light_spec(seed))
    assert cache.verify() == []
    chunk = tmp_path / "v1" / light_spec(2).key() / "recording.zarr" / "observed" / "0.0.0"
    chunk.write_bytes(chunk.read_bytes()[::-1])
    (tmp_path / "v1" / "stranger").mkdir()
    problems = cache.verify()
    assert len(problems) == 2
    assert "observed/0.0.0: damaged" in problems[0]
    assert "stranger" in problems[1]
    assert {entry.key for entry in cache.entries()} == {light_spec(1).key(), light_spec(3).key()}
    assert len(list((tmp_path / "quarantine").iterdir())) == 2


def test_an_entry_of_another_format_is_listed_and_can_be_cleared(tmp_path: Path) -> None:
    other = tmp_path / "v0" / ("0" * 64)
    other.mkdir(parents=True)
    (other / "data").write_bytes(b"x" * 100)
    cache = RecordingCache(tmp_path)
    (entry,) = cache.entries()
    assert (entry.label, entry.size_bytes) == ("(unreadable)", 100)
    assert cache.clear() == (1, 0)


def test_a_recording_of_part_of_the_stages_is_not_served(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    spec = light_spec(1)
    partial = simulation.simulate(spec, until="vignette")
    (tmp_path / "v1").mkdir()
    partial.save(tmp_path / "v1" / spec.key())
    with pytest.warns(match="another spec"):
        assert fingerprint(cache.get(spec)) == expected(spec)


def test_counters_are_plain_numbers() -> None:
    assert set(CacheCounters().as_dict()) == {field.name for field in dataclasses.fields(CacheCounters)}
