"""Find where a pipeline's footprints lie as a whole: in its template's frame, while the truth's are at zero shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.input_mistakes import shift_mistakes
from pytest_calsim.testing.inputs.matrices import as_shifts
from pytest_calsim.testing.scoring.shared_offset import fit_offset
from pytest_calsim.testing.scoring.shifts import compare_shifts

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["FootprintShift", "FrameOfReference", "check_footprint_shift", "find_frame", "true_displacements"]

FootprintShift: TypeAlias = "tuple[float, float] | Literal['auto'] | None"
"""The footprints' offset from the truth: found automatically, given as (rows, columns) in px, or none."""

_RIGHT_RMSE_PX = 1.0
"""Shifts whose aligned RMSE is no more than this say where the footprints lie."""


_FITTED = "fitted within the tissue's motion, as no shifts are given"


@dataclass(frozen=True)
class FrameOfReference:
    """Offset of the estimate's footprints from zero shift, and how it is known.

    Attributes
    ----------
    offset_px
        Rows and columns, px; + toward higher ones.
    source
        How it is known, in words; empty where there is no offset.
    """

    offset_px: tuple[float, float] = (0.0, 0.0)
    source: str = ""

    @property
    def is_fitted(self) -> bool:
        """Whether it was found by fitting the footprints themselves, which may fail."""
        return self.source == _FITTED

    @property
    def is_zero(self) -> bool:
        """Whether the footprints lie at zero shift."""
        return self.offset_px == (0.0, 0.0)


def find_frame(
    footprint_shift: FootprintShift, found: Estimate, A: SparseFootprints | None, recording: Recording
) -> FrameOfReference:
    """Find the frame of reference of an estimate's footprints.

    Parameters
    ----------
    footprint_shift
        ``"auto"``: by the estimate's own shifts, if it has them; else the offset that fits best, within the convex hull
        of the tissue's displacements. A pair: given. ``None``: at zero shift.
    found
        The estimate.
    A
        Its footprints in the recording's frames; ``None``: it has none, and nothing is fitted.
    recording
        The recording.

    Raises
    ------
    EstimateError
        When ``footprint_shift`` is none of these, or the estimate's shifts are wrong or of unknown sign.
    """
    check_footprint_shift(footprint_shift)
    if footprint_shift is None:
        return FrameOfReference()
    if not isinstance(footprint_shift, str):
        rows, columns = footprint_shift
        return FrameOfReference((float(rows), float(columns)), "as given")
    true = true_displacements(recording)
    if found.shifts is not None:
        return FrameOfReference(_from_shifts(found, true), "as the estimate's shifts say")
    truth = recording.truth.A_observed
    # Nothing moved, or nothing to fit with: then nothing is forgiven.
    if A is None or truth is None or not true.any():
        return FrameOfReference()
    return FrameOfReference(fit_offset(A, truth, true), _FITTED)


def true_displacements(recording: Recording) -> NDArray[np.float64]:
    """Return the tissue's displacement ``(frame, 2)``, px; zeros for a still recording."""
    n_frames = recording.frames.shape[0]
    shifts = recording.truth.shifts
    return np.zeros((n_frames, 2)) if shifts is None else as_shifts(shifts, n_frames=n_frames, name="true shifts")


def check_footprint_shift(given: object) -> None:
    """Refuse what says nowhere where footprints lie."""
    if given is None or (isinstance(given, str) and given == "auto"):
        return
    try:
        values = np.asarray(given)
    except ValueError:  # ragged
        values = np.zeros(0)
    if values.shape != (2,) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise EstimateError(f"footprint_shift must be 'auto', (rows, columns) in px or None, not {given!r}")


def _from_shifts(found: Estimate, true: NDArray[np.float64]) -> tuple[float, float]:
    """Shifts are relative to the template: where they are 0, the tissue lies as the footprints do.

    A sign or columns that are evidently wrong are refused even where the motion is so small that the RMSE is, too.
    """
    if found.convention is None:
        raise EstimateError(
            "this Estimate has shifts, but not what their sign means: say Estimate(..., convention='correction') or "
            "'displacement', or footprint_shift=None"
        )
    shifts = as_shifts(cast("NDArray[np.float64]", found.shifts), n_frames=len(true))
    errors = compare_shifts(shifts, true, convention=found.convention)
    mistakes = shift_mistakes(shifts, true, found.convention)
    if errors.rmse_px > _RIGHT_RMSE_PX or mistakes:
        evident = f", and {mistakes[0]}" if mistakes else f", {_RIGHT_RMSE_PX:g} px at most"
        raise EstimateError(
            f"the estimate's shifts are wrong, so they do not say where its footprints lie: their aligned RMSE is "
            f"{errors.rmse_px:.2f} px{evident}. Judge them by assert_shifts_recovered, or "
            "say footprint_shift=(rows, columns) or None"
        )
    # The mean difference is minus the template's displacement; from 0, as -0.0 is no offset to print.
    dy, dx = (0.0 - errors.offset_px).tolist()
    return float(dy), float(dx)
