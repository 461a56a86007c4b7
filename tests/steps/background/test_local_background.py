import numpy as np
import pytest
from pydantic import ValidationError

from pytest_calsim.errors import SpecError
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.background.local_background import LocalBackground

STILL = [{"contrast": 0, "fluctuation": 0, "activity_fraction": 0}]


def spec(size_px=(96, 96), duration_s=1.0, fps=10.0, seed=0, steps=(), level=2.0, **local):
    acquisition = {
        "fps": fps,
        "duration_s": duration_s,
        "image_sensor": {"height_px": size_px[0], "width_px": size_px[1]},
    }
    neuropil = {"kind": "neuropil", "level": level, "components": STILL, "local": local}
    return Spec.make({"acquisition": acquisition, "steps": [neuropil, *steps], "seed": seed})


def movie(**fields):
    return plan(spec(**fields)).paint().astype(float)


@pytest.mark.parametrize("density", [300.0, 1500.0])
def test_level_is_kept(density):
    means = [movie(seed=seed, duration_s=0.1, density_per_mm2=density, share=1.0).mean() for seed in range(60)]
    assert np.mean(means) == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"fluctuation": 0.1, "share": 0.6},
        {"least_um": 30.0, "largest_um": 30.0},
        {"density_per_mm2": 200.0, "time_constant_s": 1.0},
    ],
)
def test_light_at_a_point_fluctuates_as_declared(fields):
    local = LocalBackground(**fields)
    found = movie(size_px=(160, 160), duration_s=60 * local.time_constant_s, fps=2 / local.time_constant_s, **fields)
    # Exposures of half a time constant take a seventh of the variance.
    taken = 2 * (0.5 - 1 + np.exp(-0.5)) / 0.5**2
    assert np.sqrt((found.var(axis=0)).mean()) / 2.0 == pytest.approx(local.fluctuation * np.sqrt(taken), rel=0.12)


def test_it_is_as_local_as_declared():
    """The covariance of two points falls as exp(-r²/2ℓ²)."""
    found = movie(size_px=(192, 192), duration_s=300, fps=0.5, least_um=40, largest_um=40, time_constant_s=1)
    found -= found.mean(axis=0)
    pixel_um = 4.8 / 2.9
    for lag in (6, 12, 24, 36, 60):
        covariance = (found[:, :, lag:] * found[:, :, :-lag]).mean() / (found**2).mean()
        assert covariance == pytest.approx(np.exp(-((lag * pixel_um) ** 2) / (2 * 40**2)), abs=0.06)


@pytest.mark.parametrize("density", [300.0, 1500.0, 3000.0])
def test_a_larger_sensor_shows_the_same_light(density):
    """As far out as patches lie that reach into view: their tiles are smaller, the more there are."""
    seen = movie(size_px=(96, 80), density_per_mm2=density, duration_s=0.2)
    more = movie(size_px=(496, 480), density_per_mm2=density, duration_s=0.2)[:, 200:-200, 200:-200]
    np.testing.assert_allclose(more, seen, atol=2e-6 * seen.max())


def test_it_is_of_no_low_rank():
    found = movie(size_px=(128, 128), duration_s=100, fps=2)
    found = (found - found.mean(axis=0)).reshape(len(found), -1)
    variances = np.linalg.eigvalsh(found @ found.T)[::-1]
    assert variances[:2].sum() / variances.sum() < 0.7
    assert (variances > 0.01 * variances.sum()).sum() > 8


def test_any_block_has_the_same_bits():
    scene = plan(spec(duration_s=40, fps=5))
    whole = scene.paint()
    for a, b in ((100, 200), (0, 7), (199, 200)):
        assert np.array_equal(plan(scene.spec).paint(a, b), whole[a:b])


def test_a_longer_recording_extends_a_shorter_one():
    assert np.array_equal(movie(duration_s=2), movie(duration_s=120)[:20])


def test_other_parts_of_the_neuropil_keep_their_draws():
    bare = Spec.make({"steps": [{"kind": "neuropil"}], "acquisition": {"duration_s": 1}})
    found = [plan(bare.edit({"neuropil.local": local})).artifacts["neuropil"] for local in (None, {"share": 0.4})]
    np.testing.assert_allclose(found[1].spatial, 0.6 * found[0].spatial, rtol=1e-5)
    assert np.array_equal(found[1].temporal, found[0].temporal)


def test_patches_are_in_the_truth():
    scene = plan(spec())
    truth = scene.truth()
    artifact = scene.artifacts["neuropil"]
    assert truth["neuropil_patch_y_um"].dims == ("patch",)
    assert len(truth["neuropil_patch_flux"].values) == len(artifact.gains(0, 1))
    assert "neuropil_patch_y_um" not in plan(spec().edit({"neuropil.local": None})).truth()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"least_um": 90.0}, "least_um = 90 exceeds largest_um = 80"),
        ({"fluctuation": 0.3, "share": 0.1}, "lower fluctuation or density_per_mm2, or raise share"),
    ],
)
def test_what_cannot_be_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        LocalBackground(**fields)


def test_too_many_patches_are_refused():
    with pytest.raises(SpecError, match=r"local asks for some \d+ patches"):
        spec(size_px=(6000, 6000), density_per_mm2=3000)
