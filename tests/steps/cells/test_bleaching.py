import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from pytest_calsim.errors import SpecError, SpecWarning
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells.bleaching import Bleaching
from pytest_calsim.steps.cells.cell_activity import CellActivity
from pytest_calsim.steps.cells.place_neurons import PlaceNeurons
from pytest_calsim.steps.light.illumination import Illumination
from pytest_calsim.steps.motion.brain_motion import BrainMotion

# 4.8 µm / 2.9 a pixel: the field of view spans ±39.7 µm; the last cell lies beyond it.
CENTRE = (50.0, 0.0, 0.0)
CORNER = (50.0, 38.9, 38.9)
BEYOND = (50.0, 45.0, 45.0)


def planned(*more, fps=2.0, duration_s=60.0, seed=0, cells=(CENTRE, CORNER, BEYOND), **fields):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpecWarning)
        spec = Spec(
            acquisition=Acquisition(
                fps=fps, duration_s=duration_s, image_sensor=ImageSensor(height_px=48, width_px=48)
            ),
            steps=(PlaceNeurons(positions_um=cells), Bleaching(**fields), *more),
            seed=seed,
        )
    return plan(spec)


def curve(*more, **fields):
    scene = planned(*more, **fields)
    bleaching = scene.artifacts["bleaching"]
    return np.stack([bleaching.remaining(f) for f in range(scene.n_frames)], axis=1)


def pool(light, lifetime_s, turnover_s, fps, n_frames):
    """One pool by stepping the differential equation, averaged over each exposure."""
    t = np.linspace(0, n_frames / fps, n_frames * 50 + 1)
    solved = solve_ivp(
        lambda _, x: -light * x / lifetime_s + (1 - x) / turnover_s, (0, t[-1]), [1.0], t_eval=t, rtol=1e-9, atol=1e-12
    ).y[0]
    middle = (solved[1:] + solved[:-1]) / 2
    return middle.reshape(n_frames, 50).mean(axis=1)


def test_two_pools_with_turnover_follow_their_equation():
    got = curve(lifetime_s=40.0, fast_fraction=0.3, fast_lifetime_s=5.0, turnover_s=80.0)
    expected = 0.7 * pool(1, 40, 80, 2.0, 120) + 0.3 * pool(1, 5, 80, 2.0, 120)
    np.testing.assert_allclose(got, np.tile(expected, (3, 1)), atol=2e-5)


def test_one_pool_falls_to_one_over_e():
    got = curve(lifetime_s=30.0)
    assert got[0, 59:61].mean() == pytest.approx(np.exp(-1), rel=1e-3)
    assert got[0, 0] == pytest.approx(1, abs=0.01)


def test_light_drives_it_at_each_cells_own_place():
    light = Illumination(corner_fraction=0.5)
    centre, corner, beyond = curve(light, lifetime_s=40.0, turnover_s=100.0)
    for found, (_, y, x) in ((centre, CENTRE), (corner, CORNER), (beyond, BEYOND)):
        share = (y**2 + x**2) / (2 * (24 * 4.8 / 2.9) ** 2)
        np.testing.assert_allclose(found, pool(max(1 - 0.5 * share, 0), 40, 100, 2.0, 120), atol=2e-5)
    assert beyond[-1] > corner[-1] > centre[-1]
    moved = curve(light, BrainMotion(max_shift_um=8), lifetime_s=40.0, turnover_s=100.0)
    np.testing.assert_array_equal(moved, [centre, corner, beyond])


def test_without_light_there_is_none():
    assert np.all(curve(Illumination(corner_fraction=0.0, center_y_um=-1e5), lifetime_s=10.0)[0] > 0.99)


def test_global_bleaching_ignores_the_light():
    got = curve(Illumination(corner_fraction=0.2), light_driven=False, lifetime_s=40.0)
    assert np.ptp(got, axis=0).max() == 0


def test_spread_across_cells():
    cells = ((50.0, 0.0, 0.0),) * 800
    got = curve(lifetime_s=1000.0, spread=0.5, duration_s=1.0, cells=cells)
    rates = -np.log(got[:, -1].astype(float)) * 1000
    assert rates.mean() == pytest.approx(0.75, rel=0.08)
    assert np.log(rates).std() == pytest.approx(0.5, rel=0.08)
    fewer = curve(lifetime_s=1000.0, spread=0.5, duration_s=1.0, cells=cells[:5])
    assert np.array_equal(fewer, got[:5])


FIELDS = st.fixed_dictionaries(
    {
        "lifetime_s": st.floats(1, 1e7),
        "fast_fraction": st.floats(0, 1),
        "fast_lifetime_s": st.floats(1, 1e7),
        "turnover_s": st.none() | st.floats(1, 1e7),
        "spread": st.floats(0, 2),
        "seed": st.integers(0, 2**63 - 1),
    }
)


@settings(max_examples=25)
@given(FIELDS, st.sampled_from([0.1, 3.0, 30.0]))
def test_shares_fall_within_one_and_extend_each_other(fields, fps):
    short = curve(fps=fps, duration_s=20.0, **fields)
    long = curve(fps=fps, duration_s=50.0, **fields)
    assert np.array_equal(short, long[:, : short.shape[1]])
    assert np.all(np.diff(long, axis=1) <= 1e-6)
    assert long.min() >= 0
    assert long.max() <= 1


def test_truth_is_what_is_painted():
    scene = planned(spread=0.3, fast_fraction=0.2)
    truth = scene.artifacts["bleaching"].truth()["bleaching"]
    assert truth.dims == ("unit_id", "frame")
    for frame in (0, 7, 119):
        assert np.array_equal(truth.values[:, frame], scene.artifacts["bleaching"].remaining(frame))


def test_active_cells_fade_faster_by_their_mean_light():
    """Twice the light of rest on average: twice the rate; a silent cell fades as by light alone."""
    dff = np.zeros((2, 120))
    dff[0, ::2] = 2.0
    activity = CellActivity(dff_traces=dff, rise_s=0.3, decay_s=3.0)
    got = curve(activity, lifetime_s=40.0, activity_driven=True, cells=(CENTRE, CENTRE))
    np.testing.assert_allclose(got[0], pool(2, 40, 1e9, 2.0, 120), rtol=1e-4)
    np.testing.assert_allclose(got[1], pool(1, 40, 1e9, 2.0, 120), rtol=1e-4)
    unmoved = curve(activity, lifetime_s=40.0, cells=(CENTRE, CENTRE))
    np.testing.assert_array_equal(unmoved[0], unmoved[1])


def test_activity_that_is_not_there_bleaches_nothing():
    with pytest.raises(SpecError, match="activity_driven = True needs Activity, which no step provides; add"):
        Spec.make({"steps": ["place_neurons", {"kind": "bleaching", "activity_driven": True}]})
