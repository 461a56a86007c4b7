"""The cache as one process sees it: requests, counters, housekeeping."""

from __future__ import annotations

import dataclasses
import os
import pickle
import queue
import threading
import time
import warnings
from pathlib import Path

import pytest
from cache_helpers import expected, fingerprint, light_spec, stored

from pytest_calsim import simulate_cached
from pytest_calsim.errors import CacheWarning, PlacementWarning, SpecError
from pytest_calsim.recording import simulate as simulation
from pytest_calsim.recording.cache import CacheCounters, RecordingCache, default_root
from pytest_calsim.store import lock
from pytest_calsim.store.cache_directory import CacheDirectory


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


def test_simulate_cached_shares_the_recordings_of_a_folder(
    tmp_path: Path, simulated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = simulate_cached(light_spec(1), tmp_path / "a")
    assert simulate_cached(light_spec(1), str(tmp_path / "a")) is first
    assert fingerprint(RecordingCache(tmp_path / "a").get(light_spec(1))) == fingerprint(first)
    assert simulated == [1]
    monkeypatch.setenv("HOME", str(tmp_path))
    simulate_cached(light_spec(1), "~/a")
    assert simulated == [1]


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
    cache = RecordingCache(tmp_path)
    found = []
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
    RecordingCache(tmp_path / "other").get(spec)
    monkeypatch.setattr(lock, "_QUIET_S", 0.0)
    said = queue.Queue[str]()
    found = []
    directory = CacheDirectory(tmp_path / "cache")
    cache = RecordingCache(tmp_path / "cache", say=said.put)
    waiter = threading.Thread(target=lambda: found.append(cache.get(spec, label="light")))
    with directory.turn(spec.key(), name="", deadline_s=0, say=print):
        waiter.start()
        assert said.get() == "light: waiting for another process that simulates it"
        (tmp_path / "other" / "v2" / f"{spec.key()}.zarr.zip").rename(directory.path(spec.key()))
    waiter.join()
    assert fingerprint(found[0]) == expected(spec)
    assert simulated == [1]
    counted = cache.counters
    assert (counted.waited, counted.hits, counted.simulated) == (1, 0, 0)
    assert 0 <= counted.seconds_saved < cache.entries()[0].cost_s, "the wait is no time saved"


def test_memory_does_not_keep_every_recording_open(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for seed in range(40):
        cache.get(light_spec(seed, frames=2, size=8))
    if before:
        assert len(os.listdir("/proc/self/fd")) - before <= 16
    assert cache.counters.simulated == 40


def test_recordings_travel_to_other_processes(tmp_path: Path) -> None:
    recording = RecordingCache(tmp_path, say=lambda _: None).get(light_spec(1))
    sent = pickle.dumps(recording)
    assert fingerprint(pickle.loads(sent)) == expected(light_spec(1))
    assert len(sent) < 10_000, "the spec and a path, no frames"


@pytest.mark.parametrize("how", ["gone", "damaged", "of another spec"])
def test_who_cannot_reopen_a_recording_paints_it(tmp_path: Path, how: str, simulated: list[int]) -> None:
    recording = RecordingCache(tmp_path).get(light_spec(1))
    sent = pickle.dumps(recording)
    (file,) = stored(tmp_path)
    if how == "gone":
        file.unlink()
    elif how == "damaged":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        RecordingCache(tmp_path / "b").get(light_spec(2))
        stored(tmp_path / "b")[0].replace(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy = pickle.loads(sent)
        assert fingerprint(copy) == expected(light_spec(1))
        assert fingerprint(pickle.loads(pickle.dumps(copy))) == expected(light_spec(1))
    assert len(simulated) > 1


def test_dask_reads_a_cached_recording_and_paints_it_when_it_is_gone(tmp_path: Path) -> None:
    pytest.importorskip("dask")
    recording = RecordingCache(tmp_path).get(light_spec(1))
    lazy = pickle.dumps(recording.observed.chunk({"frame": 7}))
    whole = recording.observed.values
    assert (pickle.loads(lazy).compute(scheduler="threads").values == whole).all()
    stored(tmp_path)[0].unlink()
    assert (pickle.loads(lazy).compute(scheduler="threads").values == whole).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_and_its_parent_read_at_once(tmp_path: Path) -> None:
    spec = light_spec(1, frames=600, size=64, noisy=True)
    right = expected(spec)
    recording = RecordingCache(tmp_path).get(spec)
    first = recording.observed[:1].values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking beside threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if all(fingerprint(recording) == right for _ in range(5)) else 2
        finally:
            os._exit(status)
    assert all(fingerprint(recording) == right for _ in range(5))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (recording.observed[:1].values == first).all()
    assert len(stored(tmp_path)) == 1, "nobody took the file for a damaged one"


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
    assert newest.path.parent == tmp_path / "v2"
    assert oldest.size_bytes == oldest.path.stat().st_size
    assert before <= oldest.created <= newest.created <= time.time()
    assert oldest.cost_s > 0
    os.utime(newest.path, (0, 0))
    os.utime(oldest.path, (1, 1))
    RecordingCache(tmp_path).get(light_spec(2))
    assert [entry.label for entry in cache.entries()] == ["../../etc/passwd", "tiny"]


def test_a_recording_outlives_its_eviction(tmp_path: Path) -> None:
    user = RecordingCache(tmp_path)
    recording = user.get(light_spec(1))
    assert RecordingCache(tmp_path, max_bytes=0).evict() == 1
    assert stored(tmp_path) == []
    assert fingerprint(recording) == expected(light_spec(1))
    assert user.counters == CacheCounters(simulated=1), "it was read, not simulated again"
    assert RecordingCache(tmp_path).evict() == 0, "no limit"


def test_the_plugin_of_another_process_may_clear_what_is_in_use(tmp_path: Path) -> None:
    user = RecordingCache(tmp_path)
    recording = user.get(light_spec(1))
    assert RecordingCache(tmp_path).clear() == (1, 0)
    assert fingerprint(recording) == expected(light_spec(1))
    assert list((tmp_path / "v2").iterdir()) == []


def test_a_cache_travels_by_its_settings(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path, max_bytes=5, deadline_s=7, say=lambda _: None, note=lambda _: None)
    cache.get(light_spec(1))
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.root, copy.max_bytes, copy.deadline_s, copy.counters) == (tmp_path, 5, 7, CacheCounters())


def test_a_recording_of_part_of_the_stages_is_not_served(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path)
    spec = light_spec(1)
    simulation.simulate(spec, until="vignette").save(tmp_path / "v2" / f"{spec.key()}.zarr.zip")
    with pytest.warns(CacheWarning, match="another spec"):
        assert fingerprint(cache.get(spec)) == expected(spec)


def test_warnings_of_placement_are_given_when_it_is_simulated_and_not_in_the_middle_of_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate = simulation.simulate

    def crowded(spec, until=None):
        warnings.warn("fewer cells", PlacementWarning, stacklevel=2)
        return simulate(spec, until)

    monkeypatch.setattr(simulation, "simulate", crowded)
    cache = RecordingCache(tmp_path, note=lambda _: None)
    with pytest.warns(PlacementWarning):
        recording = cache.get(light_spec(1, frames=400))
    data = stored(tmp_path)[0].read_bytes()
    stored(tmp_path)[0].write_bytes(data[: len(data) // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fingerprint(recording) == expected(light_spec(1, frames=400))


def test_counters_are_plain_numbers() -> None:
    assert set(CacheCounters().as_dict()) == {field.name for field in dataclasses.fields(CacheCounters)}


def test_what_is_no_folder_size_or_spec_is_refused(tmp_path):
    with pytest.raises(TypeError, match="root = 3 is no path"):
        RecordingCache(3)
    with pytest.raises(TypeError, match="root = 3 is no path"):
        simulate_cached(light_spec(), root=3)
    for size in (-1, "1GB", 1.5, True):
        with pytest.raises(ValueError, match=f"max_bytes = {size!r} must be a whole number of bytes"):
            RecordingCache(tmp_path, max_bytes=size)
    with pytest.raises(SpecError, match="simulate_cached takes a Spec, not 'tiny'; load_preset gives one by name"):
        simulate_cached("tiny", tmp_path)
    with pytest.raises(SpecError, match=r"RecordingCache\.get takes a Spec, not 'tiny'"):
        RecordingCache(tmp_path).get("tiny")


def test_a_folder_may_be_given_as_text(tmp_path):
    recording = RecordingCache(str(tmp_path)).get(light_spec())
    assert [entry.key for entry in RecordingCache(tmp_path).entries()] == [recording.spec.key()]
