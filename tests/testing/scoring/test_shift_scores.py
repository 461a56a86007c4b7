import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim import shift_rmse
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.scoring.shifts import compare_shifts

rng = np.random.default_rng(0)
TRUE = rng.normal(size=(50, 2)).cumsum(axis=0)
NOISY = TRUE + rng.normal(size=TRUE.shape)


def test_the_rmse_is_the_standard_deviation_of_the_difference_per_axis_pooled():
    # Subtracting each axis's mean leaves the variance of each axis; both weigh the same.
    difference = NOISY - TRUE
    expected = np.sqrt((difference[:, 0].var() + difference[:, 1].var()) / 2)
    assert shift_rmse(NOISY, TRUE, convention="displacement") == pytest.approx(expected, rel=1e-12)


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_a_constant_offset_does_not_matter_and_is_reported(dy, dx):
    plain = compare_shifts(NOISY, TRUE, convention="displacement")
    moved = compare_shifts(NOISY + np.array([dy, dx]), TRUE, convention="displacement")
    assert moved.rmse_px == pytest.approx(plain.rmse_px, abs=1e-9)
    np.testing.assert_allclose(moved.offset_px - plain.offset_px, (dy, dx), atol=1e-9)


def test_a_correction_is_the_negative_displacement():
    assert shift_rmse(-NOISY, TRUE, convention="correction") == shift_rmse(NOISY, TRUE, convention="displacement")
    assert shift_rmse(-TRUE + 3, TRUE, convention="correction") == pytest.approx(0, abs=1e-12)
    assert shift_rmse(TRUE, TRUE, convention="correction") == pytest.approx(2 * np.sqrt(TRUE.var(axis=0).mean()))


def test_no_frames_have_no_error():
    assert shift_rmse(np.zeros((0, 2)), np.zeros((0, 2)), convention="correction") == 0


@pytest.mark.parametrize("convention", [None, "correct", 1])
def test_a_missing_or_unknown_convention_is_refused_with_both_choices(convention):
    with pytest.raises(EstimateError, match=r"convention='correction' .* or convention='displacement'"):
        shift_rmse(TRUE, TRUE, convention=convention)


def test_an_estimate_of_another_length_is_refused():
    with pytest.raises(EstimateError, match=r"shifts has shape \(49, 2\); expected \(50, 2\)"):
        shift_rmse(TRUE[1:], TRUE, convention="correction")
