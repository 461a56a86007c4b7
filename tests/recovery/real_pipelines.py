"""Real pipelines as functions of a recording, at settings that suit cells of 7 px across and GCaMP6f.

Each runs in an environment of its own: minian's is made by ``run.py``, suite2p's by ``calibrate.py``.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import xarray as xr
from preparation import without_fixed_pattern

from pytest_calsim import Estimate, Recording


def minian(recording: Recording, registered: xr.DataArray | None = None, **settings: float) -> Estimate:
    """Run minian 2.0.2's CNMF chain, as ``minian_pipeline.py`` has it; it registers what moves.

    ``registered`` are frames that take the place of the recording's own, and keep still.
    """
    from minian_pipeline import find_cells

    movie = recording.observed if registered is None else registered
    with tempfile.TemporaryDirectory() as folder:
        register = registered is None and moves(recording)
        return Estimate.from_minian(find_cells(movie, Path(folder), register=register, **settings))


def moves(recording: Recording) -> bool:
    """Tell whether tissue moves, by more than a tenth of a pixel: what keeps still may lie anywhere."""
    shifts = recording.truth.shifts
    return shifts is not None and bool(np.ptp(shifts.values, axis=0).max() > 0.1)


def notebook_shifts(recording: Recording) -> np.ndarray:
    """Estimate motion as minian's notebook does, on frames from which minimum, noise and background were removed."""
    from minian.motion_correction import estimate_motion
    from minian.preprocessing import denoise, remove_background

    movie = recording.observed.astype(np.float32).chunk({"frame": 100, "height": -1, "width": -1})
    movie = movie - movie.min("frame").compute()
    movie = denoise(movie, method="gaussian", ksize=(0, 0), sigmaX=1.25)
    movie = remove_background(movie, method="tophat", wnd=15)
    return estimate_motion(movie, dim="frame").compute().values


def import_suite2p() -> ModuleType:
    """Import suite2p, also beside a torchvision that lacks operators, which suite2p imports and never calls."""
    import torch

    try:
        import suite2p as package
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import suite2p as package
    return package


def suite2p(recording: Recording, threshold_scaling: float = 0.5, registered: xr.DataArray | None = None) -> Estimate:
    """Run suite2p 1.1.0 on a TIFF, at half of its threshold, which suits movies of seconds; it registers what moves.

    ``registered`` are frames that take the place of the recording's own, and keep still.
    """
    import tifffile

    package = import_suite2p()
    settings = package.default_settings()
    settings["fs"] = float(recording.spec.acquisition.fps)
    settings["tau"] = 0.3
    settings["torch_device"] = "cpu"
    register = registered is None and moves(recording)
    settings["run"]["do_registration"] = int(register)
    registration = settings["registration"]
    registration["nonrigid"] = False  # nor is the motion; and its blocks are larger than a small movie
    # Its own advice for one-photon movies. With what suits two photons, light that stays put on the sensor holds it.
    registration["smooth_sigma"] = 3
    registration["spatial_taper"] = 8
    registration["two_step_registration"] = True
    settings["detection"]["threshold_scaling"] = threshold_scaling
    settings["detection"]["sparsery_settings"]["spatial_scale"] = 1
    movie, per_code = np.asarray(recording.observed), 1
    if registered is not None or register:
        movie = np.asarray(without_fixed_pattern(recording.observed) if registered is None else registered)
        per_code = 16 if recording.observed.dtype == np.uint8 else 1  # it takes 16 bits with a sign
        movie = np.round(per_code * movie).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        tifffile.imwrite(Path(folder) / "movie.tif", movie)
        db = {"data_path": [folder], "save_path0": folder, "nplanes": 1, "keep_movie_raw": register}  # for two steps
        with contextlib.redirect_stdout(io.StringIO()):
            package.run_s2p(db=db, settings=settings)
        plane = Path(folder) / "suite2p" / "plane0"
        found = np.load(plane / "reg_outputs.npy", allow_pickle=True).item() if register else {}
        return Estimate.from_suite2p(
            np.load(plane / "stat.npy", allow_pickle=True),
            movie.shape[1:],
            F=np.load(plane / "F.npy") / per_code,
            Fneu=np.load(plane / "Fneu.npy") / per_code,
            spks=np.load(plane / "spks.npy") / per_code,
            yoff=found.get("yoff"),
            xoff=found.get("xoff"),
        )
