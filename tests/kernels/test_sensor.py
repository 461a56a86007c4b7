"""Looking and exposing against NumPy and scipy: every code of a block, and every refusal."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from pytest_calsim.kernels.poisson import poisson_tables
from pytest_calsim.kernels.random_maps import about_axis, gaussian_pairs, mix, pixel_words, row_words
from pytest_calsim.kernels.sensor import Chip, Fields, Windows, expose, look

GAMMA = np.uint64(0x9E3779B97F4A7C15)


def keys(x):
    """Keys' kernel with a = −0.5 as published, piecewise in the distance."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


@given(st.floats(7, 8, exclude_max=True), st.floats(3, 4, exclude_max=True))
def test_weights_are_those_of_keys_cubic_convolution(row, column):
    windows = Windows.at(np.array([[row, column]]), (4, 5))
    assert (windows.height, windows.width, *windows.row, *windows.column) == (4, 5, 7, 3)
    for fraction, weights in zip((row - 7, column - 3), windows.weights[0], strict=True):
        expected = [keys(fraction + 1), keys(fraction), keys(1 - fraction), keys(2 - fraction)]
        assert weights == pytest.approx(expected, abs=1e-6)
    assert windows.whole[0] == (row == 7 and column == 3)


def test_weights_between_no_pixels_are_exact():
    windows = Windows.at(np.array([[2.0, 3.0], [2.0, 3.5]]), (1, 1))
    assert windows.weights[0].tolist() == [[0, 1, 0, 0], [0, 1, 0, 0]]
    assert windows.whole.tolist() == [True, False]


def shifted(image, row, column, height, width):
    """The window whose pixel (0, 0) looks at (row, column) of the image."""
    windows = Windows.at(np.array([[row, column]]), (height, width))
    return look(image[np.newaxis], windows, Fields.none((height, width)))[0]


@settings(max_examples=30)
@given(st.floats(1, 5), st.floats(1, 6), st.integers(0, 2**32 - 1))
def test_light_between_pixels_is_a_direct_sum_in_double_precision(row, column, seed):
    image = np.random.default_rng(seed).random((20, 24), dtype=np.float32)
    got = shifted(image, row, column, 12, 15)
    for i, j in [(0, 0), (11, 14), (5, 9)]:
        y = row + i
        x = column + j
        rows = np.array([keys(y - r) for r in range(20)])
        columns = np.array([keys(x - c) for c in range(24)])
        assert got[i, j] == pytest.approx(max(rows @ image.astype(float) @ columns, 0), abs=2e-6)


@pytest.mark.parametrize("at", [(1.5, 1.5), (2.25, 3.7), (3.0, 2.5)])
def test_light_beside_a_sharp_spot_is_none_and_never_negative(at):
    image = np.zeros((20, 24), np.float32)
    image[9, 11] = 1
    got = shifted(image, *at, 12, 15)
    assert got.min() == 0
    assert got.max() > 0.3


def test_quadratics_are_reproduced():
    y, x = np.mgrid[0:30, 0:30].astype(np.float32)
    got = shifted((0.1 * y**2 - 0.2 * y * x + x + 90).astype(np.float32), 3.3, 4.6, 20, 20)
    y, x = np.mgrid[0:20, 0:20] + np.array([3.3, 4.6])[:, None, None]
    np.testing.assert_allclose(got, 0.1 * y**2 - 0.2 * y * x + x + 90, atol=2e-4)


@pytest.mark.parametrize("width", [1, 191, 193, 400])
def test_each_image_has_a_window_of_its_own_and_fields_follow_each_other(width):
    """In single precision, in the order of the kernel's description: bit for bit."""
    rng = np.random.default_rng(width)
    n = 5
    height = 7
    images = rng.random((n, height + 6, width + 6), dtype=np.float32)
    corners = np.array([[0, 0], [1.25, 1.5], [6, 6], [2, 3.75], [3, 2]])
    fields = Fields(rng.random((3, height, width), dtype=np.float32), np.array([False, True, False]))
    got = look(images, Windows.at(corners, (height, width)), fields)
    for f, (row, column) in enumerate(corners):
        r = math.floor(row)
        c = math.floor(column)
        if (row, column) == (r, c):
            light = images[f, r : r + height, c : c + width]
        else:
            v, h = (
                np.array([keys(t + 1), keys(t), keys(1 - t), keys(2 - t)], np.float32) for t in (row - r, column - c)
            )
            around = images[f, r - 1 :, c - 1 :]
            rows = h[0] * around[:, :width]
            for k in (1, 2, 3):
                rows = rows + h[k] * around[:, k : k + width]
            light = v[0] * rows[:height]
            for k in (1, 2, 3):
                light = light + v[k] * rows[k : k + height]
            light = np.maximum(light, 0)
        expected = (light * fields.values[0] + fields.values[1]) * fields.values[2]
        np.testing.assert_array_equal(got[f], expected)


