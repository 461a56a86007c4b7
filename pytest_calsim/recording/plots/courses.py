"""Draw courses over time, and what depends on the signal: traces, shifts, detection."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.types import Floats
from pytest_calsim.recording.plots.style import BLUE, GREY, ORANGE, SKY, VERMILLION, rescaled
from pytest_calsim.recording.plots.truth_comparison import TruthComparison
from pytest_calsim.recording.truth import GroundTruth

__all__ = ["draw_detection", "draw_shift_errors", "draw_shifts", "draw_traces", "snr_column"]


_LEAST_SNR = 0.1
"""Cells of a lower SNR are drawn at this one: a logarithmic axis has no zero."""


def snr_column(truth: GroundTruth) -> tuple[str, NDArray[np.float64]]:
    """Return the signal-to-noise ratio that decides what is detectable, and its name.

    Raises
    ------
    ValueError
        When the recording has none.
    """
    for name in ("snr_peak", "snr"):
        if name in truth:
            return name, truth[name].values.astype(np.float64)
    raise ValueError("this recording has no snr: its spec lacks 'cell_optics' or 'cell_activity'; add it")


def draw_traces(
    ax: Any, truth: GroundTruth, units: NDArray[np.intp], fps: float, comparison: TruthComparison | None = None
) -> None:
    """Draw true traces one above the other with their spikes, and the estimated ones onto them.

    Each true trace is scaled to its own range; an estimate is fitted to it by a gain and an offset (least squares).
    """
    if truth.C is None:
        raise ValueError("this recording has no traces: its spec lacks 'cell_activity'; add it")
    true: Floats = truth["C"].values[units].astype(np.float64)
    time_s = np.arange(len(true[0]), dtype=np.float64) / fps
    spikes = truth.spike_times
    for i, (unit, trace) in enumerate(zip(units.tolist(), true, strict=True)):
        base = len(units) - 1 - i  # the first one on top
        low = float(trace.min())
        span = float(np.ptp(trace)) or 1.0
        ax.plot(time_s, base + 0.75 * (trace - low) / span, color=SKY, linewidth=1.1, label="true")
        row = -1 if comparison is None else int(comparison.estimate_of[unit])
        if comparison is not None and comparison.C is not None and row >= 0:
            drawn = base + 0.75 * (_fit(comparison.C[row], trace) - low) / span
            ax.plot(time_s, drawn, color=ORANGE, linewidth=0.9, alpha=0.9, label="estimated")
        if spikes is not None:
            ax.vlines(spikes[unit], base - 0.16, base - 0.05, color=VERMILLION, linewidth=0.8, label="spikes")
    ax.set_yticks(np.arange(len(units))[::-1] + 0.35, [f"unit {unit}" for unit in units.tolist()])
    ax.set_xlim(0, len(time_s) / fps)
    ax.set_ylim(-0.25, len(units) - 0.1)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("fluorescence, each trace to its own range")
    _add_frame_axis(ax, fps)
    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))  # each of many lines has its label
    where = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12)}
    ax.legend(once.values(), once.keys(), **where, ncols=3, frameon=False, fontsize="small")


def _fit(estimate: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale and move an estimate onto the truth, as every pipeline has its own units."""
    centred = estimate - estimate.mean()
    power = float((centred**2).sum())
    gain = float((centred * (true - true.mean())).sum()) / power if power > 0 else 0.0
    return true.mean() + gain * centred


def _add_frame_axis(ax: Any, fps: float) -> None:
    ax.secondary_xaxis("top", functions=rescaled(fps)).set_xlabel("frame")


