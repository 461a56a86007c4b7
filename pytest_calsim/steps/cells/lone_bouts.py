"""Measure the transients of lone bouts of spikes, which say how large a cell's typical transient is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.calcium import bout_transients
from pytest_calsim.kernels.spikes import SpikeProcess
from pytest_calsim.kernels.types import Floats
from pytest_calsim.steps.cells.activity_model import ActivityModel, CellNormals
from pytest_calsim.steps.cells.indicators import time_to_peak
from pytest_calsim.steps.step import Context

__all__ = ["LoneBouts"]

_BOUTS = 1000
"""Bouts a knot of rate and kinetics."""


@dataclass(frozen=True, eq=False)
class LoneBouts:
    """Transients of each cell's lone active bouts. They are measured when first asked for, as no frame needs them.

    Attributes
    ----------
    context
        Context of the step that draws the activity.
    model
        The law by which the cells are active.
    z
        What tells the cells apart.
    gain
        Rise of C at the peak of a lone spike's transient ``(cell,)``.
    given_peak
        Largest rise of C of the first cells, where their traces are given.
    """

    context: Context
    model: ActivityModel
    z: CellNormals
    gain: Floats
    given_peak: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def peak(self) -> Floats:
        """Median peak rise of C ``(cell,)``; read-only."""
        return self._measured[0]

    @property
    def energy(self) -> Floats:
        """Median over bouts of Σ over frames of the squared transient, its peak scaled to 1 ``(cell,)``; read-only."""
        return self._measured[1]

    @cached_property
    def _measured(self) -> tuple[Floats, Floats]:
        """Measure the median peak and energy.

        Cells differ by their rate and their kinetics alone, so bouts are drawn at fixed ones from a separate stream and
        interpolated between them. Exposures shorter than an eighth of the time to peak hardly blunt a peak:
        the bouts' frames are no shorter.
        """
        model = self.model
        exposure_s = self.context.acquisition.exposure_s
        key = np.uint64(self.context.stream_key("bouts"))

        def median(process: SpikeProcess, time_scale: float) -> Floats:
            rise_s = model.rise_s * time_scale
            decay_s = model.decay_s * time_scale
            frame_s = max(exposure_s, time_to_peak(rise_s, decay_s) / 8)
            response = model.response(frame_s)._replace(rise_s=rise_s, decay_s=decay_s)
            hazards_hz, _ = process.balanced()
            bouts = float(hazards_hz[0, 1]), model.leave_hz[1], model.refractory_s, response, _BOUTS
            peaks, energies = bout_transients(key, *bouts)
            # The peak's logarithm, as it is interpolated: peaks grow by factors with the rate.
            return np.array([math.log(np.median(peaks)), np.median(energies) * (frame_s / exposure_s)])

        log_peak, energy = model.interpolated(self.z, median, 2)
        peak = self.gain * elementary.exp(log_peak)
        peak[: len(self.given_peak)] = self.given_peak
        return read_only(peak), read_only(energy)
