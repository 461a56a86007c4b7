"""Judge the background: the light other than the cells' own images, and whether a pipeline found it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_calsim.errors import EstimateError
from pytest_calsim.steps.pixels import Displacement, Space
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.evaluation import check_estimate, check_recording
from pytest_calsim.testing.frame_of_reference import FootprintShift, FrameOfReference, find_frame
from pytest_calsim.testing.inputs.background import Background
from pytest_calsim.testing.scorecard import Check, Scorecard
from pytest_calsim.testing.scoring.bounds import check_bound
from pytest_calsim.testing.scoring.fields import field_pearson
from pytest_calsim.testing.scoring.traces import trace_pearson
from pytest_calsim.testing.short_traceback import short_traceback
from pytest_calsim.testing.verdict import judge

if TYPE_CHECKING:
    import xarray as xr

    from pytest_calsim.recording.recording import Recording

__all__ = ["assert_background_recovered", "measure_background", "true_background"]

_FRAMES = 64
"""The true background is painted in at most this many frames, evenly spaced."""


@short_traceback
def assert_background_recovered(
    estimate: Estimate | ArrayLike | xr.DataArray,
    recording: Recording,
    *,
    min_pearson: float,
    min_course_pearson: float | None = None,
    footprint_shift: FootprintShift = "auto",
) -> Scorecard:
    """Assert that the background was recovered: all light that is no planted cell's own image.

    Parameters
    ----------
    estimate
        An :class:`~pytest_calsim.Estimate` with b (and f), or an image ``(height, width)``.
    recording
        The recording it was found in.
    min_pearson
        Lowest Pearson correlation over pixels of both mean images, in [-1, 1]; scale and offset do not matter.
    min_course_pearson
        Lowest Pearson correlation over frames of both mean courses, in [-1, 1]; needs f.
    footprint_shift
        Where the image lies, as in :func:`assert_footprints_recovered`; ``"auto"`` goes by the estimate's
        shifts, else by its footprints, else the image is at zero shift.

    Raises
    ------
    RecoveryError
        When a bound is missed.
    EstimateError
        When the estimate or a bound cannot be read, or the recording has no background.

    Examples
    --------
    >>> from pytest_calsim import load_preset, simulate
    >>> recording = simulate(load_preset("static", overrides={"acquisition.duration_s": 2}))
    >>> assert_background_recovered(recording.observed.mean("frame"), recording, min_pearson=0.5).passed
    True
    """
    check_bound("min_pearson", min_pearson, low=-1)
    if min_course_pearson is not None:
        check_bound("min_course_pearson", min_course_pearson, low=-1)
    check_recording(recording)
    check_estimate(estimate)
    found = estimate if isinstance(estimate, Estimate) else Estimate(b=estimate)
    card = measure_background(
        found,
        recording,
        min_pearson=min_pearson,
        min_course_pearson=min_course_pearson,
        footprint_shift=footprint_shift,
    )
    return judge(card, found, recording)


def measure_background(
    found: Estimate,
    recording: Recording,
    *,
    min_pearson: float | None = None,
    min_course_pearson: float | None = None,
    footprint_shift: FootprintShift = "auto",
) -> Scorecard:
    """Measure how alike the estimated and the true mean image, and mean course, of the background are."""
    if found.background is None:
        raise EstimateError("this Estimate has no background: say Estimate(b=..., f=...)")
    _, height, width = recording.frames.shape
    true, frames = true_background(recording)
    true_field = cast("NDArray[np.float64]", true.field)
    true_course = cast("NDArray[np.float64]", true.course)
    checks: list[Check] = []
    frame = FrameOfReference()
    field = found.background.field
    if field is not None:
        if field.shape != (height, width):
            raise EstimateError(f"b has shape {field.shape}; expected ({height}, {width}) = (height, width)")
        A = None if found.A is None else found.footprints_on((height, width))
        frame = find_frame(footprint_shift, found, A, recording)
        est, seen = _in_one_place(field, true_field, frame.offset_px)
        words = f"over {est.size} pixels, {len(frames)} frames"
        checks.append(Check("pearson", field_pearson(est, seen), min_pearson, words=words))
    elif min_pearson is not None:
        raise EstimateError(
            "this Estimate has no b, the background's image: say Estimate(b=..., f=...), or drop min_pearson"
        )
    if found.background.course is not None:
        course = found.background.course
        if len(course) != recording.frames.shape[0]:
            raise EstimateError(f"f has {len(course)} frames; the recording has {recording.frames.shape[0]}")
        pearson = float(trace_pearson(course[np.newaxis, frames], true_course[np.newaxis])[0])
        checks.append(Check("course_pearson", pearson, min_course_pearson, words=f"over {len(frames)} frames"))
    elif min_course_pearson is not None:
        raise EstimateError(
            "this Estimate has no f, the background's course: say Estimate(b=..., f=...), or drop min_course_pearson"
        )
    dy, dx = frame.offset_px
    notes = [f"frame of reference: the image lies ({dy:+.2f}, {dx:+.2f}) px from zero shift, {frame.source}"]
    return Scorecard("background", checks, notes=notes if frame.source else ())


def _in_one_place(
    est: NDArray[np.float64], true: NDArray[np.float64], offset: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what both images show, with the estimate's moved back by whole pixels; a background is smooth."""
    rows_est, rows_true = _shared(est.shape[0], round(offset[0]))
    columns_est, columns_true = _shared(est.shape[1], round(offset[1]))
    return est[rows_est, columns_est], true[rows_true, columns_true]


