import numpy as np
import pytest

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics, Tissue
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.cells.cell_optics import CellImages, CellOptics
from pytest_calsim.steps.cells.place_neurons import Cells, PlaceNeurons, Population
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tissue.vasculature import Vasculature

CLEAR = Tissue(excitation_attenuation_um=1e6, emission_attenuation_um=1e6, scatter_blur_fraction=0.0)


def _acquisition(side=96, optics=None, tissue=None, focal_depth_um="auto"):
    return Acquisition(
        image_sensor=ImageSensor(height_px=side, width_px=side),
        optics=optics or Optics(),
        tissue=tissue or Tissue(),
        focal_depth_um=focal_depth_um,
    )


def _context(acq, margin=0, kind="cell_optics"):
    sensor = acq.image_sensor
    return Context(acq, Canvas(sensor.height_px, sensor.width_px, margin, acq.pixel_size_um), 0, kind)


def _cells(acq, positions, morphology="bead", margin=0, **fields) -> Cells:
    population = Population(morphology=morphology, brightness_cv=0, **fields)
    step = PlaceNeurons(populations=(population,), positions_um=tuple(positions))
    return step.plan(_context(acq, margin, "place_neurons"))


def _images(acq, positions, morphology="bead", margin=0, vessels=None, **fields) -> CellImages:
    return CellOptics().plan(_context(acq, margin), _cells(acq, positions, morphology, margin, **fields), vessels)


def _on_canvas(images, unit):
    image = np.zeros(images.canvas.shape)
    r, c = images.patches.box[unit, :2]
    patch = images.patches.patch(unit).values
    image[r : r + patch.shape[0], c : c + patch.shape[1]] = patch
    return image


def _rays_um(rng, n, optics, depth_um, defocus_um, tissue):
    """Where rays of an isotropic point source, caught by the aperture, cross the focal plane."""
    lowest = np.sqrt(1 - (optics.na / optics.refractive_index) ** 2)
    cosine = lowest + (1 - lowest) * rng.random(n)
    r = abs(defocus_um) * np.sqrt(1 / cosine**2 - 1)
    angle = 2 * np.pi * rng.random(n)
    spread = np.hypot(0.21 * optics.emission_nm / 1000 / optics.na, tissue.scatter_blur_fraction * depth_um)
    return np.stack([r * np.sin(angle), r * np.cos(angle)]) + spread * rng.standard_normal((2, n))


@pytest.mark.parametrize("na", [0.2, 0.3, 0.5])
@pytest.mark.parametrize(("depth", "focus"), [(0.0, 0.0), (100.0, 100.0), (100.0, 60.0), (40.0, 80.0)])
def test_a_bead_is_as_wide_as_counted_rays(na, depth, focus):
    acq = _acquisition(optics=Optics(na=na), focal_depth_um=focus)
    images = _images(acq, [(depth, 0.4, -0.7)])
    rays = _rays_um(np.random.default_rng(0), 400_000, acq.optics, depth, depth - focus, acq.tissue)
    pixel = acq.pixel_size_um
    counted = np.floor((rays + np.array([[0.4], [-0.7]])) / pixel) + 0.5
    width = np.sqrt(counted.var(axis=1).mean())
    image = _on_canvas(images, 0)
    y = images.canvas.y_um / pixel
    rows = image.sum(1) / image.sum()
    columns = image.sum(0) / image.sum()
    second = [(p * y**2).sum() - (p * y).sum() ** 2 for p in (rows, columns)]
    assert np.sqrt(np.mean(second)) == pytest.approx(width, rel=0.02)


def test_enclosed_light_of_a_bead_is_that_of_counted_rays():
    acq = _acquisition(focal_depth_um=40.0)
    images = _images(acq, [(100.0, 0.0, 0.0)])
    rays = _rays_um(np.random.default_rng(0), 400_000, acq.optics, 100.0, 60.0, acq.tissue)
    reach = np.hypot(*((np.floor(rays / acq.pixel_size_um) + 0.5) * acq.pixel_size_um))
    image = _on_canvas(images, 0)
    r = np.hypot(images.canvas.y_um[:, None], images.canvas.x_um)
    for radius in np.arange(2, 20, 2.0):
        assert image[r < radius].sum() / image.sum() == pytest.approx((reach < radius).mean(), abs=0.02)


