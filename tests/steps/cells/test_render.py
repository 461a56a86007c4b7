from dataclasses import replace

import numpy as np
import pytest
from painting import paint, paint_block
from scipy import integrate

from pytest_calsim.kernels.calcium import CalciumState, Response
from pytest_calsim.kernels.spikes import SpikeTrains
from pytest_calsim.kernels.tissue import RowRuns
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Tissue
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.background.neuropil import Neuropil
from pytest_calsim.steps.cells.activity_model import CellNormals
from pytest_calsim.steps.cells.bleaching import Bleaching
from pytest_calsim.steps.cells.cell_activity import Activity, CellActivity
from pytest_calsim.steps.cells.cell_optics import CellOptics
from pytest_calsim.steps.cells.lone_bouts import LoneBouts
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons, Population
from pytest_calsim.steps.cells.render import CellLight, Render
from pytest_calsim.steps.cells.traces import CalciumTraces
from pytest_calsim.steps.light.illumination import Illumination
from pytest_calsim.steps.motion.brain_motion import BrainMotion
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tissue.vasculature import Vasculature


def _acquisition(side=64, duration_s=1.0, **tissue):
    return Acquisition(
        fps=20, duration_s=duration_s, image_sensor=ImageSensor(height_px=side, width_px=side), tissue=Tissue(**tissue)
    )


def _spec(side=64, positions=None, steps=(), seed=0, duration_s=1.0, **tissue):
    where = {} if positions is None else {"positions_um": positions}
    placed = PlaceNeurons(populations=(Population(density_per_mm3=2e5, thickness_um=10),), **where)
    chain = (placed, CellActivity(), CellOptics(), Render(), *steps)
    return Spec(acquisition=_acquisition(side, duration_s, **tissue), steps=chain, seed=seed)


def _by_hand(scene, frame, bleached=None):
    """Σ patch·C in double precision, and each Gaussian spot, as far as it is followed, evaluated at every pixel."""
    images = scene.artifacts["cell_optics"]
    render = scene.artifacts["render"]
    light = scene.artifacts["cell_activity"].C[:, frame].astype(float)
    if bleached is not None:
        light = light * bleached
    canvas = scene.canvas
    core = np.zeros(canvas.shape)
    halo = np.zeros(canvas.shape)
    for i in range(len(images)):
        patch = images.patches.patch(i).values
        r, c = images.patches.box[i, :2]
        core[r : r + patch.shape[0], c : c + patch.shape[1]] += light[i] * patch
    end_px = 100 / canvas.pixel_size_um if render.far_light else np.inf
    for source, y, x, sigma, flux in zip(*images.spots, strict=True):
        halo += light[source] * flux * _gaussian(canvas, y, x, sigma, end_px)
    return core, halo + render.far_light * (1 if bleached is None else np.exp(-frame / 20 / 3600))


def _gaussian(canvas, y, x, sigma_um, end_px=np.inf):
    sigma = np.hypot(sigma_um, canvas.pixel_size_um / np.sqrt(12))
    away_px = np.hypot(canvas.y_um[:, None] - y, canvas.x_um - x) / canvas.pixel_size_um
    whole = _whole_gaussian(canvas, y, x, sigma)
    if end_px == np.inf:
        return whole
    last_px = end_px - 2 * 2.0 ** np.floor(np.log2(end_px / 6))
    # What would keep a twentieth of itself or less is even light altogether; the share by direct integration.
    r = np.linspace(0, last_px * canvas.pixel_size_um, 2001)
    ring = (1 - (r / r[-1]) ** 4) * np.exp(-(r**2) / (2 * sigma**2)) * r / sigma**2
    share = integrate.trapezoid(ring, r)
    return whole * np.maximum(1 - (away_px / last_px) ** 4, 0) if share > 0.05 else 0 * whole


def _whole_gaussian(canvas, y, x, sigma):
    along = (
        np.exp(-((v - at) ** 2) / (2 * sigma**2)) * canvas.pixel_size_um / (sigma * np.sqrt(2 * np.pi))
        for v, at in ((canvas.y_um, y), (canvas.x_um, x))
    )
    return np.outer(*along)


