import math

import numpy as np
import pytest
from pydantic import ValidationError

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics, Tissue


def test_miniscope_v4_geometry():
    acq = Acquisition()
    assert acq.pixel_size_um == pytest.approx(1.655, abs=0.001)
    assert acq.field_size_um[0] == pytest.approx(1006, abs=1)
    assert acq.optics.diffraction_sigma_um == pytest.approx(0.3675)
    # The total depth of field of the physics page: +-7.7 um.
    assert acq.depth_of_field_um / 2 == pytest.approx(7.7, abs=0.1)


def test_cone_slope_is_that_of_the_marginal_ray():
    optics = Optics(na=0.45, refractive_index=1.36)
    assert optics.cone_slope == pytest.approx(math.tan(math.asin(0.45 / 1.36)))


def test_curvature_is_the_sagitta_of_a_circle():
    acq = Acquisition(optics=Optics(field_curvature_radius_um=2500))
    x = 711.0
    # Independently: the circle of radius R through the apex passes through (x, s).
    s = acq.curvature_shift_um(np.array([x]))[0]
    assert x**2 + (2500 - s) ** 2 == pytest.approx(2500**2)
    assert s == pytest.approx(103, abs=1)
    assert np.all(Acquisition().curvature_shift_um(np.array([0.0, 500.0])) == 0)


def test_attenuation_lengths_join():
    tissue = Tissue(excitation_attenuation_um=1000, emission_attenuation_um=100)
    depths = np.array([0.0, 50.0, 200.0])
    assert tissue.core_fraction(depths) == pytest.approx(np.exp(-depths / 1000 - 1.2 * depths / 100))


@pytest.mark.parametrize(("fps", "duration_s", "frames"), [(20, 30, 600), (30, 0.1, 3), (15, 2.34, 35), (0.5, 2, 1)])
def test_frames_are_whole(fps, duration_s, frames):
    assert Acquisition(fps=fps, duration_s=duration_s).n_frames == frames


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Optics(na=1.2, refractive_index=1.0), "must stay below"),
        (lambda: ImageSensor(bit_depth=12, adc_bit_depth=10), "must not exceed adc_bit_depth"),
        (lambda: ImageSensor(black_level_adu=1023), "below the ADC's top code 1023"),
        (lambda: Acquisition(duration_s=0.01), "holds no whole frame"),
        (lambda: Acquisition(optics=Optics(field_curvature_radius_um=700)), "must exceed the corner"),
    ],
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


@pytest.mark.parametrize(
    ("acquisition", "line"),
    [
        (
            Acquisition(),
            "20 fps for 30 s (600 frames), 608 x 608 px of 1.66 um (1006 x 1006 um), 8 bit, NA 0.3, "
            "magnification 2.9, focus auto",
        ),
        (
            Acquisition(
                fps=12.5,
                duration_s=2,
                focal_depth_um=150,
                optics=Optics(na=0.45, magnification=8),
                image_sensor=ImageSensor(height_px=100, width_px=160, pixel_pitch_um=6, bit_depth=10),
            ),
            "12.5 fps for 2 s (25 frames), 100 x 160 px of 0.75 um (75 x 120 um), 10 bit, NA 0.45, "
            "magnification 8, focus 150 um",
        ),
    ],
)
def test_a_microscope_is_read_in_one_line(acquisition, line):
    assert str(acquisition) == line
    names = {"Acquisition": Acquisition, "Optics": Optics, "ImageSensor": ImageSensor}
    assert eval(repr(acquisition), names) == acquisition


def test_positions_become_pixels_and_back():
    acq = Acquisition(image_sensor=ImageSensor(height_px=100, width_px=61))
    rows = np.array([0.0, 49.5, 99.0, -3.2])
    columns = np.array([60.0, 30.0, 0.0, 71.7])
    y, x = acq.px_to_um(rows, columns)
    assert (y[1], x[1]) == (0, 0)  # the axis is in the middle
    np.testing.assert_allclose([y[2] - y[0], x[0] - x[2]], np.array([99, 60]) * 4.8 / 2.9)
    for back, there in zip(acq.um_to_px(y, x), (rows, columns), strict=True):
        np.testing.assert_allclose(back, there, atol=1e-12)


def test_the_disk_of_confusion_is_the_section_of_the_marginal_cone():
    optics = Optics(na=0.45, refractive_index=1.36)
    radius = optics.defocus_radius_um(np.array([-30.0, 0.0, 12.0]))
    np.testing.assert_allclose(radius, np.array([30, 0, 12]) * math.tan(math.asin(0.45 / 1.36)))


def test_photons_become_electrons_become_codes():
    chip = ImageSensor()  # QE 0.55, 9000 e, 0.1 codes per electron above 32, 10 bits of which 8 are kept
    electrons = chip.electrons(np.array([0.0, 1000.0, 50_000.0]))
    np.testing.assert_allclose(electrons, [0, 550, 9000])
    assert chip.codes(electrons).tolist() == [32 // 4, (55 + 32) // 4, (900 + 32) // 4]
    assert chip.codes(np.array([1e6])).tolist() == [255]
    assert chip.codes(electrons).dtype == np.uint8
