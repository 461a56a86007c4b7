import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from pytest_calsim.errors import SpecError
from pytest_calsim.kernels.vessels import lengthen_chords
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.step import Context
from pytest_calsim.steps.tissue.vasculature import Vasculature, VesselLayer, Vessels


def context(margin_px=0, size_px=96, seed=0, magnification=2.9, na=0.3):
    acq = Acquisition(
        image_sensor=ImageSensor(height_px=size_px, width_px=size_px + 16),
        optics=Optics(magnification=magnification, na=na),
    )
    return Context(acq, Canvas(size_px, size_px + 16, margin_px, acq.pixel_size_um), seed, "vasculature")


def chords(segments, pixel_um=1.5, n=81):
    centres = (np.arange(n) - (n - 1) / 2) * pixel_um
    out, added = np.zeros((2, n, n), np.float32)
    lengthen_chords(out, added, centres, centres, pixel_um, np.atleast_2d(np.asarray(segments, float)))
    np.testing.assert_allclose(added, out, rtol=1e-6)
    return out


def rays(segment, pixel_um, n, fine=15):
    """Mean over each pixel of the vertical path inside a tapered cylinder, ray by ray through a fine grid."""
    y0, x0, r0, y1, x1, r1 = segment
    centres = (np.arange(n * fine) - (n * fine - 1) / 2) * pixel_um / fine
    y = centres[:, None] - y0
    x = centres[None, :] - x0
    length = math.hypot(y1 - y0, x1 - x0)
    uy = (y1 - y0) / length
    ux = (x1 - x0) / length
    along = y * uy + x * ux
    across = y * ux - x * uy
    radius = r0 + (r1 - r0) * along / length
    path = 2 * np.sqrt(np.maximum(radius**2 - across**2, 0))
    return path.reshape(n, fine, n, fine).mean((1, 3)), (along > 3 * r0) & (along < length - 3 * r0)


@pytest.mark.parametrize("pixel_um", [0.8, 1.5, 3.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 4, 2.0])
def test_chords_are_those_of_a_ray_count(pixel_um, angle):
    y = 55 * math.sin(angle)
    x = 55 * math.cos(angle)
    segment = (-y, -x, 5.0, y, x, 4.0)
    n = 61
    expected, inner = rays(segment, pixel_um, n)
    inner = inner.reshape(n, 15, n, 15).all((1, 3))
    got = chords(segment, pixel_um, n)
    # Averaging across the vessel stands for averaging over the square pixel: exact along the axes, and within the
    # difference of their widths elsewhere.
    assert got[inner] == pytest.approx(expected[inner], abs=(0.02 if angle == 0 else 0.12 * pixel_um) * 5)
    assert got[inner].sum() == pytest.approx(expected[inner].sum(), rel=0.005)


def test_the_lumens_volume_is_kept_at_any_pixel_size():
    # A vessel that crosses the whole picture: its chords add up to π·r² per length, however coarse the pixels.
    for pixel_um in (0.5, 2.0, 6.0):
        n = 41
        got = chords((-300.0, 0.3, 4.0, 300.0, 0.3, 4.0), pixel_um, n)
        assert got.sum() * pixel_um**2 == pytest.approx(math.pi * 16 * n * pixel_um, rel=1e-4)


def test_bends_and_forks_are_counted_once():
    straight = chords((-40.0, 0.0, 5.0, 40.0, 0.0, 5.0))
    halves = chords([(-40.0, 0.0, 5.0, 0.0, 0.0, 5.0), (0.0, 0.0, 5.0, 40.0, 0.0, 5.0)])
    assert halves == pytest.approx(straight, abs=1e-4)


def test_light_right_through_the_axis_follows_beer_and_lambert():
    vessels = Vasculature(
        trees_per_mm2=20, tortuosity=0, taper=0, top_depth_um=30, bottom_depth_um=30, min_radius_um=14
    ).plan(context(na=0.02))
    just_below = vessels.transmission(30.1)
    # The pixel nearest the axis sees the mean chord over its width p: about 2r·(1 − p²/24r²).
    assert just_below.min() == pytest.approx(math.exp(-0.035 * 28), rel=0.01)