def _shared(length: int, shift: int) -> tuple[slice, slice]:
    """Return the part of a moved axis that the unmoved one shows too, and where it lies on that one."""
    moved = slice(max(shift, 0), length + min(shift, 0))
    return moved, slice(moved.start - shift, moved.stop - shift)


def true_background(recording: Recording) -> tuple[Background, NDArray[np.intp]]:
    """Compute the light that is no planted cell's own image, at zero shift.

    Neuropil, halo, cells too blurred to have an image, leakage. Painted from the recording's spec in at most 64 frames:
    the tissue less every cell's image times its trace, under illumination and vignette, plus leakage.

    Returns
    -------
    background
        Mean image ``(height, width)`` and course ``(frame,)``, in the units of light.
    frames
        Frames of the course.

    Raises
    ------
    EstimateError
        When the recording has no stage of tissue.
    """
    truth = recording.truth
    n_frames, height, width = recording.frames.shape
    frames = np.unique(np.linspace(0, n_frames - 1, min(n_frames, _FRAMES)).round().astype(np.intp))
    light = recording.stage(_last_of_tissue(recording))
    brightness = np.zeros((0, n_frames)) if truth.C is None else truth.C.values
    if truth.bleaching is not None:
        brightness = brightness * truth.bleaching.values
    cells: Any = None if truth.A_observed is None else cast("Any", truth.A_observed.csr).T
    efficiency = np.ones((height, width))
    for field in (truth.illumination, truth.vignette):
        if field is not None:
            efficiency = efficiency * field.values
    leaked = 0.0 if truth.leakage is None else truth.leakage.values
    total = np.zeros((height, width))
    course = np.zeros(len(frames))
    for i, frame in enumerate(frames.tolist()):
        image: NDArray[np.float64] = light.isel(frame=frame).values.astype(np.float64)
        if cells is not None and len(brightness):
            image -= (cells @ brightness[:, frame]).reshape(height, width)
        image = image * efficiency + leaked
        course[i] = image.mean()
        total += image
    return Background(total / len(frames), course), frames


def _last_of_tissue(recording: Recording) -> str:
    """Return the stage that paints the last of the tissue: it lies before the motion, so its light is at zero shift."""
    last: str | None = None
    for kind, artifact in recording.scene.pixel_artifacts.items():
        if artifact.space is Space.SENSOR or isinstance(artifact, Displacement) or kind not in recording.stages:
            break
        last = kind
    if last is None:
        raise EstimateError("the recording has no background: its spec paints no tissue; add a step such as 'neuropil'")
    return last
