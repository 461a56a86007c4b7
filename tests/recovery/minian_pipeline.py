"""minian 2.0.2 as its users run it, from an observed movie to cells, in functions that return plain arrays.

minian wants dask-backed arrays, its intermediate folder named before it is imported, and results saved between steps
(never over the array that they are computed from).
"""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr


def estimate_shifts(observed: xr.DataArray) -> xr.DataArray:
    """Motion correction ``(frame, shift_dim)`` of a movie, px."""
    from minian.motion_correction import estimate_motion

    return estimate_motion(preprocess(observed), dim="frame").compute()


def preprocess(observed: xr.DataArray) -> xr.DataArray:
    """Glow, shot noise and background removed frame by frame; lazily, on dask."""
    from minian.preprocessing import denoise, remove_background

    movie = observed.chunk({"frame": 100, "height": -1, "width": -1})
    movie = movie - movie.min("frame").compute()
    movie = denoise(movie, method="median", ksize=5)
    return remove_background(movie, method="tophat", wnd=15).rename("varr_ref")


def cnmf(observed: xr.DataArray, folder: Path) -> xr.Dataset:
    """The CNMF chain: ``A`` (unit_id, height, width), ``C`` and ``S`` (unit_id, frame)."""
    os.environ["MINIAN_INTERMEDIATE"] = str(folder / "intermediate")
    from minian.cnmf import compute_trace, get_noise_fft, unit_merge, update_background, update_spatial, update_temporal
    from minian.initialization import initA, initC, ks_refine, pnr_refine, seeds_init, seeds_merge
    from minian.motion_correction import apply_transform, estimate_motion
    from minian.utilities import save_minian

    def saved(array: xr.DataArray, name: str, **chunks: int) -> xr.DataArray:
        chunked = array.chunk(chunks) if chunks else array
        return save_minian(chunked.rename(name), str(folder / name), overwrite=True)

    reference = saved(preprocess(observed), "varr_ref")
    motion = estimate_motion(reference, dim="frame").compute()
    corrected = apply_transform(reference, motion, fill=0).fillna(0).astype(float)
    by_frame = saved(corrected, "Y_fm_chk", frame=100, height=-1, width=-1)
    by_pixel = saved(by_frame, "Y_hw_chk", frame=-1, height=32, width=32)
    brightest = by_frame.max("frame").compute()

    seeds = seeds_init(by_frame, wnd_size=200, method="rolling", stp_size=100, max_wnd=10, diff_thres=2)
    seeds, _, _ = pnr_refine(by_pixel, seeds, noise_freq=0.1, thres=1)
    seeds = ks_refine(by_pixel, seeds, sig=0.05)
    seeds = seeds[seeds["mask_ks"] & seeds["mask_pnr"]].reset_index(drop=True)
    seeds = seeds_merge(by_pixel, brightest, seeds, thres_dist=8, thres_corr=0.7, noise_freq=0.1)
    seeds = seeds[seeds["mask_mrg"]].reset_index(drop=True)

    A = saved(initA(by_pixel, seeds, thres_corr=0.7, wnd=10, noise_freq=0.1), "A_init")
    C = saved(initC(by_frame, A), "C_init", unit_id=-1, frame=-1)
    A, C = _merged(unit_merge, A, C, folder)
    background, drift = update_background(by_frame, A, C)
    noise = get_noise_fft(by_pixel, noise_range=(0.1, 0.5)).compute()
    A, kept, factor = update_spatial(by_pixel, A, C, noise, dl_wnd=8, sparse_penal=0.01, size_thres=(9, None))
    A = saved(A, "A")
    C = saved((C.sel(unit_id=kept) * factor).astype(float), "C_scaled", unit_id=1, frame=-1)
    background, drift = update_background(by_frame, A, C)
    residual = saved(compute_trace(by_frame, A, background, C, drift), "YrA", unit_id=1, frame=-1)
    C, S, _, _, _, kept = update_temporal(
        A, C, YrA=residual, noise_freq=0.1, sparse_penal=1, p=1, add_lag=20, jac_thres=0.2
    )
    # update_temporal returns units in an order of its own.
    return xr.Dataset({"A": A.sel(unit_id=C["unit_id"]).compute(), "C": C.compute(), "S": S.compute()})


def _merged(unit_merge, A, C, folder):
    """Merge units; minian raises when no two of them overlap."""
    try:
        A, C, _ = unit_merge(A, C, thres_corr=0.8)
    except ValueError:
        return A, C
    return A.compute().chunk(), C.compute().chunk({"unit_id": -1, "frame": -1})
