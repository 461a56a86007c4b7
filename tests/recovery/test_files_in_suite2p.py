"""suite2p 1.1 run on the TIFF that ``sim_movie_file`` gives: ``python tests/recovery/run.py --pipeline suite2p``."""

from __future__ import annotations

import numpy as np
import pytest
from real_pipelines import import_suite2p

from pytest_calsim import Estimate, assert_footprints_recovered

pytestmark = [
    pytest.mark.slow,
    # Other people's deprecations are not ours to fail on.
    pytest.mark.filterwarnings("default"),
]
pytest.importorskip(
    "torch", reason="suite2p needs an environment of its own: python tests/recovery/run.py --pipeline suite2p"
)
suite2p = import_suite2p()


def run_suite2p(tiff, folder, **run):
    """Run it at settings that suit cells of 7 px and GCaMP6f; give the folder of its results."""
    settings = suite2p.default_settings()
    settings["fs"] = 20.0
    settings["tau"] = 0.3
    settings["torch_device"] = "cpu"
    settings["run"].update(run)
    settings["detection"]["threshold_scaling"] = 0.5
    settings["detection"]["sparsery_settings"]["spatial_scale"] = 1
    # It writes beside the TIFF unless told where, and that file is shared.
    database = {
        "data_path": [str(tiff.parent)],
        "file_list": [tiff.name],
        "save_path0": str(folder),
        "fast_disk": str(folder),
        "nplanes": 1,
    }
    suite2p.run_s2p(db=database, settings=settings)
    return folder / "suite2p" / "plane0"


@pytest.mark.sim("static")
def test_equal_pixels_and_the_cells_are_found(sim_recording, sim_movie_file, tmp_path):
    plane = run_suite2p(sim_movie_file, tmp_path, do_registration=0)
    movie = np.fromfile(plane / "data.bin", np.int16).reshape(sim_recording.observed.shape)
    # It keeps 16 bits with a sign, as its authors' microscopes give them.
    np.testing.assert_array_equal(movie, sim_recording.observed.values)
    stat = np.load(plane / "stat.npy", allow_pickle=True)
    found = Estimate.from_suite2p(stat, shape=sim_recording.observed.shape[1:])
    # Which of its ROIs are cells is for its classifier, which was trained on two-photon movies.
    assert_footprints_recovered(found, sim_recording, min_recall=0.8, min_precision=0)
