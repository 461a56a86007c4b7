"""Draw outlines of planted and estimated cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.recording.extras import require
from pytest_calsim.recording.plots.comparison import Comparison
from pytest_calsim.recording.plots.style import GREY, ORANGE, PURPLE, SKY, VERMILLION
from pytest_calsim.recording.truth import GroundTruth

__all__ = ["draw_comparison", "draw_truth", "outlines"]


def outlines(
    footprints: SparseFootprints, units: Iterable[int], level: float, offset_px: tuple[float, float] = (0.0, 0.0)
) -> list[NDArray[np.float64]]:
    """Trace the contours of some units at a share of each one's peak.

    Parameters
    ----------
    footprints
        Footprints of all units.
    units
        Units to outline.
    level
        Share of a unit's largest value, in (0, 1).
    offset_px
        Offset (rows, columns) that is subtracted, px.

    Returns
    -------
    list
        Lines ``(point, 2)`` of columns and rows, px; none for a unit without pixels, several for one in pieces.
    """
    contour_generator = require("contourpy", "plot", "plotting").contour_generator
    width = footprints.shape[2]
    lines: list[NDArray[np.float64]] = []
    for unit in units:
        pixels, values = footprints.unit(int(unit))
        if not values.size or not values.max() > 0:
            continue
        rows, columns = np.divmod(pixels.astype(np.int64), width)
        # The part of the picture that holds the unit. A rim of zeros closes contours of footprints that end abruptly.
        first = (int(rows.min()) - 1, int(columns.min()) - 1)
        image = np.zeros((int(rows.max()) - first[0] + 2, int(columns.max()) - first[1] + 2))
        image[rows - first[0], columns - first[1]] = values
        shift = np.array([first[1] - offset_px[1], first[0] - offset_px[0]])
        found: Any = contour_generator(z=image).lines(level * float(values.max()))
        lines += [np.asarray(line) + shift for line in found]
    return lines


def draw_truth(ax: Any, truth: GroundTruth, level: float) -> None:
    """Draw the planted cells: detectable, and the others that are in view."""
    footprints = truth.A_observed
    if footprints is None:
        raise ValueError("this recording has no observed footprints to draw: its spec lacks 'cell_optics'; add it")
    detectable = truth.detectable_subset()
    others = np.setdiff1d(np.arange(len(footprints)), detectable)
    _add(ax, outlines(footprints, others, level), colour=GREY, line_style=":", label=f"other planted ({len(others)})")
    _add(
        ax, outlines(footprints, detectable, level), colour=SKY, line_style="-", label=f"detectable ({len(detectable)})"
    )
    _add_legend(ax)


def draw_comparison(ax: Any, truth: GroundTruth, comparison: Comparison, level: float) -> None:
    """Draw planted cells found and missed, the estimates of those found, spurious and ignored estimates."""
    planted = truth.A_observed
    estimated = comparison.footprints
    if planted is None or estimated is None:
        if estimated is None:
            raise ValueError("no contours to compare: the estimate has no footprints; give Estimate(A=...)")
        raise ValueError("no contours to compare: the recording's spec lacks 'cell_optics'; add it")
    of_found = comparison.estimate_of[comparison.found]
    offset = comparison.offset_px
    kinds: list[tuple[str, SparseFootprints, NDArray[np.intp], tuple[float, float], str, str]] = [
        ("ignored", estimated, comparison.ignored, offset, GREY, ":"),
        ("found, planted", planted, comparison.found, (0.0, 0.0), SKY, "-"),
        ("found, estimated", estimated, of_found, offset, ORANGE, "-"),
        ("missed", planted, comparison.missed, (0.0, 0.0), VERMILLION, "--"),
        ("spurious", estimated, comparison.spurious, offset, PURPLE, "-."),
    ]
    for label, footprints, units, moved, colour, line in kinds:
        lines = outlines(footprints, units, level, moved)
        _add(ax, lines, colour=colour, line_style=line, label=f"{label} ({len(units)})")
    _add_legend(ax)


def _add(ax: Any, lines: list[NDArray[np.float64]], *, colour: str, line_style: str, label: str) -> None:
    """Add lines as one collection: hundreds of cells are drawn at once."""
    collections = require("matplotlib.collections", "plot", "plotting")
    ax.add_collection(
        collections.LineCollection(lines, colors=colour, linestyles=line_style, linewidths=1.1, label=label),
        autolim=False,
    )


def _add_legend(ax: Any) -> None:
    """Put the legend below the picture, where it hides no cell."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize="small")
