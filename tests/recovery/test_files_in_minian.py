"""minian's own reader on the files that this plugin writes: equal pixels. ``python tests/recovery/run.py`` runs it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    # Other people's deprecations are not ours to fail on.
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(shutil.which("ffprobe") is None, reason="minian reads videos with ffmpeg, which is not on PATH"),
]
pytest.importorskip("minian", reason="minian needs an environment of its own: python tests/recovery/run.py")

# More than one file of 1000 frames, and not square: no axis can be mistaken.
LONG = {"acquisition.duration_s": 51, "acquisition.image_sensor.width_px": 50}


@pytest.mark.sim(overrides=LONG)
@pytest.mark.parametrize("sim_movie_file", ["miniscope"], indirect=True)
def test_a_miniscope_folder_has_equal_pixels(sim_recording, sim_movie_file):
    from minian.io import load_videos

    movie = load_videos(str(sim_movie_file), pattern=r"[0-9]+\.avi$", dtype=np.uint8)
    assert movie.dims == sim_recording.observed.dims
    np.testing.assert_array_equal(movie.values, sim_recording.observed.values)


def test_an_avi_has_equal_pixels(sim_recording, tmp_path):
    from minian.io import load_videos

    sim_recording.to_avi(tmp_path / "msCam1.avi")
    movie = load_videos(str(tmp_path), dtype=np.uint8)
    np.testing.assert_array_equal(movie.values, sim_recording.observed.values)
