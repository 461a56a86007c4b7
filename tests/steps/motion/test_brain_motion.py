import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painting import paint
from scipy import signal, stats

from pytest_calsim.errors import SpecError, SpecWarning
from pytest_calsim.kernels.sensor import Fields, Windows, look
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells.cell_optics import CellOptics
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population
from pytest_calsim.steps.light.leakage import Leakage
from pytest_calsim.steps.light.vignette import Vignette
from pytest_calsim.steps.motion.brain_motion import (
    LARGEST_PIXEL_UM,
    BrainMotion,
    Jumps,
    Oscillator,
    RandomWalk,
    fold,
)
from pytest_calsim.steps.step import Context

SENSOR = ImageSensor(height_px=48, width_px=40, pixel_pitch_um=4.0)


def acquisition(fps=20.0, duration_s=2.0):
    """Pixels of 2 µm in tissue."""
    return Acquisition(fps=fps, duration_s=duration_s, image_sensor=SENSOR, optics=Optics(magnification=2.0))


def motion(*, fps=20.0, duration_s=2.0, seed=0, more=(), **fields):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)
        spec = Spec(acquisition=acquisition(fps, duration_s), steps=(BrainMotion(**fields), *more), seed=seed)
    return plan(spec).artifacts["brain_motion"]


def shifts_um(**fields):
    return motion(**fields).shifts_px * 2.0


def refused(**fields):
    with pytest.raises(SpecError) as caught:
        Spec.make({"acquisition": acquisition().model_dump(), "steps": [{"kind": "brain_motion", **fields}]})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def bead(canvas, row, column, sigma=2.0):
    y, x = np.mgrid[: canvas.shape[0], : canvas.shape[1]] - float(canvas.margin_px)
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2)).astype(np.float32)


def centroid(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    total = image.sum(dtype=float)
    return (y * image).sum(dtype=float) / total, (x * image).sum(dtype=float) / total


@pytest.mark.parametrize("pixel_um", [0.5, 1.66, LARGEST_PIXEL_UM])
@pytest.mark.parametrize("shift_px", [(0.25, 0.25), (0.5, 0.5), (0.5, 0.0), (0.1, 0.7)])
@pytest.mark.parametrize("depth_um", [0.0, 30.0, 120.0])
def test_the_peak_of_a_moved_soma_is_that_of_one_planted_there(depth_um, shift_px, pixel_um):
    acq = Acquisition(
        focal_depth_um=depth_um,
        optics=Optics(magnification=4.8 / pixel_um),
        image_sensor=ImageSensor(height_px=64, width_px=64),
    )
    canvas = Canvas(64, 64, 0, acq.pixel_size_um)

    def planted(y_px, x_px):
        at = (depth_um, (y_px + 0.5) * pixel_um, (x_px + 0.5) * pixel_um)
        cells = PlaceNeurons(positions_um=(at,), populations=(Population(brightness_cv=0),)).plan(
            Context(acq, canvas, 0, "place_neurons")
        )
        return CellOptics().plan(Context(acq, canvas, 0, "cell_optics"), cells).observed[0]

    wide = np.pad(planted(0, 0), 4)
    windows = Windows.at(np.array([[4 - shift_px[0], 4 - shift_px[1]]]), (64, 64))
    moved = look(wide[np.newaxis], windows, Fields.none((64, 64)))[0]
    assert moved.max() == pytest.approx(planted(*shift_px).max(), rel=0.02)


@pytest.mark.parametrize("magnification", [1.7, 1.0, 0.1])
def test_pixels_too_large_to_interpolate_between_are_refused(magnification):
    acq = {**acquisition().model_dump(), "optics": {"magnification": magnification}}
    with pytest.raises(SpecError, match=r"pixels of .* um in tissue are too large .* at most 2.3 um, and bin"):
        Spec.make({"acquisition": acq, "steps": [{"kind": "brain_motion"}]})
    Spec.make({"acquisition": acq, "steps": [{"kind": "leakage"}]})


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=10, max_size=10))
def test_a_given_trajectory_moves_a_bead_by_exactly_that(path):
    moved = motion(duration_s=0.5, max_shift_um=9, trajectory_um=tuple(path))
    np.testing.assert_array_equal(moved.shifts_px, np.array(path) / 2.0)
    for frame in (0, 9):
        y, x = centroid(paint(moved, bead(moved.canvas, 22.0, 19.0), frame, moved.canvas))
        # + is toward higher rows and columns; 2 µm a pixel
        assert (y, x) == pytest.approx((22 + path[frame][0] / 2, 19 + path[frame][1] / 2), abs=0.01)


