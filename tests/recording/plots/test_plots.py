"""Plots show what is so: numbers are read back from the axes."""

import subprocess
import sys

import numpy as np
import pytest

from pytest_calsim import Estimate, Spec, compare, load_preset, simulate
from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import MissingExtraError
from pytest_calsim.recording.plots.contours import outlines
from pytest_calsim.recording.plots.projections import project
from pytest_calsim.recording.plots.style import nice_length

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402


@pytest.fixture(scope="module", params=["tiny", "moving"])
def recording(request):
    return simulate(load_preset(request.param, overrides={"acquisition.duration_s": 4}))


@pytest.fixture(params=["default", "dark_background"])
def style(request):
    with pyplot.style.context(request.param):
        yield request.param
    pyplot.close("all")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def found_in(recording):
    """Most of the planted cells, and something that is none."""
    truth = recording.truth
    footprints = np.asarray(truth.A_observed)
    none = np.zeros((1, *footprints.shape[1:]))
    none[0, 2:9, 2:9] = 1
    traces = np.concatenate([3 * truth.C.values[2:] + 1, np.arange(truth.C.sizes["frame"])[None]])
    moved = {} if truth.shifts is None else {"shifts": 2.5 - truth.shifts.values, "convention": "correction"}
    if moved:  # in the frame of reference of these shifts
        footprints = np.roll(footprints, (2, 2), (1, 2))
    return Estimate(A=np.concatenate([footprints[2:], none]), C=traces, **moved)


def drawn(axes):
    """What the legend of an Axes says, and draw it once."""
    axes.figure.canvas.draw()
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


ONE = ["frame", "mean", "max_projection", "contours", "traces", "detection_curve"]
SEVERAL = ["fields", "layers", "placement"]


@pytest.mark.parametrize("name", ONE)
def test_each_returns_the_axes_and_draws_into_those_given(recording, style, name):
    axes = getattr(recording.plot, name)()
    drawn(axes)
    given = pyplot.figure().add_subplot()
    assert getattr(recording.plot, name)(ax=given) is given


@pytest.mark.parametrize("name", SEVERAL)
def test_those_of_several_parts_return_all_axes(recording, style, name):
    axes = getattr(recording.plot, name)()
    assert len(axes) > 1
    axes[0].figure.canvas.draw()


def test_a_frame_is_shown_where_it_lies(recording):
    axes = recording.plot.frame(-1)
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), recording.observed.values[-1])
    height, width = recording.frames.shape[1:]
    assert tuple(image.get_extent()) == (-0.5, width - 0.5, height - 0.5, -0.5)
    assert axes.get_ylim() == (height - 0.5, -0.5)  # rows grow downward
    drawn(axes)
    top, right = axes.child_axes
    acquisition = recording.spec.acquisition
    assert [top.get_xlabel(), right.get_ylabel()] == ["x (µm)", "y (µm)"]
    half = acquisition.field_size_um[1] / 2
    np.testing.assert_allclose(top.get_xlim(), (-half, half))


@pytest.mark.parametrize("index", [-101, 100])
@pytest.mark.parametrize("name", ["frame", "layers"])
def test_a_frame_that_is_not_there_is_refused(name, index):
    with pytest.raises(IndexError, match=f"frame {index} is out of range: there are 100 frames"):
        getattr(simulate(load_preset("tiny")).plot, name)(index)


@pytest.mark.parametrize(("most", "length"), [(1, 1), (4.9, 2), (5, 5), (73, 50), (100, 100), (0.3, 0.2)])
def test_a_scale_bar_has_a_round_length(most, length):
    assert nice_length(most) == pytest.approx(length)


def test_a_scale_bar_is_as_long_as_it_says(recording):
    axes = recording.plot.frame()
    (bar,) = [line for line in axes.lines if line.get_label() == "_bar"]
    (text,) = axes.texts
    pixels = np.ptp(bar.get_xdata())
    assert text.get_text() == f"{pixels * recording.spec.acquisition.pixel_size_um:g} µm"


class Frames:
    def __init__(self, movie):
        self.movie = movie
        self.shape = movie.shape
        self.dtype = movie.dtype

    def read(self, start, stop):
        return self.movie[start:stop].copy()


