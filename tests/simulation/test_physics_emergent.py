"""What must follow from the physics together, though no step says it."""

import numpy as np
import pandas as pd
import pytest
from painting import photon_rate

from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.spec import Spec

SIDE = 96  # px of 1.655 µm: a field of 159 µm


def spec(*, acquisition=None, side=SIDE, duration_s=10, seed=1, **steps):
    """Cells that are often active on a noisy chip; ``steps`` by kind add to and replace these."""
    usual = {
        "place_neurons": {},
        "cell_activity": {"mean_quiescent_s": 1, "rate_spread": 0},
        "cell_optics": {},
        "render": {},
        "sensor": {"photon_rate_per_s_um2": photon_rate(2000, 10)},
    }
    return Spec.make(
        {
            "acquisition": {
                "fps": 10,
                "duration_s": duration_s,
                "image_sensor": {"height_px": side, "width_px": side},
                **(acquisition or {}),
            },
            "steps": [{"kind": kind, **fields} for kind, fields in {**usual, **steps}.items()],
            "seed": seed,
        }
    )


def layer(depth_um, thickness_um=0, count=40, **more):
    """One population of about so many cells in the field of view, all alike."""
    volume_mm3 = (SIDE * 4.8e-3 / 2.9) ** 2 * max(thickness_um, 11) / 1000
    return {
        "populations": [
            {
                "density_per_mm3": count / volume_mm3,
                "depth_um": depth_um,
                "thickness_um": thickness_um,
                "brightness_cv": 0,
                "min_distance_um": 0,
                **more,
            }
        ],
    }


def seen_in_the_movie(recording, units):
    """Correlation of each of some cells' traces with what its footprint collects from the codes ``(unit,)``."""
    movie = recording.observed.values.reshape(recording.spec.acquisition.n_frames, -1).astype(float)
    collected = recording.truth.A_observed.csr[units] @ (movie - movie.mean(axis=0)).T
    traces = recording.truth.C.values[units]
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(collected, traces, strict=True)])


def test_detectability_falls_with_depth_past_a_fixed_focal_plane():
    neurons = layer(150, 200, count=60, brightness=2)
    background = {"level": 1.0, "components": [{"fluctuation": 0, "activity_fraction": 0}]}
    recording = simulate(spec(acquisition={"focal_depth_um": 60}, place_neurons=neurons, neuropil=background))
    cells = recording.truth.cells
    in_view = cells.in_fov.to_numpy()
    cells = cells[in_view]
    thirds = [cells.depth_um < 100, cells.depth_um.between(120, 180), cells.depth_um > 200]
    assert min(map(np.count_nonzero, thirds)) >= 9
    near, middle, far = (cells.detectable[third].mean() for third in thirds)
    assert near > 0.9
    assert far < 0.1
    assert near >= middle >= far
    assert cells.snr.corr(cells.depth_um, method="spearman") < -0.95
    # And so it is in the movie itself, which knows nothing of the verdict.
    seen = seen_in_the_movie(recording, in_view)
    medians = [np.median(seen[third]) for third in thirds]
    assert medians[0] > 0.9
    assert medians[0] - 0.3 > medians[2]
    assert medians[0] > medians[1] > medians[2]


def test_strong_illumination_falloff_concentrates_detection_in_the_centre():
    """Evenly lit, 19 cells in 20 rise above the threshold by a fifth or more, and the median by three quarters.

    Beyond 85 of the 112 µm to the corner there is less than 0.43 of the light: less than 0.65 of a cell's signal over
    its shot noise, and less than half over shot and read noise. It takes the median cell below the threshold.
    """
    neurons = layer(60, count=60, min_distance_um=14)  # no light of neighbours: it does not fall with the light
    background = {"level": 0.5, "components": [{"contrast": 0, "fluctuation": 0}]}
    dim = {"photon_rate_per_s_um2": photon_rate(200, 10)}

    def detected(**light):
        steps = {"place_neurons": neurons, "neuropil": background, "sensor": dim, **light}
        cells = pd.concat([simulate(spec(seed=seed, **steps)).truth.cells for seed in range(4)])
        cells = cells[cells.in_fov]
        radius = np.hypot(cells.y_um, cells.x_um)
        inner = cells.detectable[radius < 45]
        outer = cells.detectable[radius > 85]
        assert min(len(inner), len(outer)) > 15
        return inner.mean(), outer.mean()

    assert min(detected()) > 0.9
    inner, outer = detected(illumination={"corner_fraction": 0, "exponent": 2})
    assert inner > 0.9
    assert outer < 0.2


