"""What counts as a number, of Python's and of NumPy's values."""

from decimal import Decimal

import numpy as np
import pytest

from pytest_calsim.arrays.plain import is_number, is_whole_number, plain


@pytest.mark.parametrize("value", [3, -1, 0, np.uint8(3), np.int64(-2)])
def test_whole_numbers(value):
    assert is_whole_number(value)
    assert is_number(value)


@pytest.mark.parametrize("value", [3.0, float("nan"), np.float32(2), np.float64("inf")])
def test_other_numbers(value):
    assert not is_whole_number(value)
    assert is_number(value)


@pytest.mark.parametrize("value", ["3", None, True, np.True_, 1j, np.array([3]), [3], Decimal(3)])
def test_what_is_no_number(value):
    assert not is_whole_number(value)
    assert not is_number(value)


def test_numpys_values_become_pythons():
    assert plain(np.arange(4).reshape(2, 2)) == [[0, 1], [2, 3]]
    assert type(plain(np.float32(2))) is float
    assert plain("text") == "text"
