"""Hold the activity of cells: their spikes, and the fluorescence that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.arrays.lazy import FrameValues, LazyTruth
from pytest_calsim.arrays.read_only import read_only
from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.types import Floats, Floats32, Ints
from pytest_calsim.steps.artifact import Artifact
from pytest_calsim.steps.cells.activity_model import ActivityModel
from pytest_calsim.steps.cells.lone_bouts import LoneBouts
from pytest_calsim.steps.cells.shared_input import AssemblyEvents
from pytest_calsim.steps.cells.traces import CalciumTraces

__all__ = ["Activity"]


@dataclass(frozen=True, eq=False)
class Activity(Artifact):
    """Spikes and fluorescence of every cell.

    Attributes
    ----------
    traces
        Fluorescence, brightness · (1 + ΔF/F), averaged over each exposure, bleaching apart, and number of spikes in
        each; of any block of frames.
    spike_time_s, spike_start
        Times of all spikes from 0 on, cell by cell; cell i's are ``spike_time_s[spike_start[i]:spike_start[i + 1]]``.
    baseline
        Long-run mean of C at rest: the brightness ``(n,)``.
    expected_rate_hz
        Long-run mean spike rate ``(n,)``.
    expected_C
        Long-run mean of C ``(n,)``.
    lone_bouts
        Transients of lone active bouts, at this exposure.
    model
        The law by which they are active: that of other cells of the same tissue, too.
    assemblies
        To which cells of the tissue may belong; ``None``: to none.
    given_notes
        Notes for the user about given spikes or traces that belong to no cell.
    """

    traces: CalciumTraces
    spike_time_s: Floats
    spike_start: Ints
    baseline: Floats
    expected_rate_hz: Floats
    expected_C: Floats  # noqa: N815
    lone_bouts: LoneBouts
    model: ActivityModel
    assemblies: AssemblyEvents | None = None
    given_notes: tuple[str, ...] = ()

    @property
    def typical_transient(self) -> Floats:
        """Median peak rise of C over lone active bouts ``(n,)``."""
        return self.lone_bouts.peak

    @property
    def transient_energy(self) -> Floats:
        """Σ over frames of the squared typical transient, its peak scaled to 1 ``(n,)``."""
        return self.lone_bouts.energy

    @property
    def C(self) -> Floats32:
        """Fluorescence in every frame, computed at each call; float32 ``(n, frame)``, read-only."""
        return read_only(self.traces.fluorescence(0, self.traces.n_frames))

    @property
    def S(self) -> NDArray[np.uint16]:
        """Spikes in every frame, computed at each call; uint16 ``(n, frame)``, read-only."""
        return read_only(self.traces.spikes(0, self.traces.n_frames))

    def truth(self) -> Mapping[str, TruthArray | SparseFootprints]:
        """Return ``C``, ``S``, ``spike_time_s``, ``spike_start``, ``rate_hz``; and ``baseline`` where it drifts."""
        shape = len(self.baseline), self.traces.n_frames
        fluorescence = FrameValues(shape, np.dtype(np.float32), self.traces.fluorescence)
        spikes = FrameValues(shape, np.dtype(np.uint16), self.traces.spikes)
        drifting: dict[str, TruthArray] = {}
        if self.traces.drift is not None:
            rest = FrameValues(shape, np.dtype(np.float32), self._rest)
            drifting["baseline"] = LazyTruth(("unit_id", "frame"), rest)
        return {
            "C": LazyTruth(("unit_id", "frame"), fluorescence),
            "S": LazyTruth(("unit_id", "frame"), spikes),
            "spike_time_s": TruthArray(("spike",), self.spike_time_s, "s"),
            "spike_start": TruthArray(("unit_edge",), self.spike_start),
            "rate_hz": TruthArray(("unit_id",), self.expected_rate_hz, "Hz"),
            **drifting,
        }

    def _rest(self, start: int, stop: int) -> Floats32:
        """Return C without spikes in frames ``start`` to ``stop``, float32 ``(n, frame)``."""
        return self.traces.rest(start, stop).astype(np.float32)

    def notes(self) -> tuple[str, ...]:
        """Return the notes about given spikes or traces."""
        return self.given_notes
