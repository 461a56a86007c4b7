"""Define colours, axes in px and µm, and scale bars."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.types import Floats
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.recording.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "TITLE_PAD_INCH",
    "VERMILLION",
    "nice_length",
    "panels",
    "rescaled",
    "show_image",
    "use_axes",
]

# Okabe & Ito, Color Universal Design (2008): distinct for every kind of colour vision, on white and on black.
ORANGE = "#E69F00"
SKY = "#56B4E9"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#999999"

TITLE_PAD_INCH = 0.1
"""Room above a figure's axes: a title above axes in µm is a little higher than the layout foresees."""


def use_axes(ax: Axes | None, *, size: tuple[float, float] = (5.5, 5.0)) -> Any:
    """Return the axes, or those of a new figure.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    if ax is not None:
        if not hasattr(ax, "imshow"):
            raise TypeError(
                f"ax must be one Axes of matplotlib, not {type(ax).__name__}: of several, take one, axes[0]"
            )
        return ax
    pyplot = require("matplotlib.pyplot", "plot", "plotting")
    figure, made = pyplot.subplots(figsize=size, layout="constrained")
    figure.get_layout_engine().set(h_pad=TITLE_PAD_INCH)
    return made


def panels(n: int, *, size: float = 3.4, most: int = 4) -> NDArray[Any]:
    """Return ``n`` axes of a new figure, at most ``most`` in a row."""
    pyplot = require("matplotlib.pyplot", "plot", "plotting")
    columns = min(n, most)
    rows = -(-n // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(size * columns, 0.95 * size * rows), layout="constrained", squeeze=False
    )
    for unused in axes.ravel()[n:]:
        figure.delaxes(unused)
    return axes.ravel()[:n]


def _robust_limits(image: NDArray[Any], low: float = 0.5, high: float = 99.7) -> tuple[float, float]:
    """Return black and white between two percentiles, so that a hot pixel does not make all else black."""
    black, white = np.percentile(image, [low, high]).tolist()
    return black, white if white > black else black + 1


def show_image(
    ax: Any,
    image: NDArray[Any],
    canvas: Canvas,
    *,
    title: str,
    units: str | None = None,
    cmap: str = "gray",
    limits: tuple[float, float] | None = None,
    origin_px: tuple[int, int] = (0, 0),
    um_axes: bool = True,
) -> Any:
    """Show an image ``(height, width)`` of the sensor with axes in px and µm, and a scale bar.

    Parameters
    ----------
    ax
        Axes to draw into.
    image
        The image, or a part of it.
    canvas
        The sensor's grid.
    title
        Title of the picture.
    units
        Label of a colour bar; ``None``: no bar.
    cmap
        Colour map.
    limits
        Values of the first and the last colour; robust ones by default.
    origin_px
        Row and column on the sensor of the image's first pixel.
    um_axes
        Draw axes in µm as well.
    """
    height, width = image.shape
    row, column = origin_px
    low, high = _robust_limits(image) if limits is None else limits
    extent = (column - 0.5, column + width - 0.5, row + height - 0.5, row - 0.5)
    shown = ax.imshow(image, cmap=cmap, vmin=low, vmax=high, extent=extent, interpolation="nearest")
    ax.set_title(title)
    ax.set_xlabel("column (px)")
    ax.set_ylabel("row (px)")
    if um_axes:
        _add_um_axes(ax, canvas)
    _add_scale_bar(ax, canvas.pixel_size_um, extent)
    if units is not None:
        _add_colorbar(ax, shown, units)
    return ax


def _add_colorbar(ax: Any, shown: Any, units: str) -> None:
    """Add a colour bar with its units."""
    ax.figure.colorbar(shown, ax=ax, label=units, shrink=0.85)


def _add_um_axes(ax: Any, canvas: Canvas) -> None:
    """Add axes in µm from the optical axis, at the top and on the right."""
    height, width = canvas.sensor_shape
    size = canvas.pixel_size_um
    middle_x = (width - 1) / 2
    middle_y = (height - 1) / 2
    top = ax.secondary_xaxis("top", functions=rescaled(size, middle_x))
    right = ax.secondary_yaxis("right", functions=rescaled(size, middle_y))
    top.set_xlabel("x (µm)")
    right.set_ylabel("y (µm)")


def rescaled(factor: float, zero: float = 0.0) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Return the functions of a secondary axis: ``(x - zero) * factor``, and its inverse."""

    def there(x: Floats) -> Floats:
        return (x - zero) * factor

    def back(x: Floats) -> Floats:
        return x / factor + zero

    return there, back


def nice_length(most: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is no more than ``most``."""
    # 1, 2 or 5 of the power itself always fit; the tolerance is for what the logarithm rounds.
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def _add_scale_bar(ax: Any, pixel_size_um: float, extent: tuple[float, float, float, float]) -> None:
    """Draw a bar of a round number of µm, white with a dark rim: it is seen on any picture, in any style."""
    effects = require("matplotlib.patheffects", "plot", "plotting")
    left, right, bottom, top = extent
    length_um = nice_length((right - left) * pixel_size_um / 4)
    x = right - 0.05 * (right - left)
    y = bottom - 0.05 * (bottom - top)
    rim = [effects.withStroke(linewidth=4.5, foreground="black")]
    start = x - length_um / pixel_size_um
    ax.plot([start, x], [y, y], color="white", linewidth=2.5, solid_capstyle="butt", path_effects=rim, label="_bar")
    ax.text(
        (start + x) / 2,
        y - 0.015 * (bottom - top),
        f"{length_um:g} µm",
        color="white",
        ha="center",
        va="bottom",
        fontsize="small",
        path_effects=[effects.withStroke(linewidth=2, foreground="black")],
    )
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
