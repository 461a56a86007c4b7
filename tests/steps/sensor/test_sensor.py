"""The sensor against the physics of photon transfer and the exact discrete distribution of its codes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from painting import photon_rate
from scipy import stats

from pytest_calsim.errors import SpecWarning
from pytest_calsim.microscope.acquisition import ImageSensor
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.sensor.sensor import Sensor

P_MIN = 1e-4
# One photon gives one electron and one code, and the chip adds nothing of its own.
BARE = {
    "quantum_efficiency": 1.0,
    "read_noise_e": 0.0,
    "gain_adu_per_e": 1.0,
    "black_level_adu": 0.0,
    "full_well_e": 1e5,
    "bit_depth": 16,
    "adc_bit_depth": 16,
}


def flat(electrons, *, frames=1, side=320, fps=20.0, seed=3, **chip):
    """A spec whose light is 1000 units everywhere: ``electrons`` on the bare chip, changed as given."""
    steps = [{"kind": "sensor", "photon_rate_per_s_um2": photon_rate(electrons / 1000 or 1.0, fps)}]
    if electrons > 0:
        steps.append({"kind": "leakage", "level": 1000.0, "corner_fraction": 1.0})
    image_sensor = {**BARE, "height_px": side, "width_px": side, **chip}
    acquisition = {"fps": fps, "duration_s": frames / fps, "image_sensor": image_sensor}
    return Spec.make({"acquisition": acquisition, "steps": steps, "seed": seed})


def codes(*args, **kw):
    return simulate(flat(*args, **kw)).observed.values


def code_pmf(mean_e, chip):
    """Exact distribution of the recorded codes: Poisson, full well, Gaussian, rounding, clipping, dropped bits."""
    c = ImageSensor(**{**BARE, **chip})
    top = 2**c.adc_bit_depth - 1
    n = np.arange(int(mean_e + 12 * mean_e**0.5 + 40))
    p_e = stats.poisson.pmf(n, mean_e)
    value = np.minimum(n, c.full_well_e) * c.gain_adu_per_e + c.black_level_adu
    adc = np.zeros(top + 1)
    if c.read_noise_e == 0:
        np.add.at(adc, np.clip(np.rint(value), 0, top).astype(int), p_e)
    else:
        edges = np.concatenate([[-np.inf], np.arange(top) + 0.5, [np.inf]])
        spread = c.read_noise_e * c.gain_adu_per_e
        for chunk in np.array_split(np.arange(len(n)), max(1, len(n) // 500)):
            cdf = stats.norm.cdf((edges[None, :] - value[chunk, None]) / spread)
            adc += p_e[chunk] @ np.diff(cdf, axis=1)
    return adc.reshape(2**c.bit_depth, -1).sum(1)


def chi_square_p(observed_codes, pmf):
    counts = np.bincount(observed_codes.ravel(), minlength=len(pmf)).astype(float)
    assert counts[pmf < 1e-12].sum() == 0
    expected = pmf * counts.sum()
    # Join cells from the left until each expects ten.
    group = np.cumsum(expected) // 10
    o, e = (np.bincount(np.unique(group, return_inverse=True)[1], v) for v in (counts, expected))
    if e[-1] < 5:
        o = np.append(o[:-2], o[-2:].sum())
        e = np.append(e[:-2], e[-2:].sum())
    return stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1) if len(e) > 1 else 1.0


def test_photon_transfer_gives_the_declared_gain_and_noise():
    chip = {"gain_adu_per_e": 0.5, "read_noise_e": 10.0, "black_level_adu": 60.0, "full_well_e": 9000.0}
    chip |= {"bit_depth": 13, "adc_bit_depth": 13}
    levels = np.array([5, 20, 60, 150, 300, 600, 1000, 1800, 3000, 4500, 6000, 7200.0])
    means = []
    variances = []
    for i, level in enumerate(levels):
        movie = codes(level, frames=12, side=100, seed=i, **chip).astype(float)
        means.append(movie.mean() - 60)
        variances.append(movie.var(axis=0, ddof=1).mean())
    means = np.array(means)
    variances = np.array(variances)
    slope, intercept = np.polyfit(means, variances, 1, w=1 / variances)
    assert slope == pytest.approx(0.5, rel=0.02)
    assert intercept == pytest.approx(0.5**2 * 10**2 + 1 / 12, rel=0.05)


def test_row_noise_adds_its_variance_to_each_pixel():
    chip = {"gain_adu_per_e": 0.5, "read_noise_e": 4.0, "black_level_adu": 60.0, "row_noise_adu": 3.0}
    movie = codes(100.0, frames=400, side=64, **chip).astype(float)
    expected = 0.5**2 * (100 + 4**2) + 3**2 + 1 / 12
    assert movie.var(axis=0, ddof=1).mean() == pytest.approx(expected, rel=0.03)
    rows = movie.mean(axis=2)
    assert rows.var() == pytest.approx(9 + 0.5**2 * (100 + 16) / 64, rel=0.05)
    assert abs(np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1]) < 4.5 / rows.size**0.5
    assert abs(np.corrcoef(rows[:-1].ravel(), rows[1:].ravel())[0, 1]) < 4.5 / rows.size**0.5


@pytest.mark.parametrize("mean", [0.1, 1.0, 5.0, 1e4])
def test_a_bare_chip_counts_poisson_electrons(mean):
    counted = codes(mean, frames=3)
    assert chi_square_p(counted, code_pmf(float(np.float32(mean)), {})) > P_MIN
    skew = stats.skew(counted.ravel().astype(float))
    assert skew == pytest.approx(mean**-0.5, abs=5 * (6 / counted.size) ** 0.5 * (1 + 3 / mean**0.5))


@pytest.mark.parametrize(
    ("mean", "gain"), [(0.1, 0.1), (0.1, 6.0), (1.0, 0.1), (1.0, 6.0), (5.0, 0.1), (5.0, 6.0), (1e4, 0.1), (1e4, 0.05)]
)
def test_eight_bit_codes_follow_the_exact_discrete_distribution(mean, gain):
    chip = {"gain_adu_per_e": gain, "black_level_adu": 32.0, "full_well_e": 20_000.0, "bit_depth": 8}
    chip |= {"adc_bit_depth": 10, "read_noise_e": 10.0 if gain < 1 else 0.6}
    recorded = codes(mean, frames=3, **chip)
    assert recorded.dtype == np.uint8
    assert chi_square_p(recorded, code_pmf(float(np.float32(mean)), chip)) > P_MIN


@pytest.mark.parametrize("level", [8800.0, 9000.0, 9150.0])
def test_full_well_clips_the_electrons_before_the_read_noise(level):
    chip = {"full_well_e": 9000.0, "gain_adu_per_e": 1.0, "black_level_adu": 100.0}
    recorded = codes(level, **chip)
    assert recorded.max() == 9100
    at_top = stats.binomtest(int((recorded == 9100).sum()), recorded.size, stats.poisson.sf(8999, level))
    assert at_top.pvalue > P_MIN
    with_noise = codes(1e6, read_noise_e=5.0, **chip).astype(float)
    assert with_noise.mean() == pytest.approx(9100, abs=0.1)
    assert with_noise.var() == pytest.approx(25 + 1 / 12, rel=0.03)


def test_light_beyond_the_converter_gives_the_top_code_and_below_zero_gives_zero():
    assert (codes(5e4, gain_adu_per_e=10.0, bit_depth=8, adc_bit_depth=10) == 255).all()
    assert codes(0.0, read_noise_e=50.0).min() == 0


def test_quantum_efficiency_scales_electrons_not_their_law():
    recorded = codes(40.0, frames=3, quantum_efficiency=0.25)
    assert chi_square_p(recorded, code_pmf(10.0, {})) > P_MIN


def test_dark_current_is_poisson_and_grows_with_the_exposure():
    for fps in (20.0, 5.0):
        recorded = codes(0.0, frames=3, fps=fps, dark_current_e_per_s=60.0)
        assert chi_square_p(recorded, code_pmf(60 / fps, {})) > P_MIN


def test_prnu_is_a_spatial_variance_that_grows_as_the_signal_squared():
    prnu = 0.02
    for level in (1000.0, 8000.0):
        recording = simulate(flat(level, frames=60, side=128, prnu_fraction=prnu))
        movie = recording.observed.values.astype(float)
        pattern = recording.truth["prnu"].values
        shot = movie.var(axis=0, ddof=1).mean()
        assert shot == pytest.approx(level + 1 / 12, rel=0.02)
        mean = movie.mean(axis=0)
        spatial = mean.var() - shot / len(movie)
        assert spatial == pytest.approx((prnu * level) ** 2, rel=0.05)
        slope = np.polyfit(pattern.ravel() - 1, mean.ravel() / level, 1)[0]
        assert slope == pytest.approx(1, abs=5 * (1 / (level * len(movie) * pattern.size)) ** 0.5 / prnu)
    assert pattern.mean() == pytest.approx(1, abs=4.5 * prnu / 128)
    assert pattern.std() == pytest.approx(prnu, rel=4.5 / 128)


def test_dsnu_is_a_fixed_offset_of_each_pixel():
    recording = simulate(flat(0.0, frames=40, side=64, dsnu_adu=7.0, black_level_adu=200.0, read_noise_e=3.0))
    found = recording.observed.values.mean(axis=0) - 200
    declared = recording.truth["dsnu_adu"].values
    assert declared.std() == pytest.approx(7, rel=4.5 / 64)
    assert np.abs(found - declared).max() < 5.5 * ((9 + 1 / 12) / 40) ** 0.5
    assert np.abs((found - declared).mean()) < 4.5 * ((9 + 1 / 12) / 40) ** 0.5 / 64


def test_hot_pixels_have_their_share_and_their_dark_current():
    spec = flat(0.0, frames=50, side=200, hot_pixel_fraction=0.01, hot_pixel_e_per_s=400.0)
    recording = simulate(spec)
    hot = recording.truth["hot_pixels"].values
    movie = recording.observed.values
    assert stats.binomtest(int(hot.sum()), hot.size, 0.01).pvalue > P_MIN
    assert not movie[:, ~hot].any()
    assert chi_square_p(movie[:, hot], code_pmf(20.0, {})) > P_MIN


def test_what_a_chip_does_not_have_is_not_in_the_truth():
    assert not {"prnu", "dsnu_adu", "hot_pixels"} & set(simulate(flat(1.0)).truth.names)


def test_electrons_are_photons_times_efficiency_plus_dark():
    spec = flat(10.0, side=16, quantum_efficiency=0.5, dark_current_e_per_s=60.0, prnu_fraction=0.1, fps=20.0)
    sensor = plan(spec).artifacts["sensor"]
    light = np.linspace(-1, 5, 256, dtype=np.float32).reshape(16, 16)
    expected = np.maximum(light, 0) * 0.01 * 0.5 * plan(spec).truth()["prnu"].values + 3
    np.testing.assert_allclose(sensor.electrons(light), expected, rtol=1e-6)
    assert sensor.chip().read_noise_e == 0
    assert sensor.photons_per_unit == pytest.approx(0.01)


def test_at_rest_the_codes_are_those_of_the_mean_electrons():
    spec = flat(1000.0, frames=200, side=32, prnu_fraction=0.05, dsnu_adu=5.0, black_level_adu=50.0, read_noise_e=5.0)
    scene = plan(spec)
    rest = scene.expected_codes()
    assert rest.dtype == np.uint16
    difference = scene.paint().mean(axis=0) - rest
    assert np.abs(difference).max() < 5 * (1050 / 200) ** 0.5 + 0.5


def test_the_default_chip_puts_one_unit_of_light_at_a_miniscopes_level():
    spec = Spec.make(
        {"steps": [{"kind": "leakage", "level": 1}, {"kind": "sensor"}], "acquisition": {"duration_s": 0.1}}
    )
    movie = simulate(spec).observed.values
    assert movie.dtype == np.uint8
    assert 50 < movie.mean() < 150


@pytest.mark.parametrize(("bits", "dtype"), [(4, np.uint8), (8, np.uint8), (9, np.uint16), (10, np.uint16)])
def test_codes_fill_the_bit_depth(bits, dtype):
    movie = codes(1e5, side=16, bit_depth=bits, adc_bit_depth=10)
    assert movie.dtype == dtype
    assert (movie == 2**bits - 1).all()


FULL = {
    "read_noise_e": 5.0,
    "black_level_adu": 100.0,
    "prnu_fraction": 0.02,
    "dsnu_adu": 3.0,
    "row_noise_adu": 2.0,
    "hot_pixel_fraction": 0.01,
    "dark_current_e_per_s": 30.0,
}


def test_any_block_order_and_number_of_threads_gives_the_same_bits():
    scene = plan(flat(500.0, frames=9, side=48, **FULL))
    whole = scene.paint()
    for threads in (2, 3):
        np.testing.assert_array_equal(scene.paint(threads=threads), whole)
    for start, stop in [(4, 9), (0, 1), (1, 4)]:
        np.testing.assert_array_equal(scene.paint(start, stop), whole[start:stop])
    np.testing.assert_array_equal(plan(scene.spec).paint(3, 4), whole[3:4])


def test_a_longer_recording_extends_a_shorter_one():
    np.testing.assert_array_equal(codes(50.0, frames=9, side=32, **FULL)[:4], codes(50.0, frames=4, side=32, **FULL))


def test_frames_and_seeds_are_different_draws():
    movie = codes(5000.0, frames=2, side=64)
    other = codes(5000.0, frames=2, side=64, seed=4)
    for a, b in itertools.combinations([movie[0], movie[1], other[0], other[1]], 2):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.5 / 64


def test_each_effect_has_its_own_draws():
    everything = simulate(flat(0.0, side=32, **FULL)).truth
    for effect, name in [("prnu_fraction", "prnu"), ("dsnu_adu", "dsnu_adu"), ("hot_pixel_fraction", "hot_pixels")]:
        alone = simulate(flat(0.0, side=32, **{effect: FULL[effect]})).truth
        np.testing.assert_array_equal(alone[name].values, everything[name].values)
    noise = {"read_noise_e": 5.0, "black_level_adu": 100.0}
    # In the dark PRNU touches nothing, and hot pixels only themselves.
    dark = codes(0.0, side=32, **noise)
    np.testing.assert_array_equal(codes(0.0, side=32, prnu_fraction=0.1, **noise), dark)
    hot = simulate(flat(0.0, side=32, hot_pixel_fraction=0.1, **noise))
    cold = ~hot.truth["hot_pixels"].values
    np.testing.assert_array_equal(hot.observed.values[:, cold], dark[:, cold])


def test_another_step_does_not_reshuffle_the_noise():
    spec = flat(200.0, frames=2, side=32, **FULL)
    clear = {"kind": "vignette", "corner_fraction": 1.0}
    np.testing.assert_array_equal(plan(spec.edit(add=[clear])).paint(), plan(spec).paint())


def extremes():
    ranges = {
        "quantum_efficiency": (1e-6, 1.0),
        "read_noise_e": (0.0, 1000.0),
        "gain_adu_per_e": (1.001e-4, 100.0),
        "full_well_e": (10.0, 1e5),
        "dark_current_e_per_s": (0.0, 1e6),
        "prnu_fraction": (0.0, 0.2),
        "dsnu_adu": (0.0, 1000.0),
        "row_noise_adu": (0.0, 1000.0),
        "hot_pixel_fraction": (0.0, 1.0),
        "hot_pixel_e_per_s": (0.0, 1e6),
    }
    for name, ends in ranges.items():
        for end in ends:
            yield pytest.param({name: end}, id=f"{name}={end:g}")
    yield pytest.param({name: low for name, (low, _) in ranges.items()}, id="all lowest")
    yield pytest.param({name: high for name, (_, high) in ranges.items()}, id="all highest")


@pytest.mark.filterwarnings("ignore::pytest_calsim.errors.SpecWarning")
@pytest.mark.parametrize("chip", list(extremes()))
@pytest.mark.parametrize("photons", [1e-9, 1e9])
def test_the_ends_of_every_range_give_codes_in_range(chip, photons):
    image_sensor = {"height_px": 8, "width_px": 9, **chip}
    steps = [{"kind": "leakage", "level": 1000.0}, {"kind": "sensor", "photon_rate_per_s_um2": photons}]
    spec = Spec.make({"acquisition": {"fps": 0.1, "duration_s": 20, "image_sensor": image_sensor}, "steps": steps})
    scene = plan(spec)
    assert np.isfinite(scene.artifacts["sensor"].electrons(np.full((8, 9), 1e6, np.float32))).all()
    assert scene.paint().shape == (2, 8, 9)
    scene.expected_codes()


def test_a_chip_that_a_resting_cell_saturates_is_called_odd():
    with pytest.warns(
        SpecWarning, match=r"photon_rate_per_s_um2 = 146000 gives a resting cell 1\.1e\+04 electrons.*9000"
    ):
        Spec(steps=(Sensor(photon_rate_per_s_um2=146_000.0),))
    # What does not saturate at 20 frames a second does at 10, or at a lower magnification.
    Spec(steps=(Sensor(photon_rate_per_s_um2=110_000.0),))
    for overrides in ({"fps": 10.0}, {"optics": {"magnification": 2}}):
        with pytest.warns(SpecWarning, match="saturates at 9000"):
            Spec.make({"acquisition": overrides, "steps": [{"kind": "sensor", "photon_rate_per_s_um2": 110_000}]})


@pytest.mark.parametrize("fps", [4.0, 20.0, 90.0])
@pytest.mark.parametrize("magnification", [1.0, 2.9, 7.0])
def test_electrons_follow_exposure_and_the_area_of_a_pixel(fps, magnification):
    """On the chip, by codes of one electron each; dark current follows the exposure alone."""
    chip = {**BARE, "height_px": 96, "width_px": 96, "dark_current_e_per_s": 100.0}

    def mean(level):
        acquisition = {"fps": fps, "duration_s": 4 / fps, "optics": {"magnification": magnification}}
        steps = [{"kind": "leakage", "level": level, "corner_fraction": 1}, {"kind": "sensor"}]
        steps[1]["photon_rate_per_s_um2"] = 500.0
        spec = Spec.make({"acquisition": {**acquisition, "image_sensor": chip}, "steps": steps, "seed": 1})
        return simulate(spec).observed.values.mean()

    lit = mean(20.0)
    dark = mean(0.0)
    photons = 20 * 500 / fps * (4.8 / magnification) ** 2
    error = 4 * (photons / 96**2 / 4) ** 0.5 + 4 * (100 / fps / 96**2 / 4) ** 0.5
    assert dark == pytest.approx(100 / fps, rel=0.01, abs=0.03)
    assert lit - dark == pytest.approx(photons, rel=0.003, abs=error)


@pytest.mark.parametrize("electrons", [0, 3.7, 900, 70_000])
@pytest.mark.parametrize("chip", [{}, {"bit_depth": 8, "full_well_e": 5e4}, {"gain_adu_per_e": 0.37}])
def test_without_shot_noise_codes_are_those_of_the_mean(electrons, chip):
    found = codes(electrons, frames=3, side=32, shot_noise=False, **chip)
    c = ImageSensor(**{**BARE, **chip})
    code = min(np.rint(min(np.float32(electrons), c.full_well_e) * c.gain_adu_per_e), 65535)
    assert np.unique(found).tolist() == [int(code) >> 16 - c.bit_depth]


def test_read_noise_is_the_same_with_and_without_shot_noise():
    quiet = codes(0, side=64, read_noise_e=20, black_level_adu=500, shot_noise=False)
    noisy = codes(0, side=64, read_noise_e=20, black_level_adu=500)
    np.testing.assert_array_equal(quiet, noisy)