def test_tissue_from_outside_the_field_of_view_comes_in():
    moved = motion(duration_s=0.1, max_shift_um=20, trajectory_um=((0, 0), (15.0, -15.0)))
    outside = bead(moved.canvas, -5.0, 44.0, sigma=0.8)
    assert paint(moved, outside, 0, moved.canvas).max() < 1e-6
    assert np.unravel_index(paint(moved, outside, 1, moved.canvas).argmax(), (48, 40)) in [
        (2, 36),
        (3, 36),
        (2, 37),
        (3, 37),
    ]


def test_whole_pixels_and_rest_are_a_crop():
    moved = motion(duration_s=0.1, max_shift_um=8, trajectory_um=((4.0, -6.0), (0.0, 0.0)))
    image = np.random.default_rng(0).random(moved.canvas.shape, dtype=np.float32)
    m = moved.canvas.margin_px
    assert np.array_equal(paint(moved, image, 0, moved.canvas), image[m - 2 : m + 46, m + 3 : m + 43])
    assert np.array_equal(paint(moved, image, 1, moved.canvas), image[moved.canvas.window.slices])


def test_the_largest_shift_stays_on_the_canvas():
    for bound in (0.0, 0.3, 2.0, 7.9, 8.0):
        for sign in (-1.0, 1.0):
            moved = motion(duration_s=0.05, max_shift_um=bound, trajectory_um=((sign * bound, -sign * bound),))
            ones = np.ones(moved.canvas.shape, np.float32)
            assert paint(moved, ones, 0, moved.canvas) == pytest.approx(np.ones((48, 40)), abs=1e-6)


def test_fields_fixed_to_the_instrument_stay_still():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)
        spec = Spec(acquisition=acquisition(), steps=(BrainMotion(max_shift_um=10), Vignette(), Leakage()))
    movie = plan(spec).paint()
    assert np.ptp(movie, axis=0).max() == 0
    assert movie.max() > 0


def test_points_in_time_are_joined_by_straight_lines_and_averaged():
    times = (-1.0, 0.03, 0.11, 1.0)
    path = ((0.0, 1.0), (4.0, 1.0), (-3.0, 1.0), (0.5, 1.0))
    got = shifts_um(fps=10.0, duration_s=1.0, max_shift_um=9, trajectory_um=path, trajectory_time_s=times)
    for frame in range(10):
        t = (np.arange(20_000) + 0.5) / 200_000 + frame / 10
        expected = np.interp(t, times, [y for y, _ in path]).mean()
        assert got[frame] == pytest.approx((expected, 1.0), abs=1e-5)


@given(st.floats(-1000, 1000), st.floats(0.1, 50))
def test_folding_is_reflection_at_the_bound(position, bound):
    here = position
    while abs(here) > bound:  # walk back in, one mirror at a time
        here = math.copysign(2 * bound, here) - here
    assert fold(np.array([position]), bound)[0] == pytest.approx(here, abs=1e-9)


def unbound_um(fps, duration, seed, sigma):
    """A walk whose bound is so far that it hardly meets it."""
    step = BrainMotion(max_shift_um=10_000, random_walk=RandomWalk(sigma_um_per_sqrt_s=sigma))
    context = Context(acquisition(fps, duration), Spec().canvas, seed, "brain_motion")
    return step.plan(context).shifts_px * 2.0


@pytest.mark.parametrize("fps", [10.0, 30.0, 100.0])
def test_the_walk_spreads_as_declared_at_any_frame_rate(fps):
    sigma = 3.0
    duration = 300.0
    got = np.concatenate([unbound_um(fps, duration, seed, sigma) for seed in range(12)], axis=1)
    for lag_s in (0.1, 0.5, 2.0):
        lag = round(lag_s * fps)
        steps = got[lag:] - got[:-lag]
        # Mean over an exposure T of Brownian motion: the variance over a lag τ ≥ T is σ²(τ − T/3).
        n_independent = got.shape[1] * duration / lag_s
        expected = sigma**2 * (lag / fps - 1 / (3 * fps))
        assert (steps**2).mean() == pytest.approx(expected, rel=max(0.03, 4 * math.sqrt(2 / n_independent)))


def test_the_walk_fills_its_bound_evenly_from_the_start():
    fields = {"max_shift_um": 6.0, "random_walk": RandomWalk(sigma_um_per_sqrt_s=4.0), "duration_s": 1.0}
    got = np.stack([shifts_um(seed=seed, **fields) for seed in range(400)])
    assert np.abs(got).max() <= 6.0
    # Over an exposure near the bound the mean stays a little inside: σ√T = 0.9 µm at 20 fps.
    for frame in (0, 19):
        assert stats.kstest(got[:, frame].ravel(), stats.uniform(-6, 12).cdf).pvalue > 1e-3


