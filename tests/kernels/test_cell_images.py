"""The Fourier series of a blurred cell against the same sums written out in complex numbers; many cells against one."""

import numpy as np
import pytest
from blurred import image_of_point, image_of_shape
from scipy.special import j1

from pytest_calsim.kernels.cell_images import SamplingGrids, WaveTables, image_cells, image_shape
from pytest_calsim.kernels.cell_shapes import DRAWS, ShapeFactors, draw_shapes, sample_shape
from pytest_calsim.kernels.rect import Rect
from pytest_calsim.steps.cells.wave_tables import (
    BESSEL_STEP,
    FAINT,
    bessel_table,
    count_waves,
    reach_px,
    roots_of_unity,
)

RNG = np.random.default_rng(0)
EVERYWHERE = Rect(-(2**40), -(2**40), 2**41, 2**41)
CANVAS = Rect(-5, -3, 80, 93)
SENSOR = Rect(0, 0, 70, 80)


def series(fine, samples, first, size, radius, sigma, most):
    """Σ over all frequencies up to ``most``, on a period of ``size`` pixels; float64."""
    k = np.arange(-most, most + 1)
    f = k / size
    axis = [
        np.exp(-2j * np.pi * f[:, None] * (first[i] + np.arange(fine.shape[i]) / samples))
        * (np.exp(-2 * (np.pi * sigma * f) ** 2) * np.sinc(f))[:, None]
        for i in (0, 1)
    ]
    q = 2 * np.pi * radius * np.hypot(f[:, None], f)
    disk = np.where(q > 0, 2 * j1(q) / np.where(q > 0, q, 1), 1)
    waves = axis[0] @ fine @ axis[1].T * disk
    at_pixels = np.exp(2j * np.pi * f * np.arange(size)[:, None])
    return (at_pixels @ waves @ at_pixels.T).real


def scaled(image, flux):
    kept = np.where(image < 1e-4 * image.max(), 0, image)
    return kept * flux / kept.sum()