def test_bleaching_dims_late_frames():
    chip = {"image_sensor": {"height_px": SIDE, "width_px": SIDE, "bit_depth": 10}}  # dropping bits would dim it too
    lasting = simulate(spec(acquisition=chip, place_neurons=layer(60)))
    fading = simulate(spec(acquisition=chip, place_neurons=layer(60), bleaching={"lifetime_s": 10}))
    black = lasting.spec.acquisition.image_sensor.black_level_adu
    one, other = (r.observed.mean(("height", "width")).values - black for r in (lasting, fading))
    # Both have the same cells, spikes and noise: after time t there is e^(−t/10 s) of the light.
    t = (np.arange(100) + 0.5) / 10
    np.testing.assert_allclose(other / one, np.exp(-t / 10), rtol=0.02)
    assert other[-20:].mean() < 0.5 * other[:20].mean()
    assert one[-20:].mean() == pytest.approx(one[:20].mean(), rel=0.2)


def test_static_fields_do_not_see_motion():
    """Even tissue looks the same however it moves: all that could tell is fixed to the instrument."""
    even = {"level": 1.0, "components": [{"contrast": 0, "fluctuation": 0, "activity_fraction": 0}]}
    none = {"positions_um": []}
    chip = {"height_px": 48, "width_px": 64, "prnu_fraction": 0.02, "dsnu_adu": 2, "hot_pixel_fraction": 0.01}
    still = spec(
        acquisition={"image_sensor": chip},
        duration_s=2,
        place_neurons=none,
        neuropil=even,
        illumination={"corner_fraction": 0.5},
        vignette={"corner_fraction": 0.4, "center_x_um": 10},
        leakage={"level": 0.3},
    )
    path = np.random.default_rng(0).uniform(-3, 3, (20, 2)).tolist()
    moving = still.edit(add=[{"kind": "brain_motion", "max_shift_um": 3, "trajectory_um": path}])
    one = simulate(still)
    other = simulate(moving)
    assert np.abs(other.truth.shifts.values).max() > 1.5
    np.testing.assert_allclose(other.stage("leakage").values, one.stage("leakage").values, rtol=1e-5)
    # Codes agree to the last bit but where a rounding of the mean by 10⁻⁷ carries a draw over an edge.
    assert np.mean(other.observed.values != one.observed.values) < 1e-3
    for name in ("illumination", "vignette", "leakage", "prnu", "dsnu_adu", "hot_pixels"):
        np.testing.assert_array_equal(other.truth[name], one.truth[name])


def test_field_curvature_blurs_the_rim_when_focus_is_on_the_axis():
    neurons = layer(60, count=60, morphology="bead")

    def width_px(radius_um):
        optics = {"field_curvature_radius_um": radius_um}
        recording = simulate(
            spec(acquisition={"focal_depth_um": 60, "optics": optics}, place_neurons=neurons, duration_s=1)
        )
        cells = recording.truth.cells
        images = recording.truth.A_observed
        whole = np.flatnonzero(cells.fov_fraction > 0.999)
        # The width of a point's image by its participation: (Σa)²/Σa² is the pixels that it covers.
        area = np.array([images.unit(i)[1].sum() ** 2 / (images.unit(i)[1] ** 2).sum() for i in whole])
        radius = np.hypot(cells.y_um, cells.x_um)[whole]
        inner = area[radius < 30]
        outer = area[radius > 70]
        assert min(len(inner), len(outer)) >= 4
        return np.sqrt(np.median(inner)), np.sqrt(np.median(outer))

    inner, outer = width_px(None)
    assert outer == pytest.approx(inner, rel=0.15)
    curved_inner, curved_outer = width_px(130.0)
    assert curved_inner == pytest.approx(inner, rel=0.25)
    assert curved_outer > 2 * outer


@pytest.mark.parametrize("seed", range(4))
def test_photon_limited_a_lower_aperture_finds_fewer_cells_at_the_same_focus(seed):
    """So much light that with NA 0.3 the median cell lies just below the threshold; NA² is 1/4 and 2.8 times that."""
    neurons = layer(60, count=60, brightness_cv=0.5, min_distance_um=14)
    background = {"level": 0.5, "components": [{"fluctuation": 0}]}
    found = []
    for na in (0.15, 0.3, 0.5):
        recording = simulate(
            spec(
                acquisition={"focal_depth_um": 60, "optics": {"na": na}},
                place_neurons=neurons,
                neuropil=background,
                sensor={"photon_rate_per_s_um2": photon_rate(116, 10)},
                seed=seed,
            )
        )
        cells = recording.truth.cells
        found.append(cells.detectable[cells.in_fov].mean())
    low, middle, high = found
    assert low < 8 / 80
    assert 20 / 80 < middle < 50 / 80
    assert high > 70 / 80
