"""Draw outlines of planted and estimated cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.recording.extras import require
from pytest_calsim.recording.plots.style import GREY, ORANGE, PURPLE, SKY, VERMILLION
from pytest_calsim.recording.plots.truth_comparison import TruthComparison
from pytest_calsim.recording.truth import GroundTruth

__all__ = ["draw_comparison", "draw_truth", "outlines"]


@dataclass(frozen=True, eq=False)
class _Kind:
    """One kind of outlines: which units, and how they are drawn."""

    label: str
    footprints: SparseFootprints
    units: NDArray[np.intp]
    colour: str
    line_style: str
    offset_px: tuple[float, float] = (0.0, 0.0)

    def draw(self, ax: Any, level: float) -> None:
        """Draw them as one collection: hundreds of cells are drawn at once."""
        collections = require("matplotlib.collections", "plot", "plotting")
        lines = collections.LineCollection(
            outlines(self.footprints, self.units, level, self.offset_px),
            colors=self.colour,
            linestyles=self.line_style,
            linewidths=1.1,
            label=f"{self.label} ({len(self.units)})",
        )
        ax.add_collection(lines, autolim=False)


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
        # The part of the image that holds the unit. A rim of zeros closes contours of footprints that end abruptly.
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
    _Kind("other planted", footprints, others, colour=GREY, line_style=":").draw(ax, level)
    _Kind("detectable", footprints, detectable, colour=SKY, line_style="-").draw(ax, level)
    _add_legend(ax)


def draw_comparison(ax: Any, truth: GroundTruth, comparison: TruthComparison, level: float) -> None:
    """Draw planted cells found and missed, the estimates of those found, spurious and ignored estimates."""
    planted = truth.A_observed
    estimated = comparison.footprints
    if estimated is None:
        raise ValueError("no contours to compare: the estimate has no footprints; give Estimate(A=...)")
    if planted is None:
        raise ValueError("no contours to compare: the recording's spec lacks 'cell_optics'; add it")
    of_found = comparison.estimate_of[comparison.found]
    offset_px = comparison.offset_px
    kinds = (
        _Kind("ignored", estimated, comparison.ignored, GREY, ":", offset_px),
        _Kind("found, planted", planted, comparison.found, SKY, "-"),
        _Kind("found, estimated", estimated, of_found, ORANGE, "-", offset_px),
        _Kind("missed", planted, comparison.missed, VERMILLION, "--"),
        _Kind("spurious", estimated, comparison.spurious, PURPLE, "-.", offset_px),
    )
    for kind in kinds:
        kind.draw(ax, level)
    _add_legend(ax)


def _add_legend(ax: Any) -> None:
    """Put the legend below the image, where it hides no cell."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize="small")
