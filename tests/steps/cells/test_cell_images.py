from dataclasses import replace

import numpy as np
import pytest

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.cells.cell_images import plant_and_image
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population
from pytest_calsim.steps.step import Context

ACQ = Acquisition(image_sensor=ImageSensor(height_px=420, width_px=440, pixel_pitch_um=1.5))
CANVAS = Canvas(420, 440, 10, ACQ.pixel_size_um)
N = 40
DISK_UM = np.linspace(0, 110, N)


def pictured(cells, disk_um, imaged):
    at = CANVAS.rows(cells.center_um[:, 1]) - 10, CANVAS.columns(cells.center_um[:, 2]) - 10
    return plant_and_image(cells, CANVAS, at, disk_um, np.full(len(cells), 1.5), imaged)


def only(cells, unit):
    names = ("center_um", "radius_um", "brightness", "identity", "in_fov")
    return replace(cells, **{name: getattr(cells, name)[unit : unit + 1] for name in names})


@pytest.mark.parametrize("morphology", ["soma", "cytosolic", "bead"])
def test_a_cells_picture_depends_on_no_other_cell(morphology):
    rng = np.random.default_rng(0)
    positions = [(50.0, y, x) for y, x in rng.uniform(-80, 80, (N, 2)).tolist()]
    step = PlaceNeurons(populations=(Population(morphology=morphology),), positions_um=tuple(positions))
    cells = step.plan(Context(ACQ, CANVAS, 0, "place_neurons"))
    imaged = np.arange(N) % 7 > 0
    together = pictured(cells, DISK_UM, imaged)
    heights = together.images.box[:, 2]
    assert (heights == 0).sum() == (~imaged).sum()
    assert heights.max() > 341, "none is so wide that it takes larger pixels"
    assert 0 < heights[imaged].min() < 150
    for unit in range(N):
        alone = pictured(only(cells, unit), DISK_UM[unit : unit + 1], imaged[unit : unit + 1])
        for many, one in ((together.planted, alone.planted), (together.images, alone.images)):
            seen = many.patch(unit)
            expected = one.patch(0)
            assert seen[1:] == expected[1:]
            assert np.array_equal(seen.values, expected.values)
        assert together.flux[unit] == alone.flux[0]
        assert together.fov_fraction[unit] == alone.fov_fraction[0]


def test_an_image_of_larger_pixels_has_the_same_flux_and_width():
    step = PlaceNeurons(populations=(Population(morphology="soma"),), positions_um=((50.0, 3.0, -4.0),))
    cell = step.plan(Context(ACQ, CANVAS, 0, "place_neurons"))
    px = ACQ.pixel_size_um
    for disk_um in (80 * px, 180 * px):
        pictures = pictured(cell, np.array([disk_um]), np.array([True]))
        image = pictures.images.patch(0).values.astype(float)
        assert image.sum() == pytest.approx(pictures.flux[0], rel=2e-3)
        share = image.sum(axis=1) / image.sum()
        y = np.arange(len(image)) * px
        planted = pictures.planted.patch(0).values.astype(float)
        own = planted.sum(axis=1) / planted.sum()
        own_y = np.arange(len(planted)) * px
        variance = (share * y**2).sum() - (share * y).sum() ** 2
        expected = (own * own_y**2).sum() - (own * own_y).sum() ** 2 + disk_um**2 / 4 + 1.5**2
        assert variance == pytest.approx(expected, rel=0.01)


def test_an_image_of_larger_pixels_is_seen_as_far_as_it_lies_on_the_sensor():
    px = ACQ.pixel_size_um
    positions = ((50.0, 0.0, 0.0), (50.0, 210 * px, 0.0), (50.0, 0.0, 0.0))
    step = PlaceNeurons(populations=(Population(morphology="bead"),), positions_um=positions)
    cells = step.plan(Context(ACQ, CANVAS, 0, "place_neurons"))
    pictures = pictured(cells, np.full(3, 190 * px), np.array([True, True, False]))
    assert pictures.fov_fraction == pytest.approx([1, 0.5, 0], abs=0.01)
    assert pictures.images.patch(2).values.size == 0
    own = sum(pictures.images.patch(i).values.size for i in range(3))
    assert pictures.images.values.size == own
