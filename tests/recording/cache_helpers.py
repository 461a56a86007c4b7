"""What tests of stored recordings share; functions that other processes run live here, where they can be imported."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import multiprocessing
import multiprocessing.util
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import CacheWarning
from pytest_calsim.recording import simulate as simulation
from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.recording.recording import Recording
from pytest_calsim.spec.spec import Spec

_POSIX = os.name == "posix"
# Sockets to the server must have short paths: their folder is chosen before any test moves the temporary folder.
multiprocessing.util.get_temp_dir()
PROCESSES: Any = multiprocessing.get_context("forkserver" if _POSIX else "spawn")
if _POSIX:
    # What takes long to import is imported once, in the server from which the others are forked.
    PROCESSES.set_forkserver_preload(["pytest", "pytest_calsim.recording.cache", "dask.array", "scipy", "xarray"])

_simulate = simulation.simulate


def light_spec(seed: int = 0, *, frames: int = 40, size: int = 32, noisy: bool = False) -> Spec:
    """A scene without cells, quick to simulate, whose picture tells its seed; ``noisy``: no two frames are equal."""
    steps: list[dict[str, Any]] = [{"kind": "leakage", "level": 2 + seed / 1000}, {"kind": "vignette"}]
    sensor = {"height_px": size, "width_px": size}
    return Spec.make(
        {
            "steps": steps + [{"kind": "sensor"}] * noisy,
            "acquisition": {"fps": 20, "duration_s": frames / 20, "image_sensor": sensor},
            "seed": seed,
        }
    )


def fingerprint(recording: Recording) -> str:
    """A digest of every pixel and every number of the truth."""
    total = hashlib.sha256()
    total.update(np.ascontiguousarray(recording.observed.values).tobytes())
    for name, value in sorted(recording.truth.arrays.items()):
        parts = (value.data, value.indices, value.indptr) if isinstance(value, SparseFootprints) else (value.values,)
        for part in parts:
            total.update(f"{name} {part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
    return total.hexdigest()


def expected(spec: Spec) -> str:
    """The fingerprint of a recording that never saw a disk."""
    return fingerprint(_simulate(spec))


def log_simulations(path: Path) -> None:
    """From now on, every simulation of this process adds a line to a file."""

    def simulate(spec: Spec, until: str | None = None) -> Recording:
        with open(path, "ab", buffering=0) as file:
            file.write(f"{os.getpid()} {spec.seed}\n".encode())
        return _simulate(spec, until)

    simulation.simulate = simulate  # type: ignore[assignment]


def without_locks() -> None:
    """From now on, no lock can be had in this process."""

    import fcntl

    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    fcntl.flock = flock


def one_request(root: Path, seed: int, log: Path, locks: bool, gate: Any, out: Any) -> None:
    """Ask once, all processes at the same time; report fingerprint and counters."""
    log_simulations(log)
    if not locks:
        without_locks()
    cache = RecordingCache(root)
    gate.wait()
    recording = cache.get(light_spec(seed))
    out.put((fingerprint(recording), cache.counters.as_dict()))


def many_requests(root: Path, seeds: list[int], chooser: int, locks: bool, out: Any) -> None:
    """Ask for many specs in an order of its own, sometimes clearing or evicting; report what was wrong."""
    if not locks:
        without_locks()
    warnings.simplefilter("error")
    rng = random.Random(chooser)
    wrong = []
    right = {seed: expected(light_spec(seed)) for seed in set(seeds)}
    order = rng.sample(seeds, len(seeds))
    for seed in order:
        cache = RecordingCache(root)
        try:
            if fingerprint(cache.get(light_spec(seed))) != right[seed]:
                wrong.append(f"wrong recording {seed}")
        except Exception as error:
            wrong.append(repr(error))
    out.put(wrong)


def read_on(root: Path, seed: int, started: Any, stop: Any, out: Any) -> None:
    """Read a recording again and again, dropping it in between, until told to stop; report what was wrong."""
    warnings.simplefilter("error")
    spec = light_spec(seed)
    right = expected(spec)
    reads = 0
    wrong = []
    started.wait()
    try:
        while not stop.is_set():
            recording = RecordingCache(root, note=lambda _: None).get(spec)
            for _ in range(5):
                reads += 1
                if fingerprint(recording) != right:
                    wrong.append("wrong recording")
    except Exception as error:
        wrong.append(repr(error))
    out.put((reads, wrong))


def write_until_killed(root: Path, first_seed: int, started: Any) -> None:
    """Make new recordings without end."""
    cache = RecordingCache(root)
    started.set()
    for seed in range(first_seed, first_seed + 10_000):
        cache.get(light_spec(seed % 1000))


def stop_while_simulating(root: Path, seed: int, how: int, out: Any) -> None:
    """Take the turn, then be stopped or killed in the middle of the simulation."""

    def simulate(spec: Spec, until: str | None = None) -> Recording:
        out.put("simulating")
        time.sleep(0.05)
        os.kill(os.getpid(), how)
        return _simulate(spec, until)

    simulation.simulate = simulate  # type: ignore[assignment]
    out.put(fingerprint(RecordingCache(root).get(light_spec(seed))))


def request_with_limited_files(root: Path, limit_bytes: int, out: Any) -> None:
    """Ask where no file may grow beyond a limit; report fingerprint, warnings and counters."""
    import resource

    # A module that is imported below the limit would leave cut byte code, which every later import of it trips over.
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    cache = RecordingCache(root)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        digests = [fingerprint(cache.get(light_spec(seed))) for seed in (1, 2)]
    out.put((digests, [str(w.message) for w in told if w.category is CacheWarning], cache.counters.as_dict()))


def request_on_mount(mounts: list[list[str]], root: Path, seeds: list[int], out: Any) -> None:
    """Ask with something mounted, in a name space of its own: the mounts end with the process."""
    libc = ctypes.CDLL(None)
    clone_newns = 0x20000
    if libc.unshare(clone_newns) or any(
        subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode
        for arguments in [["--make-rprivate", "/"], *mounts]
    ):
        out.put(None)
        return
    cache = RecordingCache(root)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        digests = [fingerprint(cache.get(light_spec(seed, frames=400))) for seed in seeds]
    housekeeping = cache.clear()[0], cache.evict(0), cache.sweep()
    left = sorted(path.name for path in root.glob("v*/*") if path.suffix != ".lock")
    out.put((digests, [str(w.message) for w in told], cache.counters.as_dict(), housekeeping, left))


def stored(root: Path) -> list[Path]:
    """The files of the recordings in a cache."""
    return sorted(root.glob("v2/*.zarr.zip"))


def leftovers(root: Path) -> list[str]:
    """Names of what else there is, but locks and the tag."""
    files = [path for path in root.rglob("*") if path.is_file() and path not in stored(root)]
    return sorted(path.name for path in files if path.suffix != ".lock" and path.name != "CACHEDIR.TAG")