def test_the_oscillator_has_its_declared_spectrum():
    spring = Oscillator(frequency_hz=5.0, damping_ratio=0.2, kick_rate_hz=4.0, rms_um=1.5)
    fps = 100.0  # 20 times its frequency: neither blur nor aliasing matter
    got = shifts_um(
        fps=fps, duration_s=3000.0, max_shift_um=40.0, random_walk=None, oscillator=spring
    )  # the bound is 27 standard deviations away
    omega = 2 * math.pi * 5.0
    assert got.std(axis=0) == pytest.approx([1.5, 1.5], rel=0.04)
    kicks = 4 * 0.2 * omega**3 * 1.5**2  # νE[A²] = 4ζω₀³·variance
    f, power = signal.welch(got, fps, nperseg=1024, axis=0)
    w = 2 * np.pi * f
    declared = 2 * kicks / ((omega**2 - w**2) ** 2 + (2 * 0.2 * omega * w) ** 2)
    for low, high in [(0.5, 2), (2, 4), (4, 4.8), (4.8, 5.2), (5.2, 6.5), (6.5, 10)]:
        band = (f >= low) & (f < high)
        assert power[band].mean() == pytest.approx(declared[band].mean(), rel=0.1)


def test_the_oscillator_is_stationary_from_the_first_frame():
    spring = Oscillator(frequency_hz=0.5, damping_ratio=0.05, rms_um=2.0, kick_rate_hz=3.0)
    fields = {"max_shift_um": 40.0, "random_walk": None, "oscillator": spring, "duration_s": 0.2}
    first = np.stack([shifts_um(seed=seed, **fields)[0] for seed in range(400)])
    assert first.std() == pytest.approx(2.0, rel=0.15)


def test_jumps_come_and_last():
    jumps = Jumps(rate_hz=0.5, size_um=2.0)
    context = Context(acquisition(100.0, 1000.0), Spec().canvas, 3, "brain_motion")
    path = BrainMotion(max_shift_um=10_000, random_walk=None, jumps=jumps).plan(context).shifts_px * 2.0
    moves = np.diff(path, axis=0)
    moving = np.abs(moves).max(axis=1) > 1e-7
    assert moving.mean() < 0.02  # otherwise it keeps still
    starts = moving & ~np.concatenate([[False], moving[:-1]])
    assert starts.sum() == pytest.approx(500, abs=4 * math.sqrt(500))
    assert (moves[moving].sum(axis=0) == pytest.approx(path[-1] - path[0], abs=1e-6)) is True
    lagged = path[1000:] - path[:-1000]
    assert (lagged**2).mean() == pytest.approx(0.5 * 10 * 4, rel=0.3)


ALL = st.fixed_dictionaries(
    {
        "max_shift_um": st.floats(0, 60),
        "random_walk": st.builds(RandomWalk, sigma_um_per_sqrt_s=st.floats(0.01, 1000)),
        "oscillator": st.none()
        | st.builds(
            Oscillator,
            frequency_hz=st.floats(0.1, 50),
            damping_ratio=st.floats(0.01, 0.99),
            kick_rate_hz=st.floats(0.1, 1000),
            rms_um=st.floats(0.01, 1000),
        ),
        "jumps": st.none() | st.builds(Jumps, rate_hz=st.floats(0.01, 100), size_um=st.floats(0.1, 1000)),
        "seed": st.integers(0, 2**63 - 1),
    }
)


@settings(max_examples=40)
@given(ALL, st.floats(0.2, 2), st.floats(0.1, 2), st.sampled_from([7.0, 20.0, 60.0, 1000.0]))
def test_a_longer_recording_extends_a_shorter_one(fields, short_s, more_s, fps):
    short = shifts_um(fps=fps, duration_s=short_s, **fields)
    long = shifts_um(fps=fps, duration_s=short_s + more_s, **fields)
    assert np.array_equal(short, long[: len(short)])
    assert np.abs(long).max() <= fields["max_shift_um"] * (1 + 1e-9)


@settings(max_examples=30)
@given(ALL, st.integers(2, 8))
def test_another_frame_rate_samples_the_same_path(fields, ratio):
    slow, fast = (shifts_um(fps=fps, **fields) for fps in (10.0, 10.0 * ratio))
    np.testing.assert_allclose(slow, fast.reshape(-1, ratio, 2).mean(axis=1), atol=1e-8)