@pytest.mark.parametrize("emission_attenuation_um", [50.0, 100.0, 200.0])
def test_a_frame_is_patches_times_traces_plus_the_gaussians_of_each_cell(emission_attenuation_um):
    scene = plan(_spec(emission_attenuation_um=emission_attenuation_um, steps=(BrainMotion(),)))
    for frame in (0, 11):
        core, halo = _by_hand(scene, frame)
        painted = scene.paint(frame, frame + 1, "render", canvas=True)[0]
        np.testing.assert_allclose(painted, core + halo, atol=0.015 * halo.max())
        assert halo.max() > 0.01 * core.max()


def test_patches_are_added_in_the_units_order_rounded_to_float32_at_every_step():
    scene = plan(_spec())
    render = scene.artifacts["render"]
    images = scene.artifacts["cell_optics"]
    expected = np.zeros(scene.canvas.shape, np.float32)
    for i, light in enumerate(scene.artifacts["cell_activity"].C[:, 2]):
        patch = images.patches.patch(i).values
        r, c = images.patches.box[i, :2]
        expected[r : r + patch.shape[0], c : c + patch.shape[1]] += light * patch
    bare = paint(_without_patches(render), expected, 2, scene.canvas)
    np.testing.assert_array_equal(scene.paint(2, 3, "render")[0], bare)


def _without_patches(light: CellLight) -> CellLight:
    nothing = np.zeros(0, np.int32)
    rows = np.zeros_like(light.runs.row_start)
    return replace(light, runs=RowRuns(rows, nothing, nothing, np.zeros(1, np.int64), np.zeros(0, np.float32)))


