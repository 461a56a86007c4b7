from dataclasses import replace

import numpy as np
import pytest
from painting import paint

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.fusion import expected_light
from pytest_calsim.steps.background.neuropil import Neuropil, NeuropilComponent
from pytest_calsim.steps.cells.cell_activity import CellActivity
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tissue.vasculature import Vasculature


def context(margin_px=0, seed=0, duration_s=5.0, fps=20.0, na=0.3, kind="neuropil", size_px=(48, 64)):
    height, width = size_px
    sensor = ImageSensor(height_px=height, width_px=width)
    acq = Acquisition(fps=fps, duration_s=duration_s, image_sensor=sensor, optics=Optics(na=na))
    return Context(acq, Canvas(height, width, margin_px, acq.pixel_size_um), seed, kind)


def activity(ctx=None, **fields):
    """Activity of a few cells; what the neuropil takes from it is how cells are active."""
    ctx = context() if ctx is None else ctx
    cells = PlaceNeurons(positions_um=((100.0, 0.0, 0.0),)).plan(replace(ctx, kind="place_neurons"))
    return CellActivity(**fields).plan(replace(ctx, kind="cell_activity"), cells)


def one(**fields):
    return Neuropil(components=(NeuropilComponent(**fields),))


def test_expected_level_whatever_the_field():
    step = Neuropil(level=2.5)
    contexts = [context(seed=seed, size_px=(8, 8), duration_s=0.05) for seed in range(1000)]
    pictures = [expected_light([step.plan(ctx)], ctx.canvas) for ctx in contexts]
    assert np.mean(pictures) == pytest.approx(2.5, rel=0.02)


def test_collection_goes_with_na_squared():
    full, half = (Neuropil().plan(context(na=na)).spatial for na in (0.3, 0.15))
    assert half == pytest.approx(full / 4, rel=1e-5)


def test_movie_is_the_sum_of_the_layers():
    ctx = context(margin_px=3)
    light = Neuropil().plan(ctx, activity())
    truth = light.truth()
    spatial = truth["neuropil_spatial"].values
    temporal = truth["neuropil_temporal"].values
    assert spatial.shape == (2, 48, 64)
    assert temporal.shape == (2, 100)
    for frame in (0, 57, 99):
        painted = paint(light, np.full(ctx.canvas.shape, 0.5, np.float32), frame, ctx.canvas)[ctx.canvas.window.slices]
        expected = 0.5 + np.einsum("khw,k->hw", spatial.astype(float), temporal[:, frame].astype(float))
        assert painted == pytest.approx(expected, rel=1e-6)


def test_neuropil_is_positive():
    wild = one(contrast=1, fluctuation=1, time_constant_s=0.5, activity_fraction=1, lowpass_s=0.05)
    for seed in range(5):
        light = wild.plan(context(seed=seed), activity(active_rate_hz=0.01))
        assert light.spatial.min() > 0
        assert light.temporal.min() >= 0


def test_slow_course_has_the_declared_fluctuation():
    step = one(fluctuation=0.2, time_constant_s=1.0, activity_fraction=0)
    course = step.plan(context(duration_s=4000)).temporal[:, 0]
    assert course.mean() == pytest.approx(1, abs=0.03)
    # An exposure of τ/20 takes about 1/60 of the variance.
    assert course.std() == pytest.approx(0.2 * (1 - 1 / 120), rel=0.06)


def test_follows_a_population_that_is_active_as_cells_are():
    step = one(fluctuation=0, activity_fraction=0.4, lowpass_s=0.5)
    alike = {"rate_spread": 0, "active_rate_hz": 2, "quiescent_rate_hz": 2}
    course = step.plan(context(duration_s=200), activity(**alike)).temporal[:, 0]
    assert course.mean() == pytest.approx(1, abs=0.01)
    # Campbell: relative variance 1/(2τ · 2000 Hz), of which the step takes 0.4².
    assert course.std() == pytest.approx(0.4 / np.sqrt(2 * 0.5 * 2000), rel=0.1)
    bursting = step.plan(context(duration_s=200), activity(rate_spread=0)).temporal[:, 0]
    assert bursting.std() > 2 * course.std()


