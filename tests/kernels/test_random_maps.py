"""Words against splitmix64 in Python's whole numbers; Gaussians and uniforms against scipy's distributions."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from pytest_calsim.kernels.random_maps import about_axis, gaussian_pairs, mix, normal_map, pixel_words, uniform_map

# Seeds are fixed, so these tests are deterministic; a p-value below this is a wrong distribution, not bad luck.
P_MIN = 1e-4


def splitmix(word):
    """The finaliser, in whole numbers without bounds."""
    word ^= word >> 30
    word = word * 0xBF58476D1CE4E5B9 % 2**64
    word ^= word >> 27
    word = word * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31


def test_words_are_hashes_of_key_frame_row_and_column():
    gamma = 0x9E3779B97F4A7C15
    key = 2**64 - 5
    frame = 7
    rows = range(-2, 3)
    columns = range(3, 6)
    words = pixel_words(key, rows, columns, frame)
    assert words.dtype == np.uint64
    for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
        of_frame = splitmix((splitmix(key) + frame * gamma) % 2**64)
        of_row = splitmix((of_frame + row * gamma) % 2**64)
        assert words[i, j] == splitmix((of_row + column * gamma) % 2**64)


def test_no_pixel_shares_a_word_with_another():
    maps = [
        pixel_words(key, range(-1, 2), range(-1000, 1000), frame)
        for key, frame in itertools.product((1, 2, 2**63), (0, 1, 2))
    ]
    words = np.concatenate([words.ravel() for words in maps])
    assert len(np.unique(words)) == len(words)


def test_every_bit_of_a_word_changes_half_of_its_hash():
    words = np.random.default_rng(0).integers(0, 2**64, 400, dtype=np.uint64)
    hashed = mix(words)
    for bit in range(64):
        changed = np.unpackbits((hashed ^ mix(words ^ np.uint64(1 << bit))).view(np.uint8)).mean()
        assert abs(changed - 0.5) < 0.02


@pytest.fixture(scope="module")
def drawn():
    words = np.random.default_rng(0).integers(0, 2**64, 2_000_000, dtype=np.uint64)
    return words, *gaussian_pairs(words)


def test_both_gaussians_are_what_the_library_makes_of_the_same_bits(drawn):
    words, one, other = drawn
    radius = np.sqrt(-2 * np.log(((words >> np.uint64(33)) + 0.5) / 2**31))
    angle = 2 * np.pi * (words & np.uint64(2**31 - 1)) / 2**31
    np.testing.assert_allclose(one, -radius * np.cos(angle), atol=3e-4)
    np.testing.assert_allclose(other, -radius * np.sin(angle), atol=3e-4)
    assert abs(one + radius * np.cos(angle)).mean() < 3e-7
    assert abs(other + radius * np.sin(angle)).mean() < 3e-7


def test_both_are_gaussian_to_the_tails_and_independent(drawn):
    _, one, other = drawn
    for values in (one, other, (one + other) / np.sqrt(2), (one - other) / np.sqrt(2)):
        assert stats.kstest(values, "norm").pvalue > P_MIN
        for edge in (3, 4, 4.5):
            beyond = int((abs(values) > edge).sum())
            assert stats.binomtest(beyond, len(values), 2 * stats.norm.sf(edge)).pvalue > P_MIN
    table = np.histogram2d(stats.norm.cdf(one), stats.norm.cdf(other), 40, [[0, 1], [0, 1]])[0]
    assert stats.chisquare(table.ravel()).pvalue > P_MIN


def test_the_ends_of_the_bits_are_finite():
    words = np.array([0, 2**64 - 1, 2**63, 2**33, 2**31 - 1, 2**30, 3 << 29], np.uint64)
    for values in gaussian_pairs(words):
        assert np.isfinite(values).all()
        assert abs(values).max() < 6.7


def test_a_word_gives_the_same_pair_wherever_it_stands(drawn):
    words, one, other = drawn
    for length in (0, 1, 17, 33):
        np.testing.assert_array_equal(gaussian_pairs(words[3 : 3 + length]), [x[3 : 3 + length] for x in (one, other)])
    assert gaussian_pairs(words[:12].reshape(3, 4))[1].shape == (3, 4)
    np.testing.assert_array_equal(gaussian_pairs(words[:20:2])[0], one[:20:2])


@pytest.mark.parametrize(("size", "numbers"), [(4, [-2, -1, 0, 1]), (5, [-2, -1, 0, 1, 2]), (1, [0]), (0, [])])
def test_pixels_are_counted_from_the_axis(size, numbers):
    assert list(about_axis(size)) == numbers


def test_maps_are_gaussian_and_uniform_and_named_by_pixel():
    normal = normal_map(5, 400, 500)
    uniform = uniform_map(5, 400, 500)
    assert normal.dtype == np.float32
    assert uniform.dtype == np.float64
    assert stats.kstest(normal.ravel(), "norm").pvalue > P_MIN
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > P_MIN
    np.testing.assert_array_equal(normal_map(5, 40, 30), normal[180:220, 235:265])
    np.testing.assert_array_equal(uniform_map(5, 40, 30), uniform[180:220, 235:265])
    assert (normal_map(6, 400, 500) != normal).all()


def test_a_uniform_is_its_words_high_53_bits():
    words = pixel_words(9, range(1), about_axis(50))[0].tolist()
    assert uniform_map(9, 1, 50)[0].tolist() == [math.ldexp((word >> 11) + 0.5, -53) for word in words]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1)])
def test_maps_have_any_size(shape):
    assert normal_map(1, *shape).shape == uniform_map(1, *shape).shape == shape
