"""minian 2.0.2 as its users run it, from an observed movie to cells, in functions that return arrays in memory.

The steps and their order are those of minian's pipeline notebook; sizes suit cells of 7 px across, thresholds suit
transients of a few counts. minian wants dask-backed arrays, its intermediate folder named in the environment, and
results saved between steps, never over the array that they are computed from.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr
from preparation import shown_throughout, without_fixed_pattern
from scipy.signal.windows import tukey

SOMA_PX = 7
"""Across: a soma of 5.5 µm radius on the Miniscope V4's pixels of 1.66 µm in tissue."""

NOISE_FREQ = 0.1
"""Of the frame rate: transients lie below it, noise above."""

MIN_PNR = {"still": 1.4, "registered": 1.5}
"""Least ratio of a seed's peak-to-peak signal to that of its noise.

Without a spike, the largest of some 1500 seeds reach 1.37 to 1.39 on three still movies. On three registered ones they
reach 1.43, 1.44 and 1.57: what motion leaves behind flickers.
"""

SEED_CONTRAST = 5.0
"""Least height of a seed above what surrounds it in a maximum projection, in standard deviations of the noise."""

BACKGROUND_PX = 5
"""Radius of the disk that is too wide for a soma to fit in what it leaves: half as much again as a soma's.

With 10 px, pieces of neuropil pass for cells. This and ``SEED_CONTRAST`` were chosen on seeds 10-14, which no test
judges.
"""


def noise_of(movie: xr.DataArray) -> float:
    """Return the standard deviation of a movie's noise, as the median over pixels of that between frames."""
    steps = movie.diff("frame")
    return float((1.4826 * abs(steps).median("frame") / np.sqrt(2)).median())


def flat(observed: xr.DataArray) -> xr.DataArray:
    """Take a polynomial of degree 4 out of each frame: light that falls off to the rim, where an average is one-sided.

    It stays put while the tissue moves: what is left of it pulls at a registration, and is a transient after one.
    """
    sides = [np.linspace(-1, 1, observed.sizes[name]) for name in ("height", "width")]
    y, x = np.meshgrid(*sides, indexing="ij")
    terms = np.stack([y**i * x**j for i in range(5) for j in range(5 - i)], axis=-1).reshape(y.size, -1)
    basis = np.linalg.qr(terms)[0].astype(np.float32)
    movie = observed.values.astype(np.float32)
    glow = (movie.reshape(len(movie), -1) @ basis @ basis.T).reshape(movie.shape)
    return observed.copy(data=movie - glow).chunk({"frame": 100, "height": -1, "width": -1})


def preprocess(observed: xr.DataArray) -> xr.DataArray:
    """Glow, shot noise and background removed frame by frame; lazily, on dask.

    In float32 and smoothed: the median of whole counts is a whole count, too coarse for transients of two or three.
    """
    from minian.preprocessing import denoise, remove_background

    movie = observed.astype(np.float32).chunk({"frame": 100, "height": -1, "width": -1})
    movie = denoise(movie, method="gaussian", ksize=(0, 0), sigmaX=1.25)
    return remove_background(movie, method="tophat", wnd=BACKGROUND_PX).rename("varr_ref")


def without_glow(registered: xr.DataArray) -> xr.DataArray:
    """Return a movie without the still picture: vessels' edges and resting cells, as bright as each frame shows them.

    minian's notebook subtracts each pixel's minimum before registration. There it leaves ghosts of resting cells that
    stay put while the tissue moves; and the edges of vessels brighten and dim with all that lies below. Where the
    tissue moved out of view the result is 0.
    """
    still = registered.median("frame", skipna=True).compute()
    brightness = (registered * still).sum(("height", "width")) / (still**2).where(registered.notnull()).sum(
        ("height", "width")
    )
    return (registered - brightness * still).fillna(0).astype(float)


