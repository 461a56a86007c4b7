import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.footprints import as_footprints
from pytest_calsim.testing.scoring.masks import Overlaps, energy_mask, energy_masks

values = hnp.arrays(np.float64, st.integers(1, 12), elements=st.integers(1, 9).map(float))


def masks_of(A, energy_frac=0.9):
    return energy_masks(as_footprints(A), energy_frac)


@given(values, st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_it_is_the_smallest_set_of_levels_that_holds_the_energy(v, frac):
    mask = energy_mask(v, frac)
    total = float((v**2).sum())
    # Whole levels of equal values, from the brightest down, until the energy is held.
    held = 0.0
    level = None
    for level in sorted(set(v.tolist()), reverse=True):
        held += level**2 * (v == level).sum()
        if held >= frac * total * (1 - 1e-12):
            break
    np.testing.assert_array_equal(mask, v >= level)


@given(values, st.sampled_from([2.0**-40, 0.5, 2.0**70]), st.randoms())
def test_scale_and_order_do_not_matter(v, scale, random):
    order = list(range(len(v)))
    random.shuffle(order)
    np.testing.assert_array_equal(energy_mask(v[order] * scale, 0.9), energy_mask(v, 0.9)[order])


def test_a_binary_footprint_is_its_own_mask():
    assert energy_mask(np.ones(7), 0.1).all()


def test_a_gaussian_of_sigma_s_is_a_disk_that_holds_nine_tenths():
    # The energy inside radius r is 1 - exp(-r²/s²): 0.9 at r = s·sqrt(ln 10).
    sigma = 6.0
    y, x = np.mgrid[-40:41, -40:41]
    image = np.exp(-(y**2 + x**2) / (2 * sigma**2))
    assert len(masks_of(image[None]).data) == pytest.approx(np.pi * sigma**2 * np.log(10), rel=0.03)


@pytest.mark.parametrize("frac", [0.0, -1.0, 1.01, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(frac):
    with pytest.raises(EstimateError, match=r"energy_frac must be in \(0, 1\], not"):
        masks_of(np.ones((1, 2, 2)), frac)


binary = hnp.arrays(np.bool_, st.tuples(st.integers(0, 4), st.just(3), st.just(4)))


@given(binary, binary)
def test_overlaps_count_pixels(est, true):
    overlaps = Overlaps.of(masks_of(est), masks_of(true))
    for i, a in enumerate(est):
        for j, b in enumerate(true):
            both = int((a & b).sum())
            either = int((a | b).sum())
            assert overlaps.shared[i, j] == both
            assert overlaps.iou[i, j] == (both / either if either else 0)
            assert overlaps.of_est[i, j] == (both / a.sum() if a.any() else 0)
            assert overlaps.of_true[i, j] == (both / b.sum() if b.any() else 0)