def test_projections_are_of_means_over_a_quarter_second():
    movie = np.random.default_rng(0).poisson(50, (43, 5, 6)).astype(np.uint16)
    projections = project(Frames(movie), fps=20)
    np.testing.assert_allclose(projections.mean, movie.mean(axis=0))
    windows = [movie[i : i + 5].mean(axis=0) for i in range(0, 43, 5)]
    np.testing.assert_allclose(projections.rise, np.max(windows, axis=0) - movie.mean(axis=0))
    np.testing.assert_allclose(project(Frames(movie), fps=1).rise, movie.max(axis=0) - movie.mean(axis=0))


def test_a_registered_projection_undoes_the_motion():
    rng = np.random.default_rng(1)
    still = rng.uniform(10, 20, (30, 30))
    shifts = rng.integers(-4, 5, (24, 2))
    movie = np.stack([np.roll(still, shift, (0, 1)) for shift in shifts]).astype(np.float32)
    projections = project(Frames(movie), fps=4, shifts=shifts.astype(float))
    inner = (slice(5, -5), slice(5, -5))
    np.testing.assert_allclose(projections.mean[inner], still[inner], rtol=1e-6)
    np.testing.assert_allclose(projections.rise[inner], 0, atol=1e-5)
    assert project(Frames(movie), fps=4).rise[inner].min() > 0


@pytest.mark.parametrize("shift", [(40, 0), (0, -40), (-9, 9)])
def test_motion_out_of_the_picture_leaves_zeros(shift):
    movie = np.ones((4, 9, 9), np.float32)
    projections = project(Frames(movie), fps=4, shifts=np.tile(shift, (4, 1)).astype(float))
    assert not projections.mean.any()
    assert not projections.rise.any()


def test_outlines_enclose_half_the_peak():
    rows, columns = np.mgrid[:40, :50]
    image = np.exp(-((rows - 12.0) ** 2 + (columns - 31.0) ** 2) / 18).astype(np.float32)
    footprints = SparseFootprints.from_units([(np.arange(2000), image.ravel())], (40, 50))
    (line,) = outlines(footprints, [0], 0.5)
    distance = np.hypot(line[:, 0] - 31, line[:, 1] - 12)
    np.testing.assert_allclose(distance, 3 * np.sqrt(2 * np.log(2)), rtol=0.03)
    (moved,) = outlines(footprints, [0], 0.5, offset_px=(1.5, -2.0))
    np.testing.assert_allclose(moved, line - [-2.0, 1.5])


@pytest.mark.parametrize(
    ("pixels", "values", "n"),
    [([0], [1.0], 1), ([0, 1, 8], [1, 1, 1], 2), ([], [], 0), ([3], [0.0], 0)],
    ids=["corner", "two pieces", "no pixels", "zero"],
)
def test_odd_footprints_have_closed_outlines(pixels, values, n):
    footprints = SparseFootprints.from_units([(np.array(pixels), np.array(values))], (3, 5))
    lines = outlines(footprints, [0], 0.5)
    assert len(lines) == n
    assert all((line[0] == line[-1]).all() for line in lines)


def test_contours_count_what_is_what(recording):
    comparison = compare(found_in(recording), recording)
    truth = recording.truth
    n = len(truth.detectable_subset())
    missed = int(np.isin([0, 1], truth.detectable_subset()).sum())
    assert [len(comparison.found), len(comparison.missed)] == [n - missed, missed]
    assert (
        comparison.spurious[-1] == truth.n_units - 2
    )  # what is no cell; rolled round the picture's edge, dim ones too
    labels = drawn(recording.plot.contours(comparison))
    assert labels == [
        f"ignored ({len(comparison.ignored)})",
        f"found, planted ({n - missed})",
        f"found, estimated ({n - missed})",
        f"missed ({missed})",
        f"spurious ({len(comparison.spurious)})",
    ]
    labels = drawn(recording.plot.contours())
    assert labels == [f"other planted ({truth.n_units - n})", f"detectable ({n})"]