def draw_shifts(
    ax: Any, shifts: NDArray[np.float64], fps: float, pixel_size_um: float, comparison: TruthComparison | None = None
) -> None:
    """Draw the tissue's displacement along rows and columns, in px and µm, and the estimated one."""
    time_s = np.arange(len(shifts)) / fps
    colours = (("height", SKY, BLUE), ("width", ORANGE, VERMILLION))
    estimated = None if comparison is None else comparison.shifts
    for axis, (name, true_colour, estimated_colour) in enumerate(colours):
        # The estimate is a thin line on a broad one: where they part is seen, and where they agree both are.
        width = 1.2 if estimated is None else 3.0
        ax.plot(time_s, shifts[:, axis], color=true_colour, linewidth=width, label=f"{name}, true")
        if estimated is not None:
            line = estimated[:, axis]
            ax.plot(time_s, line, color=estimated_colour, linewidth=0.8, label=f"{name}, estimated")
    ax.set_xlim(0, len(time_s) / fps)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("displacement of the tissue (px)")
    _add_frame_axis(ax, fps)
    right = ax.secondary_yaxis("right", functions=rescaled(pixel_size_um))
    right.set_ylabel("displacement (µm)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, frameon=False, fontsize="small")


def draw_shift_errors(ax: Any, shifts: NDArray[np.float64], fps: float, comparison: TruthComparison) -> None:
    """Draw how far the estimated displacement is from the true one, px, a constant apart."""
    if comparison.shifts is None:
        raise ValueError("the estimate has no shifts to draw the errors of; give Estimate(shifts=...)")
    error_px = np.hypot(*(comparison.shifts - shifts).T)
    ax.plot(np.arange(len(error_px)) / fps, error_px, color=VERMILLION, linewidth=0.9)
    ax.set_xlim(0, len(error_px) / fps)
    ax.set_ylim(0, None)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("error of the shift (px)")
    _add_frame_axis(ax, fps)


def draw_detection(ax: Any, truth: GroundTruth, comparison: TruthComparison | None = None, n_bins: int = 6) -> None:
    """Draw how many cells there are by signal-to-noise ratio, or which share of them was found.

    The interval is Wilson's, 95 % (Wilson 1927). Cells below 0.1, which nothing tells from none, are drawn at 0.1.
    """
    name, snr = snr_column(truth)
    in_view = truth["in_fov"].values.astype(np.bool_) & (snr > 0) & np.isfinite(snr)
    snr = np.maximum(snr, _LEAST_SNR)
    label = {"snr": "SNR of the typical transient, one frame", "snr_peak": "SNR of the largest transient"}[name]
    ax.set_xscale("log")
    ax.set_xlabel(label)
    if comparison is None:
        _draw_counts(ax, snr[in_view], n_detectable=len(truth.detectable_subset()))
    else:
        _draw_share_found(ax, snr[in_view], comparison.estimate_of[in_view] >= 0, n_bins)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize="small")


def _draw_counts(ax: Any, snr: NDArray[np.float64], n_detectable: int) -> None:
    """Draw how many cells have at least some SNR."""
    ranked = np.sort(snr)
    left = np.arange(len(ranked), 0, -1)
    ax.step(ranked, left, where="pre", color=SKY, label="cells in view with at least this SNR")
    ax.axhline(n_detectable, color=VERMILLION, linestyle="--", label=f"detectable: {n_detectable}")
    ax.set_ylabel("cells")
    ax.set_ylim(0, None)


def _draw_share_found(ax: Any, snr: NDArray[np.float64], found: NDArray[np.bool_], n_bins: int) -> None:
    """Draw the share of cells that were found in bins of SNR, and each cell."""
    # Here, as it takes longer to import than a recording to simulate.
    binomtest: Any = import_module("scipy.stats").binomtest

    order = np.argsort(snr, kind="stable")
    label: str | None = "share found, by SNR (95 %)"
    # Bins of equal numbers of cells, so that each share has about the same error.
    for cells in np.array_split(order, max(1, min(n_bins, len(order)))):
        if not len(cells):
            continue
        share = float(found[cells].mean())
        interval: Any = binomtest(int(found[cells].sum()), len(cells)).proportion_ci(0.95, method="wilson")
        middle = float(np.exp(np.log(snr[cells]).mean()))  # on the logarithmic axis
        ends = [[share - float(interval.low)], [float(interval.high) - share]]
        ax.errorbar([middle], [share], yerr=ends, fmt="o", color=SKY, capsize=3, label=label)
        label = None  # one entry in the legend
    ax.plot(snr[order], found[order].astype(float), "|", color=GREY, label="single cells: found 1, not 0")
    ax.set_ylabel("share of the cells in view that were found")
    ax.set_ylim(-0.05, 1.05)
