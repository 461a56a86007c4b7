"""Draw where the cells are, and how the microscope images one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.microscope.acquisition import Acquisition
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.recording.extras import require
from pytest_calsim.recording.plots.contours import outlines
from pytest_calsim.recording.plots.style import GREY, ORANGE, SKY, VERMILLION, rescaled, show_image
from pytest_calsim.recording.truth import GroundTruth

__all__ = ["draw_footprint", "draw_placement"]

_RIM_PX = 4
"""Pixels shown around a cell."""

_SHOWN = 0.02
"""Share of the peak above which a pixel is shown: faint light may reach far, and the crop is to show the cell."""

_ROOM = 1.05
"""Axes are this much longer than what they show."""


def draw_footprint(axes: NDArray[Any], truth: GroundTruth, unit: int, canvas: Canvas) -> None:
    """Draw a cell in focus and unblurred, and as the microscope shows it, in one crop."""
    planted = truth.A_planted
    observed = truth.A_observed
    if planted is None or observed is None:
        raise ValueError("this recording has no footprints: its spec lacks 'cell_optics'; add it")
    if not 0 <= unit < len(observed):
        raise IndexError(f"unit {unit} is out of range: the planted cells are 0 to {len(observed) - 1}")
    pixels, values = observed.unit(unit)
    if not values.size:
        raise ValueError(f"unit {unit} is out of view: its footprint has no pixel on the sensor; choose one in in_fov")
    rows, columns = np.divmod(pixels[values > _SHOWN * values.max()].astype(np.int64), observed.shape[2])
    top = max(int(rows.min()) - _RIM_PX, 0)
    left = max(int(columns.min()) - _RIM_PX, 0)
    crop = (slice(top, int(rows.max()) + _RIM_PX + 1), slice(left, int(columns.max()) + _RIM_PX + 1))
    for ax, footprints, name in zip(axes, (planted, observed), ("planted", "observed"), strict=True):
        image = footprints[unit][crop]
        limits = (0.0, float(image.max()) or 1.0)
        title = f"unit {unit}, {name}"
        show_image(
            ax, image, canvas, title=title, units="share of the planted peak", cmap="cividis", limits=limits,
            origin_px=(top, left), um_axes=False,
        )  # fmt: skip
    lines = require("matplotlib.collections", "plot", "plotting")
    rim = outlines(planted, [unit], 0.5)
    axes[1].add_collection(lines.LineCollection(rim, colors="white", linestyles="--", linewidths=1), autolim=False)
    cells = truth.cells
    words = {"depth_um": "µm deep", "defocus_um": "µm defocus"}
    facts = [f"{cells[name][unit]:.0f} {units}" for name, units in words.items() if name in cells]
    axes[0].figure.suptitle(", ".join(facts), fontsize="medium")


def draw_placement(top: Any, side: Any, truth: GroundTruth, acquisition: Acquisition, canvas: Canvas) -> None:
    """Draw the cells from above and from the side, with the sensor's window and the focal surface."""
    if "x_um" not in truth:
        raise ValueError("this recording has no cells: its spec lacks 'place_neurons'; add it")
    x, y, depth, radius = (truth[name].values.astype(np.float64) for name in ("x_um", "y_um", "depth_um", "radius_um"))
    in_view = truth["in_fov"].values.astype(np.bool_)
    detectable = np.isin(np.arange(len(x)), truth.detectable_subset())
    kinds = (
        ("out of view", ~in_view, GREY),
        ("in view", in_view & ~detectable, ORANGE),
        ("detectable", in_view & detectable, SKY),
    )
    for ax, down in ((top, y), (side, depth)):
        for name, chosen, colour in kinds:
            label = f"{name} ({int(chosen.sum())})" if ax is top else None
            _add_circles(ax=ax, x=x[chosen], y=down[chosen], radius=radius[chosen], colour=colour, label=label)
    height_um, width_um = acquisition.field_size_um
    across_um = max(float(np.abs(x).max(initial=0)), width_um / 2) * _ROOM
    along_um = max(float(np.abs(y).max(initial=0)), height_um / 2) * _ROOM
    deepest_um = max(float((depth + radius).max(initial=1)), truth.focal_depth_um or 0) * _ROOM
    _finish_top(top, acquisition, canvas, across_um, along_um)
    _finish_side(side, acquisition, truth.focal_depth_um, across_um, deepest_um)


def _finish_top(ax: Any, acquisition: Acquisition, canvas: Canvas, across_um: float, along_um: float) -> None:
    """Add the sensor's window and the axes, in µm and in px, to the view from above."""
    height_um, width_um = acquisition.field_size_um
    patches = require("matplotlib.patches", "plot", "plotting")
    corner = (-width_um / 2, -height_um / 2)
    ax.add_patch(patches.Rectangle(corner, width_um, height_um, fill=False, edgecolor=VERMILLION, label="sensor"))
    ax.set_title("from above")
    ax.set_xlabel("x (µm)")
    ax.set_ylabel("y (µm)")
    ax.set_aspect("equal")
    ax.set_xlim(-across_um, across_um)
    ax.set_ylim(along_um, -along_um)  # rows grow downward, as in an image
    px_per_um = 1 / canvas.pixel_size_um
    ax.secondary_yaxis("right", functions=rescaled(px_per_um)).set_ylabel("from the axis (px)")
    ax.secondary_xaxis("top", functions=rescaled(px_per_um)).set_xlabel("from the axis (px)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.14, 1), frameon=False, fontsize="small")


def _finish_side(
    ax: Any, acquisition: Acquisition, focal_depth_um: float | None, across_um: float, deepest_um: float
) -> None:
    """Add the focal surface and the axes to the view from the side."""
    if focal_depth_um is not None:
        x = np.linspace(-across_um, across_um, 201)
        surface = focal_depth_um - acquisition.curvature_shift_um(np.abs(x))
        half = acquisition.depth_of_field_um / 2
        ax.fill_between(x, surface - half, surface + half, color=VERMILLION, alpha=0.2, label="depth of field")
        ax.plot(x, surface, color=VERMILLION, label="focal surface at y = 0")
    ax.set_title("from the side")
    ax.set_xlim(-across_um, across_um)
    ax.set_ylim(deepest_um, 0)
    ax.set_ylabel("depth (µm)")
    ax.set_xlabel("x (µm)")
    ax.set_aspect("equal")
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize="small")


def _add_circles(
    ax: Any, x: NDArray[np.float64], y: NDArray[np.float64], radius: NDArray[np.float64], colour: str, label: str | None
) -> None:
    """Draw somata at their true size."""
    collections = require("matplotlib.collections", "plot", "plotting")
    circles = collections.EllipseCollection(
        2 * radius,
        2 * radius,
        np.zeros(len(x)),
        units="xy",
        offsets=np.column_stack([x, y]),
        offset_transform=ax.transData,
        facecolors=colour,
        edgecolors="none",
        alpha=0.75,
    )
    ax.add_collection(circles)
    if label is not None:
        ax.scatter([], [], color=colour, alpha=0.75, label=label)  # legends know no collections of ellipses
