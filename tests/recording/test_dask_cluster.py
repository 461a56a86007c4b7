"""Painting on a dask cluster: other processes, any blocks, the same bits."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest

from pytest_calsim import Recording, load_preset, simulate, simulate_cached


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
    recording.save(tmp_path / "recording.zarr.zip")
    there = Recording.load(tmp_path / "recording.zarr.zip").observed.chunk({"frame": 50}).compute()
    np.testing.assert_array_equal(there, recording.observed)


@pytest.mark.slow
@pytest.mark.parametrize("gone", [False, True])
def test_a_cluster_reads_a_cached_recording_by_name_and_paints_it_when_it_is_gone(cluster, recording, tmp_path, gone):
    cached = simulate_cached(recording.spec, tmp_path)
    lazy = cached.observed.chunk({"frame": 50})
    if gone:
        shutil.rmtree(tmp_path)
    np.testing.assert_array_equal(lazy.compute(), recording.observed)


def test_only_the_spec_travels(recording):
    pytest.importorskip("dask")
    lazy = recording.observed.chunk({"frame": 10})
    assert len(pickle.dumps(lazy)) < recording.observed.nbytes / 100
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)), recording.observed)
