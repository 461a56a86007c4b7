"""Estimates in files: what pipelines leave on disk, and the ``estimate.npz`` of a failed test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.estimate import Estimate

__all__ = ["read_estimate", "write_estimate"]

_KNOWN = ("A", "C", "S", "shifts", "b", "f", "convention")
_SPARSE = ("A_data", "A_indices", "A_indptr", "A_shape")
_MINIAN = ("A", "C", "S", "motion", "b", "f")


def read_estimate(path: Path, image_shape: tuple[int, int]) -> Estimate:
    """Read an estimate.

    Parameters
    ----------
    path
        ``.npy``: footprints ``(unit_id, height, width)`` or a label image. ``.npz``: any of ``A``, ``C``, ``S``,
        ``shifts``, ``convention``, ``b``, ``f``, as :class:`~pytest_calsim.Estimate` takes them; the ``estimate.npz``
        of a failed test is one. A folder with ``stat.npy``: suite2p's results of a plane, which are pickles and so may
        run code. A folder with ``A.zarr``, ``C.zarr`` and the like: minian's results.
    image_shape
        Height and width of the recording, px.

    Raises
    ------
    EstimateError
        When there is none, or it cannot be read.
    """
    if not path.exists():
        raise EstimateError(f"{path}: no such file or folder")
    try:
        return _reader_of(path)(path, image_shape)
    except EstimateError as error:
        raise EstimateError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise EstimateError(f"{path}: cannot be read: {error}") from None


def write_estimate(path: Path, estimate: Estimate, image_shape: tuple[int, int]) -> None:
    """Write an estimate as ``.npz``: footprints as the four arrays of a sparse matrix; its background is left out."""
    arrays = {name: np.asarray(getattr(estimate, name)) for name in ("C", "S", "shifts", "labels")}
    kept: dict[str, NDArray[Any]] = {name: array for name, array in arrays.items() if array.ndim}
    if estimate.convention is not None:
        kept["convention"] = np.asarray(estimate.convention)
    if estimate.A is not None:
        footprints = estimate.footprints_on(image_shape)
        kept |= {name: np.asarray(getattr(footprints, name.removeprefix("A_"))) for name in _SPARSE}
    np.savez_compressed(path, allow_pickle=False, **kept)


def _reader_of(path: Path) -> Callable[[Path, tuple[int, int]], Estimate]:
    if path.is_dir():
        if (path / "stat.npy").is_file():
            return _read_suite2p
        if any((path / f"{name}.zarr").is_dir() for name in _MINIAN):
            return _read_minian
        raise EstimateError("holds neither stat.npy (suite2p's plane folder) nor A.zarr, C.zarr, ... (minian's)")
    readers = {".npy": _read_npy, ".npz": _read_npz}
    if path.suffix not in readers:
        raise EstimateError("is neither .npy nor .npz, nor a folder of suite2p's or minian's results")
    return readers[path.suffix]


def _read_npy(path: Path, image_shape: tuple[int, int]) -> Estimate:
    return Estimate(
        A=np.load(path), image_shape=image_shape
    )  # without pickle, as NumPy does by default: it may run code


def _read_npz(path: Path, image_shape: tuple[int, int]) -> Estimate:
    # Opened here, as NumPy leaves a file open that it cannot read.
    with path.open("rb") as stream, np.load(stream) as file:
        arrays: Mapping[str, NDArray[Any]] = dict(file)
    given: dict[str, Any] = {name: arrays[name] for name in _KNOWN if name in arrays}
    if not given and "A_data" not in arrays:
        raise EstimateError(f"holds none of {', '.join(_KNOWN)}: there is {', '.join(arrays) or 'nothing'}")
    if "convention" in given:
        given["convention"] = str(given["convention"])
    if "A_data" in arrays:
        data, indices, indptr, shape = (arrays[name] for name in _SPARSE)
        n_units, *grid = shape.tolist()
        if tuple(grid) != image_shape:
            raise EstimateError(f"its footprints lie on {grid[0]} x {grid[1]} px, the recording has {image_shape}")
        given["A"] = csr_array((data, indices, indptr), shape=(n_units, image_shape[0] * image_shape[1]))
    return Estimate(**given, image_shape=image_shape)


def _read_suite2p(folder: Path, image_shape: tuple[int, int]) -> Estimate:
    def array(name: str, *, pickled: bool = False) -> Any:
        path = folder / f"{name}.npy"
        return np.load(path, allow_pickle=pickled) if path.is_file() else None

    # From 1.0 on, offsets are in reg_outputs.npy; before, in ops.npy.
    holders = [array(name, pickled=True) for name in ("reg_outputs", "ops")]
    known: dict[str, Any] = {}
    for holder in holders:
        known = {**(holder.item() if holder is not None else {}), **known}
    return Estimate.from_suite2p(
        array("stat", pickled=True),
        image_shape,
        F=array("F"),
        Fneu=array("Fneu"),
        spks=array("spks"),
        iscell=array("iscell"),
        yoff=known.get("yoff"),
        xoff=known.get("xoff"),
    )


def _read_minian(folder: Path, image_shape: tuple[int, int]) -> Estimate:
    import xarray

    open_zarr: Callable[[Path], Mapping[str, Any]] = getattr(xarray, "open_zarr")  # noqa: B009 (typed in part)
    found = {name: folder / f"{name}.zarr" for name in _MINIAN if (folder / f"{name}.zarr").is_dir()}
    arrays: dict[str, Any] = {name: open_zarr(path)[name] for name, path in found.items()}
    return Estimate.from_minian(arrays)
