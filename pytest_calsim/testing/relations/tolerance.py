"""Bound the difference of two results of one pipeline, from the noise of their movies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.kernels.types import Floats
from pytest_calsim.simulation.detectability import DETECTABLE_SNR_PEAK

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording

__all__ = ["Tolerance"]

_SIGMAS = 3.0
"""Standard deviations that are no fault: noise exceeds them in fewer than three of a thousand comparisons."""

_WORSE_THAN_IDEAL = 2.0
"""Noise of a pipeline's traces that is allowed, over that of a matched filter, as a pipeline has footprints to find and
a background to take off."""


@dataclass(frozen=True, eq=False)
class Tolerance:
    """Largest difference of two results.

    Attributes
    ----------
    may_flip
        Which planted cells may be found in one movie and missed in the other ``(unit_id,)``.
    min_pearson
        Lowest correlation of each cell's two traces ``(unit_id,)``.
    min_iou
        Lowest IoU of a cell's two footprints.
    more_made_up, made_up_sigmas
        Allowed change of the number of estimates that match no cell: a number, plus this many standard deviations of
        the difference of two Poisson counts.
    max_shift_px
        Largest RMSE between the two results' shifts, px.
    reason
        Where all this comes from, in words.
    """

    may_flip: NDArray[np.bool_]
    min_pearson: Floats
    min_iou: float
    more_made_up: int
    made_up_sigmas: float
    max_shift_px: float
    reason: str

    def max_made_up_change(self, n_made_up: int) -> int:
        """Return by how many the number of estimates of no cell may change, from that in the baseline."""
        return self.more_made_up + int(self.made_up_sigmas * math.sqrt(2 * max(n_made_up, 1)))

    @classmethod
    def same_noise(cls, recording: Recording) -> Tolerance:
        """Return the tolerance between two movies of the same photons: no more than numbers are rounded by.

        Parameters
        ----------
        recording
            The baseline.
        """
        n = recording.truth.n_units
        pearson = np.full(n, 0.99)
        return cls(
            may_flip=np.zeros(n, np.bool_),
            min_pearson=pearson,
            min_iou=0.8,
            more_made_up=0,
            made_up_sigmas=0.0,
            max_shift_px=0.05,
            reason="both movies have the same noise",
        )

    @classmethod
    def new_edges(cls, recording: Recording) -> Tolerance:
        """Return the tolerance between a movie and a part of it: as :meth:`same_noise`, but for what the edge changes.

        Filters that reach beyond the edge make something up there, so one estimate more may match no cell.

        Parameters
        ----------
        recording
            The baseline.
        """
        same = cls.same_noise(recording)
        return replace(same, more_made_up=1, reason=f"{same.reason}, and one an edge where the other has none")

    @classmethod
    def other_noise(cls, recording: Recording) -> Tolerance:
        """Return the tolerance between two movies of the same cells with independent noise.

        The peak of a matched filter moves by 1 from noise to noise, the difference of two by √2: a cell whose
        ``snr_peak`` is within 3·√2 of the threshold may be found in one movie alone. Two traces of signal variance
        v and noise of variance 1 each correlate by r = v/(v + 1), with a standard error of (1 − r²)/√frames; v comes
        from the cell's true trace and its ``snr_peak``, and noise of twice the ideal deviation is allowed.

        Parameters
        ----------
        recording
            The baseline.
        """
        truth = recording.truth
        n = truth.n_units
        frames = recording.frames.shape[0]
        peak = truth["snr_peak"].values.astype(np.float64)
        largest = truth["largest_transient"].values.astype(np.float64)
        per_light = np.divide(peak, largest, out=np.zeros(n), where=largest > 0) / _WORSE_THAN_IDEAL
        power = truth["C"].values.astype(np.float64).var(axis=1) * np.minimum(per_light, 1e6) ** 2
        pearson = power / (power + 1)
        lowest = pearson - _SIGMAS * (1 - pearson**2) / math.sqrt(max(frames, 1))
        return cls(
            may_flip=peak < DETECTABLE_SNR_PEAK + _SIGMAS * math.sqrt(2),
            min_pearson=lowest,
            min_iou=0.4,
            more_made_up=0,
            made_up_sigmas=_SIGMAS,
            max_shift_px=0.3,
            reason="the two movies differ in their noise",
        )

    @classmethod
    def other_places(cls, recording: Recording) -> Tolerance:
        """Return the tolerance between two movies of the same cells at other places, in other noise.

        Parameters
        ----------
        recording
            The baseline.
        """
        other = cls.other_noise(recording)
        return replace(other, min_iou=0.0, reason="the cells lie elsewhere, in other noise")
