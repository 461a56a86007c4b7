"""Writing a movie takes no more memory for a longer one."""

import subprocess
import sys

import pytest

WRITE = """
import resource, sys
from pathlib import Path
import numpy as np
from pytest_calsim import load_preset, simulate
from pytest_calsim.recording.recording import Recording

kind, n_frames, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
images = np.random.default_rng(0).poisson(60, (24, 608, 608)).astype(np.uint8)


class Frames:
    shape = (n_frames, 608, 608)
    dtype = np.dtype(np.uint8)

    def read(self, start, stop):
        return images[np.arange(start, stop) % 24]


planned = simulate(load_preset("tiny"))
getattr(Recording(planned.spec, Frames(), planned.truth), f"to_{kind}")(folder / f"movie.{kind}")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(kind, minutes, folder):
    folder.mkdir()
    arguments = [sys.executable, "-c", WRITE, kind, str(minutes * 1200), str(folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npy", "zarr", "tiff", "nwb", "avi", "mp4", "miniscope_folder"])
def test_five_minutes_take_the_memory_of_one(kind, tmp_path):
    pytest.importorskip("resource")
    one = peak_mb(kind, 1, tmp_path / "one")
    five = peak_mb(kind, 5, tmp_path / "five")
    assert five < one + 20
    assert five < 600


@pytest.mark.slow
def test_an_hour_fits(tmp_path):
    pytest.importorskip("resource")
    assert peak_mb("tiff", 60, tmp_path / "hour") < 600