def test_flux_is_the_same_whatever_the_focus():
    acq = _acquisition(side=160, tissue=CLEAR, focal_depth_um=100.0)
    depths = [100.0, 97.0, 110.0, 130.0, 200.0, 350.0]
    for morphology in ("soma", "bead", "cytosolic"):
        for depth in depths:
            images = _images(acq, [(depth, 3.0, -2.0)], morphology)
            assert images.patches.values.sum(dtype=float) == pytest.approx(images.flux[0], rel=2e-3)
            assert images.fov_fraction[0] == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_planted_is_the_shape_averaged_over_each_pixel(seed):
    acq = _acquisition()
    y, x = np.random.default_rng(seed).uniform(-5, 5, 2)
    cells = PlaceNeurons(positions_um=((100.0, y, x),)).sample(acq, seed)
    images = CellOptics().plan(_context(acq), cells)
    fine = 21
    at = (np.arange(96 * fine) - (96 * fine - 1) / 2) * acq.pixel_size_um / fine
    expected = cells.coverage(0, at - y, at - x).reshape(96, fine, 96, fine).mean((1, 3), dtype=float)
    np.testing.assert_allclose(images.planted[0], expected, atol=0.02)
    assert images.planted[0].sum() == pytest.approx(expected.sum(), rel=5e-3)
    assert images.flux[0] == pytest.approx(expected.sum(), rel=5e-3)


def test_a_bead_is_planted_in_its_one_pixel():
    acq = _acquisition()
    pixels, values = _images(acq, [(0.0, 0.2, -0.3)]).planted.unit(0)
    assert pixels.tolist() == [48 * 96 + 47]
    assert values.tolist() == [1]


def test_core_and_spots_hold_the_light_that_tissue_lets_through():
    acq = _acquisition(side=128, optics=Optics(na=0.4))
    z = np.array([0.0, 30.0, 100.0, 250.0])
    images = _images(acq, [(depth, 0.0, 0.0) for depth in z], "soma")
    np.testing.assert_allclose(images.core_fraction, np.exp(-z / 1000 - 1.2 * z / 100))
    light = images.flux * (0.4 / 0.3) ** 2
    core = np.array([images.patches.patch(i).values.sum(dtype=float) for i in range(4)])
    np.testing.assert_allclose(core, light * images.core_fraction, rtol=1e-5)
    around = np.bincount(images.spots.source, images.spots.flux)
    np.testing.assert_allclose(around, light * acq.tissue.skirt(z).share.sum(0), rtol=1e-9)


def test_spots_are_as_wide_as_scatter_blur_and_the_soma_together():
    acq = _acquisition(side=128, focal_depth_um=60.0)
    for morphology in ("soma", "bead"):
        spots = _images(acq, [(100.0, 5.0, -3.0)], morphology).spots
        radius = 0 if morphology == "bead" else _cells(acq, [(100.0, 5.0, -3.0)], morphology).radius_um[0]
        disk = 40 * acq.optics.cone_slope
        blur = disk**2 / 4 + acq.optics.diffraction_sigma_um**2 + radius**2 / 4
        scatter = acq.tissue.skirt(np.array([100.0])).sigma_um[:, 0]
        np.testing.assert_allclose(spots.sigma_um**2, scatter**2 + blur, rtol=1e-9)
        np.testing.assert_array_equal(spots.y_um, 5.0)
        np.testing.assert_array_equal(spots.x_um, -3.0)


def test_an_image_wider_than_200_um_is_a_spot():
    acq = _acquisition(focal_depth_um=0.0)
    images = _images(acq, [(1900.0, 0.0, 0.0)], "soma")
    assert images.patches.values.size == 0
    assert images.spots.source.tolist() == [0, 0, 0, 0]
    assert images.spots.flux[3] == pytest.approx(images.flux[0] * images.core_fraction[0])
    blur = np.hypot(1900 * acq.optics.cone_slope / 2, 0.02 * 1900)
    assert images.spots.sigma_um[3] == pytest.approx(blur, rel=1e-3)
    assert images.observed[0].sum() == 0
    assert images.fov_fraction[0] == 0