def estimate_shifts(observed: xr.DataArray) -> xr.DataArray:
    """Return the motion correction ``(frame, shift_dim)`` of a movie, px: estimated, and twice more on moved frames.

    minian registers frames with one another, so each must show its cells: it is smoothed as wide as a soma (a disk's
    standard deviation is half of its radius), and its local mean is subtracted. A tophat, as before CNMF, would
    subtract the darkest pixels near by, which are mostly noise. What stays put is faded out at the rim.
    """
    from minian.motion_correction import apply_transform, estimate_motion
    from minian.preprocessing import denoise, remove_background

    movie = denoise(flat(observed), method="gaussian", ksize=(0, 0), sigmaX=SOMA_PX / 4)
    movie = remove_background(movie, method="uniform", wnd=3 * SOMA_PX // 2 + 1).compute()
    inner = xr.DataArray(tukey(movie.sizes["height"], 0.3), dims="height")
    inner = (inner * xr.DataArray(tukey(movie.sizes["width"], 0.3), dims="width")).astype(np.float32)

    def estimated(moved: xr.DataArray) -> xr.DataArray:
        faded = (moved * inner).transpose("frame", "height", "width").rename("faded")
        return estimate_motion(faded.chunk({"frame": 100}), dim="frame").compute()

    shifts = estimated(movie)
    for _ in range(2):
        shifts = shifts + estimated(apply_transform(movie.chunk({"frame": 100}), shifts, fill=0).compute())
    return shifts


def find_cells(
    observed: xr.DataArray, folder: Path, *, register: bool = True, min_pnr: float | None = None
) -> dict[str, xr.DataArray]:
    """Run the CNMF chain; ``register=False`` leaves a movie where it is that does not move.

    Returns
    -------
    ``A`` (unit_id, height, width), ``C`` and ``S`` (unit_id, frame), and ``motion`` (frame, shift_dim), the correction.
    """
    os.environ["MINIAN_INTERMEDIATE"] = str(folder)
    from minian.cnmf import compute_trace, get_noise_fft, update_background, update_spatial, update_temporal
    from minian.initialization import initA, initC, pnr_refine, seeds_init, seeds_merge
    from minian.motion_correction import apply_transform
    from minian.utilities import save_minian

    def saved(array: xr.DataArray, name: str, **chunks: int) -> xr.DataArray:
        return save_minian(array.chunk(chunks).rename(name), str(folder), overwrite=True)

    if min_pnr is None:
        min_pnr = MIN_PNR["registered" if register else "still"]
    movie = without_fixed_pattern(observed) if register else observed
    reference = saved(preprocess(movie), "varr_ref")
    motion = xr.DataArray(np.zeros((observed.sizes["frame"], 2)), dims=("frame", "shift_dim"))
    registered = reference
    if register:
        motion = estimate_shifts(movie)
        registered = shown_throughout(apply_transform(reference, motion, fill=np.nan))
    still = without_glow(registered)
    by_frame = saved(still, "Y_fm_chk", frame=100, height=-1, width=-1)
    by_pixel = saved(by_frame, "Y_hw_chk", frame=-1, height=32, width=32)

    # ks_refine is left out: it drops cells that fired only once or twice.
    contrast = SEED_CONTRAST * noise_of(by_frame.compute())
    seeds = seeds_init(by_frame, wnd_size=200, stp_size=100, max_wnd=10, diff_thres=contrast)
    seeds, _, _ = pnr_refine(by_pixel, seeds, noise_freq=NOISE_FREQ, thres=min_pnr)
    seeds = seeds[seeds["mask_pnr"]].reset_index(drop=True)
    brightest = by_frame.max("frame").compute()
    seeds = seeds_merge(by_pixel, brightest, seeds, thres_dist=8, thres_corr=0.7, noise_freq=NOISE_FREQ)
    seeds = seeds[seeds["mask_mrg"]].reset_index(drop=True)

    A = saved(initA(by_pixel, seeds, thres_corr=0.8, wnd=10, noise_freq=NOISE_FREQ), "A_init", unit_id=1)
    C = saved(initC(by_frame, A), "C_init", unit_id=1, frame=-1)
    A, C = merge(A, C)
    A = saved(A, "A_merged", unit_id=1)
    C = saved(C, "C_merged", unit_id=1, frame=-1)

    noise = get_noise_fft(by_pixel, noise_range=(NOISE_FREQ, 0.5)).compute().chunk({"height": 32, "width": 32})
    for turn in ("first", "second"):
        # C in memory: on disk, it would have to lie in the intermediate folder under its own name.
        A, kept, scale = update_spatial(by_pixel, A, C, noise, dl_wnd=4, sparse_penal=0.01, in_memory=True)
        A = saved(A, f"A_spatial_{turn}", unit_id=1)
        C = saved(C.sel(unit_id=kept) * scale, f"C_spatial_{turn}", unit_id=-1, frame=100)
        b, f = update_background(by_frame, A, C)
        residual = saved(compute_trace(by_frame, A, b, C, f), f"YrA_{turn}", unit_id=1, frame=-1)
        C, S, *_ = update_temporal(
            A, C, YrA=residual, noise_freq=NOISE_FREQ, sparse_penal=0.3, p=1, add_lag=20, jac_thres=0.2
        )
        kept = C["unit_id"]  # it drops units, and puts the others in another order
        A = A.sel(unit_id=kept).compute()
        if turn == "first":
            A, C = merge(saved(A, "A_temporal", unit_id=1), saved(C.compute(), "C_temporal", unit_id=1, frame=-1))
            A = saved(A, "A_merged_again", unit_id=1)
            C = saved(C, "C_merged_again", unit_id=1, frame=-1)
    A = A.reindex_like(observed.isel(frame=0, drop=True), fill_value=0)
    return {"A": A, "C": C.compute(), "S": S.sel(unit_id=kept).compute(), "motion": motion}


def merge(A: xr.DataArray, C: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Units that overlap and fire together made one; minian raises where no two units overlap."""
    from minian.cnmf import unit_merge

    try:
        return unit_merge(A, C, thres_corr=0.8)
    except ValueError as error:
        if "at least one array to concatenate" not in str(error):
            raise
        return A, C
