import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painting import paint

from pytest_calsim.errors import SpecError, SpecWarning
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec

SLAB = {"density_per_mm3": 3e4, "depth_um": 200, "thickness_um": 60, "brightness_cv": 0}
OPTICS = {"field_curvature_radius_um": None}


def spec(size_px=(64, 48), populations=(SLAB,), fps=20.0, duration_s=1.0, seed=3, focus=80.0, steps=(), **fields):
    acquisition = {
        "fps": fps,
        "duration_s": duration_s,
        "focal_depth_um": focus,
        "optics": OPTICS,
        "image_sensor": {"height_px": size_px[0], "width_px": size_px[1]},
    }
    layer = {"kind": "place_neurons", "positions_um": [[80, 0, 0]], "populations": [{"brightness": 0}]}
    own = {"kind": "background_cells", "populations": list(populations), **fields}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)
        return Spec.make({"acquisition": acquisition, "steps": [layer, "cell_activity", own, *steps], "seed": seed})


def light(*args, **fields):
    scene = plan(spec(*args, **fields))
    return scene, scene.artifacts["background_cells"]


def places(artifact):
    return {tuple(row) for row in artifact.center_um.tolist()}


def test_as_many_as_density_and_volume_say():
    counts = []
    for seed in range(30):
        _, found = light(seed=seed)
        inside = (np.abs(found.center_um[:, 1:]) < 50).all(axis=1)
        counts.append(int(inside.sum()))
    expected = 3e4 * 1e-9 * 60 * 100**2
    assert np.mean(counts) == pytest.approx(expected, abs=3 * np.sqrt(expected / 30))
    assert np.var(counts) == pytest.approx(expected, rel=0.6)


def test_evenly_through_the_slab():
    _, found = light(size_px=(600, 600), populations=({**SLAB, "density_per_mm3": 3e4},))
    z, y, x = found.center_um.T
    for values, low, high in ((z, 170, 230), (y, -400, 400), (x, -400, 400)):
        own = values[(values > low) & (values < high)]
        shares = np.histogram(own, 8, (low, high))[0] / len(own)
        assert shares == pytest.approx(np.full(8, 1 / 8), abs=4 * np.sqrt(1 / 8 / len(own)))


@pytest.mark.parametrize("factor", [1.01, 2, 7])
def test_more_density_only_adds_cells(factor):
    _, few = light()
    _, many = light(populations=({**SLAB, "density_per_mm3": 3e4 * factor},))
    assert places(few) <= places(many)
    n = len(places(few))
    added = (factor - 1) * n
    # Both counts are Poisson's, that of the few as an estimate of its mean.
    assert len(places(many)) - n == pytest.approx(added, abs=1 + 4 * np.sqrt(added + (factor - 1) * added))


def test_another_slab_changes_no_cell():
    _, alone = light()
    _, both = light(populations=(SLAB, {**SLAB, "depth_um": 20, "thickness_um": 10}))
    assert places(alone) < places(both)
    n = alone.n_sources
    assert np.array_equal(both.gains(0, 20)[:n], alone.gains(0, 20))


@pytest.mark.parametrize("least_um", [2.0, 10.0, 30.0])
def test_those_that_are_nearly_in_focus_are_left_out(least_um):
    scene, found = light(
        populations=({**SLAB, "depth_um": 150, "thickness_um": 250},), focus=120.0, least_disk_um=least_um
    )
    disk = np.abs(found.defocus_um) * scene.spec.acquisition.optics.cone_slope
    assert disk.min() >= least_um
    assert disk.min() < least_um + 2
    np.testing.assert_allclose(found.defocus_um, found.center_um[:, 0] - 120)


