import math

import numpy as np
import pytest

from pytest_calsim.arrays.streams import stream
from pytest_calsim.kernels.cell_shapes import CellShapes, sample_shape
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor
from pytest_calsim.steps.cells.morphology import Form, draw_shapes
from pytest_calsim.steps.cells.place_neurons import Cells, PlaceNeurons, Population

SMALL = Acquisition(image_sensor=ImageSensor(height_px=64, width_px=64))


class Shape:
    """One of some shapes."""

    def __init__(self, of: CellShapes, unit: int):
        self.of = of
        self.unit = unit
        self.mean_um = of.mean_um[unit]
        self.extent_um = of.extent_um[unit]
        self.harmonics_um = of.harmonics_um[unit]
        self.segments_um = of.segments_um[slice(*of.segments[unit])]

    def coverage(self, y_um: np.ndarray, x_um: np.ndarray) -> np.ndarray:
        return sample_shape(self.of, self.unit, y_um, x_um)


def shapes(morphology: str, n: int = 12, radius_um: float = 5.5, **fields: float) -> list[Shape]:
    drawn = draw_shapes([Form(morphology, **fields)] * n, np.full(n, radius_um), lambda i: stream(0, "test", i))
    return [Shape(drawn, i) for i in range(n)]


def cells(morphology: str) -> Cells:
    return PlaceNeurons(populations=(Population(morphology=morphology, density_per_mm3=1e5),)).sample(SMALL, 1)


def axis(extent_um: float, step_um: float) -> np.ndarray:
    n = math.ceil(extent_um / step_um)
    return np.arange(-n, n + 1) * step_um


def pixels(shape: Shape, offset_um: tuple[float, float], pixel_um: float = 1.66, half_px: int = 28, over: int = 12):
    """The area-sampled footprint of a cell at an offset from a pixel's centre."""
    side = (2 * half_px + 1) * over
    fine = ((np.arange(side) + 0.5) / over - (half_px + 0.5)) * pixel_um
    image = shape.coverage(fine - offset_um[0], fine - offset_um[1])
    return image.reshape(2 * half_px + 1, over, 2 * half_px + 1, over).mean((1, 3), dtype=float)


@pytest.mark.parametrize("radius", [1.0, 5.5, 24.0])
def test_a_soma_has_the_area_and_volume_of_its_radius(radius):
    """Whatever the outline, ∬√(1 − ρ²/r²) = ⅔ of the area: the projected volume of an ellipsoid."""
    for shape in shapes("soma", radius_um=radius):
        grid = axis(shape.extent_um, radius / 200)
        image = shape.coverage(grid, grid).astype(float)
        box = (radius / 200) ** 2
        assert (image > 0).sum() * box == pytest.approx(math.pi * radius**2, rel=2e-3)
        assert image.sum() * box == pytest.approx(2 / 3 * math.pi * radius**2, rel=1e-3)


def test_a_soma_is_irregular_and_no_two_are_alike():
    outlines = []
    for shape in shapes("soma"):
        theta = np.linspace(0, 2 * np.pi, 400)
        r = shape.mean_um + sum(
            c * np.cos(m * theta) + s * np.sin(m * theta) for m, (c, s) in enumerate(shape.harmonics_um, start=2)
        )
        outlines.append(r / shape.mean_um)
        # The picture against the outline, drawn another way: by angle.
        y = axis(8, 0.31)
        x = axis(8, 0.29)
        rho = np.hypot(y[:, None], x)
        angle = np.arctan2(y[:, None], x)
        border = np.interp(angle % (2 * np.pi), theta, r)
        expected = np.sqrt(np.clip(1 - (rho / border) ** 2, 0, None))
        assert np.abs(shape.coverage(y, x) - expected).max() < 0.02
    spread = np.std(outlines, axis=1)
    assert 0.02 < np.median(spread) < 0.15
    assert np.min(outlines) > 0.5
    assert np.std(outlines, axis=0).min() > 0.02


@pytest.mark.parametrize("morphology", ["soma", "cytosolic"])
def test_peak_is_one_in_the_middle_and_nothing_lies_beyond_the_extent(morphology):
    for shape in shapes(morphology):
        assert shape.coverage(np.zeros(1), np.zeros(1))[0, 0] == pytest.approx(1)
        grid = axis(1.2 * shape.extent_um, 0.4)
        image = shape.coverage(grid, grid)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() == pytest.approx(1)
        assert np.isfinite(image).all()
        outside = np.hypot(grid[:, None], grid) > shape.extent_um
        assert not image[outside].any()
        within = np.hypot(grid[:, None], grid) < 0.7 * shape.extent_um
        assert image[~within].any()  # and the circle is not much too large


