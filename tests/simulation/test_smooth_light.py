"""Smooth light against sums of Gaussians in double precision."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from painting import paint, paint_block

from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.pixels import Image, LightOrder, SmoothSources, SplineImages
from pytest_calsim.steps.spline_images import gaussian_images

CANVAS = Canvas(96, 80, 4, 1.6)


@dataclass(frozen=True, eq=False)
class Glow(SmoothSources):
    """Gaussians with given courses, one for each source."""

    y_um: np.ndarray
    x_um: np.ndarray
    sigma_um: np.ndarray
    flux: np.ndarray
    courses: Image
    spline_images: tuple[SplineImages, ...]
    transmission: Image | None = None
    light_order = LightOrder.BACKGROUND

    @property
    def n_sources(self):
        return len(self.flux)

    def gains(self, start, stop):
        return self.courses[:, start:stop]

    def expected_gains(self):
        return np.ones((len(self.flux), 1), np.float32)


def glow(y, x, sigma, flux=1.0, frames=30, seed=0, transmission=None, pixel_um=1.6):
    y, x, sigma, flux = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (y, x, sigma, flux)))
    courses = np.random.default_rng(seed).uniform(0.5, 2, (len(y), frames)).astype(np.float32)
    sigma_px = np.hypot(sigma / pixel_um, 1 / np.sqrt(12))
    spline_images = gaussian_images(y / pixel_um, x / pixel_um, sigma_px, flux)
    return Glow(y, x, sigma, flux, courses, tuple(spline_images), transmission)


def scattered(n, sigma_um, canvas=CANVAS, seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    y, x = rng.uniform(-120, 120, (2, n))
    low, high = sigma_um
    return glow(y, x, np.exp(rng.uniform(np.log(low), np.log(high), n)), rng.uniform(0.5, 2, n), **kwargs)


def exact(sources, frame, canvas):
    image = np.zeros(canvas.shape)
    for i in range(len(sources.flux)):
        sigma = np.hypot(sources.sigma_um[i], canvas.pixel_size_um / np.sqrt(12))
        y, x = (
            np.exp(-((at - centre) ** 2) / (2 * sigma**2)) * canvas.pixel_size_um / (sigma * np.sqrt(2 * np.pi))
            for at, centre in ((canvas.y_um, sources.y_um[i]), (canvas.x_um, sources.x_um[i]))
        )
        image += float(sources.courses[i, frame]) * sources.flux[i] * np.outer(y, x)
    return image


def painted(sources, frame=0, canvas=CANVAS):
    return paint(sources, np.zeros(canvas.shape, np.float32), frame, canvas)


def peak(sources, frame):
    """Of the largest Gaussian, in the canvas or not."""
    return (sources.courses[:, frame] * sources.flux / (2 * np.pi * sources.sigma_um**2)).max() * 1.6**2


@pytest.mark.parametrize("sigma_um", [2.0, 5.3, 8.0, 13.0, 30.0, 55.5, 200.0, 900.0])
@pytest.mark.parametrize("at", [(0.0, 0.0), (33.3, -21.7), (-90.0, 100.0)])
def test_a_spot_is_its_gaussian(sigma_um, at):
    one = glow(*at, sigma_um)
    expected = exact(one, 2, CANVAS)
    np.testing.assert_allclose(painted(one, 2), expected, atol=0.04 * peak(one, 2))


@pytest.mark.parametrize("pixel_um", [0.2, 1.0, 4.0, 7.0, 11.0])
def test_a_spot_is_its_gaussian_whatever_the_pixels(pixel_um):
    canvas = Canvas(64, 96, 3, pixel_um)
    one = glow(1.0, -2.0, 12.0, pixel_um=pixel_um)
    expected = exact(one, 0, canvas)
    np.testing.assert_allclose(painted(one, 0, canvas), expected, atol=0.045 * expected.max())


def moments(image, canvas):
    y = canvas.y_um[:, None]
    x = canvas.x_um[None, :]
    total = image.sum()
    centre = (image * y).sum() / total, (image * x).sum() / total
    return total, *centre, (image * (y - centre[0]) ** 2).sum() / total, (image * (x - centre[1]) ** 2).sum() / total


@pytest.mark.parametrize("sigma_um", [3.0, 4.4, 6.1, 9.0, 12.5])
def test_light_centre_and_variance_of_a_spot_are_kept(sigma_um):
    one = glow(2.3, -3.1, sigma_um, 5.0)
    total, y, x, along_y, along_x = moments(painted(one).astype(float), CANVAS)
    assert total == pytest.approx(5 * one.courses[0, 0], rel=1e-3)
    assert (y, x) == pytest.approx((2.3, -3.1), abs=0.01)
    expected = sigma_um**2 + CANVAS.pixel_size_um**2 / 12
    assert (along_y, along_x) == pytest.approx((expected, expected), rel=0.01)


def test_many_sources_add_up_and_none_is_lost_beyond_the_canvas():
    many = scattered(300, (4, 300))
    for frame in (0, 17):
        expected = exact(many, frame, CANVAS)
        np.testing.assert_allclose(painted(many, frame), expected, rtol=0.04)


def test_a_source_may_have_several_images_and_another_none():
    three = glow([0, 0, 0], [0, 0, 20], [5, 40, 9], [1, 2, 3])
    source = np.array([2, 2, 1])
    courses = np.random.default_rng(3).uniform(1, 2, (4, 5)).astype(np.float32)
    images = tuple(some._replace(source=source[some.source]) for some in three.spline_images)
    some = replace(three, flux=np.zeros(4), courses=courses, spline_images=images)
    expected = exact(replace(three, courses=courses[source]), 4, CANVAS)
    np.testing.assert_allclose(painted(some, 4), expected, atol=0.045 * expected.max())


def test_light_is_never_negative():
    for seed in range(5):
        some = scattered(3, (2.0, 200.0), seed=seed)
        assert painted(some).min() >= 0


def test_several_artifacts_are_painted_as_one():
    one = scattered(20, (5, 60), seed=1)
    other = scattered(30, (5, 200), seed=2)
    fine = glow(5.0, 6.0, 1.7)
    together = paint_block([one, other, fine], np.zeros((3, *CANVAS.shape), np.float32), 4, CANVAS)
    for i in range(3):
        expected = painted(one, 4 + i) + painted(other, 4 + i) + painted(fine, 4 + i)
        np.testing.assert_allclose(together[i], expected, rtol=2e-6)


def test_each_map_of_transmission_shades_its_own_sources():
    rng = np.random.default_rng(5)
    maps = rng.uniform(0, 1, (2, *CANVAS.shape)).astype(np.float32)
    shaded = [scattered(9, (5, 60), seed=k, transmission=t) for k, t in enumerate([maps[0], maps[1], None])]
    clear = [scattered(9, (5, 60), seed=k) for k in range(3)]
    got = paint_block(shaded, np.zeros((2, *CANVAS.shape), np.float32), 1, CANVAS)
    expected = sum(painted(one, 2) * t for one, t in zip(clear, [maps[0], maps[1], 1], strict=True))
    np.testing.assert_allclose(got[1], expected, rtol=1e-5)


def test_the_bits_of_a_frame_depend_on_no_block():
    some = scattered(40, (5, 200))
    dark = np.zeros((30, *CANVAS.shape), np.float32)
    whole = paint_block([some], dark, 0, CANVAS)
    for start, stop in ((0, 1), (7, 19), (29, 30)):
        np.testing.assert_array_equal(whole[start:stop], paint_block([some], dark[start:stop], start, CANVAS))


@pytest.mark.parametrize("margin", [1, 9, 50])
def test_a_wider_margin_changes_no_bit(margin):
    some = scattered(40, (3, 200))
    narrow = Canvas(50, 60, 0, 1.6)
    wide = Canvas(50, 60, margin, 1.6)
    np.testing.assert_array_equal(painted(some, 3, narrow), wide.crop(painted(some, 3, wide)))


def test_nothing_shines_without_sources_or_out_of_reach():
    assert not painted(scattered(0, (5, 60))).any()
    assert not painted(glow(5000.0, 0.0, 20.0)).any()
    assert not painted(glow(0.0, 0.0, 20.0, 0.0)).any()
