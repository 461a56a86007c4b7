"""Estimates in files: what pipelines leave on disk gives the estimate that their arrays give."""

import numpy as np
import pytest
import xarray as xr
import zarr

from pytest_calsim import Estimate, EstimateError
from pytest_calsim.testing.estimate_files import read_estimate, write_estimate

PICTURE = (12, 9)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    A = np.zeros((3, *PICTURE), np.float32)
    for unit in range(3):
        A[unit, 3 * unit : 3 * unit + 4, 2:6] = rng.uniform(0.5, 1, (4, 4))
    return {"A": A, "C": rng.random((3, 20)), "S": rng.random((3, 20)), "shifts": rng.normal(size=(20, 2))}


def agree(one, other):
    np.testing.assert_array_equal(one.A.dense(), other.A.dense())
    for name in ("C", "S", "shifts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.convention == other.convention


def test_what_is_written_is_read_back(arrays, tmp_path):
    estimate = Estimate(**arrays, convention="correction")
    write_estimate(tmp_path / "e.npz", estimate, PICTURE)
    agree(read_estimate(tmp_path / "e.npz", PICTURE), estimate)


@pytest.mark.parametrize("kept", [["A"], ["C"], ["shifts"], ["A", "S"]])
def test_a_part_is_read_back_too(arrays, kept, tmp_path):
    estimate = Estimate(**{name: arrays[name] for name in kept})
    write_estimate(tmp_path / "e.npz", estimate, PICTURE)
    assert repr(read_estimate(tmp_path / "e.npz", PICTURE)) == repr(estimate)


def test_arrays_by_name(arrays, tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays, convention="displacement", another=1)
    agree(read_estimate(tmp_path / "mine.npz", PICTURE), Estimate(**arrays, convention="displacement"))


def test_a_background(tmp_path):
    b = np.arange(108.0).reshape(PICTURE)
    np.savez(tmp_path / "mine.npz", b=b, f=np.arange(5.0))
    read = read_estimate(tmp_path / "mine.npz", PICTURE).background
    np.testing.assert_array_equal(read.field, 2 * b)  # the course's mean


def test_footprints_and_labels_alone(arrays, tmp_path):
    np.save(tmp_path / "A.npy", arrays["A"])
    np.testing.assert_array_equal(read_estimate(tmp_path / "A.npy", PICTURE).A.dense(), arrays["A"])
    labels = np.zeros(PICTURE, int)
    labels[2:4, 3:5] = 7
    np.save(tmp_path / "labels.npy", labels)
    np.testing.assert_array_equal(read_estimate(tmp_path / "labels.npy", PICTURE).A.dense()[0], labels == 7)


@pytest.mark.parametrize("offsets_in", ["ops", "reg_outputs"])
def test_suite2ps_folder(offsets_in, tmp_path):
    stat = [
        {"ypix": np.array([1, 1, 2]), "xpix": np.array([1, 2, 1]), "lam": np.array([0.5, 0.25, 0.25])},
        {"ypix": np.array([7, 8]), "xpix": np.array([5, 5]), "lam": np.array([0.5, 0.5])},
    ]
    F = np.arange(8.0).reshape(2, 4)
    Fneu = np.ones((2, 4))
    iscell = np.array([[1, 0.9], [0, 0.2]])
    offsets = {"yoff": np.array([0, 1, 2, 3]), "xoff": np.array([0, 0, 1, 1])}
    np.save(tmp_path / "stat.npy", np.array(stat, object))
    np.save(tmp_path / f"{offsets_in}.npy", offsets)
    for name, array in {"F": F, "Fneu": Fneu, "iscell": iscell}.items():
        np.save(tmp_path / f"{name}.npy", array)
    expected = Estimate.from_suite2p(stat, PICTURE, F=F, Fneu=Fneu, iscell=iscell, **offsets)
    agree(read_estimate(tmp_path, PICTURE), expected)
    assert expected.n_units == 1


def test_minians_folder(arrays, tmp_path):
    dims = {"A": ("unit_id", "height", "width"), "C": ("unit_id", "frame"), "motion": ("frame", "shift_dim")}
    results = {
        name: xr.DataArray(arrays["shifts" if name == "motion" else name], dims=dims[name], name=name) for name in dims
    }
    # Before zarr 3 there was one format, and xarray knew no word for it.
    form = {"zarr_format": 2} if int(zarr.__version__.partition(".")[0]) >= 3 else {}
    for name, array in results.items():
        array.to_dataset().to_zarr(tmp_path / f"{name}.zarr", **form)
    agree(read_estimate(tmp_path, PICTURE), Estimate.from_minian(results))


def _npz(**arrays):
    return lambda path: np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("e.npz", lambda path: path.write_bytes(b"PK\x03\x04cut"), "cannot be read: "),
        ("e.npz", _npz(x=np.ones(3)), "holds none of A, C, S, shifts, b, f, convention: there is x"),
        ("e.npz", _npz(A=np.ones((2, 3, 3))), r"A has shape \(2, 3, 3\)"),
        ("e.npz", _npz(shifts=np.ones((3, 2)), convention="corection"), "convention cannot be 'corection'"),
        ("e.npy", lambda path: np.save(path, np.array([{}], object)), "cannot be read: "),
        ("e.npy", lambda path: path.write_bytes(b""), "cannot be read: "),
        ("e.mat", lambda path: path.touch(), "is neither .npy nor .npz"),
        ("empty", lambda path: path.mkdir(), r"holds neither stat.npy \(suite2p's plane folder\) nor A.zarr"),
        ("nothing.npy", lambda path: None, "no such file or folder"),
    ],
)
def test_what_cannot_be_read_is_named(name, write, reason, tmp_path):
    write(tmp_path / name)
    with pytest.raises(EstimateError, match=f"{name}: {reason}"):
        read_estimate(tmp_path / name, PICTURE)


def test_footprints_of_another_picture_are_named(arrays, tmp_path):
    write_estimate(tmp_path / "e.npz", Estimate(A=arrays["A"]), PICTURE)
    with pytest.raises(EstimateError, match=r"footprints lie on 12 x 9 px, the recording has \(12, 10\)"):
        read_estimate(tmp_path / "e.npz", (12, 10))
