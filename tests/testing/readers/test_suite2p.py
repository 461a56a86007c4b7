"""suite2p's arrays: lists of pixels, iscell, merged ROIs, offsets that are displacements."""

import numpy as np
import pytest
from planted import RECORDING, SEEN, SHIFTS, A, C, S, rng

from pytest_calsim import Estimate, assert_footprints_recovered, assert_shifts_recovered
from pytest_calsim.errors import EstimateError

SHAPE = (40, 50)


def roi(image, shuffle=False, **more):
    y, x = np.nonzero(image)
    order = rng.permutation(len(y)) if shuffle else np.arange(len(y))
    return {"ypix": y[order], "xpix": x[order], "lam": image[y, x][order], **more}


def pixels(ypix, xpix, lam):
    return {"ypix": ypix, "xpix": xpix, "lam": lam}


STAT = [roi(image) for image in A[:4]]
F = C[:4]
SPKS = S[:4]


def test_pixels_are_listed_in_any_order():
    iscell = np.array([[1, 0.9], [0, 0.1], [1, 0.8], [1, 0.7]])
    around = rng.random(F.shape)
    found = Estimate.from_suite2p(
        [roi(image, shuffle=True) for image in A[:4]],
        SHAPE,
        F=F,
        Fneu=around,
        spks=SPKS,
        iscell=iscell,
        yoff=SHIFTS[:, 0],
        xoff=SHIFTS[:, 1],
    )
    kept = [0, 2, 3]
    np.testing.assert_array_equal(np.asarray(found.A), A[kept].astype(np.float32))
    np.testing.assert_allclose(found.C, F[kept] - 0.7 * around[kept])
    np.testing.assert_array_equal(found.S, SPKS[kept])
    np.testing.assert_array_equal(found.labels, kept)
    # The Estimate knows its convention: nobody repeats it.
    assert assert_shifts_recovered(found, RECORDING, max_rmse_px=0).passed
    with pytest.raises(EstimateError, match="holds shifts as convention='displacement', not 'correction'"):
        assert_shifts_recovered(found, RECORDING, max_rmse_px=1, convention="correction")


@pytest.mark.parametrize(
    "iscell", [[1, 0, 1, 1], np.array([1, 0, 1, 1]) > 0, np.array([[1, 1], [0, 0], [1, 1], [1, 1]])]
)
@pytest.mark.parametrize("stat", [STAT, np.array(STAT), tuple(STAT)], ids=["list", "as loaded", "tuple"])
def test_curation_is_honoured(stat, iscell):
    assert Estimate.from_suite2p(stat, SHAPE, iscell=iscell).labels.tolist() == [0, 2, 3]


def test_parts_of_a_merged_roi_are_no_estimates():
    merged = [roi(A[0], inmerge=3), roi(A[1], inmerge=3), roi(A[2], inmerge=0), roi(A[0] + A[1], inmerge=-1)]
    found = Estimate.from_suite2p(merged, SHAPE, F=F)
    assert found.labels.tolist() == [2, 3]
    np.testing.assert_array_equal(found.C, F[2:])
    np.testing.assert_array_equal(Estimate.from_suite2p(merged, SHAPE, iscell=[1, 1, 0, 1]).labels, [3])


def test_no_roi_is_an_estimate_of_none():
    assert Estimate.from_suite2p([], SHAPE).n_units == 0
    assert Estimate.from_suite2p(STAT, SHAPE, F=F, iscell=[0] * 4).C.shape == (0, 80)


