"""The flat law: neither planning nor painting takes more memory for a longer recording."""

import subprocess
import sys

import pytest

MEASURE = """
import resource, sys
from pytest_calsim import load_preset, plan

duration_s, paints = float(sys.argv[1]), bool(int(sys.argv[2]))
scene = plan(load_preset("miniscope_v4_ca1", overrides={"acquisition.duration_s": duration_s}))
for start in range(0, scene.n_frames if paints else 0, 12):
    scene.paint(start, min(start + 12, scene.n_frames))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(duration_s, *, paints):
    pytest.importorskip("resource")
    arguments = [sys.executable, "-c", MEASURE, str(duration_s), str(int(paints))]
    return int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_an_hour_of_the_largest_preset_is_planned_in_400_mb():
    assert peak_mb(3600, paints=False) <= 400


@pytest.mark.slow
def test_six_thousand_frames_take_the_memory_of_six_hundred():
    short = peak_mb(30, paints=True)
    assert short <= 500
    assert peak_mb(300, paints=True) == pytest.approx(short, rel=0.1)
