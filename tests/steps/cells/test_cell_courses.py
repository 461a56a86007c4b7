from itertools import pairwise

import numpy as np
import pytest

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.steps.cells.cell_activity import CellActivity
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons
from pytest_calsim.steps.step import Context


def context(duration_s=60.0, fps=20.0, kind="background_cells"):
    acq = Acquisition(fps=fps, duration_s=duration_s, image_sensor=ImageSensor(height_px=16, width_px=16))
    return Context(acq, Canvas(16, 16, 0, acq.pixel_size_um), 0, kind)


def courses(n=20, model=None, baseline=1.0, z=0.0, **fields):
    keys = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    model = CellActivity() if model is None else model
    return model.model.courses_of(context(**fields), keys, np.full(n, z), np.full(n, baseline))


DRIFTING = CellActivity(baseline_fluctuation=0.3, baseline_time_constant_s=2)


@pytest.mark.parametrize("model", [None, DRIFTING], ids=["constant", "drifting"])
@pytest.mark.parametrize("fps", [3.0, 20.0, 61.7])
def test_any_block_has_the_same_bits(fps, model):
    whole = courses(fps=fps, model=model).fluorescence(0, int(60 * fps))
    other = courses(fps=fps, model=model)
    cuts = [int(60 * fps) * i // 7 for i in range(8)]
    for a, b in sorted(pairwise(cuts), reverse=True):
        assert np.array_equal(other.fluorescence(a, b), whole[:, a:b])
    assert np.array_equal(other.fluorescence(17, 18), whole[:, 17:18])


def test_a_longer_recording_extends_a_shorter_one():
    short = courses(duration_s=23).fluorescence(0, 460)
    long = courses(duration_s=300).fluorescence(0, 460)
    assert np.array_equal(short, long)


def test_another_frame_rate_sees_the_same_course():
    slow = courses(fps=10).fluorescence(0, 600)
    fast = courses(fps=60).fluorescence(0, 3600)
    np.testing.assert_allclose(fast.reshape(20, 600, 6).mean(2), slow, rtol=1e-5)


@pytest.mark.parametrize("indicator", ["gcamp6f", "gcamp6s"])
def test_they_are_active_as_planted_cells_are(indicator):
    """Mean, deviation and memory over time are those of cell_activity."""
    model = CellActivity(rate_spread=0, indicator=indicator)
    found = courses(80, model, duration_s=400).fluorescence(0, 8000)
    cells = PlaceNeurons(positions_um=((100.0, 0.0, 0.0),) * 80, populations=({"brightness_cv": 0},)).plan(
        context(duration_s=400, kind="place_neurons")
    )
    planted = model.plan(context(duration_s=400, kind="cell_activity"), cells).C
    assert found.mean() == pytest.approx(courses(1, model).expected[0], rel=0.02)
    assert found.mean() == pytest.approx(planted.mean(), rel=0.02)
    assert found.std() == pytest.approx(planted.std(), rel=0.08)
    for lag in (5, 20, 40):
        ours, theirs = (((c[:, lag:] - c.mean()) * (c[:, :-lag] - c.mean())).mean() for c in (found, planted))
        assert ours == pytest.approx(theirs, abs=0.12 * float(planted.var()))


def test_a_window_goes_on_where_the_last_one_stopped():
    """Calcium decays across windows: no fall is faster than its own."""
    found = courses(200, duration_s=100).fluorescence(0, 2000) - 1
    left = np.exp(-0.05 / CellActivity().time_constants_s[1])
    assert (found[:, 1:] >= left * found[:, :-1] - 0.02).all()
    assert found[:, 395:405].max() > 0.1  # something is going on where windows meet
    # Cells are not silent, or all alike, when a window begins.
    assert found[:, 400:404].std() == pytest.approx(found.std(), rel=0.35)


def test_brightness_scales_all():
    np.testing.assert_allclose(
        courses(baseline=3.0).fluorescence(0, 100), 3 * courses().fluorescence(0, 100), rtol=1e-6
    )


def test_baselines_drift_as_those_of_planted_cells_do():
    plain = courses(200, baseline=3.0)
    drifting = courses(200, DRIFTING, baseline=3.0)
    np.testing.assert_array_equal(plain.expected, drifting.expected)
    drift = (drifting.fluorescence(0, 1200) - plain.fluorescence(0, 1200)).astype(float) / 3
    assert drift.mean() == pytest.approx(0, abs=0.02)
    assert drift.std() == pytest.approx(0.3, rel=0.06)
    assert np.corrcoef(drift)[np.triu_indices(200, 1)].mean() == pytest.approx(0, abs=0.01)
    assert drifting.fluorescence(0, 1200).min() > 0


def test_nothing_of_the_size_of_the_recording_is_held():
    day = courses(50, duration_s=86_400)
    last = day.fluorescence(86_400 * 20 - 100, 86_400 * 20)
    assert last.shape == (50, 100)
    assert last.std() > 0
    for start in range(0, 20_000, 1000):
        day.fluorescence(start, start + 1000)
    held = [*day._windows._found.values(), *day._chunks._found.values()]
    arrays = [array for item in held for array in (item if isinstance(item, tuple) else (item,))]
    assert sum(array.nbytes for array in arrays) < 50 * 4000