def test_vessels_shade_only_what_lies_below():
    vessels = Vasculature().plan(context(size_px=200))
    assert np.all(vessels.transmission(0.0) == 1)
    assert np.all(vessels.transmission(29.9) == 1)
    shadow = [float((1 - vessels.transmission(z)).sum()) for z in (31, 51, 71)]
    assert shadow[0] < shadow[1] < shadow[2]
    assert vessels.transmission(200.0).max() <= 1
    assert vessels.transmission(200.0).min() > 0


def test_the_shadow_is_that_of_the_objectives_cone():
    ctx = context(size_px=256)
    vessels = Vasculature(
        trees_per_mm2=3, tortuosity=0, top_depth_um=20, bottom_depth_um=20, min_radius_um=14, length_to_radius=50
    ).plan(ctx)
    near = vessels.transmission(20.1)
    far = vessels.transmission(140.0)
    # Total shade is kept (up to what leaves the picture), and a vessel's shadow is widened by the disk's variance.
    disk_um = (140 - 20) * 0.3 / math.sqrt(1.36**2 - 0.3**2)
    rng = np.random.default_rng(0)
    radius = disk_um * np.sqrt(rng.random(200_000))
    angle = rng.uniform(0, 2 * math.pi, 200_000)
    vertical = bool(np.ptp(np.argwhere(near < 0.9)[:, 0]) > np.ptp(np.argwhere(near < 0.9)[:, 1]))
    assert widening(near, far, vertical, ctx.canvas) == pytest.approx(float((radius * np.cos(angle)).var()), rel=0.05)


