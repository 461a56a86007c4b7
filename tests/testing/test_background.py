"""The background: all light that is no cell's own image, against the closure formula, and how it is judged."""

import numpy as np
import pytest

from pytest_calsim import (
    Estimate,
    RecoveryError,
    assert_background_recovered,
    load_preset,
    score,
    simulate,
)
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.background import true_background


@pytest.fixture(scope="module")
def still():
    return simulate(load_preset("static", overrides={"acquisition.duration_s": 3}))


@pytest.fixture(scope="module")
def moving():
    return simulate(load_preset("moving", overrides={"acquisition.duration_s": 3}))


def test_cells_and_background_make_the_movie(still):
    """On a still recording: background + V · I · Σ A · C · b is the movie before the sensor."""
    true, frames = true_background(still)
    truth = still.truth
    seen = np.ones((128, 128))
    for field in (truth.illumination, truth.vignette):
        seen = seen if field is None else seen * field.values
    bleaching = 1 if truth.bleaching is None else truth.bleaching.values
    light = (truth.A_observed.csr.T @ (truth.C.values * bleaching)).T.reshape(-1, 128, 128) * seen
    before = still.stage(still.stages[-2]).values
    np.testing.assert_allclose(true.field, (before - light)[frames].mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(true.course, (before - light)[frames].mean(axis=(1, 2)), rtol=1e-4)
    assert len(frames) == 60


def test_the_true_background_is_perfect_and_scale_and_offset_do_not_matter(still):
    true, frames = true_background(still)
    found = Estimate(b=3 * true.field + 7, f=np.interp(np.arange(60), frames, true.course))
    card = assert_background_recovered(found, still, min_pearson=0.9999, min_course_pearson=0.9999)
    assert card.as_dict()["background.pearson"] == pytest.approx(1)
    assert assert_background_recovered(true.field, still, min_pearson=0.9999).passed
    assert score(found, still).as_dict()["background.course_pearson"] == pytest.approx(1)


def test_what_knows_nothing_of_it_fails(still):
    rng = np.random.default_rng(0)
    true, _ = true_background(still)
    for wrong in (rng.random((128, 128)), true.field[::-1], -true.field, np.ones((128, 128))):
        with pytest.raises(RecoveryError, match=r"background NOT recovered\n  pearson .* < 0\.90"):
            assert_background_recovered(wrong, still, min_pearson=0.9)
    found = Estimate(b=true.field, f=rng.random(60))
    with pytest.raises(RecoveryError, match="course_pearson"):
        assert_background_recovered(found, still, min_pearson=0.9, min_course_pearson=0.5)


def test_cells_left_in_the_background_lower_its_score(still):
    true, _ = true_background(still)
    truth = still.truth
    cells = (truth.A_observed.csr.T @ truth.C.values.mean(axis=1)).reshape(128, 128)
    clean = score(Estimate(b=true.field), still).as_dict()["background.pearson"]
    dirty = score(Estimate(b=true.field + 12 * cells), still).as_dict()["background.pearson"]
    assert dirty < 0.95 < clean


@pytest.mark.parametrize("how", ["shifts", "given"])
def test_a_background_of_a_registered_movie_lies_where_its_template_does(moving, how):
    displacement = moving.truth.shifts.values
    offset = np.round(displacement[0] + 3)
    true, _ = true_background(moving)
    registered = np.roll(true.field, offset.astype(int), axis=(0, 1))
    shifts = {"shifts": offset - displacement, "convention": "correction"} if how == "shifts" else {}
    found = Estimate(b=registered, **shifts)
    where = "auto" if how == "shifts" else tuple(offset)
    card = assert_background_recovered(found, moving, min_pearson=0.9999, footprint_shift=where)
    assert f"the image lies ({offset[0]:+.2f}, {offset[1]:+.2f}) px from zero shift" in str(card)
    with pytest.raises(RecoveryError):
        assert_background_recovered(found, moving, min_pearson=0.9999, footprint_shift=None)


@pytest.mark.parametrize(
    ("found", "bounds", "message"),
    [
        (Estimate(C=np.ones((2, 60))), {}, r"this Estimate has no background: say Estimate\(b=\.\.\., f=\.\.\.\)"),
        (Estimate(f=np.ones(60)), {}, "this Estimate has no b, the background's image"),
        (Estimate(b=np.ones((128, 128))), {"min_course_pearson": 0.5}, "this Estimate has no f"),
        (Estimate(b=np.ones((128, 127))), {}, r"b has shape \(128, 127\); expected \(128, 128\)"),
        (Estimate(b=np.ones((128, 128)), f=np.ones(59)), {}, "f has 59 frames; the recording has 60"),
        (Estimate(b=np.ones((128, 128))), {"min_pearson": 2}, "min_pearson must lie between -1 and 1, not 2"),
    ],
)
def test_what_cannot_be_judged_is_refused(still, found, bounds, message):
    with pytest.raises(EstimateError, match=message):
        assert_background_recovered(found, still, **({"min_pearson": 0.5} | bounds))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"b": np.ones((2, 8, 8))}, "b has 2 components: they are put together with f, give it too"),
        ({"f": np.ones((3, 60))}, "f has 3 components: they are put together with b"),
        ({"b": np.ones((2, 8, 8)), "f": np.ones((3, 60))}, "b has 2 images and f 3 courses"),
        ({"b": np.full((8, 8), np.nan)}, "b has 64 NaN or infinite values"),
        ({"b": np.ones(8)}, "b has shape"),
        ({"b": np.ma.masked_less(np.arange(64).reshape(8, 8), 5)}, "b hides 5 values under its mask"),
    ],
)
def test_components_that_do_not_fit_are_refused(given, message):
    with pytest.raises(EstimateError, match=message):
        Estimate(**given)
