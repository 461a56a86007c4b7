import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.smooth_light import SmoothLight
from pytest_calsim.steps.spline_images import disk_images, followed_share, gaussian_images

SIDE = 161


def shown(spline_images, side=SIDE, n=1):
    """What a canvas of 1 µm pixels shows of some images, summed over sources of gain 1."""
    canvas = Canvas(side, side, 0, 1.0)
    light = SmoothLight.of(spline_images, canvas, None)
    image = np.zeros((side, side))
    if light is None:
        return image
    rows = light.rows(np.ones((n, 1), np.float32))
    for k in range(4):
        image += rows.row_weight[:, k, None] * rows.wide[0][rows.row_node + k]
    return image


def one(value):
    return np.array([float(value)])


def exact_disk(radius, rim, y=0.0, x=0.0, over=5):
    """A disk, blurred, averaged over each pixel: by finer pixels."""
    at = (np.arange(SIDE * over) + 0.5) / over - SIDE / 2
    inside = np.hypot(at[:, None] - y, at - x) <= radius
    blurred = gaussian_filter(inside.astype(float), rim * over, truncate=5)
    image = blurred.reshape(SIDE, over, SIDE, over).mean(axis=(1, 3))
    return image / image.sum()


def moments(image):
    at = np.arange(len(image)) - (len(image) - 1) / 2
    total = image.sum()
    y = (image.sum(1) * at).sum() / total
    x = (image.sum(0) * at).sum() / total
    return total, y, x, (image.sum(1) * (at - y) ** 2).sum() / total, (image.sum(0) * (at - x) ** 2).sum() / total


@pytest.mark.parametrize(("radius", "rim"), [(2, 0.6), (4, 1), (7, 2), (11, 2), (14, 2.5), (25, 2.5), (40, 4)])
@pytest.mark.parametrize(("y", "x"), [(0, 0), (0.5, 0), (3.3, -2.7)])
def test_disks_keep_flux_place_and_variance(radius, rim, y, x):
    image = shown(disk_images(one(y), one(x), one(radius), one(rim), one(7)))
    total, at_y, at_x, var_y, var_x = moments(image)
    expected = radius**2 / 4 + rim**2
    assert total == pytest.approx(7, rel=1e-4)
    assert (at_y, at_x) == pytest.approx((y, x), abs=0.05 + 0.01 * radius)
    # Rims are logistic: a little wider than a Gaussian.
    assert (var_y, var_x) == pytest.approx((expected, expected), rel=0.08)
    # What neighbouring disks make of each other goes with the sum of squares.
    exact = exact_disk(radius, rim, y, x)
    assert (image**2).sum() / 49 == pytest.approx((exact**2).sum(), rel=0.05)


@pytest.mark.parametrize(("radius", "rim"), [(12, 2.3), (18, 2.3), (24, 2.5), (30, 2.5), (47, 3)])
def test_large_disks_are_disks(radius, rim):
    image = shown(disk_images(one(1.3), one(-0.6), one(radius), one(rim), one(1)))
    exact = exact_disk(radius, rim, 1.3, -0.6)
    assert np.abs(image - exact).max() < 0.1 * exact.max()
    middle = slice(SIDE // 2 - 2, SIDE // 2 + 3)
    np.testing.assert_allclose(image[middle, middle].mean(), exact[middle, middle].mean(), rtol=0.06)
    # A Gaussian of the same variance would be almost twice as bright there.
    assert 1 / (2 * np.pi * (radius**2 / 4 + rim**2)) > 1.6 * exact.max()


@pytest.mark.parametrize("sigma", [1.0, 2.5, 3.1, 3.7, 5.9, 7.3, 17, 30])
@pytest.mark.parametrize("phase", [0.0, 0.37, 1.9])
def test_gaussians_have_their_sigma_and_flux(sigma, phase):
    image = shown(gaussian_images(one(phase), one(-phase), one(sigma), one(3)), side=321)
    at = np.arange(321) - 160
    line_y, line_x = (np.exp(-((at - c) ** 2) / (2 * sigma**2)) for c in (phase, -phase))
    expected = 3 * np.outer(line_y, line_x) / (2 * np.pi * sigma**2)
    assert image.sum() == pytest.approx(3, rel=1e-3)
    assert np.abs(image - expected).max() < 0.06 * expected.max()
    assert image.min() >= 0


def test_a_source_without_light_has_no_image():
    flux = np.array([0.0, 2.0, 0.0])
    at = np.zeros(3)
    found = disk_images(at, at, np.full(3, 9.0), np.full(3, 2.0), flux)
    assert [image.source.tolist() for image in found] == [[1]]
    assert shown(found, n=3).sum() == pytest.approx(2, rel=1e-4)
    assert disk_images(at, at, np.full(3, 9.0), np.full(3, 2.0), np.zeros(3)) == []


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.5])
def test_light_that_ends_before_the_next_node_is_all_at_the_nearest(phase):
    found = gaussian_images(one(phase), one(-phase), one(0.1), one(2.0), end_px=2.1)
    kept = 2 * followed_share(one(0.1), 2.1)[0]
    assert shown(found).sum() == pytest.approx(kept, rel=1e-5)


def test_what_lies_beyond_the_canvas_lights_it_as_far_as_it_reaches():
    far = np.array([400.0]), np.array([0.0])
    assert shown(gaussian_images(*far, one(10), one(1))).max() == 0
    cut = shown(gaussian_images(one(80), one(0), one(10), one(1)))
    assert cut.sum() == pytest.approx(0.52, abs=0.02)
    whole = shown(gaussian_images(one(80), one(0), one(10), one(1)), side=321)
    np.testing.assert_allclose(cut, whole[80:-80, 80:-80], atol=1e-6 * whole.max())


@pytest.mark.parametrize("end", [40.0, 61.0, 75.0])
@pytest.mark.parametrize("sigma", [6.0, 12.0, 21.0, 35.0, 60.0, 200.0])
@pytest.mark.parametrize("phase", [0.0, 3.7])
def test_a_gaussian_that_ends_is_the_product_of_a_window(sigma, end, phase):
    image = shown(gaussian_images(one(phase), one(-phase), one(sigma), one(2), end), side=201)
    at = np.arange(201) - 100
    distance = np.hypot(at[:, None] - phase, at + phase)
    step = 2.0 ** np.floor(np.log2(end / 6))
    window = np.clip(1 - (distance / (end - 2 * step)) ** 4, 0, None)
    expected = 2 * np.exp(-(distance**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2) * window
    assert not image[np.maximum(np.abs(at[:, None] - phase), np.abs(at + phase)) >= end].any()
    assert image.sum() == pytest.approx(2 * followed_share(one(sigma), end)[0], rel=1e-4)
    if followed_share(one(sigma), end)[0] == 0:
        assert not image.any()
    else:
        assert image.sum() == pytest.approx(expected.sum(), rel=0.01)
        assert np.abs(image - expected).max() < 0.12 * expected.max()


def test_of_a_gaussian_too_wide_for_its_end_nothing_is_shown():
    share = followed_share(np.array([1e-6, 5.0, 20.0, 60.0, 200.0, 1e3, 1e9]), 60.0)
    assert (np.diff(share) <= 0).all()
    assert share[0] == pytest.approx(1, abs=1e-5)
    assert not share[-3:].any()
    assert (followed_share(np.array([1e-6, 1e9]), np.inf) == 1).all()