def widening(near, far, vertical, canvas):
    """Growth of a straight vessel's variance across itself, µm²."""
    profiles = []
    image = near if vertical else near.T
    # The line through the darkest pixel of each row gives the tilt.
    rows = np.flatnonzero((1 - image).max(1) > 0.2)
    rows = rows[len(rows) // 3 : 2 * len(rows) // 3]
    tilt = np.polyfit(rows, [np.average(np.arange(image.shape[1]), weights=1 - image[r]) for r in rows], 1)[0]
    for picture in (near, far):
        shade = 1 - (picture if vertical else picture.T)
        columns = np.arange(shade.shape[1])
        spread = []
        for r in rows:
            mean = np.average(columns, weights=shade[r])
            spread.append(np.average((columns - mean) ** 2, weights=shade[r]))
        profiles.append(np.mean(spread))
    return (profiles[1] - profiles[0]) * canvas.pixel_size_um**2 / (1 + tilt**2)


# Fine vessels far below the large ones: light from there passes both.
DEEP = VesselLayer(trees_per_mm2=40, root_radius_um=6, top_depth_um=420, bottom_depth_um=450)


@pytest.mark.parametrize("more_layers", [(), (DEEP,)], ids=["one layer", "two layers"])
def test_the_margin_changes_nothing(more_layers):
    step = Vasculature(more_layers=more_layers)
    for size_px in (96, 97):
        narrow = context(size_px=size_px)
        wide = context(margin_px=11, size_px=size_px)
        few = step.plan(narrow)
        more = step.plan(wide)
        for depth in (35.0, 60.0, 150.0, 440.0, 1500.0):
            assert np.array_equal(more.transmission(depth)[wide.canvas.window.slices], few.transmission(depth))


@pytest.mark.parametrize("more_layers", [(), (DEEP,)], ids=["one layer", "two layers"])
def test_a_larger_sensor_shows_more_of_the_same_vessels(more_layers):
    step = Vasculature(trees_per_mm2=5, more_layers=more_layers)
    small = context(size_px=96)
    large = context(size_px=396)
    few = step.plan(small)
    more = step.plan(large)
    assert len(more.trees) > len(few.trees)
    window = np.s_[150:-150, 150:-150]
    for depth in (35.0, 60.0, 150.0, 440.0, 1500.0):
        np.testing.assert_array_equal(more.transmission(depth)[window], few.transmission(depth))


@pytest.mark.parametrize("depths_um", [(420, 450), (100, 100), (0, 10), (30, 60)], ids=str)
def test_a_layer_more_leaves_the_others_as_they_were(depths_um):
    """It only takes its own share of the light from below, wherever it lies; the product of both is what passes."""
    ctx = context()
    top_um, bottom_um = depths_um
    layer = VesselLayer(trees_per_mm2=60, root_radius_um=6, top_depth_um=top_um, bottom_depth_um=bottom_um)
    one = Vasculature().plan(ctx)
    both = Vasculature(more_layers=(layer,)).plan(ctx)
    for before, after in zip(one.trees, both.trees, strict=False):
        assert np.array_equal(before[0].path_um, after[0].path_um)
    assert (np.diff(both.slab_um) >= 0).all()
    new = np.isin(both.slab_um, (layer.slab_edges_um[1:] + layer.slab_edges_um[:-1]) / 2)
    if depths_um == (30, 60):  # its first slab lies at 37.5 µm, its second at 52.5
        assert both.slab_um.tolist() == [30, 37.5, 50, 52.5, 70]
    only = replace(both, slab_um=both.slab_um[new], clear=both.clear[new])
    for depth in (0.0, 35.0, 60.0, 95.0, 150.0, 440.0, 600.0):
        expected = one.transmission(depth) * only.transmission(depth)
        np.testing.assert_allclose(both.transmission(depth), expected, rtol=1e-6)
    assert only.transmission(600.0).min() < 0.95
    assert np.all(only.transmission(float(top_um)) == 1)


def test_layers_have_trees_of_their_own():
    """Two layers alike are not the same vessels twice."""
    ctx = context(size_px=300)
    layers = (VesselLayer(), VesselLayer(), VesselLayer())
    vessels = Vasculature(more_layers=layers).plan(ctx)
    roots = np.array([tree[0].path_um[0] for tree in vessels.trees])
    assert len(roots) == 4 * len(Vasculature().plan(ctx).trees)
    assert len(np.unique(roots, axis=0)) == len(roots)


def test_a_shadow_stops_widening_300_um_below_its_own_vessels():
    ctx = context(size_px=200)
    layer = VesselLayer(top_depth_um=900, bottom_depth_um=900, trees_per_mm2=0.01, root_radius_um=2, min_radius_um=2)
    for step in (Vasculature(), Vasculature(more_layers=(layer,))):
        vessels = step.plan(ctx)
        last = vessels.transmission(380.0)  # 20 x 19, 310 µm below the last slab of the first layer
        assert np.array_equal(vessels.transmission(880.0), last)
        assert not np.array_equal(vessels.transmission(340.0), last)


def test_there_are_as_many_roots_as_asked_for():
    ctx = context(size_px=600)
    trees = Vasculature(trees_per_mm2=8).grow(ctx)
    roots = np.array([tree[0].path_um[0, 1:] for tree in trees])
    area_mm2 = np.ptp(roots, axis=0).prod() * 1e-6
    assert len(roots) / area_mm2 == pytest.approx(8, rel=0.2)
    away = np.hypot(*(roots[:, None] - roots).transpose(2, 0, 1))
    assert away[~np.eye(len(roots), dtype=bool)].min() >= 1000 / math.sqrt(8) / 2


@pytest.mark.parametrize("size_px", [16, 96])
def test_dense_vessels_are_seen_in_a_small_field(size_px):
    for seed in range(8):
        vessels = Vasculature(trees_per_mm2=100).plan(context(size_px=size_px, seed=seed))
        assert vessels.transmission(100.0).min() < 0.8


def test_more_trees_than_are_grown_are_refused():
    acquisition = {"image_sensor": {"height_px": 4000, "width_px": 4000}}
    with pytest.raises(SpecError, match=r"trees_per_mm2 = 100 asks for some \d+ trees that reach the field of view"):
        Spec.make({"acquisition": acquisition, "steps": [{"kind": "vasculature", "trees_per_mm2": 100}]})
    # The count is that of all layers, and the layer with most trees is named.
    layers = [{"trees_per_mm2": 20}, {"trees_per_mm2": 90}]
    with pytest.raises(SpecError, match=r"more_layers\.1\.trees_per_mm2 = 90 asks for some \d+ trees"):
        Spec.make({"acquisition": acquisition, "steps": [{"kind": "vasculature", "more_layers": layers}]})
    one = {"kind": "vasculature", "trees_per_mm2": 20}
    Spec.make({"acquisition": acquisition, "steps": [one]})
    with pytest.raises(SpecError, match=r"trees_per_mm2 = 20 asks for some \d+ trees .* 3000 are grown in all layers"):
        Spec.make({"acquisition": acquisition, "steps": [{**one, "more_layers": [{"trees_per_mm2": 20}]}]})
    counts = [VesselLayer(trees_per_mm2=n).expected_trees(context(size_px=600).canvas, 0.2) for n in (30, 60)]
    assert counts[1] == pytest.approx(2 * counts[0], rel=0.1)


def test_a_vessel_between_slabs_is_not_counted_twice():
    vessels = Vasculature(trees_per_mm2=1).plan(context(size_px=300))
    assert len(vessels.slab_um) == 3
    through = np.prod(vessels.clear.astype(np.float64), axis=0)
    assert -np.log(through.min()) / 0.035 < 2 * 14.0 * 1.001


def test_extremes_are_finite():
    for fields in (
        {
            "trees_per_mm2": 1,
            "root_radius_um": 100,
            "min_radius_um": 20,
            "absorption_per_um": 1,
            "bottom_depth_um": 2000,
        },
        {"root_radius_um": 2, "min_radius_um": 2, "length_to_radius": 4, "top_depth_um": 0, "bottom_depth_um": 0},
        {"tortuosity": 1, "taper": 0.5, "length_to_radius": 50},
    ):
        for magnification, na in ((2.9, 0.3), (100, 1.2), (0.05, 0.02)):
            vessels = Vasculature(**fields).plan(context(size_px=24, magnification=magnification, na=na))
            for depth in (0.0, 90.0, 1e5):
                through = vessels.transmission(depth)
                assert through.shape == (24, 40)
                assert np.all((through >= 0) & (through <= 1 + 1e-5))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trees_per_mm2": 0}, "greater than or equal to 0.01"),
        ({"top_depth_um": 90}, "bottom_depth_um = 80.0 lies above top_depth_um = 90"),
        ({"min_radius_um": 20}, "1 to 12 times min_radius_um = 20"),
        ({"absorption_per_um": 0}, "greater than 0"),
        ({"more_layers": [{"top_depth_um": 90}]}, "bottom_depth_um = 80.0 lies above top_depth_um = 90"),
        ({"more_layers": [{"min_radius_um": 20}]}, "1 to 12 times min_radius_um = 20"),
        ({"more_layers": [{"absorption_per_um": 1}]}, "Extra inputs are not permitted"),
        ({"more_layers": [{}] * 5}, "at most 4 items"),
    ],
)
def test_what_would_do_nothing_or_too_much_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        Vasculature(**fields)


def test_truth_is_read_only_and_on_the_sensor():
    vessels = Vasculature().plan(context(margin_px=5))
    assert isinstance(vessels, Vessels)
    truth = vessels.truth()
    assert truth["vessel_transmission"].values.shape == (3, 96, 112)
    assert truth["vessel_depth_um"].values == pytest.approx([30, 50, 70])
    assert not truth["vessel_transmission"].values.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        vessels.transmission(100.0)[0, 0] = 0
