import math

import numpy as np
import pytest
from pydantic import ValidationError

from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.light.falloff import Falloff, FalloffField

CANVAS = Canvas(101, 61, 7, 2.0)


def expected(field, row, column):
    """The formula for one pixel, in plain arithmetic."""
    y = (row - 50) * 2.0
    x = (column - 30) * 2.0
    corners = [(sy * 101.0, sx * 61.0) for sy in (-1, 1) for sx in (-1, 1)]
    r_max = max(math.hypot(cy - field.center_y_um, cx - field.center_x_um) for cy, cx in corners)
    r = math.hypot(y - field.center_y_um, x - field.center_x_um)
    return 1 - (1 - field.corner_fraction) * (r / r_max) ** field.exponent


@pytest.mark.parametrize(
    "field",
    [
        FalloffField(corner_fraction=0.6),
        FalloffField(corner_fraction=0.2, exponent=4),
        FalloffField(corner_fraction=0.5, exponent=1.5, center_y_um=30, center_x_um=-12),
        FalloffField(corner_fraction=0.5, center_y_um=400, center_x_um=10),
    ],
)
def test_follows_the_formula(field):
    got = Falloff.of(field, CANVAS).on_sensor(CANVAS)
    assert got.shape == CANVAS.sensor_shape
    for row, column in ((0, 0), (50, 30), (100, 60), (13, 47), (100, 0)):
        assert got[row, column] == pytest.approx(expected(field, row, column), rel=1e-6)


def test_one_at_the_centre_and_the_fraction_at_the_corner():
    field = Falloff.of(FalloffField(corner_fraction=0.6), CANVAS).on_sensor(CANVAS)
    assert field[50, 30] == 1
    # The corner itself is half a pixel's diagonal beyond the centre of the corner pixel.
    half_pixel = (1 - 0.6) * 2 * math.hypot(1, 1) / math.hypot(101, 61)
    for row in (0, 100):
        for column in (0, 60):
            assert 0.6 < field[row, column] < 0.6 + 1.1 * half_pixel


def test_off_centre_the_farthest_corner_has_the_fraction():
    field = Falloff.of(
        FalloffField(corner_fraction=0.3, center_y_um=101, center_x_um=61), Canvas(101, 61, 0, 2.0)
    ).on_sensor(Canvas(101, 61, 0, 2.0))
    assert field.max() == pytest.approx(1, abs=0.001)
    assert np.unravel_index(field.argmax(), field.shape) == (100, 60)
    assert field[0, 0] == pytest.approx(0.3, abs=0.02)
    # r_max is counted from the field's own centre: half way out it has lost a quarter, exponent 2.
    assert field[50, 30] == pytest.approx(1 - 0.7 / 4, abs=0.01)


def test_even_sizes_are_symmetric():
    field = Falloff.of(FalloffField(), Canvas(40, 30, 0, 1.0)).on_sensor(Canvas(40, 30, 0, 1.0))
    assert np.array_equal(field, field[::-1, ::-1])


def test_the_margin_changes_nothing():
    wide, narrow = (
        Falloff.of(FalloffField(), Canvas(64, 48, m, 1.3)).on_sensor(Canvas(64, 48, m, 1.3)) for m in (9, 0)
    )
    assert np.array_equal(wide, narrow)


@pytest.mark.parametrize("fields", [{"corner_fraction": 1.1}, {"corner_fraction": -0.1}, {"exponent": 0.0}])
def test_nonsense_is_refused(fields):
    with pytest.raises(ValidationError):
        FalloffField(**fields)


@pytest.mark.parametrize("corner", [0.0, 1.0])
@pytest.mark.parametrize("center", [-1e5, 0.0, 1e5])
def test_extremes_stay_within_zero_and_one(corner, center):
    field = Falloff.of(FalloffField(corner_fraction=corner, exponent=16, center_y_um=center), CANVAS).on_sensor(CANVAS)
    assert np.all((field >= 0) & (field <= 1))