def test_a_roi_without_pixels_is_no_estimate():
    found = Estimate.from_suite2p([*(roi(a) for a in A[SEEN]), roi(A[0] * 0)], SHAPE)
    card = assert_footprints_recovered(found, RECORDING, min_recall=1, min_precision=1)
    assert "1 estimate has no pixel in the image and is ignored" in str(card)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"F": C[:3]}, r"F has shape \(3, 80\); expected \(4, frame\)"),
        ({"F": F, "Fneu": C[:4, :1]}, r"Fneu has shape \(4, 1\); expected \(4, 80\), as F"),
        ({"spks": np.vstack([SPKS, SPKS])}, r"spks has shape \(8, 80\); expected \(4, frame\)"),
        ({"iscell": [1, 0, 1]}, r"iscell has shape \(3,\); expected \(4, 2\) or \(4,\)"),
        ({"iscell": np.ones((5, 2))}, r"iscell has shape \(5, 2\)"),
        ({"iscell": [0.9, 0.1, 0.8, 0.7]}, r"iscell must be 0 or 1 for each ROI, in its first column if it has two"),
        ({"iscell": [0, 1, 2, 3]}, "iscell must be 0 or 1 for each ROI"),
        ({"iscell": [[np.nan, 0.5]] * 4}, "iscell must be 0 or 1 for each ROI"),
        ({"iscell": ["no", "yes", "no", "no"]}, "iscell must be 0 or 1 for each ROI"),
        ({"Fneu": F}, "Fneu is given without F"),
        ({"F": F, "Fneu": F, "neucoeff": np.nan}, "neucoeff must be a finite number, not nan"),
        ({"F": F, "Fneu": F, "neucoeff": "0.7"}, "neucoeff must be a finite number, not '0.7'"),
        ({"yoff": "up", "xoff": "left"}, "yoff holds <U2, not real numbers"),
        ({"yoff": SHIFTS[:, 0]}, "xoff is missing"),
        ({"xoff": SHIFTS[:, 0]}, "yoff is missing"),
        ({"yoff": SHIFTS[:, 0], "xoff": SHIFTS[1:, 0]}, r"yoff and xoff have shapes \(80,\) and \(79,\)"),
        ({"stat": [*STAT[:3], pixels([-1, 0], [1, 1], [1, 1])]}, r"stat\[3\] reaches pixel \(-1, 1\)"),
        (
            {"stat": [*STAT[:3], {"ypix": [1], "xpix": [50], "lam": [1]}]},
            r"stat\[3\] reaches pixel \(1, 50\); expected",
        ),
        (
            {"stat": [*STAT[:3], {"ypix": [1, 1], "xpix": [2, 2], "lam": [1, 1]}]},
            r"stat\[3\] lists pixel \(1, 2\) twice",
        ),
        (
            {"stat": [*STAT[:3], {"ypix": [1, 2], "xpix": [2], "lam": [1, 1]}]},
            r"stat\[3\] has ypix \(2,\), xpix \(1,\)",
        ),
        ({"stat": [*STAT[:3], pixels([1], [2], [-1])]}, "the footprint of unit 3 is negative at 1"),
        ({"stat": STAT[0]}, r"stat must be suite2p's list of ROIs, np.load.*, not dict"),
        ({"stat": "stat.npy"}, "stat must be suite2p's list of ROIs, np.load.*, not str"),
        ({"stat": None}, "stat must be suite2p's list of ROIs"),
        ({"stat": [*STAT[:3], {"ypix": [1], "xpix": [1]}]}, r"stat\[3\] has no lam: expected the dict of a ROI"),
        ({"stat": [*STAT[:3], 5]}, r"stat\[3\] has no ypix, xpix, lam: expected the dict of a ROI"),
        ({"stat": [*STAT[:3], pixels([1.5], [2], [1])]}, r"ypix of stat\[3\] must be whole numbers, not \[1.5\]"),
        ({"stat": [*STAT[:3], pixels([1], [2], ["a"])]}, r"lam of stat\[3\] holds <U1, not real numbers"),
        ({"stat": [*STAT[:3], STAT[3] | {"inmerge": "x"}]}, r"inmerge of stat\[3\] must be the number of a ROI"),
        ({"shape": {"Ly": 40, "Lx": 50}}, r"shape is a dict: give \(ops"),
        ({"shape": (80, 40, 50)}, r"shape must be \(height, width\) in whole pixels, not \(80, 40, 50\)"),
        ({"shape": 40}, r"shape must be \(height, width\) in whole pixels, not 40"),
        ({"shape": (9, 50)}, r"stat\[0\] reaches pixel \(\d+, \d+\); expected within \(height, width\) = \(9, 50\)"),
    ],
)
def test_what_suite2p_did_not_save_together_is_refused(given, message):
    with pytest.raises(EstimateError, match=message) as caught:
        Estimate.from_suite2p(**({"stat": STAT, "shape": SHAPE} | given))
    assert "\n" not in str(caught.value)
