"""One cache for zarr 2.18 and zarr 3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
import zarr
from store_helpers import expected, fingerprint, light_spec

from pytest_calsim.store.cache import RecordingCache

_REPOSITORY = Path(__file__).parents[2]

_HIT = """
import sys
from pathlib import Path
from store_helpers import light_spec
from pytest_calsim.store.cache import RecordingCache
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
from store_helpers import expected, fingerprint, light_spec
from pytest_calsim.store.cache import RecordingCache
cache = RecordingCache(Path(sys.argv[1]))
recording = cache.get(light_spec(1))
assert fingerprint(recording) == sys.argv[2]
assert (cache.counters.hits, cache.counters.simulated) == (1, 0), cache.counters
path = Path(sys.argv[1]) / "v1" / light_spec(1).key() / "recording.zarr"
for consolidated in (True, False):
    assert (xr.open_zarr(path, consolidated=consolidated).observed.values == recording.observed.values).all()
assert (zarr.open(str(path), mode="r")["truth/leakage"][:] == recording.truth.leakage.values).all()
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


def test_a_hit_imports_neither_zarr_nor_what_only_a_simulation_needs(tmp_path: Path) -> None:
    RecordingCache(tmp_path).get(light_spec(1))
    loaded = set(_run(sys.executable, _HIT, str(tmp_path)).split())
    assert not loaded & {"zarr", "numba", "scipy", "hypothesis", "dask"}


@pytest.mark.slow
def test_each_zarr_reads_what_the_other_wrote(tmp_path: Path) -> None:
    # Later xarray no longer opens anything beside zarr 2.
    other = (
        ["zarr>=2.18,<3", "xarray<2026.9"] if int(zarr.__version__.partition(".")[0]) >= 3 else ["zarr>=3", "xarray"]
    )
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    needs = [*other, "numpy", "scipy", "dask", "pydantic", "filelock", "platformdirs"]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *needs], check=True)

    root = tmp_path / "cache"
    here = RecordingCache(root).get(light_spec(1))
    version = _run(python, _OTHER, str(root), fingerprint(here)).strip()
    assert version.partition(".")[0] != zarr.__version__.partition(".")[0]

    cache = RecordingCache(root)
    theirs = cache.get(light_spec(2))
    assert (cache.counters.hits, cache.counters.simulated) == (1, 0)
    assert fingerprint(theirs) == expected(light_spec(2))
    opened = xr.open_zarr(root / "v1" / light_spec(2).key() / "recording.zarr")
    assert (opened["observed"].values == theirs.observed.values).all()
