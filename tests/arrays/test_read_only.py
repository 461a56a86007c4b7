from dataclasses import dataclass

import numpy as np
import pytest

from pytest_calsim.arrays.read_only import freeze_arrays, read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.steps.artifact import Artifact


@dataclass(frozen=True)
class Pair:
    values: np.ndarray
    name: str

    def __post_init__(self):
        freeze_arrays(self)


@dataclass(frozen=True, eq=False)
class Glow(Artifact):
    """What a step of another package would return."""

    light: np.ndarray
    level: float
    mask: np.ndarray | None = None


def test_a_view_is_read_only_and_its_owner_is_not():
    owned = np.arange(3.0)
    view = read_only(owned)
    assert np.shares_memory(view, owned)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    owned[0] = 7
    assert view[0] == 7


def test_arrays_of_a_frozen_dataclass_are_read_only():
    pair = Pair(np.zeros(2), "dark")
    with pytest.raises(ValueError, match="read-only"):
        pair.values[0] = 1
    assert pair.name == "dark"


@pytest.mark.parametrize("name", ["light", "mask"])
def test_artifacts_of_anybody_are_read_only(name):
    glow = Glow(np.zeros(2, np.float32), 0.5, np.ones(2, bool))
    with pytest.raises(ValueError, match="read-only"):
        getattr(glow, name)[0] = 1
    assert Glow(np.zeros(2), 0.5).mask is None


def test_truth_is_read_only_and_fits_its_axes():
    truth = TruthArray(("frame",), np.zeros(3), "um")
    with pytest.raises(ValueError, match="read-only"):
        truth.values[0] = 1
    for dims, shape in [(("frame",), (3, 2)), ((), (3,)), (("frame", "height"), (3,))]:
        with pytest.raises(ValueError, match=r"dims .* name \d axes, and the array has shape"):
            TruthArray(dims, np.zeros(shape))
