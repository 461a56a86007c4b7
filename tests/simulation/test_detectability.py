"""Verdicts on cells against the same arithmetic on dense pictures."""

import numpy as np

from pytest_calsim import load_preset, simulate
from pytest_calsim.simulation.detectability import assess
from pytest_calsim.simulation.planning import plan
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells


def test_overlap_is_the_largest_cosine_with_another_observed_footprint():
    spec = load_preset("moving").edit({"acquisition.duration_s": 1, "place_neurons.populations.0.min_distance_um": 5})
    truth = simulate(spec).truth
    dense = np.asarray(truth.A_observed, float).reshape(truth.n_units, -1)
    norm = np.linalg.norm(dense, axis=1)
    unit = dense / np.where(norm > 0, norm, 1)[:, None]
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0)
    np.testing.assert_allclose(truth.cells.overlap, cosines.max(axis=1), rtol=1e-5)
    assert (norm == 0).any()
    assert truth.cells.overlap.max() > 0.5


def test_a_lone_cell_overlaps_none():
    spec = load_preset("tiny").edit(
        {"place_neurons.populations": ({},), "place_neurons.positions_um": ((110.0, 0.0, 0.0),)}
    )
    assert simulate(spec).truth.cells.overlap.tolist() == [0]


def test_background_fluctuation_is_that_of_the_neuropil_that_is_painted():
    """Patches are expected to fluctuate as declared; over a long recording and all cells they do."""
    spec = load_preset("static").edit({"acquisition.duration_s": 120, "acquisition.fps": 5})
    scene = plan(spec.edit(drop=["background_cells"]))
    found = assess(scene)["background_fluctuation"].values
    images, activity = scene.require(CellImages), scene.require(Activity)
    neuropil = scene.paint(until="neuropil") - scene.paint(until="render")
    under = neuropil.reshape(scene.n_frames, -1) @ images.observed.csr.T.astype(np.float32)
    signal = activity.typical_transient * images.sums(np.ones(scene.canvas.sensor_shape), squared=True)
    seen = scene.require(Cells).in_fov & (images.fov_fraction > 0.9)
    np.testing.assert_allclose(np.median(found[seen]), np.median((under.std(axis=0) / signal)[seen]), rtol=0.15)
