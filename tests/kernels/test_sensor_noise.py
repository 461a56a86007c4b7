"""The sensor's noise against scipy's distributions: exact at every level, independent everywhere, one draw a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_calsim.kernels.sensor import Chip, Fields, Windows, expose

# Seeds are fixed, so these tests are deterministic; a p-value below this is a wrong distribution, not bad luck.
P_MIN = 1e-4
KEY = 20240607
TOP = 65535


def draw(
    mean_e,
    shape=(320, 320),
    *,
    key=KEY,
    frame=0,
    read_noise_e=0.0,
    gain=1.0,
    black=0.0,
    full_well_e=None,
    row_noise=0.0,
):
    """Codes of a picture whose light is mean electrons; without read noise and at gain 1, electrons.

    A negative black level brings large counts into the range of codes; it is added again.
    """
    light = np.array(np.broadcast_to(np.asarray(mean_e, np.float32), shape))
    finite = light[np.isfinite(light)]
    full_well_e = full_well_e or 2 * float(finite.max(initial=0.0)) + 50
    one = np.ones((1, shape[1]), np.float32)
    zero = np.zeros((1, shape[1]), np.float32)
    maps = one, zero, np.full((1, shape[1]), black, np.float32)
    chip = Chip(*maps, key, float(full_well_e), float(read_noise_e), float(gain), float(row_noise), TOP, 0)
    windows = Windows.at(np.zeros((1, 2)), shape)
    codes = expose(light[np.newaxis], windows, Fields.none(shape), chip, frame, np.uint16)[0]
    return codes if black >= 0 else codes.astype(np.int64) - int(black)


def chi_square_p(counts, probabilities):
    """p-value of counts against a discrete distribution; neighbouring cells joined until each expects 10."""
    total = counts.sum()
    observed = []
    expected = []
    o = 0.0
    e = 0.0
    for c, p in zip(counts, probabilities * total, strict=True):
        o = o + c
        e = e + p
        if e >= 10:
            observed.append(o)
            expected.append(e)
            o = 0.0
            e = 0.0
    observed[-1] += o
    expected[-1] += e
    observed = np.array(observed)
    expected = np.array(expected)
    statistic = ((observed - expected) ** 2 / expected).sum()
    return stats.chi2.sf(statistic, len(observed) - 1) if len(observed) > 1 else 1.0


def poisson_p(codes, mean):
    lo = int(codes.min())
    hi = int(codes.max())
    lo = min(lo, int(stats.poisson.ppf(1e-9, mean)))
    hi = max(hi, int(stats.poisson.isf(1e-9, mean)))
    counts = np.bincount((codes - lo).ravel(), minlength=hi - lo + 1)
    pmf = stats.poisson.pmf(np.arange(lo, hi + 1), mean)
    pmf[0] = stats.poisson.cdf(lo, mean)
    pmf[-1] = stats.poisson.sf(hi - 1, mean)
    return chi_square_p(counts, pmf)


@pytest.mark.parametrize("full_well_e", [10.0, 50.5, 96.0, 1000.0, 2100.7, 9000.0, 99_990.0, 1e5])
def test_the_brightest_light_fills_every_well(full_well_e):
    black = -40_000.0 if full_well_e > TOP else 0.0
    assert (draw(1e30, (8, 8), full_well_e=full_well_e, black=black) == np.rint(full_well_e)).all()


@pytest.mark.parametrize("mean", [0.1, 1.0, 5.0, 1e4])
def test_poisson_distribution_at_the_named_levels(mean):
    codes = np.stack([draw(mean, frame=f) for f in range(10)])
    assert poisson_p(codes, np.float32(mean)) > P_MIN


def test_poisson_distribution_at_many_levels_off_the_grid():
    levels = np.exp(np.random.default_rng(1).uniform(np.log(0.1), np.log(1e4), 120)).astype(np.float32)
    p = np.array([poisson_p(draw(mean, key=KEY + i), float(mean)) for i, mean in enumerate(levels)])
    assert p.min() > P_MIN
    # p-values of an exact sampler are uniform (nearly: counts are discrete).
    assert stats.kstest(p, "uniform").pvalue > P_MIN


@pytest.mark.parametrize("mean", [1 / 16, 0.0624, 7.96, 8.0, 8.03, 119.99, 127.99, 128.0, 128.03, 255.5])
def test_poisson_distribution_on_both_sides_of_the_methods_edges(mean):
    assert poisson_p(np.stack([draw(mean, frame=f) for f in range(3)]), np.float32(mean)) > P_MIN


@pytest.mark.parametrize("mean", [16000.3, 99_990.0])
def test_poisson_distribution_up_to_the_largest_full_well(mean):
    codes = draw(mean, (640, 640), full_well_e=2e5, black=-10_000.0 if mean < TOP else -70_000.0)
    assert poisson_p(codes, np.float32(mean)) > P_MIN


def test_ten_million_draws_of_a_small_mean():
    counts = sum(np.bincount(draw(2.8125 + 0.03, (1000, 1000), frame=f).ravel(), minlength=40) for f in range(10))
    pmf = stats.poisson.pmf(np.arange(40), float(np.float32(2.8125 + 0.03)))
    assert chi_square_p(counts, pmf) > P_MIN


def test_a_mean_of_zero_gives_no_electron():
    assert not draw(0.0).any()


def test_read_noise_is_gaussian_to_the_tails():
    scale = 4000.0
    black = 32768.0
    codes = np.stack([draw(0.0, (1000, 1000), frame=f, read_noise_e=1.0, gain=scale, black=black) for f in range(6)])
    edges = np.concatenate([[-np.inf], np.linspace(-4.8, 4.8, 193), [np.inf]])
    counts, _ = np.histogram(codes, np.where(np.isfinite(edges), np.rint(edges * scale) + black + 0.5, edges))
    shifted = np.where(np.isfinite(edges), (np.rint(edges * scale) + 0.5) / scale, edges)
    assert chi_square_p(counts, np.diff(stats.norm.cdf(shifted))) > P_MIN
    beyond = (np.abs(codes.astype(float) - black) > 3.6541528853610088 * scale).sum()
    assert stats.binomtest(int(beyond), codes.size, 2 * stats.norm.sf(3.6541528853610088)).pvalue > P_MIN
    centred = codes.astype(np.float32).ravel() / scale - black / scale
    assert centred.mean() == pytest.approx(0, abs=4.5 / codes.size**0.5)
    assert (centred**4).mean() == pytest.approx(3, abs=4.5 * (96 / codes.size) ** 0.5)


def independence_p(a, b, bins=12):
    """p-value of the χ² test on the contingency table of two fields' quantiles."""

    def classes(v):
        edges = np.unique(np.quantile(v, np.linspace(0, 1, bins + 1)[1:-1]))
        return np.searchsorted(edges, v.ravel(), side="left")

    i = classes(a)
    j = classes(b)
    table = np.bincount(i * (j.max() + 1) + j, minlength=(i.max() + 1) * (j.max() + 1)).reshape(i.max() + 1, -1)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    return stats.chi2_contingency(table).pvalue


