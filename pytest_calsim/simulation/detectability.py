"""Assess from the finished scene what can be seen of each cell.

``snr`` is the peak signal-to-noise ratio of a matched filter on one frame: √Σ_px(Δe²/var). Δe are the electrons of the
cell's typical transient, through its blurred footprint, vessels and fields. var is the shot noise of everything that
lies there at rest (baseline, neighbours, background, leakage, dark current) plus the read noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels.overlap import largest_cosines
from pytest_calsim.kernels.types import Floats
from pytest_calsim.steps.background.neuropil import NeuropilLight
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.sensor.sensor import SensorCodes

if TYPE_CHECKING:
    from pytest_calsim.simulation.scene import Scene

__all__ = ["DETECTABLE_SNR", "assess_cells", "snr"]

DETECTABLE_SNR = 3.0
"""Least ``snr`` of a detectable cell; version 1, before calibration against real pipelines."""


def assess_cells(scene: Scene) -> dict[str, TruthArray]:
    """Compute what can be seen of each cell, as columns of the cells' table.

    Parameters
    ----------
    scene
        A finished scene.

    Returns
    -------
    dict
        Columns ``(unit_id,)`` by name. A column that needs a step which the spec does not have is left out.

        - ``n_spikes``: spikes in the recording.
        - ``snr``: see :func:`snr`.
        - ``snr_event``: the same for a filter over all frames of the typical transient.
        - ``detectable``: whether the cell is in the field of view, has snr ≥ 3, and spikes at least once.
        - ``overlap``: largest cosine with another cell's observed footprint, 0 to 1.
        - ``background_fluctuation``: standard deviation of the neuropil, its patches included, under the footprint, in
          units of the cell's typical transient.
    """
    columns: dict[str, NDArray[Any]] = {}
    cells = scene.find(Cells)
    images = scene.find(CellImages)
    activity = scene.find(Activity)
    if activity is not None:
        columns["n_spikes"] = np.diff(activity.spike_start)
    if images is not None:
        columns["overlap"] = _overlap(images)
        if activity is not None and cells is not None:
            columns["snr"] = snr(scene)
            columns["snr_event"] = columns["snr"] * np.sqrt(activity.transient_energy)
            columns["detectable"] = cells.in_fov & (columns["snr"] >= DETECTABLE_SNR) & (columns["n_spikes"] > 0)
            columns["background_fluctuation"] = _background_fluctuation(scene, images, activity)
    return {name: TruthArray(("unit_id",), values) for name, values in columns.items()}


def snr(scene: Scene) -> Floats:
    """Compute the matched-filter peak SNR of each cell's typical transient on one frame.

    Parameters
    ----------
    scene
        A scene with cells, their images and their activity.

    Returns
    -------
    float64 ``(unit_id,)``; infinite without a sensor, unless the cell has no transients (0).

    Raises
    ------
    SpecError
        If the spec has no cell images or no activity.
    """
    images = scene.require(CellImages)
    activity = scene.require(Activity)
    sensor = scene.find(SensorCodes)
    transient = np.asarray(activity.typical_transient, np.float64)
    if sensor is None:
        return np.where(transient > 0, np.inf, 0.0)
    shape = scene.canvas.sensor_shape
    dark = sensor.electrons(np.zeros(shape, np.float32)).astype(np.float64)
    per_unit = sensor.electrons(scene.gain_of_fields()).astype(np.float64) - dark
    variance = sensor.electrons(scene.expected_light()).astype(np.float64) + sensor.read_noise_e**2
    # A pixel without light and noise says nothing about the cell: it has no weight.
    weight = np.divide(per_unit**2, variance, out=np.zeros(shape), where=variance > 0)
    return transient * np.sqrt(images.sums(weight, squared=True))


def _overlap(images: CellImages) -> Floats:
    """Compute each cell's largest cosine of its observed footprint with another cell's; float64 ``(unit_id,)``."""
    return largest_cosines(*images.patches, images.canvas.window)


def _background_fluctuation(scene: Scene, images: CellImages, activity: Activity) -> Floats:
    """Compute the neuropil's standard deviation under each cell, in typical transients; float64 ``(unit_id,)``."""
    neuropil = scene.find(NeuropilLight)
    if neuropil is None:
        return np.zeros(len(images))
    truth = cast("dict[str, TruthArray]", neuropil.truth())
    fields = truth["neuropil_spatial"].values.astype(np.float64)
    spread = truth["neuropil_temporal"].values.std(axis=1)
    variance = np.zeros(len(images))
    for field, sd in zip(fields, spread, strict=True):
        variance += (sd * images.sums(field)) ** 2
    if neuropil.patches is not None:  # wider than cells: alike all over one
        deviation = np.full(scene.canvas.sensor_shape, neuropil.patches.deviation)
        if neuropil.transmission is not None:
            deviation *= neuropil.transmission[scene.canvas.window.slices]
        variance += images.sums(deviation) ** 2
    signal = activity.typical_transient * images.sums(np.ones(scene.canvas.sensor_shape), squared=True)
    return np.divide(np.sqrt(variance), signal, out=np.zeros(len(images)), where=signal > 0)
