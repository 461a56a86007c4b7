import numpy as np
import pytest

from pytest_calsim.microscope.canvas import Canvas

CANVAS = Canvas(sensor_height_px=10, sensor_width_px=21, margin_px=3, pixel_size_um=1.6)


def test_the_axis_is_in_the_middle_of_the_pixels():
    for at_um, pixels, half_um in zip((CANVAS.y_um, CANVAS.x_um), CANVAS.shape, CANVAS.half_um, strict=True):
        assert len(at_um) == pixels
        assert at_um.mean() == pytest.approx(0, abs=1e-12)
        assert at_um[-1] + CANVAS.pixel_size_um / 2 == pytest.approx(half_um)


def test_rows_and_columns_are_those_of_the_pixels_centres():
    assert CANVAS.rows(CANVAS.y_um) == pytest.approx(np.arange(16))
    assert CANVAS.columns(CANVAS.x_um) == pytest.approx(np.arange(27))


def test_the_window_holds_what_is_in_view():
    y_um, x_um = np.meshgrid(CANVAS.y_um, CANVAS.x_um, indexing="ij")
    seen = CANVAS.in_view(y_um, x_um)
    expected = np.zeros(CANVAS.shape, bool)
    expected[CANVAS.window.slices] = True
    assert np.array_equal(seen, expected)
    assert CANVAS.crop(seen).all()
    assert CANVAS.crop(seen).shape == CANVAS.sensor_shape


@pytest.mark.parametrize(
    ("y_um", "x_um", "beyond_um"),
    [(0, 0, -12.8), (0, 20, -1.6), (0, -22.6, 1), (15, 0, 2.2), (-15, 40, 18.4), (-30, 22, 17.2)],
)
def test_positions_beyond_the_border(y_um, x_um, beyond_um):
    """The border lies at ±12.8 and ±21.6 µm."""
    assert CANVAS.beyond_um(np.array(y_um), np.array(x_um)) == pytest.approx(beyond_um)
