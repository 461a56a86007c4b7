"""A whole result in the place of one array: one line that names the call that reads it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from planted import RECORDING, SHIFTS, A, C, S

from pytest_calsim import (
    Estimate,
    RecoveryError,
    assert_background_recovered,
    assert_footprints_recovered,
    assert_shifts_recovered,
    assert_spikes_recovered,
    assert_traces_recovered,
    compare,
    hungarian_match,
    score,
)
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.relations.outcome import Outcome

flat = scipy.sparse.csc_matrix(A.reshape(9, -1).T)
ESTIMATES = SimpleNamespace(A=flat, C=C, dims=(40, 50))
STAT = [{"ypix": np.arange(5), "xpix": np.arange(5), "lam": np.ones(5)}] * 3
DATASET = xr.Dataset({"A": xr.DataArray(A, dims=("unit_id", "height", "width"))})

WHOLE = {
    "minian's Dataset": (DATASET, r"A is a Dataset: give Estimate\.from_minian\(dataset\)"),
    "a dict": ({"A": A}, r"A is a dict: give Estimate\.from_minian\(results\)"),
    "CaImAn's CNMF": (SimpleNamespace(estimates=ESTIMATES), r"of CaImAn: give Estimate\.from_caiman\(cnm\)"),
    "CaImAn's estimates": (ESTIMATES, r"with A and C: give Estimate\.from_caiman\(estimates\)"),
    "suite2p's stat": (STAT, r"A is a list of dicts: suite2p's stat is given as Estimate\.from_suite2p\(stat"),
    "suite2p's stat, as loaded": (np.array(STAT), r"A is a list of dicts: suite2p's stat"),
    "a recording": (RECORDING, r"A is a Recording: give one of its arrays, e\.g\. truth\.A_observed"),
    "a truth": (RECORDING.truth, r"A is a GroundTruth: give one of its arrays"),
    "sparse images": (
        [scipy.sparse.csr_matrix(a) for a in A],
        "A is a list of sparse images: give one",
    ),
    "a generator": ((a for a in A), r"A is a generator: give a list, list\(\.\.\.\)"),
    "an iterator": (iter(A), "A is a generator: give a list"),
    "a path": (Path("A.npy"), r"A is a path or text \(.*A\.npy.*\): open it"),
    "a name": ("A.npy", r"A is a path or text \('A\.npy'\): open it"),
}


@pytest.mark.parametrize("form", WHOLE)
def test_one_line_that_says_what_to_do(form):
    given, message = WHOLE[form]
    for judge in (
        lambda: assert_footprints_recovered(given, RECORDING, min_recall=0.1, min_precision=0.1),
        lambda: Estimate(given),
        lambda: score(given, RECORDING),
    ):
        with pytest.raises(EstimateError, match=message) as caught:
            judge()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "judge",
    [
        lambda given: assert_traces_recovered(given, RECORDING, min_pearson=0.5),
        lambda given: assert_spikes_recovered(given, RECORDING, min_recall=0.5, min_precision=0.5),
        lambda given: assert_shifts_recovered(given, RECORDING, max_rmse_px=1, convention="correction"),
        lambda given: hungarian_match(given, A),
    ],
    ids=["traces", "spikes", "shifts", "match"],
)
@pytest.mark.parametrize("given", [DATASET, {"A": A}, ESTIMATES, STAT, "A.npy", None], ids=str)
def test_other_arrays_too(judge, given):
    with pytest.raises(EstimateError) as caught:
        judge(given)
    assert "\n" not in str(caught.value)


def test_arrays_that_look_like_results_are_arrays():
    table = pd.DataFrame(S[:, :3], columns=["A", "C", "truth"])
    with pytest.raises(EstimateError, match=r"columns A to truth; expected .*: it is transposed, give C\.T"):
        Estimate(C=table)
    assert Estimate(shifts=SHIFTS.tolist()).shifts.shape == (80, 2)


NOTHING = {
    "footprints": lambda given: assert_footprints_recovered(given, RECORDING, min_recall=0.5, min_precision=0.5),
    "traces": lambda given: assert_traces_recovered(given, RECORDING, min_pearson=0.5),
    "spikes": lambda given: assert_spikes_recovered(given, RECORDING, min_recall=0.5, min_precision=0.5),
    "shifts": lambda given: assert_shifts_recovered(given, RECORDING, max_rmse_px=1, convention="correction"),
    "background": lambda given: assert_background_recovered(given, RECORDING, min_pearson=0.5),
    "score": lambda given: score(given, RECORDING),
    "compare": lambda given: compare(given, RECORDING),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_a_pipeline_does_not_return(name):
    with pytest.raises(EstimateError, match=r"^None is no estimate: did the pipeline return it\?$"):
        NOTHING[name](None)
    with pytest.raises(EstimateError, match=r"is a path or text \(.*found\.npz'\).*: open it and give the arrays$"):
        NOTHING[name](Path("found.npz"))
    with pytest.raises(EstimateError, match=r"is a function or class \(score\): give what it returns$"):
        NOTHING[name](score)
    with pytest.raises(EstimateError, match="is a tuple of 2 arrays of different kinds: give each by its name, Estim"):
        NOTHING[name]((A, C))


def test_a_pipeline_that_returns_nothing_breaks_its_contract():
    with pytest.raises(RecoveryError, match=r"None is no estimate: did the pipeline return it\?"):
        Outcome.of(lambda recording: None, RECORDING)
