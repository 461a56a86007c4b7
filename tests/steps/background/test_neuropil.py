from types import SimpleNamespace

import numpy as np
import pytest
from painting import paint

from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.fusion import expected_light
from pytest_calsim.steps.background.neuropil import Neuropil, NeuropilComponent
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tissue.vasculature import Vasculature


def context(margin_px=0, seed=0, duration_s=5.0, fps=20.0, na=0.3, kind="neuropil", size_px=(48, 64)):
    height, width = size_px
    sensor = ImageSensor(height_px=height, width_px=width)
    acq = Acquisition(fps=fps, duration_s=duration_s, image_sensor=sensor, optics=Optics(na=na))
    return Context(acq, Canvas(height, width, margin_px, acq.pixel_size_um), seed, kind)


def population(n=50, rate_hz=1.0, duration_s=5.0, seed=0, outside=0):
    """Cells that fire as Poisson processes; a longer duration extends a shorter one, and cells outside only append."""
    trains = []
    for i in range(n + outside):
        times = np.cumsum(np.random.default_rng((seed, i)).exponential(1 / rate_hz, int(rate_hz * 400) + 50))
        trains.append(times[times < duration_s])
    cells = SimpleNamespace(in_fov=np.arange(n + outside) < n)
    activity = SimpleNamespace(
        spike_time_s=np.concatenate(trains),
        spike_start=np.concatenate([[0], np.cumsum([len(t) for t in trains])]),
        expected_rate_hz=np.full(n + outside, rate_hz),
    )
    return cells, activity


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
    light = Neuropil().plan(ctx, *population())
    truth = light.truth()
    spatial, temporal = truth["neuropil_spatial"].values, truth["neuropil_temporal"].values
    assert spatial.shape == (2, 48, 64)
    assert temporal.shape == (2, 100)
    for frame in (0, 57, 99):
        painted = paint(light, np.full(ctx.canvas.shape, 0.5, np.float32), frame, ctx.canvas)[ctx.canvas.window.slices]
        expected = 0.5 + np.einsum("khw,k->hw", spatial.astype(float), temporal[:, frame].astype(float))
        assert painted == pytest.approx(expected, rel=1e-6)


def test_positive():
    wild = one(contrast=1, fluctuation=1, time_constant_s=0.5, activity_fraction=1, lowpass_s=0.05)
    for seed in range(5):
        light = wild.plan(context(seed=seed), *population(n=2, rate_hz=0.5, seed=seed))
        assert light.spatial.min() > 0
        assert light.temporal.min() >= 0


def test_slow_course_has_the_declared_fluctuation():
    step = one(fluctuation=0.2, time_constant_s=1.0, activity_fraction=0)
    course = step.plan(context(duration_s=4000)).temporal[:, 0]
    assert course.mean() == pytest.approx(1, abs=0.03)
    # An exposure of τ/20 takes about 1/60 of the variance.
    assert course.std() == pytest.approx(0.2 * (1 - 1 / 120), rel=0.06)


def test_follows_the_population():
    step = one(fluctuation=0, activity_fraction=0.4, lowpass_s=0.5)
    cells, activity = population(n=40, rate_hz=2, duration_s=200)
    course = step.plan(context(duration_s=200), cells, activity).temporal[:, 0]
    assert course.mean() == pytest.approx(1, abs=0.02)
    # Campbell: relative variance 1/(2τ · 80 Hz), of which the step takes 0.4².
    assert course.std() == pytest.approx(0.4 / np.sqrt(2 * 0.5 * 80), rel=0.1)
    counts = np.histogram(activity.spike_time_s, np.arange(4001) / 20)[0]
    assert np.corrcoef(course[:-1], np.convolve(counts, np.exp(-np.arange(40) / 10))[:3999])[0, 1] > 0.9


def test_only_cells_in_view_count():
    step = Neuropil()
    seen = step.plan(context(), *population(n=30))
    more = step.plan(context(margin_px=9), *population(n=30, outside=25))
    assert np.array_equal(seen.temporal, more.temporal)


def test_a_lone_spike_at_most_doubles_the_light():
    cells, activity = population(n=1, rate_hz=0.002, duration_s=0.0)
    activity.spike_time_s, activity.spike_start = np.array([2.0]), np.array([0, 1])
    course = one(fluctuation=0, activity_fraction=1, lowpass_s=1).plan(context(), cells, activity).temporal[:, 0]
    assert course.max() == pytest.approx(2, abs=0.04)
    assert course.min() == pytest.approx(1, abs=0.01)


def test_without_cells_the_activitys_share_is_constant():
    course = one(fluctuation=0, activity_fraction=0.5).plan(context()).temporal
    assert np.all(course == 1)


@pytest.mark.parametrize("margin_px", [1, 10])
def test_the_margin_changes_nothing(margin_px):
    narrow, wide = context(), context(margin_px)
    vessels = [Vasculature().plan(context(m, kind="vasculature")) for m in (0, margin_px)]
    seen = Neuropil().plan(narrow, vessels=vessels[0])
    more = Neuropil().plan(wide, vessels=vessels[1])
    assert np.array_equal(more.spatial[:, *wide.canvas.window.slices], seen.spatial)
    assert np.array_equal(more.temporal, seen.temporal)


def test_a_longer_recording_extends_a_shorter_one():
    short = Neuropil().plan(context(duration_s=5), *population(duration_s=5))
    long = Neuropil().plan(context(duration_s=60), *population(duration_s=60))
    assert np.array_equal(long.temporal[:100], short.temporal)
    assert np.array_equal(long.spatial, short.spatial)


def test_another_frame_rate_sees_the_same_course():
    slow = Neuropil().plan(context(fps=10), *population())
    fast = Neuropil().plan(context(fps=60), *population())
    assert fast.temporal.reshape(50, 6, 2).mean(1) == pytest.approx(slow.temporal, rel=1e-5)


def test_another_component_changes_no_draw():
    few = Neuropil(level=1, components=(NeuropilComponent(),)).plan(context())
    many = Neuropil(level=2, components=(NeuropilComponent(), NeuropilComponent(correlation_um=30))).plan(context())
    assert many.spatial[0] == pytest.approx(few.spatial[0], rel=1e-6)
    assert np.array_equal(many.temporal[:, 0], few.temporal[:, 0])


def test_vessels_shade_the_layers_below_them():
    vessels = Vasculature(top_depth_um=40, bottom_depth_um=40).plan(context(kind="vasculature"))
    above, below = NeuropilComponent(depth_um=30), NeuropilComponent(depth_um=100)
    step = Neuropil(components=(above, below))
    clear, shaded = step.plan(context()).spatial, step.plan(context(), vessels=vessels).spatial
    assert np.array_equal(shaded[0], clear[0])
    assert shaded[1] == pytest.approx(clear[1] * vessels.transmission(100.0), rel=1e-6)
    assert (shaded[1] / clear[1]).min() < 0.8


def test_nothing_of_the_spatial_truth_can_be_damaged():
    truth = Neuropil().plan(context()).truth()
    for name in ("neuropil_spatial", "neuropil_temporal"):
        with pytest.raises(ValueError, match="read-only"):
            truth[name].values[0] = 0