@pytest.mark.parametrize("morphology", ["soma", "bead"])
def test_an_image_much_wider_than_the_fourier_grid_is_a_flat_disk(morphology):
    acq = _acquisition(side=64, optics=Optics(magnification=10.0), tissue=CLEAR, focal_depth_um=0.0)
    images = _images(acq, [(1200.0, 4.0, 0.0)], morphology)
    radius_px = 1200 * acq.optics.cone_slope / acq.pixel_size_um
    assert radius_px > 500
    np.testing.assert_allclose(_on_canvas(images, 0), images.flux[0] / (np.pi * radius_px**2), rtol=0.03)


def test_pixels_far_finer_than_a_soma_show_its_inside():
    acq = Acquisition(
        image_sensor=ImageSensor(height_px=16, width_px=16, pixel_pitch_um=0.2),
        optics=Optics(magnification=100.0, na=1.0),
        tissue=CLEAR,
        focal_depth_um=10.0,
    )
    cells = _cells(acq, [(10.0, 0.0, 0.0)], "soma")
    images = CellOptics().plan(_context(acq), cells)
    inside = cells.coverage(0, images.canvas.y_um, images.canvas.x_um)
    np.testing.assert_allclose(_on_canvas(images, 0) / acq.optics.collection, inside, rtol=0.02)
    np.testing.assert_allclose(images.planted[0], inside, rtol=1e-3)


def test_auto_focus_is_geometry_and_field_curvature_moves_it():
    flat = _acquisition()
    cells = _cells(flat, [(90.0, 0.0, 0.0), (100.0, 60.0, 0.0), (130.0, 0.0, -60.0)])
    assert CellOptics().plan(_context(flat), cells).focal_depth_um == 100
    for dim in (Optics(na=0.1), Optics(na=0.5)):
        acq = _acquisition(optics=dim, tissue=CLEAR)
        assert CellOptics().plan(_context(acq), cells).focal_depth_um == 100
    curved = _acquisition(optics=Optics(field_curvature_radius_um=200.0))
    images = CellOptics().plan(_context(curved), cells)
    sag = 200 - np.sqrt(200**2 - 60**2)
    assert images.focal_depth_um == pytest.approx(100 + sag)
    np.testing.assert_allclose(images.defocus_um, [-10 - sag, 0, 30], atol=1e-9)


def test_field_curvature_moves_best_focus_up_off_axis():
    acq = _acquisition(optics=Optics(field_curvature_radius_um=300.0), tissue=CLEAR, focal_depth_um=100.0)
    depths = np.arange(60.0, 121.0, 5)
    peak = [_images(acq, [(z, 0.0, 62.0)], "soma").patches.values.max() for z in depths]
    sag = 300 - np.sqrt(300**2 - 62**2)
    assert abs(depths[np.argmax(peak)] - (100 - sag)) <= 2.5


def test_cells_only_outside_the_view_set_the_focus_when_there_are_no_others():
    acq = _acquisition()
    assert _images(acq, [(70.0, 0.0, 110.0)]).focal_depth_um == 70
    assert _images(acq, []).focal_depth_um == 0


def test_labels_follow_the_geometry():
    acq = _acquisition(focal_depth_um=100.0)
    images = _images(acq, [(100 + dz, 0.0, 0.0) for dz in (0.0, 7.0, 9.0, 22.0, 28.0)], "soma", soma_radius_cv=0.0)
    assert images.in_focus.tolist() == [True, True, False, False, False]
    # A disk of 5.5 µm radius: 5.5·√(1.36² − 0.3²)/0.3 = 24.3 µm.
    assert images.soma_in_focus.tolist() == [True, True, True, True, False]


def test_lower_na_blurs_less_and_collects_less():
    sharp, bright = (
        _images(_acquisition(optics=Optics(na=na), tissue=CLEAR, focal_depth_um=60.0), [(100.0, 0.0, 0.0)], "soma")
        for na in (0.15, 0.45)
    )
    assert sharp.patches.box[0, 2] < bright.patches.box[0, 2]
    assert bright.patches.values.sum() / sharp.patches.values.sum() == pytest.approx(9, rel=1e-3)