@pytest.mark.parametrize(("morphology", "least_change"), [("soma", 0.05), ("cytosolic", 0.02)])
def test_a_half_pixel_move_changes_the_footprint_smoothly(morphology, least_change):
    for shape in shapes(morphology, 4):
        moves = np.linspace(0, 0.5, 11)
        frames = np.array([pixels(shape, (m * 1.66, 0.6 * m * 1.66)) for m in moves])
        flux = frames.sum((1, 2))
        assert np.ptp(flux) / flux.mean() < 3e-3
        steps = np.abs(np.diff(frames, axis=0)).max((1, 2))
        assert steps.max() < 0.07  # a twentieth of a pixel, on a peak of 1
        assert np.abs(frames[-1] - frames[0]).max() > least_change
        rows = np.arange(57) - 28
        drift = np.diff((frames.sum(2) * rows).sum(1) / flux)
        assert drift == pytest.approx(np.full(10, 0.05), abs=5e-3)


def test_dendrites_taper_branch_and_hang_together():
    forks = 0
    for shape in shapes("cytosolic", 30):
        segments = shape.segments_um / 5.5
        begin = segments[:, :3]
        end = segments[:, 3:]
        assert (end[:, 2] < begin[:, 2]).all()
        assert (end[:, 2] > 0.04).all()  # tips of a fifth of a micrometre at least
        roots = 0
        for k in range(len(segments)):
            apart = np.hypot(*(end[:, :2] - begin[k, :2]).T)
            if np.hypot(*begin[k, :2]) == 0:
                roots += 1
                continue
            parent = int(np.argmin(apart))
            assert apart[parent] < 1e-12
            children = np.flatnonzero(np.hypot(*(begin[:, :2] - end[parent, :2]).T) < 1e-12)
            if len(children) == 2:
                forks += 1
                # Rall: the parent's r^(3/2) is shared among its branches.
                assert (begin[children, 2] ** 1.5).sum() == pytest.approx(end[parent, 2] ** 1.5)
            else:
                assert begin[k, 2] == pytest.approx(end[parent, 2])
        assert 3 <= roots <= 6
    assert forks / 2 > 30


def test_dendrites_show_at_their_own_thickness():
    """Against many small disks along each segment: the projected half thickness of a string of spheres."""
    shape = shapes("cytosolic", 3)[2]
    grid = axis(shape.extent_um, 0.37)
    expected = shape_without_dendrites(shape).coverage(grid, grid).astype(float)
    for y0, x0, r0, y1, x1, r1 in shape.segments_um:
        for t in np.linspace(0, 1, 60):
            y = y0 + t * (y1 - y0)
            x = x0 + t * (x1 - x0)
            r = r0 + t * (r1 - r0)
            depth2 = r**2 - (grid[:, None] - y) ** 2 - (grid - x) ** 2
            expected = np.maximum(expected, np.sqrt(np.clip(depth2, 0, None)) / 5.5)
    image = shape.coverage(grid, grid)
    assert np.abs(image - expected).max() < 0.06  # at the steep rim of the cone that leaves the soma
    assert np.abs(image - expected).mean() < 2e-4
    beyond = np.hypot(grid[:, None], grid) > 2 * 5.5
    assert image[beyond].max() > 0.15
    assert image[beyond].sum() == pytest.approx(expected[beyond].sum(), rel=0.01)


def shape_without_dendrites(shape: Shape) -> Shape:
    return Shape(shape.of._replace(segments=np.zeros_like(shape.of.segments)), shape.unit)


def test_dendrites_add_light_and_keep_the_soma():
    for soma, whole in zip(shapes("soma"), shapes("cytosolic"), strict=True):
        assert np.array_equal(soma.harmonics_um, whole.harmonics_um)
        grid = axis(whole.extent_um, 0.3)
        added = whole.coverage(grid, grid) - soma.coverage(grid, grid)
        assert added.min() >= 0
        assert 0.1 < added.sum() / soma.coverage(grid, grid).sum() < 1.2
        assert whole.extent_um > 3 * 5.5


def test_each_cell_has_a_shape_of_its_own_whatever_the_order():
    forward = cells("cytosolic")
    backward = cells("cytosolic")
    n = len(forward)
    grid = axis(20, 1.0)
    seen = [forward.coverage(i, grid, grid) for i in range(n)]
    again = [backward.coverage(i, grid, grid) for i in reversed(range(n))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(seen, again, strict=True))
    assert len({image.tobytes() for image in seen}) == n
    assert np.array_equal(forward.shapes.extent_um, backward.shapes.extent_um)