def test_the_estimate_is_drawn_in_the_truths_frame_of_reference(recording):
    axes = recording.plot.contours(compare(found_in(recording), recording))
    by_label = {c.get_label().partition(" (")[0]: c.get_segments() for c in axes.collections}
    planted = [line.mean(axis=0) for line in by_label["found, planted"]]
    estimated = [line.mean(axis=0) for line in by_label["found, estimated"]]
    nearest = [min(np.hypot(*(e - p)) for p in planted) for e in estimated]
    assert np.median(nearest) < 0.75  # rolled by 2 px, and shifts say 2.5


@pytest.mark.parametrize("units", ["all", [0.5], 3])
def test_units_that_are_no_numbers_of_cells_are_refused(recording, units):
    with pytest.raises(ValueError, match="units must be a list of numbers of planted cells, not"):
        recording.plot.traces(units)


def test_the_legend_names_estimates_when_the_first_cell_was_missed(recording):
    comparison = compare(found_in(recording), recording)
    axes = recording.plot.traces([comparison.missed[0], comparison.found[0]], comparison)
    assert drawn(axes) == ["true", "spikes", "estimated"]


def test_estimated_traces_are_laid_onto_the_true_ones(recording):
    comparison = compare(found_in(recording), recording)
    axes = recording.plot.traces(comparison=comparison, n=3)
    assert drawn(axes) == ["true", "estimated", "spikes"]
    true, estimated = axes.lines[:2]
    np.testing.assert_allclose(true.get_ydata(), estimated.get_ydata(), atol=1e-4)  # gain 3 and offset 1 are undone
    time_s = axes.lines[0].get_xdata()
    assert time_s[1] == pytest.approx(1 / recording.spec.acquisition.fps)


@pytest.mark.parametrize("units", [[-1], [0, 10_000]])
def test_a_trace_of_no_unit_is_refused(recording, units):
    with pytest.raises(IndexError, match="planted cells"):
        recording.plot.traces(units)


def test_shifts_are_shown_with_the_estimate_on_them():
    recording = simulate(load_preset("moving", overrides={"acquisition.duration_s": 4}))
    axes = recording.plot.shifts(compare(found_in(recording), recording))
    true, estimated = axes.lines[:2]
    assert drawn(axes) == ["height, true", "height, estimated", "width, true", "width, estimated"]
    np.testing.assert_allclose(true.get_ydata(), recording.truth.shifts.values[:, 0], rtol=1e-6)
    np.testing.assert_allclose(estimated.get_ydata(), true.get_ydata(), atol=1e-5)


def test_the_detection_curve_counts_cells(recording):
    axes = recording.plot.detection_curve()
    counts = axes.lines[0].get_ydata()
    cells = recording.truth.cells
    assert counts[0] == (cells.in_fov & (cells.snr_peak > 0)).sum()  # the axis is logarithmic
    assert counts[-1] == 1
    assert drawn(axes)[1] == f"detectable: {len(recording.truth.detectable_subset())}"
    shares = recording.plot.detection_curve(compare(found_in(recording), recording))
    bars = [bar.lines[2][0].get_segments()[0][:, 1] for bar in shares.containers]
    points = [bar.lines[0].get_ydata()[0] for bar in shares.containers]
    sizes = []
    for share, (low, high) in zip(points, bars, strict=True):
        assert 0 <= low <= share <= high <= 1
        # An end is the share whose own 95 % just reaches what was seen: that tells the number of cells in the bin.
        sizes += [1.959964**2 * end * (1 - end) / (end - share) ** 2 for end in (low, high) if end != share]
    np.testing.assert_allclose(sizes, np.rint(sizes), rtol=1e-4)
    assert np.ptp(np.rint(sizes)) <= 1


def test_a_footprint_is_shown_planted_and_observed(recording):
    truth = recording.truth
    unit = int(truth.detectable_subset()[0])
    planted, observed = recording.plot.footprint(unit)
    for axes, footprints in ((planted, truth.A_planted), (observed, truth.A_observed)):
        left, right, bottom, top = axes.images[0].get_extent()
        crop = footprints[unit][round(top + 0.5) : round(bottom + 0.5), round(left + 0.5) : round(right + 0.5)]
        np.testing.assert_array_equal(axes.images[0].get_array(), crop)
        assert crop.max() == footprints[unit].max()
    rows, columns = np.nonzero(truth.A_observed[unit] > 0.02 * truth.A_observed[unit].max())
    height, width = recording.frames.shape[1:]
    left, right, bottom, top = observed.images[0].get_extent()
    assert (top + 0.5, left + 0.5) == (max(rows.min() - 4, 0), max(columns.min() - 4, 0))
    assert (bottom - 0.5, right - 0.5) == (min(rows.max() + 4, height - 1), min(columns.max() + 4, width - 1))


