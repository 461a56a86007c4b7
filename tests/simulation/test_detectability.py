"""Verdicts on cells against the same arithmetic on dense pictures."""

import numpy as np

from pytest_calsim import load_preset, simulate


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
