import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim import field_pearson, trace_pearson
from pytest_calsim.errors import EstimateError

rng = np.random.default_rng(0)
TRUE = rng.random((4, 60)).cumsum(axis=1)
NOISY = TRUE + 3 * rng.normal(size=TRUE.shape)


def test_each_row_is_numpys_correlation_coefficient():
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(NOISY, TRUE, strict=True)]
    np.testing.assert_allclose(trace_pearson(NOISY, TRUE), expected, rtol=1e-10)


@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
def test_scale_and_offset_do_not_matter(scale, offset):
    np.testing.assert_allclose(
        trace_pearson(scale * NOISY + offset * scale, TRUE), trace_pearson(NOISY, TRUE), atol=1e-9
    )


def test_a_perfect_trace_scores_one_and_its_negative_minus_one():
    np.testing.assert_allclose(trace_pearson(TRUE, TRUE), 1)
    np.testing.assert_allclose(trace_pearson(-TRUE, TRUE), -1)
    assert (trace_pearson(TRUE, TRUE) <= 1).all()


@pytest.mark.parametrize("level", [0.0, 0.1, 1e-300, 7.3e8])
def test_a_constant_estimate_recovers_nothing_and_a_constant_truth_says_nothing(level):
    flat = np.full_like(TRUE, level)
    with warnings.catch_warnings(action="error"):
        assert (trace_pearson(flat, TRUE) == 0).all()
        assert np.isnan(trace_pearson(NOISY, flat)).all()


@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_extreme_scales_neither_overflow_nor_underflow(scale):
    np.testing.assert_allclose(trace_pearson(NOISY * scale, TRUE), trace_pearson(NOISY, TRUE), atol=1e-9)


def test_no_rows_and_no_frames_give_no_scores():
    assert trace_pearson(np.zeros((0, 60)), np.zeros((0, 60))).shape == (0,)
    assert np.isnan(trace_pearson(np.zeros((2, 0)), np.zeros((2, 0)))).all()


def test_rows_must_be_paired():
    with pytest.raises(EstimateError, match=r"C_est has shape \(3, 60\); expected \(4, 60\)"):
        trace_pearson(TRUE[:3], TRUE)


def test_a_field_correlates_over_all_its_pixels():
    a, b = rng.random((2, 5, 7))
    assert field_pearson(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert field_pearson(3 * b + 1, b) == pytest.approx(1)
    with pytest.raises(EstimateError, match=r"field has shape \(7, 5\); expected \(5, 7\) .*transposed"):
        field_pearson(a.T, b)
