"""The flat law: planning an hour takes the memory of its spikes alone. Painting is measured by tests/benchmarks."""

import subprocess
import sys
from pathlib import Path

import pytest

PLAN = """
import pathlib
from pytest_calsim import load_preset, plan

scene = plan(load_preset("miniscope_v4_ca1", overrides={"acquisition.duration_s": 3600}))
# Not ru_maxrss: a process starts with its parent's, which may have run other tests.
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.slow
def test_an_hour_of_the_largest_preset_is_planned_in_400_mb():
    """72 000 frames of some 1500 cells; their spikes take 50 MB, and sorting them all at once took 500."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc tells the largest memory of a process alone")
    done = subprocess.run([sys.executable, "-c", PLAN], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 400