# One level for each part of a dim count (rest, fine, middle), one for all of them, and a bright one.
PARTS = {"rest": 0.06, "fine": 4.5, "middle": 104.0, "all": 117.3, "bright": 2750.3}


@pytest.mark.parametrize("mean", PARTS.values(), ids=PARTS)
def test_neighbours_frames_and_keys_are_independent(mean):
    shape = (600, 600)
    base = draw(mean, shape)
    pairs = {
        "right": (base[:, :-1], base[:, 1:]),
        "two right": (base[:, :-2], base[:, 2:]),
        "three right": (base[:, :-3], base[:, 3:]),
        "below": (base[:-1], base[1:]),
        "diagonal": (base[:-1, :-1], base[1:, 1:]),
        "next frame": (base, draw(mean, shape, frame=1)),
        "next key": (base, draw(mean, shape, key=KEY + 1)),
        "far key": (base, draw(mean, shape, key=KEY + 2**63)),
        "transposed": (base, base.T),
    }
    for name, (a, b) in pairs.items():
        if name == "transposed":
            a = a[np.triu_indices(600, 1)]
            b = b[np.triu_indices(600, 1)]
        assert independence_p(a, b) > P_MIN, name
        r = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        assert abs(r) < 4.5 / a.size**0.5, name


def test_read_noise_of_neighbours_frames_and_keys_is_independent():
    def read(**kw):
        return draw(0.0, (600, 600), read_noise_e=1.0, gain=4000.0, black=32768.0, **kw).astype(float)

    base = read()
    for other in (read(frame=1), read(key=KEY + 1), np.roll(base, 1, 0), np.roll(base, 1, 1), np.roll(base, 2, 1)):
        assert independence_p(base, other) > P_MIN
        assert independence_p(np.abs(base - 32768), np.abs(other - 32768)) > P_MIN