@settings(max_examples=15)
@given(st.integers(0, 2**63 - 1))
def test_components_draw_from_streams_of_their_own(seed):
    fields = {"seed": seed, "max_shift_um": 60.0}
    spring = Oscillator(rms_um=0.1)
    walk = RandomWalk(sigma_um_per_sqrt_s=0.1)
    both = shifts_um(random_walk=walk, oscillator=spring, **fields)
    alone = shifts_um(random_walk=walk, **fields)
    ringing = shifts_um(random_walk=None, oscillator=spring, **fields)
    inside = np.abs(both).max(axis=0) < 58  # not folded
    np.testing.assert_allclose((both - alone)[:, inside], ringing[:, inside], atol=1e-9)
    assert np.array_equal(alone, shifts_um(random_walk=walk, more=(Leakage(),), **fields))


def test_the_truth_holds_the_shifts():
    truth = motion().truth()["shifts"]
    assert truth.dims == ("frame", "shift_dim")
    assert truth.values.shape == (40, 2)
    assert truth.values.dtype == np.float64
    assert truth.units == "px"
    assert not truth.values.flags.writeable


def test_a_trajectory_alone_needs_no_other_field():
    step = BrainMotion(max_shift_um=4, trajectory_um=((1.0, 2.0),))
    assert step.random_walk is None
    spec = Spec(acquisition=acquisition(duration_s=0.05), steps=(step,))
    assert Spec.make(json.loads(spec.model_dump_json())) == spec
    assert BrainMotion().random_walk == RandomWalk()


def test_what_cannot_move_so_is_refused():
    assert "reaches 6 um, beyond max_shift_um = 5; raise" in refused(trajectory_um=[[0, 6]] * 40, max_shift_um=5)
    assert "has 39 pairs for 40 frames" in refused(trajectory_um=[[0, 1]] * 39)
    assert "cover the recording, 0 to 2 s" in refused(trajectory_um=[[0, 1]] * 2, trajectory_time_s=[0, 1.9])
    assert "2 times for 3 pairs" in refused(trajectory_um=[[0, 1]] * 3, trajectory_time_s=[0, 3])
    assert "ascend" in refused(trajectory_um=[[0, 1]] * 3, trajectory_time_s=[0, 3, 3])
    assert "without trajectory_um" in refused(trajectory_time_s=[0, 3])
    assert "nothing moves" in refused(random_walk=None)
    assert "set jumps to None" in refused(trajectory_um=[[0, 1]] * 40, jumps={})
    assert "exceeds the field of view (80 um)" in refused(max_shift_um=81)


def test_motion_over_five_per_cent_of_the_field_is_odd():
    with pytest.warns(SpecWarning, match=r"max_shift_um = 8 is 10 % of the field of view \(80 um\)"):
        Spec(acquisition=acquisition(), steps=(BrainMotion(max_shift_um=8),))
    # at 5 % there is nothing to say (warnings are errors here)
    Spec(acquisition=acquisition(), steps=(BrainMotion(max_shift_um=4),))


def test_the_margin_holds_the_bound():
    with pytest.warns(SpecWarning):
        spec = Spec(acquisition=acquisition(), steps=(BrainMotion(max_shift_um=9.1),))
    assert spec.canvas.margin_px == 5 + 2


@pytest.mark.parametrize(("axis_deg", "across"), [(0.0, 0.0), (30.0, 0.2), (90.0, 0.5), (-120.0, 0.7)])
def test_locomotion_has_an_axis(axis_deg, across):
    """Principal components of the path: along the declared direction, and its deviations in the declared ratio."""
    spring = Oscillator(rms_um=1.5, kick_rate_hz=20.0, axis_deg=axis_deg, across_fraction=across)
    path = shifts_um(fps=50.0, duration_s=400.0, max_shift_um=40.0, random_walk=None, oscillator=spring)
    values, vectors = np.linalg.eigh(np.cov(path.T))
    assert np.sqrt(max(values[0], 0) / values[1]) == pytest.approx(across, abs=0.05)
    assert np.sqrt(values.mean()) == pytest.approx(1.5, rel=0.1)
    angle = np.radians(axis_deg)
    assert abs(vectors[:, 1] @ [np.sin(angle), np.cos(angle)]) > 0.98


def test_an_axis_without_a_preference_changes_nothing():
    fields = {"duration_s": 5.0, "random_walk": None, "max_shift_um": 40.0}
    plain, turned = (shifts_um(oscillator=Oscillator(axis_deg=angle), **fields) for angle in (0.0, 77.0))
    np.testing.assert_array_equal(plain, turned)