def test_runs_hold_all_pixels_of_the_images_row_by_row():
    scene = plan(_spec(side=83, steps=(BrainMotion(),)))
    runs = scene.artifacts["render"].runs
    images = scene.artifacts["cell_optics"]
    height, width = images.canvas.shape
    stack = np.zeros((len(images), height, width), np.float32)
    for i in range(len(images)):
        patch = images.patches.patch(i)
        rows, columns = patch.values.shape
        stack[i, patch.row : patch.row + rows, patch.column : patch.column + columns] = patch.values
    rows = np.repeat(np.arange(height), np.diff(runs.row_start))
    assert len(rows) == len(runs.unit) == len(runs.left) == len(runs.begin) - 1
    for k, row in enumerate(rows):
        pixels = runs.values[runs.begin[k] : runs.begin[k + 1]]
        line = stack[runs.unit[k], row]
        lit = np.flatnonzero(line)
        assert len(pixels) == min(8 * -(-(lit[-1] + 1 - lit[0]) // 8), width)
        assert runs.left[k] == min(lit[0], width - len(pixels))
        stop = runs.left[k] + len(pixels)
        assert np.array_equal(pixels[: lit[-1] + 1 - runs.left[k]], line[runs.left[k] : lit[-1] + 1])
        assert stop <= width
        line[lit] = 0
        assert k == 0 or row > rows[k - 1] or runs.unit[k] > runs.unit[k - 1]
    assert not stack.any()
    assert runs.begin[-1] == len(runs.values)


def test_cells_without_an_image_have_no_runs():
    scene = plan(_spec(positions=()))
    runs = scene.artifacts["render"].runs
    assert not runs.row_start.any()
    assert len(runs.row_start) == scene.canvas.shape[0] + 1
    assert len(runs.unit) == len(runs.left) == len(runs.values) == 0
    assert runs.begin.tolist() == [0]


def test_bleaching_scales_each_cell():
    scene = plan(_spec(steps=(Bleaching(),)))
    frame = 15
    remaining = scene.artifacts["bleaching"].remaining(frame)
    core, halo = _by_hand(scene, frame, remaining)
    np.testing.assert_allclose(scene.paint(frame, frame + 1, "render")[0], core + halo, atol=0.02 * halo.max())


def test_all_light_of_cells_is_on_a_sensor_that_is_large_enough():
    acq = _acquisition(side=700, emission_attenuation_um=10.0, excitation_attenuation_um=1e6)
    canvas = Canvas(700, 700, 0, acq.pixel_size_um)
    cells = PlaceNeurons(positions_um=((15.0, 20.0, -30.0), (10.0, -60.0, 3.0))).plan(
        Context(acq, canvas, 0, "place_neurons")
    )
    images = CellOptics().plan(Context(acq, canvas, 0, "cell_optics"), cells)
    light = _light(acq, canvas, cells, images, [3.0, 2.0])
    total = paint(light, np.zeros(canvas.shape, np.float32), 0, canvas).sum(dtype=float)
    share = images.core_fraction + acq.tissue.skirt(cells.center_um[:, 0]).share.sum(0)
    assert total == pytest.approx(3 * images.flux[0] * share[0] + 2 * images.flux[1] * share[1], rel=1e-3)


def _light(acq, canvas, cells, images, brightness) -> CellLight:
    n = len(brightness)
    zeros = np.zeros(n)
    none = np.zeros(n + 1, np.int64)
    trains = SpikeTrains(np.zeros(0), none, np.zeros(0), none)
    silent = CalciumState(zeros, zeros, np.zeros(n, np.int64))
    traces = CalciumTraces.of(
        *(trains, Response(1.0, 0.1, 0.2, 1), silent),
        time_scale=np.ones(n),
        offset=np.array(brightness, float),
        gain=zeros,
        n_frames=1,
    )
    context = Context(acq, canvas, 0, "render")
    model = CellActivity().model
    bouts = LoneBouts(context, model, CellNormals(zeros, zeros, zeros), gain=zeros)
    activity = Activity(traces, np.zeros(0), none, np.ones(n), zeros, zeros, lone_bouts=bouts, model=model)
    return Render().plan(context, cells, images, activity)


@pytest.mark.parametrize("pitch_um", [0.3, 4.8, 12.0])
def test_scattered_light_is_its_gaussians_whatever_the_pixels(pitch_um):
    acq = Acquisition(image_sensor=ImageSensor(height_px=96, width_px=64, pixel_pitch_um=pitch_um))
    canvas = Canvas(96, 64, 3, acq.pixel_size_um)
    context = Context(acq, canvas, 0, "place_neurons")
    cells = PlaceNeurons(positions_um=((100.0, 3.0, -4.0),)).plan(context)
    images = CellOptics().plan(Context(acq, canvas, 0, "cell_optics"), cells)
    bare = _without_patches(_light(acq, canvas, cells, images, [1.0]))
    halo = paint(bare, np.zeros(canvas.shape, np.float32), 0, canvas)
    spots = images.spots
    expected = sum(f * _gaussian(canvas, 3.0, -4.0, s) for f, s in zip(spots.flux, spots.sigma_um, strict=True))
    np.testing.assert_allclose(halo, expected, atol=0.04 * expected.max())
    assert halo.min() >= 0


def test_at_rest_it_paints_the_baseline_unbleached_and_far_light_at_its_mean():
    scene = plan(_spec(steps=(Bleaching(),)))
    bright = replace(scene.artifacts["render"], bleaching=None, fading=None)
    activity = scene.artifacts["cell_activity"]
    resting = _light(scene.spec.acquisition, scene.canvas, *_placed(scene), activity.baseline).activity
    painted = paint(replace(bright, activity=resting), np.zeros(scene.canvas.shape, np.float32), 0, scene.canvas)
    np.testing.assert_array_equal(scene.expected_light(), painted)


def test_far_light_bleaches_as_the_tissue_does_where_it_is_seen():
    illumination = Illumination(corner_fraction=0.1, reference_radius_um=250)
    scene = plan(_spec(side=180, steps=(Bleaching(lifetime_s=1), illumination)))
    render = _without_patches(scene.artifacts["render"])
    far = tuple(p for p in render.spline_images if p.source.min() >= len(scene.artifacts["place_neurons"]))
    picture = paint(replace(render, spline_images=far), np.zeros(scene.canvas.shape, np.float32), 19, scene.canvas)
    light = scene.artifacts["illumination"].field
    np.testing.assert_allclose(picture, render.far_light * np.exp(-light * 0.975), rtol=0.03)
    assert picture.max() > 1.5 * picture.min()


def test_cells_at_rest_shine_as_their_baseline():
    scene = plan(_spec(positions=((100.0, 3.0, 4.0), (60.0, -20.0, 9.0)), steps=(Bleaching(),)))
    rest = scene.expected_light()
    baseline = scene.artifacts["cell_activity"].baseline
    again = _light(scene.spec.acquisition, scene.canvas, *_placed(scene), baseline)
    np.testing.assert_array_equal(rest, paint(again, np.zeros(scene.canvas.shape, np.float32), 0, scene.canvas))


def _placed(scene):
    return scene.artifacts["place_neurons"], scene.artifacts["cell_optics"]


def test_it_adds_to_what_is_there():
    scene = plan(_spec())
    below = np.full(scene.canvas.shape, 7, np.float32)
    painted = paint(scene.artifacts["render"], below, 3, scene.canvas)
    np.testing.assert_allclose(painted - 7, scene.paint(3, 4, canvas=True)[0], atol=1e-5)


def test_frames_are_the_same_bits_in_any_blocks_and_threads():
    scene = plan(_spec(duration_s=1.5))
    whole = scene.paint()
    np.testing.assert_array_equal(whole, np.concatenate([scene.paint(20, 30), scene.paint(0, 20)])[np.r_[10:30, :10]])
    np.testing.assert_array_equal(whole, scene.paint(threads=3))
    np.testing.assert_array_equal(whole, plan(scene.spec).paint())


def test_a_longer_recording_extends_a_shorter_one():
    short, long = (plan(_spec(duration_s=d, seed=3)).paint(0, 20) for d in (1.0, 2.0))
    np.testing.assert_array_equal(short, long)


def test_a_margin_leaves_given_cells_as_they_were():
    positions = ((100.0, 0.0, 0.0), (90.0, 40.0, -20.0), (120.0, -52.0, 52.0))
    plain = plan(_spec(positions=positions))
    moved = plan(_spec(positions=positions, steps=(BrainMotion(),)))
    assert moved.canvas.margin_px > 0
    np.testing.assert_array_equal(plain.paint(0, 5, "render"), moved.paint(0, 5, "render"))


def test_vessels_shade_patches_and_halo():
    positions = ((100.0, 0.0, 0.0), (100.0, 30.0, 20.0))
    clear = plan(_spec(positions=positions))
    shaded = plan(_spec(positions=positions, steps=(Vasculature(),)))
    through = shaded.artifacts["vasculature"].transmission(100.0)
    np.testing.assert_allclose(shaded.paint(0, 1)[0], clear.paint(0, 1)[0] * through, rtol=1e-5)


def test_no_cells_paint_nothing():
    scene = plan(_spec(positions=()))
    assert not scene.paint(0, 1)[0].any()
    assert not scene.expected_light().any()


def test_vessels_shade_the_halo_and_the_background_joins_in_one_pass():
    scene = plan(_spec(steps=(Vasculature(), Neuropil(), BrainMotion())))
    render = scene.artifacts["render"]
    neuropil = scene.artifacts["neuropil"]
    shaded = paint(_without_patches(render), np.zeros(scene.canvas.shape, np.float32), 3, scene.canvas)
    clear = replace(render, transmission=None)
    unshaded = paint(_without_patches(clear), np.zeros(scene.canvas.shape, np.float32), 3, scene.canvas)
    assert render.transmission.min() < 0.9
    np.testing.assert_allclose(shaded, unshaded * render.transmission, rtol=1e-5)
    cells = np.stack([scene.paint(frame, frame + 1, "render", canvas=True)[0] for frame in range(5)])
    both = paint_block([render, neuropil], np.zeros_like(cells), 0, scene.canvas)
    np.testing.assert_array_equal(both, paint_block([neuropil], cells, 0, scene.canvas))
    np.testing.assert_array_equal(both, scene.paint(0, 5, "neuropil", canvas=True))