def test_a_footprint_of_no_unit_is_refused(recording):
    with pytest.raises(IndexError, match="unit 9999 is out of range"):
        recording.plot.footprint(9999)


def test_the_focal_surface_is_curved():
    spec = load_preset("static", overrides={"acquisition.optics.field_curvature_radius_um": 500})
    recording = simulate(spec)
    top, side = recording.plot.placement()
    (surface,) = [line for line in side.lines if line.get_label().startswith("focal surface")]
    x, depth = surface.get_data()
    expected = recording.truth.focal_depth_um - (500 - np.sqrt(500**2 - x**2))
    np.testing.assert_allclose(depth, expected)
    assert side.get_ylim()[0] > side.get_ylim()[1]  # the surface of the brain is on top
    assert top.get_ylim()[0] > top.get_ylim()[1]


LACKING = {
    "contours": ((), "observed footprints.*cell_optics"),
    "traces": (([0],), "planted cells|traces"),
    "shifts": ((), "no motion.*brain_motion"),
    "fields": ((), "no fields"),
    "detection_curve": ((), "no snr"),
    "footprint": ((0,), "no footprints"),
    "placement": ((), "no cells.*place_neurons"),
    "layers": ((), "no stages"),
}


@pytest.mark.parametrize("name", LACKING)
def test_what_a_recording_lacks_is_said(name):
    spec = Spec.make({"acquisition": {"duration_s": 1, "image_sensor": {"height_px": 16, "width_px": 16}}, "steps": []})
    arguments, message = LACKING[name]
    with pytest.raises((ValueError, IndexError), match=message):
        getattr(simulate(spec).plot, name)(*arguments)


@pytest.mark.parametrize("name", ["contours", "shifts", "detection_curve"])
def test_a_bare_estimate_is_refused_with_the_way(name):
    recording = simulate(load_preset("moving", overrides={"acquisition.duration_s": 1}))
    with pytest.raises(TypeError, match=r"not Estimate: recording\.plot\.contours\(compare\(estimate, recording\)\)"):
        getattr(recording.plot, name)(found_in(recording))


@pytest.mark.parametrize("level", [0, 1, -1, float("nan"), "half", None])
def test_a_level_outside_its_range_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        simulate(load_preset("tiny")).plot.contours(level=level)


@pytest.mark.parametrize("index", ["a", 1.5, None, True])
def test_the_number_of_a_frame_is_whole(index):
    plot = simulate(load_preset("tiny")).plot
    for draw in (plot.frame, plot.layers):
        with pytest.raises(TypeError, match=f"the number of a frame is whole, not {index!r}"):
            draw(index)


def test_the_number_of_a_unit_and_of_units_is_whole():
    plot = simulate(load_preset("tiny")).plot
    for n in ("a", 0, -1, 1.5):
        with pytest.raises(ValueError, match=f"n must be a number of cells, 1 or more, not {n!r}"):
            plot.traces(n=n)
    for unit in ("a", 1.5, [1]):
        with pytest.raises(TypeError, match="the number of a unit is whole, not"):
            plot.footprint(unit)


def test_one_axes_is_drawn_into():
    _, axes = pyplot.subplots(2)
    with pytest.raises(TypeError, match=r"one Axes of matplotlib, not ndarray: of several, take one, axes\[0\]"):
        simulate(load_preset("tiny")).plot.frame(ax=axes)


@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
def test_without_matplotlib_one_clear_line(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib, which .* pip install 'pytest-calsim\[plot\]'"):
        getattr(simulate(load_preset("tiny")).plot, name)()


def test_matplotlib_is_not_imported_before_it_is_asked_for():
    code = """
import sys
from pytest_calsim import compare, load_preset, simulate
recording = simulate(load_preset("tiny"))
recording.plot
repr(recording), recording._repr_html_()
compare(recording.truth.A_observed, recording)
print("matplotlib" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
