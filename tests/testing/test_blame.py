"""Blame: on pipelines broken on purpose for one cause, that cause is named."""

import numpy as np
import pytest
from blamed_pipelines import BLAMED, blames, dim_in_glow, wants_light

from pytest_calsim import Estimate, EstimateError, RecoveryError, explain_miss, load_preset, simulate
from pytest_calsim.testing.blame import CAUSES

# Movies that are odd on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::pytest_calsim.errors.CalsimWarning")


@pytest.mark.parametrize("cause", BLAMED)
def test_the_cause_is_named(cause):
    assert next(blames(*BLAMED[cause], seeds=range(9)))[0] == cause


@pytest.mark.slow
def test_the_cause_is_named_in_19_of_20_misses():
    right = {cause: [causes[:1] == (cause,) for causes in blames(*BLAMED[cause], seeds=range(6))] for cause in BLAMED}
    assert all(len(found) >= 5 for found in right.values()), right
    assert np.mean([each for found in right.values() for each in found]) >= 0.95, right


@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 6), marks=pytest.mark.slow)], ids=["one", "five"])
def test_where_the_background_s_shot_noise_hides_a_cell_both_are_listed(seeds):
    """More light or no background: each lets a threshold in standard deviations be reached, and either is the cause."""
    either = {"too little light", "background"}
    found = list(blames(wants_light, dim_in_glow, seeds))
    assert found
    assert all(set(causes) == either for causes in found), found


@pytest.fixture(scope="module")
def recording():
    return simulate(load_preset("tiny"))


def test_what_no_single_cause_hides_is_said_so(recording):
    def finds_all_but_number_3(recording):
        truth = recording.truth
        return truth.A_observed[[unit for unit in range(truth.n_units) if unit != 3]]

    blame = explain_miss(finds_all_but_number_3, recording, 3)
    assert blame.causes == ()
    assert str(blame).startswith("unit 3 was missed (best IoU 0.00) for: no single cause")
    assert blame.not_applicable["motion"] == "the spec has no 'brain_motion'"
    assert blame.without.keys() | blame.not_applicable.keys() == {cause.name for cause in CAUSES}


def test_ties_are_listed_the_largest_gain_first(recording):
    def sees_in_a_clear_field_or_in_bright_light(recording):
        truth = recording.truth
        bright = recording.spec.step("sensor").photon_rate_per_s_um2 > 30_000
        clear = truth.neuropil_temporal is None
        A = np.asarray(truth.A_observed[[0]])
        return A if clear else A[:, :, :] * (np.arange(A.shape[2]) % 4 > 0) if bright else np.zeros_like(A)

    blame = explain_miss(sees_in_a_clear_field_or_in_bright_light, recording, 0)
    assert blame.causes == ("background", "too little light")
    assert "for: background or too little light\n" in str(blame)


def test_the_very_same_cells_are_rendered_where_an_snr_is_declared():
    population = {"snr": 8.0, "n_cells": 4, "depth_um": 110, "thickness_um": 20}
    snr = load_preset("tiny").edit({"place_neurons.populations": [population], "acquisition.duration_s": 2})
    recording = simulate(snr)
    seen = []

    def looks_on(recording):
        seen.append(recording.truth["amplitude"].values)
        return np.zeros((0, 64, 64))

    explain_miss(looks_on, recording, 0)
    assert len(seen) == 5  # the movie as it is; and in more light, a clear field, focus, and without vessels
    assert all(np.array_equal(amplitude, seen[0]) for amplitude in seen)


def test_only_a_miss_is_explained(recording):
    def oracle(recording):
        return Estimate(A=recording.truth.A_observed)

    with pytest.raises(EstimateError, match=r"unit 2 is found, with an IoU of 1.00: there is no miss to explain"):
        explain_miss(oracle, recording, 2)
    n = recording.truth.n_units
    with pytest.raises(EstimateError, match=f"unit {n} is out of range: the planted cells are 0 to {n - 1}"):
        explain_miss(oracle, recording, n)
    with pytest.raises(EstimateError, match="unit 'a' is out of range"):
        explain_miss(oracle, recording, "a")
    with pytest.raises(EstimateError, match="run = 3 must be a function that takes a Recording"):
        explain_miss(3, recording, n)


def test_a_pipeline_s_own_error_is_the_cause(recording):
    def fails_in_bright_light(recording):
        if recording.spec.step("sensor").photon_rate_per_s_um2 > 30_000:
            raise KeyError("Y")
        return np.zeros((0, 64, 64))

    with pytest.raises(RecoveryError, match="it raised KeyError: 'Y'") as caught:
        explain_miss(fails_in_bright_light, recording, 0)
    assert isinstance(caught.value.__cause__, KeyError)
