import hashlib

import numpy as np
from scipy import stats

from pytest_calsim.arrays.streams import numbered_keys, stream, stream_key, stream_keys


def test_a_stream_depends_on_its_name_alone():
    first = stream(1, "sensor", "cell", 3).random(4)
    stream(1, "sensor", "cell", 2).random(100)
    assert np.array_equal(first, stream(1, "sensor", "cell", 3).random(4))


def test_names_do_not_run_into_each_other():
    names = [(1, "a", "b"), (1, "ab"), (1, "a", 1), (1, "a", "1"), (11, "a"), (1, "1", "a"), (1,), (1, "a", "b", 0)]
    keys = {stream_key(*name) for name in names}
    assert len(keys) == len(names)


def test_streams_of_neighbours_are_independent_and_uniform():
    draws = np.array([stream(0, "place_neurons", "cell", i).random(50) for i in range(400)])
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 4 / np.sqrt(draws.size)


def test_a_stream_is_philox_with_the_names_digest_as_its_key():
    digest = hashlib.blake2b(b"7\x1fstr:sensor\x1fint:3", digest_size=16).digest()
    expected = np.random.Generator(np.random.Philox(key=np.frombuffer(digest, np.uint64)))
    np.testing.assert_array_equal(stream(7, "sensor", 3).random(100), expected.random(100))


def test_keys_of_many_entities_are_the_keys_of_each():
    entities = np.array([[0, -3, 12], [1, 0, 0], [0, -3, 13]])
    one_by_one = [stream_key(5, "cell_activity", "rate", *entity) for entity in entities.tolist()]
    assert stream_keys(5, ("cell_activity", "rate"), entities).tolist() == one_by_one
    assert stream_keys(5, ("cell_activity",), entities[:0]).size == 0


def test_numbered_keys_begin_with_the_first_differ_and_go_on():
    first = stream_key(0, "neuropil", "population")
    keys = numbered_keys(first, 1000)
    assert keys[0] == first
    assert len(np.unique(keys)) == 1000
    assert np.array_equal(numbered_keys(first, 10), keys[:10])
