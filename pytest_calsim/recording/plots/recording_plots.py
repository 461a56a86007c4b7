"""Draw a recording, by the methods of ``recording.plot``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.plain import is_number, is_whole_number
from pytest_calsim.recording.exports.movie import Movie
from pytest_calsim.recording.extras import require
from pytest_calsim.recording.plots.anatomy import draw_footprint, draw_placement
from pytest_calsim.recording.plots.contours import draw_comparison, draw_truth
from pytest_calsim.recording.plots.courses import draw_detection, draw_shifts, draw_traces, snr_column
from pytest_calsim.recording.plots.projections import Projections, project
from pytest_calsim.recording.plots.style import panels, show_image, use_axes
from pytest_calsim.recording.plots.truth_comparison import TruthComparison
from pytest_calsim.recording.truth import GroundTruth

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["RecordingPlots"]

_FIELDS = ("illumination", "vignette", "leakage", "vessel_transmission", "prnu", "dsnu")
"""Truth ``(height, width)`` that acts on the image; of ``vessel_transmission`` the deepest bin is shown."""


class _Plotted(Movie, Protocol):
    """The recording that is plotted: a :class:`~pytest_calsim.Recording`."""

    @property
    def truth(self) -> GroundTruth: ...

    @property
    def stages(self) -> tuple[str, ...]: ...

    def stage(self, name: str, frames: slice | None = None, *, canvas: bool = False) -> xr.DataArray: ...


class RecordingPlots:
    """Draw a recording and its truth with matplotlib (the extra ``plot``); each method returns the Axes.

    Axes have their units, pictures a scale bar; colours are those of Okabe and Ito. ``ax=`` draws into axes that are
    there. A plot of something that the recording lacks raises ``ValueError``, which says why. ``comparison=`` is what
    :func:`~pytest_calsim.compare` makes of an estimate.
    """

    def __init__(self, recording: _Plotted) -> None:
        self._recording = recording
        self._projections: dict[bool, Projections] = {}  # by whether frames were moved back

    def frame(self, index: int = 0, *, ax: Axes | None = None) -> Axes:
        """Show one observed frame.

        Parameters
        ----------
        index
            Number of the frame; negative numbers count from the last one.
        ax
            Axes to draw into; new ones by default.

        Raises
        ------
        IndexError
            When there is no such frame.
        """
        at = self._frame(index)
        image = self._recording.frames.read(at, at + 1)[0]
        time_s = at / self._recording.spec.acquisition.fps
        return self._show(image, f"frame {at}, {time_s:.2f} s", self._units, ax)

    def mean(self, *, registered: bool = False, ax: Axes | None = None) -> Axes:
        """Show the mean over all frames.

        Parameters
        ----------
        registered
            Move frames back by the true shifts first, to the nearest pixel.
        ax
            Axes to draw into; new ones by default.
        """
        return self._show(self._project(registered).mean, f"mean{self._said(registered)}", self._units, ax)

    def max_projection(self, *, registered: bool = True, ax: Axes | None = None) -> Axes:
        """Show each pixel's maximum minus its mean, which takes the still background out.

        The maximum is of means over 0.25 s.

        Parameters
        ----------
        registered
            Move frames back by the true shifts first, to the nearest pixel.
        ax
            Axes to draw into; new ones by default.
        """
        return self._show_rise(registered, self._units, use_axes(ax))

    def contours(
        self, comparison: TruthComparison | None = None, *, level: float = 0.5, ax: Axes | None = None
    ) -> Axes:
        """Show outlines of the planted cells as observed, over the registered maximum projection.

        Parameters
        ----------
        comparison
            Show which cells were found and missed, and which estimates are spurious or match a cell that does not count
            (ignored). ``None``: the truth alone.
        level
            Share of a footprint's peak at which its outline is drawn, in (0, 1).
        ax
            Axes to draw into; new ones by default.

        Raises
        ------
        ValueError
            When the level is out of range, or there are no footprints.
        """
        _check_comparison(comparison)
        if not (is_number(level) and 0 < level < 1):
            raise ValueError(f"level must be a number between 0 and 1, not {level!r}")
        axes: Axes = use_axes(ax, size=(5.5, 5.8))
        self._show_rise(True, None, axes)
        if comparison is None:
            draw_truth(axes, self._recording.truth, level)
        else:
            draw_comparison(axes, self._recording.truth, comparison, level)
        return axes

    def traces(
        self, units: Sequence[int] | NDArray[np.integer] | None = None, comparison: TruthComparison | None = None,
        *, n: int = 8, ax: Axes | None = None,
    ) -> Axes:  # fmt: skip
        """Show true traces with their spikes, and the estimated ones fitted onto them by a gain and an offset.

        Parameters
        ----------
        units
            Planted cells; the ``n`` detectable ones of highest SNR by default (with a comparison, of those found).
        comparison
            An estimate with traces.
        n
            Number of cells, where ``units`` does not say.
        ax
            Axes to draw into; new ones by default.

        Raises
        ------
        IndexError
            When a unit is none of the planted cells.
        ValueError
            When there are no traces, or no cell to show one of.
        """
        _check_comparison(comparison)
        if not is_whole_number(n) or n < 1:
            raise ValueError(f"n must be a number of cells, 1 or more, not {n!r}")
        truth = self._recording.truth
        chosen = self._brightest(n, comparison) if units is None else _numbers(units)
        wrong = chosen[(chosen < 0) | (chosen >= truth.n_units)]
        if len(wrong):
            raise IndexError(f"unit {wrong[0]} is out of range: the planted cells are 0 to {truth.n_units - 1}")
        if not len(chosen):
            kind = "detectable" if comparison is None else "found"
            raise ValueError(f"no unit to show the trace of: no planted cell is {kind}; give units=[...]")
        axes: Axes = use_axes(ax, size=(7.5, 1.2 + 0.6 * len(chosen)))
        draw_traces(ax=axes, truth=truth, units=chosen, fps=self._recording.spec.acquisition.fps, comparison=comparison)
        return axes

    def shifts(self, comparison: TruthComparison | None = None, *, ax: Axes | None = None) -> Axes:
        """Show the tissue's true displacement over time, and the estimated one moved onto it by a constant.

        Parameters
        ----------
        comparison
            An estimate with shifts; ``None``: the truth alone.
        ax
            Axes to draw into; new ones by default.

        Raises
        ------
        ValueError
            When the recording has no motion, or the estimate no shifts.
        """
        _check_comparison(comparison)
        shifts = self._true_shifts()
        if shifts is None:
            raise ValueError("this recording has no motion: its spec lacks 'brain_motion'; add it")
        axes: Axes = use_axes(ax, size=(7.5, 3.6))
        acquisition = self._recording.spec.acquisition
        draw_shifts(
            ax=axes, shifts=shifts, fps=acquisition.fps, pixel_size_um=acquisition.pixel_size_um, comparison=comparison
        )
        return axes

    def fields(self) -> NDArray[np.object_]:
        """Show what acts on the whole image: illumination, vignette, stray light, vessels, fixed pattern.

        Raises
        ------
        ValueError
            When the recording has none of these.
        """
        truth = self._recording.truth
        found = {name: truth[name] for name in _FIELDS if name in truth}
        if not found:
            raise ValueError(f"this recording has no fields: its spec has none of {', '.join(_FIELDS)}; add one")
        axes = panels(len(found))
        for ax, (name, field) in zip(axes, found.items(), strict=True):
            image = np.asarray(field.values if field.ndim == 2 else field.values[-1], np.float64)
            low = float(image.min())
            high = float(image.max())
            limits = (low, high) if high > low else (low - 0.5, low + 0.5)
            title = name.replace("_", " ")
            units = str(field.attrs["units"]).replace("1", "relative")
            self._image(ax, image, title, units, cmap="cividis", limits=limits, um_axes=False)
        return axes

    def layers(self, index: int = 0) -> NDArray[np.object_]:
        """Show one frame after each stage, in the order of light.

        Parameters
        ----------
        index
            Number of the frame; negative numbers count from the last one.

        Raises
        ------
        IndexError
            When there is no such frame.
        ValueError
            When no step of the spec changes pixels.
        """
        stages = self._recording.stages
        if not stages:
            raise ValueError(
                "this recording has no stages: no step of its spec changes pixels; add one, such as 'render'"
            )
        at = self._frame(index)
        axes = panels(len(stages))
        for ax, name in zip(axes, stages, strict=True):
            stage = self._recording.stage(name)
            units = "ADU" if stage.dtype.kind != "f" else "light (resting cell = 1)"
            self._image(ax, stage.isel(frame=at).values, f"after {name}", units, um_axes=False)
        return axes

    def detection_curve(self, comparison: TruthComparison | None = None, *, ax: Axes | None = None) -> Axes:
        """Show how many cells have what SNR; with a comparison, which share was found, by SNR.

        Parameters
        ----------
        comparison
            An estimate with footprints; ``None``: the planted cells alone.
        ax
            Axes to draw into; new ones by default.

        Raises
        ------
        ValueError
            When the cells have no snr.
        """
        _check_comparison(comparison)
        axes: Axes = use_axes(ax, size=(5.5, 4.2))
        draw_detection(axes, self._recording.truth, comparison)
        return axes

    def footprint(self, unit: int) -> NDArray[np.object_]:
        """Show one cell as planted (in focus, unblurred) and as observed, with the planted outline on it.

        Parameters
        ----------
        unit
            Number of the planted cell.

        Raises
        ------
        IndexError
            When there is no such cell.
        ValueError
            When the cell is out of view, or the recording has no footprints.
        """
        if not is_whole_number(unit):
            raise TypeError(f"the number of a unit is whole, not {unit!r}")
        axes = panels(2, size=4.0)
        draw_footprint(axes, self._recording.truth, unit, self._recording.spec.canvas)
        return axes

    def placement(self) -> NDArray[np.object_]:
        """Show the cells from above and from the side, with the sensor's window and the curved focal surface.

        Raises
        ------
        ValueError
            When the recording has no cells.
        """
        figure = require("matplotlib.pyplot", "plot", "plotting").figure(figsize=(7.5, 8.5), layout="constrained")
        axes = figure.subplots(2, 1, height_ratios=(2, 1))
        spec = self._recording.spec
        draw_placement(
            top=axes[0], side=axes[1], truth=self._recording.truth, acquisition=spec.acquisition, canvas=spec.canvas
        )
        return axes

    def _frame(self, index: int) -> int:
        if not is_whole_number(index):
            raise TypeError(f"the number of a frame is whole, not {index!r}")
        n = self._recording.frames.shape[0]
        if not -n <= index < n:
            raise IndexError(f"frame {index} is out of range: there are {n} frames, 0 to {n - 1}")
        return index % n

    @property
    def _units(self) -> str:
        return "ADU" if self._recording.frames.dtype.kind != "f" else "light (resting cell = 1)"

    def _true_shifts(self) -> NDArray[np.float64] | None:
        shifts = self._recording.truth.shifts
        return None if shifts is None else shifts.values.astype(np.float64)

    def _said(self, registered: bool) -> str:
        moved = registered and self._recording.truth.shifts is not None
        return ", moved back by the true shifts" if moved else ""

    def _project(self, registered: bool) -> Projections:
        """Project once: a pass over a long recording takes a while."""
        shifts = self._true_shifts() if registered else None
        is_moved = shifts is not None
        if is_moved not in self._projections:
            self._projections[is_moved] = project(self._recording.frames, self._recording.spec.acquisition.fps, shifts)
        return self._projections[is_moved]

    def _brightest(self, n: int, comparison: TruthComparison | None) -> NDArray[np.intp]:
        truth = self._recording.truth
        units = truth.detectable_subset() if comparison is None else comparison.found
        _, snr = snr_column(truth)
        return units[np.argsort(-snr[units], kind="stable")][:n]

    def _show(self, image: NDArray[Any], title: str, units: str | None, ax: Axes | None) -> Axes:
        return self._image(use_axes(ax), image, title, units)

    def _show_rise(self, registered: bool, units: str | None, ax: Axes) -> Axes:
        rise = self._project(registered).rise
        return self._image(ax, rise, f"maximum − mean{self._said(registered)}", units)

    def _image(self, ax: Any, image: NDArray[Any], title: str, units: str | None, **options: Any) -> Any:
        return show_image(ax, image, self._recording.spec.canvas, title=title, units=units, **options)


def _numbers(units: Sequence[int] | NDArray[np.integer]) -> NDArray[np.intp]:
    numbers = np.asarray(units)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(f"units must be a list of numbers of planted cells, not {units!r}")
    return numbers.astype(np.intp)


def _check_comparison(comparison: object) -> None:
    """Refuse a bare estimate in one line: which cells it found is for ``compare`` to say."""
    if comparison is not None and not isinstance(comparison, TruthComparison):
        raise TypeError(
            f"a plot takes what compare() makes of an estimate, not {type(comparison).__name__}: "
            "recording.plot.contours(compare(estimate, recording))"
        )
