import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_calsim.kernels.ragged import starts, starts_of_groups

LENGTHS = st.lists(st.integers(0, 5), max_size=8)


@given(LENGTHS)
def test_parts_follow_each_other_and_have_their_lengths(lengths):
    found = starts(lengths)
    assert found.dtype == np.int64
    assert found[0] == 0
    assert np.diff(found).tolist() == lengths


@given(LENGTHS)
def test_groups_are_parts_of_as_many_entries(lengths):
    group = np.repeat(np.arange(len(lengths)), lengths)
    assert starts_of_groups(group, len(lengths)).tolist() == starts(lengths).tolist()


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.int64])
def test_lengths_of_any_whole_type_add_up_in_64_bits(dtype):
    lengths = np.ones(3, dtype)
    assert starts(lengths).tolist() == [0, 1, 2, 3]
    assert starts(np.full(3, 2**30, np.int32))[-1] == 3 * 2**30
