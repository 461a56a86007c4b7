"""Many processes on one cache: one simulation, right recordings, whatever dies in between."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from cache_helpers import (
    PROCESSES,
    expected,
    fingerprint,
    leftovers,
    light_spec,
    many_requests,
    one_request,
    read_on,
    stop_while_simulating,
    stored,
    write_until_killed,
)

from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.store.recording_file import RecordingFile

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def _start(target, *arguments):
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no-locks"])
@pytest.mark.parametrize("crowd", [4, pytest.param(16, marks=pytest.mark.slow)])
def test_processes_that_ask_at_once_simulate_once(tmp_path: Path, crowd: int, locks: bool) -> None:
    gate = PROCESSES.Barrier(crowd)
    out = PROCESSES.Queue()
    log = tmp_path / "log"
    processes = [_start(one_request, tmp_path / "cache", 5, log, locks, gate, out) for _ in range(crowd)]
    answers = [out.get() for _ in processes]
    for process in processes:
        process.join()
    assert {digest for digest, _ in answers} == {expected(light_spec(5))}
    counters = {name: sum(c[name] for _, c in answers) for name in ("simulated", "hits", "waited", "rebuilt")}
    assert counters["simulated"] == len(log.read_text().splitlines())
    assert sum(counters.values()) == crowd
    if locks:
        assert counters["simulated"] == 1
    assert leftovers(tmp_path / "cache") == []


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no-locks"])
@pytest.mark.parametrize(("rounds", "crowd"), [(8, 3), pytest.param(300, 8, marks=pytest.mark.slow)])
def test_mixed_requests_never_fail(tmp_path: Path, rounds: int, crowd: int, locks: bool) -> None:
    out = PROCESSES.Queue()
    seeds = [i % max(4, rounds // 5) for i in range(rounds)]
    processes = [_start(many_requests, tmp_path, seeds, i, locks, out) for i in range(crowd)]
    assert [out.get() for _ in processes] == [[]] * crowd
    for process in processes:
        process.join()
    assert RecordingCache(tmp_path).verify() == []


@posix_only
@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_writers_leave_whole_entries_or_none(tmp_path: Path, kills: int) -> None:
    rng = random.Random(1)
    for kill in range(kills):
        started = PROCESSES.Event()
        process = _start(write_until_killed, tmp_path, 7 * kill, started)
        started.wait()
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.join()
        for file in stored(tmp_path):
            RecordingFile(file)
    cache = RecordingCache(tmp_path)
    cache.sweep()
    assert leftovers(tmp_path) == [], "the kernel has dropped the locks of the dead"
    assert list(tmp_path.rglob("*.lock")) == []
    assert cache.verify() == []
    for seed in rng.sample(range(7 * kills), 10):
        assert fingerprint(cache.get(light_spec(seed))) == expected(light_spec(seed))


@posix_only
def test_a_stopped_holder_delays_nobody_past_the_deadline(tmp_path: Path) -> None:
    out = PROCESSES.Queue()
    said = []
    holder = _start(stop_while_simulating, tmp_path, 3, signal.SIGSTOP, out)
    assert out.get() == "simulating"
    cache = RecordingCache(tmp_path, deadline_s=0.4, say=said.append)
    half_written = tmp_path / "v2" / f"{light_spec(3).key()}.zarr.zip.0.partial"
    half_written.touch()
    assert cache.sweep() == 0, "its writer lives"
    spec = light_spec(3)
    try:
        assert fingerprint(cache.get(spec, label="light")) == expected(spec)
        assert cache.counters.simulated == 1
        assert said == [
            "light: waiting for another process that simulates it",
            "light: waited 0 s, simulating it here",
        ]
        assert len(stored(tmp_path)) == 1, "the next to ask need not wait"
    finally:
        while holder.exitcode is None:  # it may not have stopped yet when it is first told to go on
            os.kill(holder.pid, signal.SIGCONT)
            holder.join(0.1)
    assert out.get() == expected(spec)
    assert RecordingCache(tmp_path).verify() == []
    assert cache.sweep() == 1
    assert leftovers(tmp_path) == []


@posix_only
def test_a_dead_holder_delays_nobody(tmp_path: Path) -> None:
    out = PROCESSES.Queue()
    holder = _start(stop_while_simulating, tmp_path, 4, signal.SIGKILL, out)
    assert out.get() == "simulating"
    # The deadline is far beyond the patience of any runner: only the kernel's release lets this through.
    cache = RecordingCache(tmp_path, deadline_s=1e6)
    assert fingerprint(cache.get(light_spec(4))) == expected(light_spec(4))
    holder.join()


@pytest.mark.parametrize(("rounds", "crowd"), [(15, 3), pytest.param(300, 8, marks=pytest.mark.slow)])
def test_clearing_under_readers_loses_nobodys_recording(tmp_path: Path, rounds: int, crowd: int) -> None:
    started = PROCESSES.Barrier(crowd + 1)
    stop = PROCESSES.Event()
    out = PROCESSES.Queue()
    readers = [_start(read_on, tmp_path, i % 3, started, stop, out) for i in range(crowd)]
    cache = RecordingCache(tmp_path)
    started.wait()
    for i in range(rounds):
        cache.clear() if i % 2 else cache.evict(0)
        if i % 5 == 4:  # and somebody who knows nothing of entries in use
            for file in stored(tmp_path):
                file.write_bytes(b"") if i % 10 == 4 else file.rename(tmp_path / f"taken-{i}-{file.name}")
        time.sleep(0.02)
    stop.set()
    answers = [out.get() for _ in readers]
    for reader in readers:
        reader.join()
    assert all(wrong == [] for _, wrong in answers)
    assert all(reads > 0 for reads, _ in answers)
