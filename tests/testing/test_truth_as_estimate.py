"""The truth is a perfect estimate: in every form that can be handed over, on every preset, and any part of it."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from pytest_calsim import (
    Estimate,
    EstimateError,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
    load_preset,
    preset_names,
    score,
    simulate,
)

SHORT = {"acquisition.duration_s": 1}
EVERY = {"units": "all", "min_recall": 1, "min_precision": 1, "min_mean_iou": 1, "max_offset_px": 0}


@pytest.fixture(scope="module")
def recordings():
    made = {}

    def get(name):
        if name not in made:
            made[name] = simulate(load_preset(name, overrides=SHORT))
        return made[name]

    return get


@pytest.mark.filterwarnings("ignore::pytest_calsim.errors.CalsimWarning")
@pytest.mark.parametrize("preset", preset_names())
def test_on_every_preset(recordings, preset):
    recording = recordings(preset)
    truth = recording.truth
    convention = None if truth.shifts is None else "displacement"
    found = Estimate(truth.A_observed, truth.C, truth.S, truth.shifts, convention=convention)
    for given in (truth.A_observed, found):
        assert assert_footprints_recovered(given, recording, **EVERY).passed
    # One that lies beyond the view and shows a sliver is no other cell's, even where that one's own image is left out.
    some = EVERY | {"min_recall": 0, "units": "detectable"}
    assert assert_footprints_recovered(truth.A_observed[::2], recording, **some).passed
    assert assert_traces_recovered(found, recording, min_pearson=0.999, max_gain_error=1e-6, units="all").passed
    exact = {"min_recall": 1, "min_precision": 1, "tol_frames": 0}
    assert assert_spikes_recovered(found, recording, units="all", **exact).passed
    if convention:
        assert assert_shifts_recovered(found, recording, max_rmse_px=0, max_offset_px=0).passed
    assert score(found, recording, units="all").skipped == {}


SIMPLE = {
    "footprints": lambda A: A,
    "selected": lambda A: A[:],
    "masked selection": lambda A: A[np.ones(len(A), bool)],
    "listed": lambda A: A[list(range(len(A)))[::-1]],
    "numpy": np.asarray,
    "float64": lambda A: np.asarray(A, np.float64),
    "list": list,
    "xarray": lambda A: A.dense(),
    "xarray, dims turned": lambda A: A.dense().transpose("width", "height", "unit_id"),
    "list of xarray": lambda A: list(A.dense()),
    "dask": lambda A: da.from_array(np.asarray(A), chunks=(7, 50, 50)),
    "xarray on dask": lambda A: A.dense().chunk({"unit_id": 5}),
    "masked": lambda A: np.ma.masked_equal(np.asarray(A), 0),
    "scipy csr": lambda A: A.csr,
    "scipy csc": lambda A: A.csr.tocsc(),
    "scipy matrix": lambda A: scipy.sparse.csr_matrix(A.csr),
    "scaled": lambda A: np.asarray(A) * np.linspace(0.1, 9, len(A))[:, None, None],
    "C order by CaImAn's rules": lambda A: Estimate.from_caiman(
        type("Estimates", (), {"A": np.stack([a.ravel("F") for a in A], axis=1), "dims": A.shape[1:]})
    ),
    "suite2p's rules": lambda A: Estimate.from_suite2p(
        [dict(zip(("ypix", "xpix", "lam"), [*np.nonzero(a), a[np.nonzero(a)]], strict=True)) for a in A], A.shape[1:]
    ),
    "minian's rules": lambda A: Estimate.from_minian({"A": A.dense()}),
}


@pytest.mark.parametrize("preset", ["tiny", "static", "moving"])
@pytest.mark.parametrize("form", SIMPLE)
def test_in_every_form(recordings, preset, form):
    recording = recordings(preset)
    assert assert_footprints_recovered(SIMPLE[form](recording.truth.A_observed), recording, **EVERY).passed


@pytest.mark.parametrize("how", ["ids", "mask", "slice", "list", "one"])
@pytest.mark.parametrize("preset", ["tiny", "static", "moving"])
def test_every_selection_is_exact(recordings, preset, how):
    recording = recordings(preset)
    A = recording.truth.A_observed
    ids = np.flatnonzero(np.diff(A.indptr))[::2]
    key = {
        "ids": ids,
        "mask": np.isin(np.arange(len(A)), ids),
        "slice": slice(1, None, 3),
        "list": ids.tolist(),
        "one": [int(ids[0])],
    }[how]
    bounds = {"min_recall": 0, "min_precision": 1, "min_mean_iou": 1}
    for units in ("all", "detectable"):
        card = assert_footprints_recovered(A[key], recording, **bounds, units=units)
    assert card.as_dict()["footprints.n_estimates"] == len(np.arange(len(A))[key])


def test_planted_footprints_can_be_handed_over_too(recordings):
    recording = recordings("tiny")
    card = assert_footprints_recovered(recording.truth.A_planted, recording, min_recall=0, min_precision=0, units="all")
    assert card.as_dict()["footprints.n_estimates"] == len(recording.truth.A_planted)


def test_a_unit_selected_twice_is_refused(recordings):
    with pytest.raises(EstimateError, match=r"A has the unit_id labels \[2\] more than once"):
        Estimate(recordings("tiny").truth.A_observed[[2, 0, 2]])


def test_labelled_traces_of_a_selection_follow_it(recordings):
    recording = recordings("moving")
    ids = [30, 4, 17]
    found = Estimate(recording.truth.A_observed[ids], recording.truth.C.sel(unit_id=sorted(ids)))
    np.testing.assert_array_equal(found.C, recording.truth.C.values[ids])