@pytest.mark.parametrize("mean", PARTS.values(), ids=PARTS)
def test_shot_and_read_noise_of_a_pixel_are_independent(mean):
    shape = (800, 800)
    electrons = draw(mean, shape).astype(np.int64)
    # The range of codes holds six standard deviations of the count, and eight of the read noise.
    gain = 90.0
    black = -gain * max(np.floor(mean - 6 * mean**0.5), 0) + 8 * gain
    signal = draw(mean, shape, read_noise_e=1.0, gain=gain, black=black).astype(np.int64) - max(black, 0)
    assert 0 < (signal + black).min() < (signal + black).max() < TOP
    rounding = np.random.default_rng(0).uniform(-0.5, 0.5, shape)
    noise = (signal + rounding) / gain - electrons
    assert stats.kstest(noise.ravel()[:100_000], "norm").pvalue > P_MIN
    assert independence_p(electrons, noise) > P_MIN
    assert independence_p(electrons, np.abs(noise)) > P_MIN
    # Rare values too.
    assert independence_p(electrons[np.abs(noise) > 2.5], noise[np.abs(noise) > 2.5], bins=4) > P_MIN


def test_the_parts_of_one_pixels_dim_count_are_independent():
    # The same pixel at other levels: the rest and each table have words of their own.
    drawn = {name: draw(PARTS[name], (800, 800)) for name in ("rest", "fine", "middle")}
    names = list(drawn)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            assert independence_p(drawn[a], drawn[b]) > P_MIN, (a, b)


def test_no_low_bit_of_the_counts_is_periodic():
    # Fourier amplitudes of white noise are exponential: no line stands out along rows, columns or frames.
    cube = np.stack([draw(100.0, (128, 128), frame=f) for f in range(128)])
    for bit in (0, 1, 2):
        plane = ((cube >> bit) & 1).astype(float)
        power = np.abs(np.fft.fftn(plane - plane.mean())) ** 2 / (plane.var() * plane.size)
        half = power.reshape(-1)[1 : power.size // 2]
        assert half.max() < np.log(half.size) + 12
        assert stats.kstest(half[:200_000], "expon").pvalue > P_MIN


def test_one_pixels_light_changes_no_other_pixel():
    light = np.full((64, 64), 50.0, np.float32)
    before = draw(light, light.shape, read_noise_e=2.0, black=100.0, full_well_e=5000.0)
    light[20, 30] = 3000.0
    after = draw(light, light.shape, read_noise_e=2.0, black=100.0, full_well_e=5000.0)
    changed = np.argwhere(before != after)
    np.testing.assert_array_equal(changed, [[20, 30]])


def test_a_larger_window_continues_a_smaller_one_on_all_sides():
    kw = {"read_noise_e": 3.0, "black": 50.0, "row_noise": 2.0}
    np.testing.assert_array_equal(draw(20.0, (30, 40), **kw), draw(20.0, (60, 90), **kw)[15:45, 25:65])


def test_row_noise_is_one_gaussian_a_row_and_frame():
    rows = np.stack([draw(0.0, (500, 8), frame=f, row_noise=50.0, black=1000.0) for f in range(40)])
    assert (rows == rows[:, :, :1]).all()
    offsets = rows[:, :, 0].astype(float) - 1000
    assert (
        stats.kstest((offsets.ravel() + np.random.default_rng(0).uniform(-0.5, 0.5, 20000)) / 50, "norm").pvalue > P_MIN
    )
    assert independence_p(offsets[:, 1:], offsets[:, :-1]) > P_MIN
    assert independence_p(offsets[1:], offsets[:-1]) > P_MIN


def test_negative_huge_and_undefined_light_stay_in_range():
    light = np.array([[-1e30, -1.0, -0.0, np.nan, 1e30, np.inf, 3.4e38, 1e-45]], np.float32)
    codes = draw(light, light.shape, full_well_e=1000.0)
    np.testing.assert_array_equal(codes, [[0, 0, 0, 0, 1000, 1000, 1000, 0]])


def test_codes_are_clipped_to_the_converters_range():
    black = -1e6
    assert (draw(0.0, black=black) + black == 0).all()
    assert draw(1000.0, gain=1e5).min() == 65535