@pytest.mark.parametrize("size_px", [(48, 64), (8, 8), (200, 10)])
@pytest.mark.parametrize("margin_px", [0, 9])
def test_the_field_of_view_changes_no_course(size_px, margin_px):
    step = Neuropil()
    seen = step.plan(context(), activity())
    other = step.plan(context(margin_px=margin_px, size_px=size_px), activity())
    assert np.array_equal(seen.temporal, other.temporal)


def test_a_lone_spike_at_most_doubles_the_light():
    step = one(fluctuation=0, activity_fraction=1, lowpass_s=1)
    rare = activity(active_rate_hz=1e-6, quiescent_rate_hz=5e-6)  # 1000 cells: a spike in three minutes
    courses = [step.plan(context(duration_s=600, seed=seed), rare).temporal[:, 0] for seed in range(3)]
    highest = [course.max() for course in courses]
    assert max(highest) == pytest.approx(2, abs=0.06)
    assert min(course.min() for course in courses) == pytest.approx(1, abs=0.01)


def test_without_cells_the_activitys_share_is_constant():
    course = one(fluctuation=0, activity_fraction=0.5).plan(context()).temporal
    assert np.all(course == 1)


@pytest.mark.parametrize("margin_px", [1, 10])
def test_the_margin_changes_nothing(margin_px):
    narrow = context()
    wide = context(margin_px)
    vessels = [Vasculature().plan(context(m, kind="vasculature")) for m in (0, margin_px)]
    seen = Neuropil().plan(narrow, vessels=vessels[0])
    more = Neuropil().plan(wide, vessels=vessels[1])
    assert np.array_equal(more.spatial[:, *wide.canvas.window.slices], seen.spatial)
    assert np.array_equal(more.temporal, seen.temporal)


def test_a_longer_recording_extends_a_shorter_one():
    short = Neuropil().plan(context(duration_s=5), activity())
    long = Neuropil().plan(context(duration_s=60), activity())
    assert np.array_equal(long.temporal[:100], short.temporal)
    assert np.array_equal(long.spatial, short.spatial)


def test_another_frame_rate_sees_the_same_course():
    slow = Neuropil().plan(context(fps=10), activity())
    fast = Neuropil().plan(context(fps=60), activity())
    assert fast.temporal.reshape(50, 6, 2).mean(1) == pytest.approx(slow.temporal, rel=1e-5)


def test_another_component_changes_no_draw():
    few = Neuropil(level=1, components=(NeuropilComponent(),)).plan(context())
    many = Neuropil(level=2, components=(NeuropilComponent(), NeuropilComponent(correlation_um=30))).plan(context())
    assert many.spatial[0] == pytest.approx(few.spatial[0], rel=1e-6)
    assert np.array_equal(many.temporal[:, 0], few.temporal[:, 0])


def test_vessels_shade_the_layers_below_them():
    vessels = Vasculature(trees_per_mm2=50, top_depth_um=40, bottom_depth_um=40).plan(context(kind="vasculature"))
    above = NeuropilComponent(depth_um=30)
    below = NeuropilComponent(depth_um=100)
    step = Neuropil(components=(above, below))
    clear = step.plan(context()).spatial
    shaded = step.plan(context(), vessels=vessels).spatial
    assert np.array_equal(shaded[0], clear[0])
    assert shaded[1] == pytest.approx(clear[1] * vessels.transmission(100.0), rel=1e-6)
    assert (shaded[1] / clear[1]).min() < 0.8


def test_nothing_of_the_spatial_truth_can_be_damaged():
    truth = Neuropil().plan(context()).truth()
    for name in ("neuropil_spatial", "neuropil_temporal"):
        with pytest.raises(ValueError, match="read-only"):
            truth[name].values[0] = 0
