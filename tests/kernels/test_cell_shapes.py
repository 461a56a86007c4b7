import numpy as np
import pytest

from pytest_calsim.kernels.cell_shapes import DRAWS, CellShapes, ShapeFactors, draw_shapes, sample_shape

AMPLITUDES = np.array([0.18, 0.09, 0.05, 0.025])


def factors(n: int, branching: bool = False, **fields: np.ndarray) -> ShapeFactors:
    """Those of cells as they come of themselves, but for some."""
    one = np.ones(n)
    return ShapeFactors(one, np.full(n, -int(branching)), one, one, np.zeros(n))._replace(**fields)


def drawn(n: int, branching: bool, seed: int = 0, **fields: np.ndarray) -> tuple[np.ndarray, CellShapes]:
    u = np.random.default_rng(seed).random((n, DRAWS))
    return u, draw_shapes(u, np.full(n, 5.5), factors(n, branching, **fields))


def test_outlines_are_made_of_the_first_draws():
    uneven = np.linspace(0, 2.5, 500)
    u, shapes = drawn(500, False, uneven=uneven)
    a = uneven[:, None] * AMPLITUDES * u[:, :4]
    mean = 5.5 / np.sqrt(1 + (a**2).sum(axis=1) / 2)
    harmonics = (mean[:, None] * a) * np.exp(2j * np.pi * u[:, 4:8])
    np.testing.assert_allclose(shapes.mean_um, mean, rtol=1e-14)
    np.testing.assert_allclose(shapes.extent_um, mean * (1 + a.sum(axis=1)), rtol=1e-14)
    np.testing.assert_allclose(shapes.harmonics_um[..., 0], harmonics.real, atol=1e-14)
    np.testing.assert_allclose(shapes.harmonics_um[..., 1], harmonics.imag, atol=1e-14)
    assert shapes.segments_um.shape == (0, 6)
    assert not shapes.segments.any()
    assert np.array_equal(shapes.half_thickness_um, np.full(500, 5.5))


def path(z, heading, length, radii, turns):
    """Five steps: their begins and ends as complex numbers x + iy, and the last heading."""
    headings = heading + np.cumsum(0.26 * (2 * turns - 1))
    ends = z + np.cumsum(np.exp(1j * headings)) * length / 5
    begins = np.concatenate([[z], ends[:-1]])
    columns = (begins.imag, begins.real, radii[:-1], ends.imag, ends.real, radii[1:])
    return list(zip(*columns, strict=True)), headings[-1]


def grown(u, n=-1, longer=1.0, wider=1.0):
    """Segments of one cell in soma radii, from its draws after the outline's."""
    segments = []
    n = 3 + int(4 * u[0]) if n < 0 else n
    left = 1 - np.arange(6) / 5
    for i in range(n):
        v = u[2 + 23 * i : 25 + 23 * i]
        thickness = wider * (0.16 + 0.1 * v[1])
        root = max(0.5, thickness)
        heading = 2 * np.pi * (u[1] + (i + 0.6 * (v[0] - 0.5)) / n)
        trunk, end = path(0j, heading, longer * (2 + 1.2 * v[2]), thickness + (root - thickness) * left**2, v[8:13])
        segments += trunk
        z = trunk[-1][4] + 1j * trunk[-1][3]
        branches = [(1, v[4], v[6], v[13:18]), (-1, v[5], v[7], v[18:23])] if v[3] < 0.75 else [(0, 0, v[6], v[13:18])]
        for side, angle, length, turns in branches:
            r = thickness * (0.5 ** (2 / 3) if side else 1)
            radii = 0.45 * r + 0.55 * r * left
            reach = longer * (2 + 1.6 * length)
            segments += path(z, end + side * (0.35 + 0.4 * angle), reach, radii, turns)[0]
    return np.array(segments)


