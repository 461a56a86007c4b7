"""Mean and variance of codes against exact sums and against drawn codes."""

import numpy as np
import pytest
from scipy import stats

from pytest_calsim.kernels.sensor import Chip, Fields, Windows, expose
from pytest_calsim.simulation.code_statistics import SensorNoise, clipped

CHIP = Chip(
    response=np.ones((1, 64), np.float32),
    dark_e=np.zeros((1, 64), np.float32),
    offset_adu=np.full((1, 64), 32, np.float32),
    key=5,
    full_well_e=9000.0,
    read_noise_e=10.0,
    gain_adu_per_e=0.1,
    row_noise_adu=0.0,
    top_code=1023,
    drop_bits=0,
)


def noise_of(chip, n_pixels=1):
    return SensorNoise.of(chip._replace(offset_adu=chip.offset_adu[:, :1]), (1, n_pixels))


@pytest.mark.parametrize("limit", [-40.0, -8, -3, -1, 0, 0.5, 2, 7.9, 8.1, 40])
def test_moments_of_a_clipped_gaussian_are_its_integrals(limit):
    """Against integrals over the density; below −8 σ, nearly all lies at the limit."""
    mean, variance, share = clipped(np.array([5.0]), np.array([4.0]), 5 + 2 * limit)
    z = np.linspace(-12, 12, 480_001)
    density = stats.norm.pdf(z) * (z[1] - z[0])
    low = np.minimum(z, limit)
    expected = (low * density).sum()
    assert mean[0] == pytest.approx(5 + 2 * expected, abs=1e-5)
    assert variance[0] == pytest.approx(4 * ((low - expected) ** 2 * density).sum(), abs=1e-5)
    assert share[0] == pytest.approx(stats.norm.cdf(limit), abs=1e-6)


@pytest.mark.parametrize("well", [100, 1000, 9000])
@pytest.mark.parametrize("distance", [-3, -1, 0, 1, 3])
def test_poisson_electrons_at_the_full_well(well, distance):
    mean = well - distance * np.sqrt(well)
    n = np.arange(int(mean + 12 * np.sqrt(well)))
    held = np.minimum(n, well)
    p = stats.poisson.pmf(n, mean)
    exact = (held * p).sum()
    spread = ((held - exact) ** 2 * p).sum()
    found, variance, _ = clipped(np.array([mean]), np.array([mean]), well)
    assert found[0] == pytest.approx(exact, abs=0.02 * np.sqrt(well))
    assert variance[0] == pytest.approx(spread, rel=0.02, abs=0.02 * well)


def test_without_noise_the_limit_is_exact():
    mean, variance, share = clipped(np.array([1.0, 3.0]), np.zeros(2), 2.0)
    np.testing.assert_array_equal(mean, [1, 2])
    np.testing.assert_allclose(variance, 0, atol=1e-12)
    assert share[0] == 1


@pytest.mark.parametrize(
    ("electrons", "changes"),
    [
        (400, {}),
        (4000, {"drop_bits": 2}),
        (8950, {}),
        (9100, {}),
        (5000, {"gain_adu_per_e": 0.2}),  # the converter clips at 4955 electrons, below the full well
        (300, {"offset_adu": np.zeros((1, 64), np.float32), "gain_adu_per_e": 1.0}),
        (5, {"offset_adu": np.zeros((1, 64), np.float32), "gain_adu_per_e": 1.0}),  # clipped at code 0
    ],
)
def test_drawn_codes_have_the_declared_mean_and_variance(electrons, changes):
    chip = CHIP._replace(**changes)
    light = np.full((40, 64, 64), electrons, np.float32)
    windows = Windows.at(np.zeros((40, 2)), (64, 64))
    codes = expose(light, windows, Fields.none((64, 64)), chip, 0, np.uint16).astype(float)
    in_electrons = (codes * 2**chip.drop_bits - chip.offset_adu[0, 0]) / chip.gain_adu_per_e
    declared = noise_of(chip).codes(np.array([float(electrons)]))
    floor = (2**chip.drop_bits - 1) / 2 / chip.gain_adu_per_e  # dropping bits rounds down
    assert in_electrons.mean() + floor == pytest.approx(declared.mean[0], abs=0.02 * np.sqrt(electrons))
    assert in_electrons.var() == pytest.approx(declared.variance[0], rel=0.03)


def test_row_noise_is_told_apart_and_fades_where_the_converter_clips():
    noise = noise_of(CHIP._replace(row_noise_adu=2.0, gain_adu_per_e=0.2, full_well_e=1e5), 3)
    codes = noise.codes(np.array([1000.0, 4955, 6000]))
    assert noise.row_noise_e == 10
    assert codes.variance[0] == pytest.approx(1000 + 100 + 1 / 12 / 0.2**2)
    np.testing.assert_allclose(codes.row_share, [1, 0.5, 0], atol=1e-6)


@pytest.mark.parametrize(("well", "full"), [(9000.0, [False, True, True]), (1e5, [False, False, True])])
def test_full_is_the_well_or_the_highest_code(well, full):
    noise = noise_of(CHIP._replace(full_well_e=well), 3)
    np.testing.assert_array_equal(noise.full(np.array([[8000.0, 9000, 9910]]))[0], full)


def test_without_shot_noise_the_rest_is_left():
    rest = noise_of(CHIP._replace(shot_noise=False)).codes(np.array([500.0]))
    assert rest.mean[0] == pytest.approx(500)
    assert rest.variance[0] == pytest.approx(10.0**2 + 10.0**2 / 12)