def test_a_window_may_touch_the_images_edges():
    image = np.random.default_rng(0).random((1, 8, 9), dtype=np.float32)
    np.testing.assert_array_equal(shifted(image[0], 0, 0, 8, 9), image[0])
    assert np.isfinite(shifted(image[0], 1.5, 1.5, 5, 6)).all()


def chances(mean, count):
    """Probability of counts by Poisson's distribution, and as Gaussians of the same moments rounded down."""
    below, above = ((count + step - mean) / np.sqrt(mean) for step in (0, 1))
    return stats.poisson.pmf(count, mean), special.ndtr(above) - special.ndtr(below)


def redrawn(mean, word):
    """A count of what a rounded Gaussian lacks of a Poisson distribution (algorithm PD, step H)."""

    def uniform():
        nonlocal word
        word = mix(word + GAMMA)
        return (int(word[0] >> np.uint64(11)) + 0.5) / 2**53

    while True:
        depth = uniform()
        height = 2 * uniform() - 1
        t = 1.8 + math.copysign(1, height) * math.log(depth)
        if t > -0.6744:
            count = math.floor(mean + math.sqrt(mean) * t)
            poisson, rounded = chances(mean, count)
            if 0.1069 / mean * abs(height) * depth <= poisson - rounded:
                return count


def pixel_counts(mean, words):
    """Electrons of pixels from their four words each ``(4, pixel)``, and the other Gaussian."""
    one, other = gaussian_pairs(words[0])
    chance = (words[1] >> np.uint64(33)) / 2**31
    whole = np.floor(mean)
    counts = whole + np.floor((mean - whole) + np.sqrt(mean) * one)
    counts = counts.astype(float)
    mean = mean.astype(float)
    # Bright: rounded Gaussians, those that Poisson's distribution has too many of drawn again.
    low = np.flatnonzero((mean >= 128) & (counts < mean - 1.1484))
    poisson, rounded = chances(mean[low], counts[low])
    for i in low[rounded * (1 - chance[low]) > poisson]:
        counts[i] = redrawn(mean[i], words[1, i : i + 1])
    # Dim: a multiple of 8 and one of 1/16 by alias tables, and the rest by inversion.
    dim = np.flatnonzero(mean < 128)
    coarse = mean[dim] // 8
    fine = (mean[dim] - 8 * coarse) * 16 // 1
    rest = mean[dim] - 8 * coarse - fine / 16
    counts[dim] = sum(chance[dim] < special.pdtrc(k, rest) for k in range(8))
    for table, level, drawn in zip(poisson_tables(), (coarse, fine), words[2:, dim], strict=True):
        column = table[level.astype(int), drawn % np.uint64(table.shape[1])]
        own = drawn >> np.uint64(32) < column >> np.uint64(32)
        counts[dim] += np.where(own, column, column >> np.uint64(16)) % np.uint64(2**16)
    return counts, other


def four_words(key, height, width, frame):
    """The words of each pixel: four in a row."""
    columns = about_axis(width)
    return pixel_words(key, about_axis(height), range(4 * columns.start, 4 * columns.stop), frame).reshape(-1, 4).T


