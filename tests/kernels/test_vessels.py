"""Chords and blur against whole arrays; what chords mean is tested in tests/steps/tissue/test_vasculature.py."""

import numpy as np
import pytest
from scipy.ndimage import correlate1d

from pytest_calsim.kernels.vessels import blur, lengthen_chords


def expected_chords(y_um, x_um, pixel_um, segments):
    """The longest chord over all segments: means over one pixel across, from the area of a circle's segment."""
    longest = np.zeros((y_um.size, x_um.size))
    for y0, x0, r0, y1, x1, r1 in segments:
        y = y_um[:, None] - y0
        x = x_um[None, :] - x0
        length2 = (y1 - y0) ** 2 + (x1 - x0) ** 2
        along = np.clip((y * (y1 - y0) + x * (x1 - x0)) / length2 if length2 else 0 * (y + x), 0, 1)
        radius = r0 + along * (r1 - r0)
        off = np.sqrt((y - along * (y1 - y0)) ** 2 + (x - along * (x1 - x0)) ** 2)

        def area(u, radius=radius):
            angle = np.arccos(np.clip(-u / radius, -1, 1))
            return radius**2 * (angle - np.sin(2 * angle) / 2)

        longest = np.maximum(longest, (area(off + pixel_um / 2) - area(off - pixel_um / 2)) / pixel_um)
    return longest


@pytest.mark.parametrize("pixel_um", [0.7, 2.0, 9.0])
def test_chords_are_the_longest_of_all_segments(pixel_um):
    rng = np.random.default_rng(4)
    y_um, x_um = ((np.arange(n) - (n - 1) / 2) * pixel_um for n in (43, 58))
    ends = rng.uniform(-60, 60, (25, 2, 2))
    segments = np.concatenate([ends[:, 0], rng.uniform(2, 8, (25, 1)), ends[:, 1], rng.uniform(2, 8, (25, 1))], axis=1)
    segments[3, 3:5] = segments[3, :2]  # no length
    segments[5, :5:3] += 1e6  # far away
    chords, added = np.zeros((2, 43, 58), np.float32)
    lengthen_chords(chords, added, y_um, x_um, pixel_um, segments)
    np.testing.assert_allclose(chords, expected_chords(y_um, x_um, pixel_um, segments), atol=2e-5)
    np.testing.assert_allclose(added, chords, rtol=1e-6)
    # What is there already counts: nothing is added twice, rounding apart.
    again = np.zeros_like(added)
    lengthen_chords(chords, again, y_um, x_um, pixel_um, segments)
    assert again.max() < 2e-6


def test_no_segments_add_nothing():
    chords, added = np.zeros((2, 4, 5), np.float32)
    lengthen_chords(chords, added, np.arange(4.0), np.arange(5.0), 1.0, np.empty((0, 6)))
    assert not chords.any()


@pytest.mark.parametrize("rim", [0, 3, 12])
@pytest.mark.parametrize("reach", [0, 1, 5, 40])
def test_blur_is_a_convolution_with_the_edge_going_on(reach, rim):
    rng = np.random.default_rng(5)
    image = rng.uniform(0, 1, (31, 46)).astype(np.float32)
    half = rng.uniform(0, 1, reach + 1).astype(np.float32)
    kernel = np.concatenate([half[:0:-1], half]).astype(np.float64)
    blurred = correlate1d(correlate1d(image.astype(np.float64), kernel, 0, mode="nearest"), kernel, 1, mode="nearest")
    got = blur(image, half, rim)
    assert got.shape == (31 - 2 * rim, 46 - 2 * rim)
    np.testing.assert_allclose(got, blurred[rim : 31 - rim, rim : 46 - rim], rtol=1e-5)


def test_shapes_are_refused():
    chords, added = np.zeros((2, 4, 5), np.float32)
    y = np.arange(4.0)
    x = np.arange(5.0)
    segments = np.ones((2, 6))
    with pytest.raises(ValueError, match=r"added has shape \(3, 5\), not \(4, 5\)"):
        lengthen_chords(chords, added[1:], y, x, 1.0, segments)
    with pytest.raises(ValueError, match=r"chords has shape \(4, 5\), not \(5, 5\)"):
        lengthen_chords(chords, added, x, x, 1.0, segments)
    with pytest.raises(ValueError, match=r"segments has shape \(2, 5\), not \(2, 6\)"):
        lengthen_chords(chords, added, y, x, 1.0, segments[:, 1:].copy())
    with pytest.raises(ValueError, match=r"rim = (2|-1) must be 0 or more"):
        blur(chords, np.ones(2, np.float32), 2)
    with pytest.raises(ValueError, match=r"rim = (2|-1) must be 0 or more"):
        blur(chords, np.ones(2, np.float32), -1)
    with pytest.raises(ValueError, match="half_kernel"):
        blur(chords, np.ones(0, np.float32), 1)