@pytest.mark.parametrize("samples", [3, 5])
@pytest.mark.parametrize(("radius", "sigma"), [(0.0, 0.22), (2.3, 0.22), (0.0, 1.3), (4.1, 2.2)])
def test_an_image_is_its_fourier_series(samples, radius, sigma):
    fine = (RNG.random((4 * samples, 4 * samples)) * (RNG.random((4 * samples, 4 * samples)) < 0.7)).astype(np.float32)
    image, pad = image_of_shape(fine, samples, radius, sigma, 7.0)
    size = len(image)
    first = pad - 0.5 + 0.5 / samples
    expected = series(fine, samples, (first, first), size, radius, sigma, (size * samples - 1) // 2)
    assert size == 4 + 2 * pad
    np.testing.assert_allclose(image, scaled(expected, 7.0), atol=1.1e-4 * image.max())
    assert image.sum(dtype=float) == pytest.approx(7, rel=1e-6)


def test_an_oblong_image_is_part_of_the_square_one():
    fine = RNG.random((6, 30)).astype(np.float32)
    image, pad = image_of_shape(fine, 3, 1.0, 0.8, 1.0)
    assert image.shape == (2 + 2 * pad, 10 + 2 * pad)
    first = pad - 1 / 3
    expected = series(fine, 3, (first, first), image.shape[1], 1.0, 0.8, (3 * image.shape[1] - 1) // 2)
    expected = scaled(expected[: image.shape[0]], 1.0)
    np.testing.assert_allclose(image, expected, atol=1.1e-4 * image.max())


def test_a_point_is_its_fourier_series():
    image, pad = image_of_point(0.8, 0.35, 1.7, 0.6, 3.0)
    expected = series(np.ones((1, 1)), 1, (pad + 0.3, pad - 0.15), len(image), 1.7, 0.6, 60)
    np.testing.assert_allclose(image, scaled(expected, 3.0), atol=1.1e-4 * image.max())


def tables_of(turns_of_each, faint=FAINT):
    circles, start = roots_of_unity(turns_of_each)
    return WaveTables(start, circles, bessel_table(), BESSEL_STEP, faint)


@pytest.mark.parametrize("faint", [1e-4, 0.1, 0.5])
def test_trimming_cuts_what_is_faint_and_gives_the_rest_the_flux(faint):
    fine = RNG.random((9, 15)).astype(np.float32)
    # Without a Gaussian worth its name the series rings below zero.
    arguments = (fine, (13, 15), (4.0, 4.0), 2.0, 0.1, 20)
    bare, cut = (image_shape(*arguments, tables_of(np.array([45]), share), 2.6) for share in (-1e9, faint))
    assert bare.min() < 0
    kept = bare >= faint * bare.max()
    assert 0 < kept.sum() < kept.size
    assert np.array_equal(cut > 0, kept)
    np.testing.assert_allclose(cut, np.where(kept, bare, 0) * (2.6 / bare[kept].sum(dtype=float)), rtol=2e-6)
    assert cut.sum(dtype=float) == pytest.approx(2.6, rel=1e-6)


def cells(n=40, seed=1):
    """Somata, cells with dendrites, and points; some without an image, some beyond the canvas."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 3
    radius_um = np.where(kind == 2, 0, rng.uniform(3, 7, n))
    one = np.ones(n)
    nucleus = np.where(np.arange(n) % 5 == 0, 0.6, 0.0)
    factors = ShapeFactors(one, -(kind == 1).astype(np.int64), one, one, nucleus)
    shapes = draw_shapes(rng.random((n, DRAWS)), radius_um, factors)
    samples = np.where(kind == 2, 1, rng.choice([3, 5], n))
    pixel_um = rng.uniform(1.2, 2.0, n)
    centre = rng.uniform(-15, 95, (n, 2))
    reach = shapes.extent_um / pixel_um
    first = np.floor(centre + 0.5 - reach[:, None]).astype(np.int64)
    stop = np.floor(centre + 0.5 + reach[:, None]).astype(np.int64) + 1
    radius = rng.uniform(0, 5, n)
    sigma = rng.uniform(0.3, 2, n)
    pad = reach_px(radius, sigma)
    longer = (stop - first).max(axis=1) + 2 * pad
    imaged = np.arange(n) % 7 > 0
    grids = SamplingGrids(
        box=np.concatenate([first, stop - first], axis=1),
        samples=samples,
        part_um=pixel_um / samples,
        centre=centre,
        is_point=kind == 2,
        point_flux=rng.uniform(1, 2, n),
        pad=pad,
        radius=radius,
        sigma=sigma,
        waves=np.where(imaged, count_waves(longer, samples, sigma, kind == 2), 0),
    )
    return grids, shapes, tables_of(grids.turns)


def by_hand(grids, shapes, tables, i):
    """One cell's means over pixels, its flux, and its whole image and where that begins."""
    (top, left, height, width) = grids.box[i].tolist()
    samples = int(grids.samples[i])
    if grids.is_point[i]:
        fine = np.ones((1, 1), np.float32)
        flux = grids.point_flux[i]
        first = grids.centre[i] - (top, left) + grids.pad[i]
    else:
        pixel_um = grids.part_um[i] * samples
        (y, x) = grids.centre[i]
        rows, columns = ((np.arange(n * samples) + 0.5) / samples - 0.5 for n in (height, width))
        fine = sample_shape(shapes, i, (rows + top - y) * pixel_um, (columns + left - x) * pixel_um)
        first = np.repeat(grids.pad[i] - 0.5 + 0.5 / samples, 2)
        flux = fine.mean(dtype=float) * height * width
    planted = fine.reshape(height, samples, width, samples).mean(axis=(1, 3), dtype=float)
    if grids.waves[i] == 0:
        return planted, flux, None, None
    shape = height + 2 * int(grids.pad[i]), width + 2 * int(grids.pad[i])
    own = tables._replace(circles=tables.circles[tables.circle_start[i] :][: grids.turns[i]])
    blur = grids.radius[i], grids.sigma[i], int(grids.waves[i])
    return planted, flux, image_shape(fine, shape, tuple(first.tolist()), *blur, own, flux), (top, left) - grids.pad[i]


def placed(image, corner, window):
    """An image on a grid that begins where a window does, cut to it."""
    top, bottom, left, right = window.bounds
    rim = 400
    grid = np.zeros((bottom - top + 2 * rim, right - left + 2 * rim), np.float32)
    r = corner[0] - top + rim
    c = corner[1] - left + rim
    grid[r : r + image.shape[0], c : c + image.shape[1]] = image
    return grid[rim:-rim, rim:-rim]


def test_every_cell_is_sampled_blurred_and_cut_as_on_its_own():
    grids, shapes, tables = cells()
    found = image_cells(grids, shapes, tables, CANVAS, SENSOR)
    planted = found.planted
    images = found.images
    shown = 0
    for i in range(len(grids.box)):
        means, flux, image, corner = by_hand(grids, shapes, tables, i)
        own, planted = np.split(planted, [means.size])
        # A part beside the outline may round to its other side.
        np.testing.assert_allclose(own.reshape(means.shape), means, atol=1e-6)
        assert found.flux[i] == pytest.approx(flux, rel=1e-6)
        row, column, height, width = found.image_box[i]
        kept, images = np.split(images, [height * width])
        if image is None:
            assert not found.image_box[i].any()
            assert found.within[i] == 0
            continue
        expected = placed(image, corner, CANVAS)
        if not expected.any():
            assert not found.image_box[i].any()
        else:
            shown += 1
            shown_part = placed(kept.reshape(height, width), (row, column), CANVAS)
            # Light at the edge of being cut may fall on either side.
            np.testing.assert_allclose(shown_part, expected, atol=1.1e-4 * image.max())
        on_sensor = placed(image, corner, SENSOR).sum(dtype=float)
        assert found.within[i] == pytest.approx(on_sensor, rel=1e-5, abs=1e-3 * flux)
    assert planted.size == images.size == 0
    assert 20 < shown < 34


def test_a_cell_is_the_same_alone_and_in_any_company():
    grids, shapes, tables = cells(30, seed=2)
    together = image_cells(grids, shapes, tables, CANVAS, SENSOR)
    at = [0, 0]
    for i in range(30):
        one = slice(i, i + 1)
        alone = image_cells(grids.of(one), shapes.of(one), tables.of(one), CANVAS, SENSOR)
        for name in ("image_box", "flux", "within"):
            assert np.array_equal(getattr(alone, name), getattr(together, name)[one])
        for k, name in enumerate(("planted", "images")):
            part = getattr(together, name)[at[k] : at[k] + len(getattr(alone, name))]
            assert np.array_equal(getattr(alone, name), part)
            at[k] += len(part)
    assert at == [len(together.planted), len(together.images)]


def test_an_uncut_image_holds_all_of_its_light_tightly():
    grids, shapes, tables = cells(20, seed=3)
    found = image_cells(grids, shapes, tables, EVERYWHERE, EVERYWHERE)
    imaged = grids.waves > 0
    assert np.array_equal(found.within[imaged], found.flux[imaged])
    start = np.concatenate([[0], np.cumsum(found.image_box[:, 2:].prod(axis=1))])
    for i in np.flatnonzero(imaged):
        image = found.images[start[i] : start[i + 1]].reshape(found.image_box[i, 2:])
        assert image.sum(dtype=float) == pytest.approx(found.flux[i], rel=1e-6)
        # And nothing but that: the box is tight.
        assert image[[0, -1]].any(axis=1).all()
        assert image[:, [0, -1]].any(axis=0).all()


def test_no_cells_make_no_images():
    grids, shapes, tables = cells(5)
    none = slice(0, 0)
    found = image_cells(grids.of(none), shapes.of(none), tables.of(none), CANVAS, SENSOR)
    assert [len(values) for values in found] == [0] * 5


def test_cells_that_do_not_agree_are_refused():
    grids, shapes, tables = cells(9)
    short = slice(0, 8)

    def refused(match, *, g=grids, s=shapes, t=tables):
        with pytest.raises(ValueError, match=match):
            image_cells(g, s, t, CANVAS, SENSOR)

    for name in set(SamplingGrids._fields) - {"box"}:
        refused(name, g=grids._replace(**{name: getattr(grids, name)[short]}))
    for name in ("mean_um", "half_thickness_um", "harmonics_um", "segments"):
        refused(name, s=shapes._replace(**{name: getattr(shapes, name)[short]}))
    refused("circle_start", t=tables.of(short))
    refused("circle_start leaves", t=tables._replace(circle_start=tables.circle_start + len(tables.circles)))
    refused("circle_start leaves", t=tables._replace(circles=tables.circles[:-1]))
    refused("bessel", t=tables._replace(bessel=np.ones(1, np.float32)))
    refused("segments leave", s=shapes._replace(segments=shapes.segments + 1))
    refused("segments leave", s=shapes._replace(segments=shapes.segments - 1))
    refused("at least 1 pixel", g=grids._replace(samples=grids.samples * 0))
    refused("at least 1 pixel", g=grids._replace(box=grids.box * np.array([1, 1, 0, 1])))
    refused("0 or more for pad and waves", g=grids._replace(pad=-grids.pad))
    refused("0 or more for pad and waves", g=grids._replace(waves=-grids.waves))
    refused("a point", g=grids._replace(is_point=~grids.is_point))


def test_an_image_that_its_waves_cannot_make_is_refused():
    fine = np.ones((3, 3), np.float32)
    tables = tables_of(np.array([27]))
    assert image_shape(fine, (9, 9), (4.0, 4.0), 1.0, 0.5, 4, tables, 1.0).shape == (9, 9)
    with pytest.raises(ValueError, match="27 parts of a turn"):
        image_shape(fine, (9, 10), (4.0, 4.0), 1.0, 0.5, 4, tables, 1.0)
    with pytest.raises(ValueError, match="0 waves"):
        image_shape(fine, (9, 9), (4.0, 4.0), 1.0, 0.5, 0, tables, 1.0)
    with pytest.raises(ValueError, match="cannot image"):
        image_shape(np.ones((3, 30), np.float32), (9, 9), (4.0, 4.0), 1.0, 0.5, 4, tables, 1.0)
    no_bessel = tables._replace(bessel=np.ones(1, np.float32))
    with pytest.raises(ValueError, match="bessel"):
        image_shape(fine, (9, 9), (4.0, 4.0), 1.0, 0.5, 4, no_bessel, 1.0)