@pytest.mark.parametrize(("least", "most"), [(0, 1 / 16), (0, 8), (0, 128), (128, 140), (128, 3000)])
def test_a_million_counts_are_those_of_the_method_in_numpy(least, most):
    shape = (1000, 1000)
    key = 31
    light = np.random.default_rng(0).uniform(least, most, shape).astype(np.float32)
    row = np.ones((1, 1000), np.float32)
    chip = Chip(row, 0 * row, 0 * row, key, 5000.0, 0.0, 1.0, 0.0, 65535, 0)
    codes = expose(light[np.newaxis], Windows.at(np.zeros((1, 2)), shape), Fields.none(shape), chip, 3, np.uint16)[0]
    counts, _ = pixel_counts(light.ravel(), four_words(key, *shape, 3))
    # The rest's 31 bits are compared with single-precision numbers.
    assert (codes.ravel() != counts).sum() <= (1 if least < 128 else 0)


@pytest.mark.parametrize(("top_code", "drop_bits", "dtype"), [(1023, 2, np.uint8), (65535, 0, np.uint16)])
@pytest.mark.parametrize("scale", [0.1, 20, 128, 2000])
def test_every_code_of_a_block_is_that_of_the_method_in_numpy(scale, top_code, drop_bits, dtype):
    rng = np.random.default_rng(int(scale))
    n = 3
    height = 40
    width = 207
    start = 1000
    key = 2**64 - 11
    light = rng.random((n, height, width), dtype=np.float32) * 2
    response = (scale * (1 + 0.1 * rng.random((height, width)))).astype(np.float32)
    dark = (0.01 * scale * rng.random((1, width))).astype(np.float32)
    offset = (30 + rng.random((height, width))).astype(np.float32)
    full_well = 3 * scale
    read_noise = 0.2 * scale**0.5
    row_noise = 2.5
    gain = (top_code - 30) / full_well
    chip = Chip(response, dark, offset, key, full_well, read_noise, gain, row_noise, top_code, drop_bits)
    shape = height, width
    codes = expose(light, Windows.at(np.zeros((n, 2)), shape), Fields.none(shape), chip, start, dtype)
    assert codes.dtype == dtype
    assert codes.shape == light.shape
    for f in range(n):
        row_gaussian, _ = gaussian_pairs(mix(~row_words(key, about_axis(height), start + f)))
        mean = light[f] * response + dark
        counts, other = pixel_counts(mean.ravel(), four_words(key, height, width, start + f))
        signal = np.minimum(counts, full_well) + read_noise * other
        code = np.rint(signal.reshape(shape) * gain + offset + row_noise * row_gaussian[:, np.newaxis])
        expected = np.clip(code, 0, top_code).astype(int) >> drop_bits
        # Single precision rounds a few codes to the other side.
        off = np.abs(codes[f] - expected)
        assert off.max() <= 1
        assert (off > 0).mean() < (1e-3 if dtype is np.uint8 else 5e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("n", "height", "width"), [(0, 3, 4), (2, 0, 4), (2, 3, 0), (1, 1, 1), (2, 1, 193)])
def test_windows_of_any_size_are_seen_and_exposed(n, height, width, dtype):
    light = np.full((n, height, width), 0.5, np.float32)
    windows = Windows.at(np.zeros((n, 2)), (height, width))
    row = np.ones((1, width), np.float32)
    chip = Chip(200 * row, row, row, 1, 1000.0, 3.0, 0.1, 0.0, 255, 0)
    assert expose(light, windows, Fields.none((height, width)), chip, 0, dtype).shape == light.shape
    np.testing.assert_array_equal(look(light, windows, Fields.none((height, width))), light)


def test_a_block_is_its_frames_and_the_types_agree():
    light = np.random.default_rng(0).random((6, 20, 200), dtype=np.float32)
    row = np.ones((1, 200), np.float32)
    chip = Chip(300 * row, row, 20 * row, 1, 1000.0, 3.0, 0.2, 1.0, 255, 0)
    fields = Fields.none((20, 200))
    whole = expose(light, Windows.at(np.zeros((6, 2)), (20, 200)), fields, chip, 7, np.uint8)
    for f in range(6):
        alone = expose(light[f : f + 1], Windows.at(np.zeros((1, 2)), (20, 200)), fields, chip, 7 + f, np.uint16)
        np.testing.assert_array_equal(alone[0], whole[f])