def test_dendrites_are_grown_step_by_step():
    rng = np.random.default_rng(5)
    number = rng.integers(-1, 7, 200)
    longer = rng.uniform(0.2, 3, 200)
    wider = rng.uniform(0.1, 5, 200)
    u, shapes = drawn(200, True, dendrites=number, longer=longer, wider=wider)
    forks = set()
    for i, (first, stop) in enumerate(shapes.segments):
        own = shapes.segments_um[first:stop]
        expected = 5.5 * grown(u[i, 8:], number[i], longer[i], wider[i]).reshape(-1, 6)
        np.testing.assert_allclose(own, expected, atol=1e-12)
        soma = shapes.mean_um[i] * (1 + (AMPLITUDES * u[i, :4]).sum())
        ends = [own[:, :3], own[:, 3:]]
        reach = [(np.hypot(end[:, 0], end[:, 1]) + end[:, 2]).max(initial=0) for end in ends]
        assert shapes.extent_um[i] == pytest.approx(max(soma, *reach))
        forks.add((stop - first) // 5)
    assert np.array_equal(shapes.segments[1:, 0], shapes.segments[:-1, 1])
    assert shapes.segments[0, 0] == 0
    assert shapes.segments[-1, 1] == len(shapes.segments_um)
    assert len(forks) > 5


def test_a_soma_is_the_same_with_and_without_dendrites():
    _, bare = drawn(20, False)
    _, whole = drawn(20, True)
    assert np.array_equal(bare.mean_um, whole.mean_um)
    assert np.array_equal(bare.harmonics_um, whole.harmonics_um)


def test_the_most_dendrites_find_room():
    u = np.full((3, DRAWS), np.nextafter(1, 0))
    u[:, [11 + 23 * i + 2 for i in range(6)]] = 0  # all fork
    shapes = draw_shapes(u, np.ones(3), factors(3, branching=True))
    assert np.array_equal(np.diff(shapes.segments, axis=1), [[90]] * 3)


def test_a_cell_of_radius_zero_is_a_point():
    u, _ = drawn(2, False)
    shapes = draw_shapes(u, np.array([0.0, 3.0]), factors(2))
    assert shapes.mean_um[0] == shapes.extent_um[0] == 0
    assert not shapes.harmonics_um[0].any()
    at = np.linspace(-1, 1, 5)
    assert not sample_shape(shapes, 0, at, at).any()


def test_chosen_shapes_keep_their_dendrites():
    _, shapes = drawn(9, True)
    at = np.linspace(-30, 30, 50)
    for chosen in (np.array([7, 2, 2]), slice(3, 6)):
        some = shapes.of(chosen)
        for i, unit in enumerate(np.arange(9)[chosen]):
            assert some.extent_um[i] == shapes.extent_um[unit]
            assert np.array_equal(sample_shape(some, i, at, at), sample_shape(shapes, unit, at, at))


def thickness(shapes, i, y, x):
    """The same by angle and by projection onto each segment, on a whole grid."""
    y = y[:, None]
    theta = np.arctan2(y, x)
    m = np.arange(2, 6)[:, None, None]
    c, s = shapes.harmonics_um[i].T[:, :, None, None]
    r = shapes.mean_um[i] + (c * np.cos(m * theta) + s * np.sin(m * theta)).sum(axis=0)
    nucleus = shapes.nucleus[i]
    greatest = np.sqrt(1 - nucleus**2)
    image = np.sqrt(np.clip(1 - (y**2 + x**2) / r**2, 0, None))
    image = (image - np.sqrt(np.clip(nucleus**2 - (y**2 + x**2) / r**2, 0, None))) / greatest
    for y0, x0, r0, y1, x1, r1 in shapes.segments_um[slice(*shapes.segments[i])]:
        length2 = (y1 - y0) ** 2 + (x1 - x0) ** 2
        t = np.clip(((y - y0) * (y1 - y0) + (x - x0) * (x1 - x0)) / length2, 0, 1)
        d2 = (y - y0 - t * (y1 - y0)) ** 2 + (x - x0 - t * (x1 - x0)) ** 2
        image = np.maximum(image, np.sqrt(np.clip((r0 + t * (r1 - r0)) ** 2 - d2, 0, None)) / (5.5 * greatest))
    return image


@pytest.mark.parametrize("branching", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (61, 83), (200, 131)])
def test_a_sampled_shape_is_its_thickness(branching, size):
    rng = np.random.default_rng(3)
    _, shapes = drawn(6, branching, nucleus=np.array([0, 0.2, 0.5, 0.7, 0.9, 0]))
    for i in range(6):
        y, x = (np.sort(rng.uniform(-30, 30, n)) for n in size)
        image = sample_shape(shapes, i, y, x)
        assert image.dtype == np.float32
        # The square root is steep at the rim, where rounding of the outline shows.
        np.testing.assert_allclose(image, thickness(shapes, i, y, x), rtol=1e-6, atol=1e-6)
        assert image.max(initial=0) <= 1 or branching


def test_nothing_is_sampled_nowhere():
    _, shapes = drawn(1, True)
    assert sample_shape(shapes, 0, np.zeros(0), np.zeros(3)).shape == (0, 3)
    assert sample_shape(shapes, 0, np.zeros(3), np.zeros(0)).shape == (3, 0)
    assert not sample_shape(shapes, 0, np.array([500.0, 501.0]), np.zeros(4)).any()
    assert draw_shapes(np.empty((0, DRAWS)), np.empty(0), factors(0)).segments_um.shape == (0, 6)


def test_shapes_that_do_not_agree_are_refused():
    u, shapes = drawn(3, True)
    with pytest.raises(ValueError, match="uniforms"):
        draw_shapes(u[:, :-1].copy(), np.ones(3), factors(3))
    with pytest.raises(ValueError, match="uniforms"):
        draw_shapes(u, np.ones(4), factors(4))
    for name in ShapeFactors._fields:
        with pytest.raises(ValueError, match=name):
            draw_shapes(u, np.ones(3), factors(3)._replace(**{name: getattr(factors(2), name)}))
    with pytest.raises(ValueError, match="7 dendrites; at most 6"):
        draw_shapes(u, np.ones(3), factors(3, dendrites=np.array([0, 7, 6])))
    outside = shapes._replace(segments=shapes.segments + len(shapes.segments_um))
    with pytest.raises(ValueError, match="segments_um"):
        sample_shape(outside, 0, np.zeros(1), np.zeros(1))
