"""minian and suite2p under the contract and under ``@given``, on tiny scenes.

Each in its own environment: ``python tests/recovery/run.py`` makes minian's; suite2p's is ``pip install suite2p==1.1.0
tifffile`` beside this package. What does not hold is written down in ``docs/findings.md``, and expected here.
"""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
import real_pipelines
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_calsim import (
    Estimate,
    Outcome,
    PipelineContract,
    RecoveryError,
    assert_shifts_recovered,
    contract_scene,
    simulate,
)
from pytest_calsim.errors import CalsimWarning

pytestmark = [
    pytest.mark.slow,
    # Other people's deprecations are not ours to fail on.
    pytest.mark.filterwarnings("default"),
]

FOUND = {
    "minian": {
        "no cell": "no two seeds near one another",
        "saturated": "no seed",
        "dark": "no seed",
        "one frame": "no seed",
        "two frames": "no seed",
        "gain and offset": "one estimate of no cell more in codes 533 times as large",
    },
    "suite2p": {
        "one frame": "fewer than 10 frames are refused",
        "two frames": "fewer than 10 frames are refused",
        "mirrored": "other estimates of no cell where a side is no multiple of 8",
    },
}
"""Clauses that are known not to hold, by pipeline: each a finding in ``docs/findings.md``."""

IN_ONE_NOISE = {
    "minian": ("one more cell, far away",),
    "suite2p": ("cropped", "cells in another order"),
}
"""Clauses that hold on the contract's scene with some seeds and not with others, by pipeline; findings as well."""

SEEDS = range(4)

CONTRACTS = {name: PipelineContract(getattr(real_pipelines, name)) for name in FOUND}


def needs(name):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} needs an environment of its own")


def finding(reason):
    """Expect what a finding says: strictly, so that a version that mends it says so."""
    return pytest.mark.xfail(strict=True, raises=RecoveryError, reason=reason)


def cases():
    for name, contract in CONTRACTS.items():
        for clause in contract.clauses:
            known = FOUND[name].get(clause.name)
            if clause.name not in IN_ONE_NOISE[name]:
                marks = [needs(name), *([finding(known)] if known else [])]
                yield pytest.param(name, clause, id=f"{name}-{clause}", marks=marks)


@pytest.mark.parametrize(("name", "clause"), list(cases()))
def test_contract(name, clause):
    CONTRACTS[name].check(clause)


# One seed may go the other way by another processor's rounding; that all four hold would be news.
@finding("a cell is whole in one noise, and larger or split in another")
@pytest.mark.parametrize(
    ("name", "clause"),
    [pytest.param(name, clause, marks=needs(name)) for name, clauses in IN_ONE_NOISE.items() for clause in clauses],
)
def test_on_every_seed(name, clause):
    for seed in SEEDS:
        CONTRACTS[name].check(clause, simulate(contract_scene().edit(seed=seed)))


@needs("suite2p")
@pytest.mark.parametrize(("height", "width"), [(64, 72), (64, 64)])
def test_suite2p_keeps_the_mirror_where_sides_are_multiples_of_8(height, width):
    size = {"acquisition.image_sensor.height_px": height, "acquisition.image_sensor.width_px": width}
    CONTRACTS["suite2p"].check("mirrored", simulate(contract_scene().edit(size)))


# Contract scenes of other cells: their number, places, brightness, depth and light are drawn.
SCENE = contract_scene().edit({"acquisition.image_sensor.height_px": 64, "acquisition.image_sensor.width_px": 64})
PLACES = st.tuples(st.just(110.0), st.floats(-48, 48), st.floats(-48, 48))
SCENES = st.builds(
    lambda places, cv, light, seed: SCENE.edit(
        {
            "place_neurons.positions_um": places,
            "place_neurons.populations.0.brightness_cv": cv,
            "sensor.photon_rate_per_s_um2": light,
        },
        seed=seed,
    ),
    st.lists(PLACES, min_size=3, max_size=12),
    st.floats(0, 1),
    st.floats(2e4, 2e5),
    st.integers(0, 2**32 - 1),
)
A_FEW = settings(max_examples=8, database=None, deadline=None, suppress_health_check=list(HealthCheck))


def quiet(spec):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        return simulate(spec)


# To this Hypothesis shrank what it found; given to both, so that the finding rests on no draw.
AT_ONE_PLACE = SCENE.edit(
    {
        "place_neurons.positions_um": [(110.0, 0.0, 0.0)] * 3,
        "place_neurons.populations.0.brightness_cv": 0,
        "sensor.photon_rate_per_s_um2": 2e4,
    },
    seed=0,
)
NO_PAIR = finding("few cells: no two seeds near one another")


@pytest.mark.parametrize(
    "name", [pytest.param("minian", marks=[needs("minian"), NO_PAIR]), pytest.param("suite2p", marks=needs("suite2p"))]
)
def test_results_can_be_right_on_drawn_scenes(name):
    @A_FEW
    @given(SCENES)
    @example(AT_ONE_PLACE)
    def can_be_right(spec):
        Outcome.of(getattr(real_pipelines, name), quiet(spec))

    can_be_right()


@needs("minian")
@finding("frames whose background is removed hold too little to register by")
def test_minian_sees_no_motion_in_a_still_sparse_scene():
    movie = quiet(contract_scene().edit(add=[STILL]))
    assert_shifts_recovered(real_pipelines.notebook_shifts(movie), movie, max_rmse_px=0.5, convention="correction")


@needs("minian")
def test_minian_sees_none_in_frames_as_they_are():
    from minian.motion_correction import estimate_motion

    movie = quiet(contract_scene().edit(add=[STILL]))
    frames = movie.observed.astype(np.float32).chunk({"frame": 100})
    shifts = estimate_motion(frames, dim="frame").compute()
    estimate = Estimate(shifts=shifts, convention="correction")
    assert_shifts_recovered(estimate, movie, max_rmse_px=0.1)


@needs("minian")
@finding("seeds_init takes its contrast in the movie's own unit")
def test_minian_takes_thresholds_in_codes(monkeypatch):
    import minian_pipeline

    # As in its notebook, where diff_thres is a number of codes.
    monkeypatch.setattr(minian_pipeline, "noise_of", lambda movie: 1 / minian_pipeline.SEED_CONTRAST)
    PipelineContract(real_pipelines.minian).check("gain and offset")


STILL = {"kind": "brain_motion", "trajectory_um": [[0, 0], [0, 0]], "trajectory_time_s": [0, 10], "max_shift_um": 0}
