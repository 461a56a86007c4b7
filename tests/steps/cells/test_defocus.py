import numpy as np
import pytest

from pytest_calsim.microscope.acquisition import Acquisition, Optics, Tissue
from pytest_calsim.steps.cells.defocus import focal_depth_um, image_blur
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population

BEAD = Population(morphology="bead", thickness_um=0)


def cells_at(acquisition, *positions):
    return PlaceNeurons(populations=(BEAD,), positions_um=positions).sample(acquisition)


def acquisition(**fields):
    optics = {name: fields.pop(name) for name in ("na", "field_curvature_radius_um") if name in fields}
    return Acquisition(optics=Optics(**optics), **fields)


def test_automatic_focus_is_the_median_depth_in_view():
    acq = acquisition()
    outside = acq.field_size_um[0] / 2 + 20
    cells = cells_at(acq, (50, 0, 0), (80, 10, 0), (200, 0, 30))
    assert focal_depth_um(acq, cells) == 80
    beyond = cells_at(acq, (50, 0, 0), (900, outside, 0), (80, 10, 0), (200, 0, 30))
    assert focal_depth_um(acq, beyond) == 80
    assert focal_depth_um(acq, cells_at(acq, (900, outside, 0))) == 900
    assert focal_depth_um(acq, cells_at(acq)) == 0


def test_a_given_focus_is_taken():
    acq = acquisition(focal_depth_um=120)
    assert focal_depth_um(acq, cells_at(acq, (50, 0, 0))) == 120


@pytest.mark.parametrize("na", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("depth", [60, 100, 140])
def test_the_disk_is_the_light_cones_section(na, depth):
    acq = acquisition(na=na, focal_depth_um=100)
    blur = image_blur(acq, cells_at(acq, (depth, 0, 0)))
    half_angle = np.arcsin(na / 1.36)
    assert blur.defocus_um == depth - 100
    assert blur.disk_radius_um == pytest.approx(abs(depth - 100) * np.tan(half_angle))


def test_the_gaussian_is_diffraction_and_scatter():
    acq = acquisition(focal_depth_um=100, tissue=Tissue(scatter_blur_fraction=0.05))
    blur = image_blur(acq, cells_at(acq, (0, 0, 0), (100, 0, 0)))
    diffraction = 0.21 * 0.525 / 0.3
    np.testing.assert_allclose(blur.sigma_um, [diffraction, np.hypot(diffraction, 5)])


def test_off_axis_cells_focus_shallower_on_a_curved_surface():
    acq = acquisition(focal_depth_um=100, field_curvature_radius_um=2000)
    blur = image_blur(acq, cells_at(acq, (100, 0, 0), (100, 0, 300), (100, 180, 240)))
    sagitta = 2000 - np.sqrt(2000**2 - 300**2)
    np.testing.assert_allclose(blur.defocus_um, [0, sagitta, sagitta])


def test_focus_and_width_have_their_own_criteria():
    acq = acquisition(focal_depth_um=100, tissue=Tissue(scatter_blur_fraction=0))
    blur = image_blur(acq, cells_at(acq, (90, 0, 0), (95, 0, 0), (110.1, 0, 0)))
    assert blur.in_focus(20).tolist() == [True, True, False]
    # The variance per axis of a disk of radius R is R²/4.
    widths = np.hypot(blur.disk_radius_um / 2, blur.sigma_um)
    assert blur.narrower_than(widths[0] * 1.001).tolist() == [True, True, False]
    assert blur.narrower_than(widths[0]).tolist() == [False, True, False]
