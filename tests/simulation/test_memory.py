"""The flat law: planning an hour takes the memory of its spikes alone. Painting is measured by tests/benchmarks."""

import subprocess
import sys

import pytest

PLAN = """
import resource
from pytest_calsim import load_preset, plan

scene = plan(load_preset("miniscope_v4_ca1", overrides={"acquisition.duration_s": 3600}))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_an_hour_of_the_largest_preset_is_planned_in_400_mb():
    """72 000 frames of some 1500 cells; their spikes take 50 MB, and sorting them all at once took 500."""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", PLAN], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 400