def test_a_point_does_not_depend_on_the_grid_it_is_on():
    shape = shapes("cytosolic", 1)[0]
    grid = axis(shape.extent_um, 0.5)
    whole = shape.coverage(grid, grid)
    assert np.array_equal(shape.coverage(grid[10:40], grid[7:90]), whole[10:40, 7:90])
    assert np.array_equal(shape.coverage(grid[20:21], grid), whole[20:21])


def test_a_bead_is_a_point():
    beads = cells("bead")
    assert beads.is_bead.all()
    assert not beads.shapes.extent_um.any()


def outline(shape: Shape) -> np.ndarray:
    """Radius over its mean at 400 angles."""
    theta = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    waves = (c * np.cos(m * theta) + s * np.sin(m * theta) for m, (c, s) in enumerate(shape.harmonics_um, start=2))
    return 1 + sum(waves) / shape.mean_um


@pytest.mark.parametrize("irregularity", [0.0, 0.09, 0.18, 0.5])
def test_irregularity_is_the_largest_second_harmonic(irregularity):
    many = shapes("soma", 2000, irregularity=irregularity)
    second = [np.hypot(*shape.harmonics_um[0]) / shape.mean_um for shape in many]
    assert max(second) <= irregularity * (1 + 1e-9)
    # Amplitudes are uniform from 0 on: the mean square is a third of the largest.
    assert np.sqrt(np.mean(np.square(second))) == pytest.approx(irregularity / math.sqrt(3), rel=0.03)
    assert all(outline(shape).min() > 0 for shape in many)


@pytest.mark.parametrize("number", [0, 1, 6])
def test_cells_have_as_many_dendrites_as_asked_for(number):
    for shape in shapes("cytosolic", n_dendrites=number):
        roots = np.flatnonzero(~shape.segments_um[:, :2].any(axis=1))
        assert len(roots) == number


@pytest.mark.parametrize(("length_um", "width_um"), [(20.0, 1.0), (60.0, 4.0), (150.0, 2.0)])
@pytest.mark.parametrize("radius", [4.0, 8.0])
def test_dendrites_are_as_long_and_as_wide_as_asked_for(length_um, width_um, radius):
    """Along the segments from the centre to each tip, and at the trunk's end; whatever the soma's radius."""
    many = shapes("cytosolic", 300, radius, dendrite_length_um=length_um, dendrite_width_um=width_um)
    lengths = []
    widths = []
    for shape in many:
        steps = np.hypot(*(shape.segments_um[:, 3:5] - shape.segments_um[:, :2]).T).reshape(-1, 5).sum(axis=1)
        roots = ~shape.segments_um[::5, :2].any(axis=1)
        for path, is_trunk in enumerate(roots):
            if is_trunk:
                trunk = path
                widths.append(2 * shape.segments_um[5 * path + 4, 5])
            else:
                lengths.append(steps[trunk] + steps[path])
        ends = np.concatenate([shape.segments_um[:, :3], shape.segments_um[:, 3:]])
        assert (np.hypot(ends[:, 0], ends[:, 1]) + ends[:, 2]).max() <= shape.extent_um * (1 + 1e-9)
        form = Form("cytosolic", dendrite_length_um=length_um, dendrite_width_um=width_um)
        assert shape.extent_um <= form.reach_um(radius)
    assert np.mean(lengths) == pytest.approx(length_um, rel=0.02)
    assert np.mean(widths) == pytest.approx(width_um, rel=0.02)


@pytest.mark.parametrize("nucleus", [0.3, 0.6, 0.9])
def test_a_nucleus_takes_its_volume_out_of_the_middle(nucleus):
    for shape in shapes("soma", 4, nucleus_fraction=nucleus):
        grid = axis(shape.extent_um, 5.5 / 200)
        ring = shape.coverage(grid, grid).astype(float)
        assert ring.max() == pytest.approx(1, abs=5e-3)
        middle = ring[len(grid) // 2, len(grid) // 2]
        assert middle == pytest.approx((1 - nucleus) / math.sqrt(1 - nucleus**2), abs=1e-6)
        # In units of the evenly filled soma's greatest thickness: two thirds of its area, less the nucleus' part.
        volume = ring.sum() * (5.5 / 200) ** 2 * math.sqrt(1 - nucleus**2)
        assert volume == pytest.approx(2 / 3 * math.pi * 5.5**2 * (1 - nucleus**3), rel=2e-3)


def test_a_form_that_says_nothing_changes_no_shape():
    for morphology in ("soma", "cytosolic"):
        plain = shapes(morphology)
        said = shapes(morphology, irregularity=0.18, nucleus_fraction=0.0)
        for one, other in zip(plain, said, strict=True):
            assert np.array_equal(one.harmonics_um, other.harmonics_um)
            assert np.array_equal(one.segments_um, other.segments_um)
