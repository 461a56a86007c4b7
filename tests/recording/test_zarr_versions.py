"""One cache for zarr 2.18 and zarr 3, and what zarr's own ZipStore writes and reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from cache_helpers import expected, fingerprint, light_spec, stored

from pytest_calsim import load_preset
from pytest_calsim.recording.cache import RecordingCache
from pytest_calsim.recording.recording import Recording
from pytest_calsim.recording.simulate import simulate

_REPOSITORY = Path(__file__).parents[2]

_HIT = """
import sys
from pathlib import Path
from cache_helpers import light_spec
from pytest_calsim.recording.cache import RecordingCache
cache = RecordingCache(Path(sys.argv[1]))
recording = cache.get(light_spec(1))
assert cache.counters.hits == 1, cache.counters
recording.frames.read(0, 5)
print(*{name.partition(".")[0] for name in sys.modules})
"""

_OTHER = """
import sys
from pathlib import Path
import xarray as xr, zarr
from cache_helpers import expected, fingerprint, light_spec, stored
from test_zarr_versions import copy_by_zarr
from pytest_calsim import Recording
from pytest_calsim.recording.cache import RecordingCache
root = Path(sys.argv[1])
cache = RecordingCache(root)
recording = cache.get(light_spec(1))
assert fingerprint(recording) == sys.argv[2]
assert (cache.counters.hits, cache.counters.simulated) == (1, 0), cache.counters
with zarr.storage.ZipStore(str(stored(root)[0]), mode="r") as store:
    for consolidated in (True, False):
        assert (xr.open_zarr(store, consolidated=consolidated).observed.values == recording.observed.values).all()
    assert (zarr.open_group(store, mode="r")["truth/leakage"][:] == recording.truth.leakage.values).all()
copy_by_zarr(stored(root)[0], root / "copy.zarr.zip")
assert fingerprint(Recording.load(root / "copy.zarr.zip")) == sys.argv[2]
cache.get(light_spec(2))
assert cache.counters.simulated == 1
print(zarr.__version__)
"""


def _run(python: Path | str, script: str, *arguments: str) -> str:
    paths = os.pathsep.join([str(_REPOSITORY), str(Path(__file__).parent)])
    done = subprocess.run(
        [str(python), "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def copy_by_zarr(source: Path, target: Path) -> None:
    """Write a recording's file once more, all of it by zarr: groups, arrays, attributes, metadata, and its ZipStore."""
    major = int(zarr.__version__.partition(".")[0])
    form = {"zarr_format": 2} if major >= 3 else {}
    store = zarr.storage.ZipStore
    with store(str(source), mode="r") as old, store(str(target), mode="w") as new:
        there = zarr.open_group(old, mode="r")
        here = zarr.open_group(new, mode="w", **form)
        here.attrs.update(dict(there.attrs))
        _copy_group(there, here, "")
        if major >= 3:
            from zarr.core.buffer import default_buffer_prototype
            from zarr.core.sync import sync

            sync(new.set("spec.json", sync(old.get("spec.json", default_buffer_prototype()))))
        else:
            new["spec.json"] = old["spec.json"]
        zarr.consolidate_metadata(new, **form)


def _copy_group(there, here, path: str) -> None:
    compression = {"compressors": None} if int(zarr.__version__.partition(".")[0]) >= 3 else {"compressor": None}
    for name in there.array_keys():
        array = there[name]
        copy = here.create_dataset if not hasattr(here, "create_array") else here.create_array
        made = copy(name, shape=array.shape, chunks=array.chunks, dtype=array.dtype, fill_value=None, **compression)
        if array.size:
            made[...] = array[...]
        made.attrs.update(dict(array.attrs))
    for name in there.group_keys():
        group = here.create_group(name)
        group.attrs.update(dict(there[name].attrs))
        _copy_group(there[name], group, f"{path}{name}/")


def test_a_hit_imports_neither_zarr_nor_what_only_a_simulation_needs(tmp_path: Path) -> None:
    RecordingCache(tmp_path).get(light_spec(1))
    loaded = set(_run(sys.executable, _HIT, str(tmp_path)).split())
    assert not loaded & {"zarr", "numcodecs", "scipy", "hypothesis", "dask"}


@pytest.mark.filterwarnings("ignore:Object at spec.json is not recognized")  # of zarr 3, when it lists the file itself
@pytest.mark.filterwarnings("ignore:Duplicate name")  # zarr writes metadata twice
@pytest.mark.parametrize("scene", ["light", "tiny"])
def test_what_zarr_writes_is_read_here_and_what_is_written_here_zarr_reads(tmp_path: Path, scene: str) -> None:
    recording = simulate(light_spec(1) if scene == "light" else load_preset("tiny"))
    recording.save(tmp_path / "ours.zarr.zip")
    copy_by_zarr(tmp_path / "ours.zarr.zip", tmp_path / "zarrs.zarr.zip")
    loaded = Recording.load(tmp_path / "zarrs.zarr.zip")
    assert fingerprint(loaded) == fingerprint(recording)
    for name in ("ours", "zarrs"):
        with zarr.storage.ZipStore(str(tmp_path / f"{name}.zarr.zip"), mode="r") as store:
            group = zarr.open_group(store, mode="r")
            np.testing.assert_array_equal(group["observed"][3:17], recording.observed[3:17])
            for truth in recording.truth.names:
                found = group[f"truth/{truth}"]
                if hasattr(found, "shape"):
                    np.testing.assert_array_equal(found[...], recording.truth.arrays[truth].values)


@pytest.mark.slow
def test_each_zarr_reads_what_the_other_wrote(tmp_path: Path) -> None:
    # Later xarray no longer opens anything beside zarr 2.
    other = (
        ["zarr>=2.18,<3", "numcodecs<0.16", "xarray<2026.9"]
        if int(zarr.__version__.partition(".")[0]) >= 3
        else ["zarr>=3", "xarray"]
    )
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    needs = [*other, "numpy", "scipy", "dask", "pydantic", "filelock", "platformdirs", "pytest"]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *needs], check=True)

    root = tmp_path / "cache"
    here = RecordingCache(root).get(light_spec(1))
    version = _run(python, _OTHER, str(root), fingerprint(here)).strip()
    assert version.partition(".")[0] != zarr.__version__.partition(".")[0]

    cache = RecordingCache(root)
    theirs = cache.get(light_spec(2))
    assert (cache.counters.hits, cache.counters.simulated) == (1, 0)
    assert fingerprint(theirs) == expected(light_spec(2))
    for file in stored(root):
        with zarr.storage.ZipStore(str(file), mode="r") as store:
            opened = xr.open_zarr(store)
            assert opened["observed"].shape == theirs.observed.shape
    assert fingerprint(Recording.load(root / "copy.zarr.zip")) == fingerprint(here)
