import numpy as np
import pytest

from pytest_calsim.steps.background.random_field import lognormal_field

LENGTH_UM = 80.0


@pytest.fixture(scope="module")
def ensemble():
    """2000 fields at points 0, ℓ/2, ℓ and 2ℓ along x."""
    x_um = LENGTH_UM * np.array([0.0, 0.5, 1.0, 2.0])
    return np.stack(
        [lognormal_field(np.random.default_rng(s), np.array([7.0]), x_um, LENGTH_UM, 0.4)[0] for s in range(2000)]
    )


def test_expectation_is_one_and_sd_is_declared(ensemble):
    one_point = ensemble[:, 0]
    assert one_point.mean() == pytest.approx(1, abs=4 * 0.4 / np.sqrt(2000))
    assert one_point.std() == pytest.approx(0.4, rel=0.1)


def test_positive_and_lognormal(ensemble):
    assert ensemble.min() > 0
    logs = np.log(ensemble[:, 0])
    assert logs.var() == pytest.approx(np.log(1.16), rel=0.12)
    standardised = (logs - logs.mean()) / logs.std()
    assert abs((standardised**3).mean()) < 0.25
    assert (standardised**4).mean() == pytest.approx(3, abs=0.5)


def test_correlation_length_is_declared(ensemble):
    measured = np.corrcoef(np.log(ensemble).T)[0]
    # Two points at a distance of 0, 1/2, 1 and 2 correlation lengths: e^0, e^(-1/8), e^(-1/2), e^-2.
    assert measured == pytest.approx([1, 0.8825, 0.6065, 0.1353], abs=0.06)


def test_fields_are_isotropic():
    y_um = LENGTH_UM * np.array([0.0, 1.0])
    ends = np.stack(
        [
            np.log(lognormal_field(np.random.default_rng(s), y_um, np.array([0.0]), LENGTH_UM, 0.4))[:, 0]
            for s in range(2000)
        ]
    )
    assert np.corrcoef(ends.T)[0, 1] == pytest.approx(0.6065, abs=0.06)


def test_a_value_depends_on_its_position_alone():
    y_um = np.arange(-40, 41) * 3.0
    x_um = np.arange(-30, 31) * 3.0
    whole = lognormal_field(np.random.default_rng(3), y_um, x_um, 50.0, 0.3)
    part = lognormal_field(np.random.default_rng(3), y_um[11:40], x_um[5:58], 50.0, 0.3)
    assert np.array_equal(whole[11:40, 5:58], part)


def test_no_contrast_is_flat():
    assert np.all(lognormal_field(np.random.default_rng(0), np.arange(5.0), np.arange(4.0), 50.0, 0.0) == 1)
