"""Painting on a dask cluster: other processes, any blocks, the same bits."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from pytest_calsim import Recording, load_preset, simulate


@pytest.fixture(scope="module")
def recording():
    return simulate(load_preset("moving", overrides={"acquisition.duration_s": 5}))


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        yield cluster


@pytest.mark.slow
@pytest.mark.parametrize("frames", [7, 50])
def test_a_cluster_paints_the_same_bits(cluster, recording, frames):
    there = recording.observed.chunk({"frame": frames}).compute()
    np.testing.assert_array_equal(there, recording.observed)


@pytest.mark.slow
def test_a_cluster_reads_a_saved_recording(cluster, recording, tmp_path):
    recording.save(tmp_path / "recording")
    there = Recording.load(tmp_path / "recording").observed.chunk({"frame": 50}).compute()
    np.testing.assert_array_equal(there, recording.observed)


def test_only_the_spec_travels(recording):
    pytest.importorskip("dask")
    lazy = recording.observed.chunk({"frame": 10})
    assert len(pickle.dumps(lazy)) < recording.observed.nbytes / 100
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)), recording.observed)
