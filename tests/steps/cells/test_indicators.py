import numpy as np
import pytest

from pytest_calsim.steps.cells.indicators import INDICATORS, time_constants


def transient(rise_s, decay_s):
    """The curve on a fine grid, to be measured as a paper would."""
    t = np.arange(0, 12 * decay_s, decay_s / 20_000)
    return t, np.exp(-t / decay_s) - np.exp(-t / rise_s)


@pytest.mark.parametrize("name", INDICATORS)
def test_the_curve_has_the_measured_shape(name):
    indicator = INDICATORS[name]
    t, y = transient(*indicator.time_constants_s)
    peak = y.argmax()
    half = y > y[peak] / 2
    assert t[half][-1] - t[peak] == pytest.approx(indicator.half_decay_s, rel=2e-3)
    if indicator.time_to_peak_s is not None:
        assert t[peak] == pytest.approx(indicator.time_to_peak_s, rel=2e-3)
    if indicator.half_rise_s is not None:
        assert t[half][0] == pytest.approx(indicator.half_rise_s, rel=1e-2)


@pytest.mark.parametrize(
    ("name", "rise_ms", "decay_ms"),
    [
        ("gcamp6f", 17.5, 178),
        ("gcamp6s", 70.6, 686),
        ("gcamp7f", 57.9, 291),
        ("gcamp8f", 17.7, 69.3),
        ("gcamp8m", 13.8, 150),
        ("gcamp8s", 17.4, 417),
    ],
)
def test_time_constants_of_the_named(name, rise_ms, decay_ms):
    assert np.array(INDICATORS[name].time_constants_s) * 1e3 == pytest.approx([rise_ms, decay_ms], rel=5e-3)


def test_a_transient_gives_its_own_constants_back():
    for rise_s, decay_s in [(0.001, 0.2), (0.05, 0.3), (0.19, 0.2)]:
        t, y = transient(rise_s, decay_s)
        peak = y.argmax()
        half = t[y > y[peak] / 2]
        found = time_constants(half[-1] - t[peak], time_to_peak_s=t[peak])
        assert found == pytest.approx((rise_s, decay_s), rel=0.03)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"half_decay_s": 0.1, "time_to_peak_s": 0.06}, "1.67; a difference of exponentials has more than 1.68"),
        ({"half_decay_s": 0.1, "half_rise_s": 0.014}, "7.14; a difference of exponentials has more than 7.24"),
        ({"half_decay_s": -0.1, "half_rise_s": 0.014}, "must be positive"),
        ({"half_decay_s": 0.1}, "either"),
        ({"half_decay_s": 0.1, "half_rise_s": 0.01, "time_to_peak_s": 0.03}, "either"),
    ],
)
def test_what_no_transient_has_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        time_constants(**given)