def test_a_curved_field_shifts_the_focus():
    curved = spec().edit({"acquisition.optics.field_curvature_radius_um": 900})
    scene = plan(curved)
    found = scene.artifacts["background_cells"]
    r = np.hypot(*found.center_um[:, 1:].T)
    np.testing.assert_allclose(found.defocus_um, found.center_um[:, 0] + 900 - np.sqrt(900**2 - r**2) - 80, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(
    size=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    grow=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    shift_um=st.sampled_from([0, 3, 12]),
    depth=st.floats(40, 300),
    seed=st.integers(0, 1000),
)
def test_more_margin_shows_more_of_the_same_cells(size, grow, shift_um, depth, seed):
    """A larger sensor, or more margin, shows more of the same tissue."""
    slab = {**SLAB, "depth_um": depth, "thickness_um": 30, "density_per_mm3": 5e4}
    still = [{"kind": "neuropil", "local": {"density_per_mm2": 300}}]
    motion = [{"kind": "brain_motion", "max_shift_um": shift_um, "trajectory_um": [[0, 0]] * 4}]
    narrow = plan(spec(size, (slab,), duration_s=0.2, seed=seed, steps=still))
    larger = tuple(n + 2 * more for n, more in zip(size, grow, strict=True))
    wide = plan(spec(larger, (slab,), duration_s=0.2, seed=seed, steps=[*still, *motion]))
    seen = narrow.paint(0, 4)
    more = wide.paint(0, 4, "neuropil")[:, grow[0] : grow[0] + size[0], grow[1] : grow[1] + size[1]]
    np.testing.assert_allclose(more, seen, atol=2e-6 * seen.max())


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_block_of_frames_has_the_same_bits(data):
    scene = plan(spec(duration_s=5.0, fps=data.draw(st.sampled_from([4.0, 20.0, 33.3]))))
    whole = scene.paint()
    start = data.draw(st.integers(0, scene.n_frames - 1))
    stop = data.draw(st.integers(start + 1, scene.n_frames))
    assert np.array_equal(plan(scene.spec).paint(start, stop, threads=2), whole[start:stop])


def test_a_longer_recording_extends_a_shorter_one():
    short, long = (plan(spec(duration_s=d)).paint(0, 20) for d in (1.0, 90.0))
    assert np.array_equal(short, long)


@pytest.mark.parametrize("depth_um", [20, 130, 300])
def test_each_gives_its_light(depth_um):
    """A lone cell shows the flux of its soma, less what spreads too wide to have a place."""
    scene, found = light((500, 500), ({**SLAB, "depth_um": depth_um, "thickness_um": 20, "soma_radius_cv": 0},))
    unit = int(np.hypot(*found.center_um[:, 1:].T).argmin())
    dark = np.zeros(found.n_sources)
    lone = replace(found.courses, baseline=np.where(np.arange(found.n_sources) == unit, 2.0, 0.0), gain=dark)
    image = paint(replace(found, courses=lone), np.zeros(scene.canvas.shape, np.float32), 0, scene.canvas).astype(float)
    z, y, x = found.center_um[unit]
    tissue = scene.spec.acquisition.tissue
    shares, sigma_um = tissue.skirt(np.array([z]))
    local = np.sqrt(sigma_um**2 + (found.defocus_um[unit] * scene.spec.acquisition.optics.cone_slope / 2) ** 2) < 79
    expected = 2 * (2 / 3) * np.pi * (5.5 / scene.canvas.pixel_size_um) ** 2
    expected *= tissue.core_fraction(z) + shares[local].sum()
    assert image.sum() == pytest.approx(expected, rel=2e-3)
    assert image.min() >= 0
    rows = scene.canvas.rows(np.array([y]))
    columns = scene.canvas.columns(np.array([x]))
    at = np.arange(500)
    centre = (image.sum(1) * at).sum() / image.sum(), (image.sum(0) * at).sum() / image.sum()
    assert centre == pytest.approx((rows[0], columns[0]), abs=0.1)


def test_expected_light_is_the_long_run_mean():
    _, found = light(duration_s=300.0, populations=({**SLAB, "density_per_mm3": 1e4},))
    mean = np.mean([found.gains(start, start + 100).mean(axis=1) for start in range(0, 6000, 100)], axis=0)
    assert mean.mean() == pytest.approx(found.expected_gains().mean(), rel=0.02)
    gains = np.concatenate([found.gains(start, start + 100) for start in range(0, 1000, 100)], axis=1)
    assert np.abs(np.corrcoef(gains[:30])[np.triu_indices(30, 1)]).mean() < 0.15


def test_they_bleach_by_their_local_illumination():
    fading = [{"kind": "illumination", "corner_fraction": 0.4}, {"kind": "bleaching", "lifetime_s": 2}]
    scene, found = light(duration_s=4.0, steps=fading)
    fresh = replace(found, fading=None)
    left = found.gains(0, 80) / fresh.gains(0, 80)
    at = scene.artifacts["bleaching"].light_at(found.center_um[:, 1], found.center_um[:, 2])
    assert at.min() < 0.5
    assert at.max() > 0.8
    middle = (np.arange(80) + 0.5) / 20
    np.testing.assert_allclose(left, np.exp(-np.outer(at, middle) / 2), rtol=1e-3)


def test_vessels_shade_them():
    vessels = [{"kind": "vasculature"}]
    clear = plan(spec()).paint(0, 1)[0]
    shaded = plan(spec(steps=vessels))
    transmission = shaded.artifacts["vasculature"].transmission(80.0)
    np.testing.assert_allclose(shaded.paint(0, 1)[0], clear * transmission, rtol=1e-5)


def test_an_empty_slab_is_dark():
    scene, found = light(populations=({**SLAB, "density_per_mm3": 0},))
    assert found.n_sources == 0
    assert scene.paint().max() == 0


def test_they_are_in_the_truth_and_no_units():
    scene, found = light()
    truth = scene.truth()
    for name in ("depth_um", "y_um", "x_um", "defocus_um", "amplitude"):
        column = truth[f"background_cell_{name}"]
        assert column.dims == ("background_cell",)
        assert column.values.shape == (found.n_sources,)
    assert len(truth["depth_um"].values) == 1


def test_too_many_are_refused():
    with pytest.raises(SpecError, match=r"background_cells: populations ask for some \d+ cells.*lower density_per_mm3"):
        spec((2000, 2000), ({**SLAB, "density_per_mm3": 1e6, "thickness_um": 200},))


def test_a_slab_above_the_surface_is_refused():
    with pytest.raises(SpecError, match="reaches above the tissue's surface; lower thickness_um to 40"):
        spec(populations=({**SLAB, "depth_um": 20},))