def test_cells_half_outside_the_canvas_are_cut_there():
    acq = _acquisition(side=64, focal_depth_um=100.0)
    edge = 32 * acq.pixel_size_um
    positions = [(100.0, edge, 0.0), (100.0, -edge, edge), (100.0, 0.0, edge + 40.0), (120.0, 0.0, 0.0)]
    narrow = _images(acq, positions, "soma")
    assert narrow.fov_fraction == pytest.approx([0.5, 0.25, 0.0, 1.0], abs=0.1)
    assert narrow.patches.patch(2).values.size == 0
    wide = _images(acq, positions, "soma", margin=40)
    assert narrow.fov_fraction.tolist() == wide.fov_fraction.tolist()
    for unit in range(4):
        np.testing.assert_array_equal(_on_canvas(narrow, unit), _on_canvas(wide, unit)[wide.canvas.window.slices])
        np.testing.assert_array_equal(narrow.observed[unit], _on_canvas(narrow, unit).astype(np.float32))
        np.testing.assert_array_equal(narrow.planted[unit], wide.planted[unit])
    assert wide.patches.patch(2).values.sum() > 0


def test_vessels_shade_the_image_and_nothing_else():
    acq = _acquisition()
    positions = [(100.0, y, x) for y in (-40.0, 0.0, 40.0) for x in (-40.0, 0.0, 40.0)]
    vessels = Vasculature(trees_per_mm2=30).plan(_context(acq, 0, "vasculature"))
    clear = _images(acq, positions, "soma")
    shaded = _images(acq, positions, "soma", vessels=vessels)
    for unit in range(len(positions)):
        np.testing.assert_allclose(
            _on_canvas(shaded, unit), _on_canvas(clear, unit) * vessels.transmission(100.0), rtol=1e-6
        )
    np.testing.assert_array_equal(clear.planted.data, shaded.planted.data)
    np.testing.assert_array_equal(clear.fov_fraction, shaded.fov_fraction)


def test_a_half_pixel_move_changes_an_image_smoothly():
    acq = _acquisition(focal_depth_um=100.0)
    here, between, there = (
        _on_canvas(_images(acq, [(100.0, 0.5 * k * acq.pixel_size_um, 0.0)], "soma", soma_radius_cv=0.0), 0)
        for k in range(3)
    )
    np.testing.assert_allclose(here[:-1], there[1:], atol=2e-3)
    np.testing.assert_allclose(between, (here + there) / 2, atol=0.12 * here.max())


def test_no_cells():
    images = _images(_acquisition(), [])
    assert len(images) == 0
    assert len(images.planted) == 0
    assert images.patches.values.shape == (0,)
    assert images.patches.start.tolist() == [0]
    assert {"A_planted", "A_observed", "defocus_um"} <= set(images.truth())


def test_truth_is_read_only_and_per_cell():
    images = _images(_acquisition(), [(100.0, 0.0, 0.0)], "soma")
    assert not images.patches.values.flags.writeable
    truth = images.truth()
    assert truth["focal_depth_um"].values.shape == ()
    for name in ("defocus_um", "in_focus", "soma_in_focus", "fov_fraction", "core_fraction"):
        assert truth[name].dims == ("unit_id",)


def test_the_share_that_vessels_take_is_told():
    acq = _acquisition()
    vessels = Vasculature(trees_per_mm2=100).plan(_context(acq, kind="vasculature"))
    places = [(100.0, y, x) for y in (-40.0, 0.0, 40.0) for x in (-50.0, -10.0, 30.0)]
    shaded = _images(acq, places, "soma", vessels=vessels)
    clear = _images(acq, places, "soma")
    lost = [1 - _on_canvas(shaded, i).sum() / _on_canvas(clear, i).sum() for i in range(9)]
    np.testing.assert_allclose(shaded.vessel_overlap_fraction, lost, atol=1e-6)
    assert max(lost) > 0.1
    np.testing.assert_array_equal(shaded.truth()["vessel_overlap_fraction"].values, shaded.vessel_overlap_fraction)
    assert "vessel_overlap_fraction" not in clear.truth()