@pytest.mark.parametrize(("more_rows", "more_columns"), [(0, 2), (6, 0), (4, 300)])
@pytest.mark.parametrize("shape", [(20, 30), (21, 30), (20, 193), (1, 1)])
def test_a_larger_sensor_shows_the_same_noise_in_its_middle(shape, more_rows, more_columns):
    wide = shape[0] + more_rows, shape[1] + more_columns
    middle = np.s_[:, more_rows // 2 : more_rows // 2 + shape[0], more_columns // 2 : more_columns // 2 + shape[1]]
    light = np.random.default_rng(0).random((2, *wide), dtype=np.float32)

    def codes(light, shape):
        row = np.ones((1, shape[1]), np.float32)
        chip = Chip(300 * row, row, 20 * row, 1, 1000.0, 3.0, 0.2, 1.0, 255, 0)
        return expose(light, Windows.at(np.zeros((2, 2)), shape), Fields.none(shape), chip, 7, np.uint8)

    np.testing.assert_array_equal(codes(light, wide)[middle], codes(np.ascontiguousarray(light[middle]), shape))


@pytest.fixture
def parts():
    row = np.ones((1, 6), np.float32)
    return {
        "images": np.ones((2, 9, 10), np.float32),
        "windows": Windows.at(np.array([[1.0, 1.0], [1.5, 1.5]]), (5, 6)),
        "fields": Fields(np.ones((1, 5, 6), np.float32), np.array([True])),
        "chip": Chip(row, row, row, 1, 1000.0, 3.0, 0.1, 0.0, 1023, 2),
    }


@pytest.mark.parametrize(
    ("corner", "refused"),
    [
        ((0.0, 0.0), False),
        ((4.0, 4.0), False),
        ((-1.0, 0.0), True),
        ((0.0, 5.0), True),
        ((0.5, 1.5), True),
        ((1.5, 0.5), True),
        ((2.5, 2.5), False),
        ((3.0, 2.5), True),
        ((2.5, 3.5), True),
    ],
)
def test_a_window_beyond_its_image_is_refused(parts, corner, refused):
    windows = Windows.at(np.array([(1.0, 1.0), corner]), (5, 6))
    if not refused:
        assert (look(parts["images"], windows, parts["fields"]) == 2).all()
        return
    with pytest.raises(ValueError, match=r"image 1 of 9 x 10 px does not hold a window of 5 x 6 px"):
        look(parts["images"], windows, parts["fields"])
    with pytest.raises(ValueError, match="image 1"):
        expose(parts["images"], windows, parts["fields"], parts["chip"], 0, np.uint8)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("windows", {"row": np.zeros(3, np.int64)}, r"row has shape \(3,\), not \(2,\)"),
        ("windows", {"column": np.zeros(1, np.int64)}, r"column has shape"),
        ("windows", {"whole": np.zeros(3, np.bool_)}, r"whole has shape"),
        ("windows", {"weights": np.zeros((2, 4, 2), np.float32)}, r"weights has shape"),
        ("fields", {"values": np.ones((1, 5, 7), np.float32)}, r"fields has shape \(1, 5, 7\), not \(1, 5, 6\)"),
        ("fields", {"adds": np.array([True, False])}, r"adds has shape"),
        ("chip", {"response": np.ones((2, 6), np.float32)}, r"response has shape \(2, 6\), not \(5, 6\)"),
        ("chip", {"dark_e": np.ones((1, 5), np.float32)}, r"dark_e has shape \(1, 5\), not \(1, 6\)"),
        ("chip", {"offset_adu": np.ones((6, 6), np.float32)}, r"offset_adu has shape"),
        ("chip", {"drop_bits": 1}, "codes up to 1023 >> 1 do not fit uint8"),
        ("chip", {"full_well_e": 1e12}, "full_well_e"),
        ("chip", {"full_well_e": math.nan}, "full_well_e"),
    ],
)
def test_what_does_not_fit_is_refused(parts, part, change, message):
    parts[part] = parts[part]._replace(**change)
    with pytest.raises(ValueError, match=message):
        expose(**parts, start=0, dtype=np.uint8)


def test_codes_are_of_8_or_16_bits(parts):
    with pytest.raises(ValueError, match="do not fit int32"):
        expose(**parts, start=0, dtype=np.int32)
