"""Assess from the finished scene what can be seen of each cell.

``snr`` is the peak signal-to-noise ratio of a matched filter on one frame, of the pixels that show the cell: the best
that any linear filter can do there with the cell's typical transient, against all noise that the sensor adds to the
scene at rest. ``snr_peak`` is the same of the largest transient that the cell shows in this recording, and of what is
left of its image without the local background; there, light of other cells' transients is noise as well. It decides
what is ``detectable``, of cells that motion does not carry out of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.truth_array import TruthArray
from pytest_calsim.kernels import elementary
from pytest_calsim.kernels.types import Bools, Floats, Floats32
from pytest_calsim.simulation.code_statistics import PixelCodes, SensorNoise
from pytest_calsim.steps.background.neuropil import NeuropilLight
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells
from pytest_calsim.steps.cells.render import CellLight
from pytest_calsim.steps.motion.brain_motion import Motion
from pytest_calsim.steps.sensor.sensor import SensorCodes

if TYPE_CHECKING:
    from pytest_calsim.simulation.scene import Scene

__all__ = [
    "DETECTABLE_SHOWN_FRACTION",
    "DETECTABLE_SNR_PEAK",
    "DETECTION_RULE",
    "LOCAL_BACKGROUND_UM",
    "TransientLight",
    "assess_cells",
    "saturation_notes",
    "share_without_background",
    "shown_fraction",
    "snr",
    "transient_light",
]

DETECTION_RULE = 4
"""Version of what ``detectable`` means; scorecards report it.

1: snr ≥ 3 and a spike. 2: snr_peak ≥ 4.5. 3: the same, of what motion leaves in view. 4: snr_peak ≥ 4.85, with
neighbours' transients as noise, of cells that motion leaves in view in every frame.
"""

DETECTABLE_SNR_PEAK = 4.85
"""Least ``snr_peak`` of a detectable cell."""

DETECTABLE_SHOWN_FRACTION = 0.9
"""Least ``shown_fraction`` of a detectable cell: pipelines cut registered movies to what every frame shows."""

LOCAL_BACKGROUND_UM = 10.0
"""Standard deviation of the Gaussian average that pipelines are taken to subtract."""

_BLOCK_FRAMES = 256
_BLOCK_VALUES = 1 << 20
_FULL_SHARE = 0.001
"""A recording with a larger share of full pixels gets a note."""


def assess_cells(scene: Scene) -> dict[str, TruthArray]:
    """Compute what can be seen of each cell, as columns of the cells' table.

    Parameters
    ----------
    scene
        A finished scene.

    Returns
    -------
    dict
        Columns ``(unit_id,)`` by name, and the number ``detection_rule``. A quantity that needs a step which the spec
        does not have is left out.

        - ``n_spikes``: spikes in the recording.
        - ``snr``: see :func:`snr`.
        - ``snr_event``: the same for a filter over all frames of the typical transient.
        - ``largest_transient``: see :class:`TransientLight`.
        - ``neighbour_fluctuation``: ``of_others`` of :class:`TransientLight`, in units of the cell's typical transient.
        - ``snr_peak``: ``snr`` of the largest transient with the light of others as noise, times
          :func:`share_without_background`.
        - ``shown_fraction``: see :func:`shown_fraction`.
        - ``detectable``: whether the cell is in the field of view, has snr_peak ≥ 4.85 and shown_fraction ≥ 0.9.
        - ``unsaturated_fraction``: share of the observed footprint, squared, outside pixels which are full at rest.
        - ``overlap``: largest cosine with another cell's observed footprint, 0 to 1.
        - ``background_fluctuation``: standard deviation of the neuropil, its patches included, under the footprint, in
          units of the cell's typical transient.
    """
    columns: dict[str, NDArray[Any]] = {}
    numbers: dict[str, TruthArray] = {}
    cells = scene.find(Cells)
    images = scene.find(CellImages)
    activity = scene.find(Activity)
    if activity is not None:
        columns["n_spikes"] = np.diff(activity.spike_start)
    if images is not None:
        columns["overlap"] = images.products.largest_cosines()
        columns["shown_fraction"] = shown_fraction(scene)
        columns["unsaturated_fraction"] = _share(images, np.where(_full_pixels(scene), 0.0, 1.0))
    if images is not None and activity is not None and cells is not None:
        columns["snr"] = snr(scene)
        columns["snr_event"] = columns["snr"] * np.sqrt(activity.transient_energy)
        columns["background_fluctuation"] = _background_fluctuation(scene, images, activity)
        if scene.find(CellLight) is not None:
            light = transient_light(scene)
            columns["largest_transient"] = light.largest
            columns["neighbour_fluctuation"] = _over(light.of_others, activity.typical_transient)
            columns["snr_peak"] = _snr_peak(scene, images, light)
            seen = cells.in_fov & (columns["shown_fraction"] >= DETECTABLE_SHOWN_FRACTION)
            columns["detectable"] = seen & (columns["snr_peak"] >= DETECTABLE_SNR_PEAK)
            numbers["detection_rule"] = TruthArray((), np.array(DETECTION_RULE))
    return {name: TruthArray(("unit_id",), values) for name, values in columns.items()} | numbers


def snr(scene: Scene, transient: Floats | None = None) -> Floats:
    """Compute the matched-filter peak SNR of each cell's transient on one frame.

    It is √(ΔᵀΣ⁻¹Δ) over the pixels of the cell's observed footprint. Δ is what the transient adds to the mean codes,
    through the blurred footprint, vessels, fields and full well. Σ is the codes' covariance with everything at rest and
    unbleached: shot noise of all that lies there, dark current, read noise, rounding, and row noise as one rank-one
    term per row (Sherman & Morrison 1950). The frame is as the sensor gives it, before registration: the sensor's fixed
    pattern does not vary there and is no noise. Registration moves it; docs/physics.md says what that adds.

    Parameters
    ----------
    scene
        A scene with cells, their images and their activity.
    transient
        Each cell's rise, in units of light, float64 ``(unit_id,)``; by default that of its typical transient.

    Returns
    -------
    float64 ``(unit_id,)``; infinite without a sensor, unless the cell has no transient (0).

    Raises
    ------
    SpecError
        If the spec has no cell images or no activity.
    """
    images = scene.require(CellImages)
    if transient is None:
        transient = np.asarray(scene.require(Activity).typical_transient, np.float64)
    detector = scene.find(SensorCodes)
    if detector is None:
        return np.where(transient > 0, np.inf, 0.0)
    shape = scene.canvas.sensor_shape
    noise = SensorNoise.of(detector.chip(), shape)
    dark = detector.electrons(np.zeros(shape, np.float32)).astype(np.float64).ravel()
    per_unit = detector.electrons(scene.gain_of_fields()).astype(np.float64).ravel() - dark
    rest = detector.electrons(scene.expected_light()).astype(np.float64).ravel()
    codes = noise.codes(rest)
    squares = np.zeros(len(images))
    for units, unit, pixel, value in _blocks(images):
        rise = noise.codes(rest[pixel] + transient[unit] * value * per_unit[pixel], pixel).mean - codes.mean[pixel]
        here = PixelCodes(rise, codes.variance[pixel], codes.row_share[pixel])
        squares[units] = _squares(here, unit - units.start, pixel // shape[1], noise.row_noise_e)
    return np.sqrt(np.maximum(squares, 0.0))


def _squares(pixels: PixelCodes, unit: NDArray[np.intp], row: NDArray[np.int32], row_noise: float) -> Floats:
    """Compute ΔᵀΣ⁻¹Δ of each unit; ``pixels.mean`` holds Δ, ascending by unit and row."""
    weight = pixels.mean / pixels.variance
    squares = _sums(unit, weight * pixels.mean)
    # Σ is diagonal but for one rank-one term per row, so its inverse has one correction per row of a footprint.
    if row_noise > 0 and len(unit):
        new = (np.diff(unit, prepend=-1) != 0) | (np.diff(row, prepend=-1) != 0)
        line = np.cumsum(new) - 1
        along = _sums(line, weight * pixels.row_share)
        size = _sums(line, pixels.row_share**2 / pixels.variance)
        squares -= _sums(unit[new], row_noise**2 * along**2 / (1 + row_noise**2 * size))
    return squares


def _sums(group: NDArray[np.intp], values: Floats) -> Floats:
    """Sum the values of each group."""
    return np.asarray(np.bincount(group, values), np.float64)


def _blocks(images: CellImages) -> Iterator[tuple[slice, NDArray[np.intp], NDArray[np.int32], Floats]]:
    """Yield observed footprints, some units at a time: which, and each value's unit, pixel and value."""
    footprints = images.observed
    start = footprints.indptr
    cuts = np.searchsorted(start, np.arange(0, int(start[-1]), _BLOCK_VALUES), side="right") - 1
    for first, stop in pairwise([*np.unique(cuts).tolist(), len(images)]):
        span = slice(start[first], start[stop])
        unit = np.repeat(np.arange(first, stop), np.diff(start[first : stop + 1]))
        if len(unit):
            # Empty units at the end have no value, and the caller leaves them at 0.
            units = slice(first, int(unit[-1]) + 1)
            yield units, unit, footprints.indices[span], footprints.data[span].astype(np.float64)


class TransientLight(NamedTuple):
    """What cells' transients add to the picture.

    Attributes
    ----------
    largest
        The largest rise of each cell's light over its rest, in units of light, like C; float64 ``(unit_id,)``. Rest is
        the baseline, which may drift. Bleaching takes its share of both. It is 0 if the cell never is above its rest.
    of_others
        Standard deviation over frames of what the rises of all other cells add to a reading of the cell by its own
        image a, Σ_j (aᵀa_j/aᵀa)·rise_j, in the same units; float64 ``(unit_id,)``, 0 without an image.
    """

    largest: Floats
    of_others: Floats


def transient_light(scene: Scene) -> TransientLight:
    """Compute each cell's largest transient, and how much other cells' transients vary within its image.

    Parameters
    ----------
    scene
        A scene with images of cells and their light.

    Raises
    ------
    SpecError
        If the spec images or renders no cells.
    """
    light = scene.require(CellLight)
    products = scene.require(CellImages).products
    baseline = light.activity.baseline
    cell = np.concatenate([products.first, products.second])
    other = np.concatenate([products.second, products.first])
    share = _over(np.tile(products.product, 2), products.square[cell])
    order = np.argsort(cell, kind="stable")
    start = np.searchsorted(cell[order], np.arange(len(baseline) + 1))
    others = [(i, other[order[a:b]], share[order[a:b]]) for i, (a, b) in enumerate(pairwise(start.tolist())) if b > a]
    largest, total, squares = np.zeros((3, len(baseline)))
    for first in range(0, scene.n_frames, _BLOCK_FRAMES):
        stop = min(first + _BLOCK_FRAMES, scene.n_frames)
        left: Floats32 | float = 1.0
        if light.bleaching is not None:
            left = np.stack([light.bleaching.remaining(frame) for frame in range(first, stop)], axis=1)
        rest = light.activity.traces.rest(first, stop)
        # Light of the tissue beyond the cells comes behind that of the cells.
        rise = light.gains(first, stop)[: len(baseline)] - rest * left
        np.maximum(largest, rise.max(axis=1), out=largest)
        for i, those, shares in others:
            reading = shares @ rise[those]
            total[i] += reading.sum()
            squares[i] += reading @ reading
    mean = total / scene.n_frames
    return TransientLight(
        # Light is float32: a rise by rounding alone is no transient.
        np.where(largest > 1e-6 * baseline, largest, 0.0),
        np.sqrt(np.maximum(squares / scene.n_frames - mean * mean, 0.0)),
    )


def _snr_peak(scene: Scene, images: CellImages, light: TransientLight) -> Floats:
    """Compute ``snr`` of the largest transient, less the local background, with the light of others' as noise.

    Variances add. A local background takes as much from the light of others as from the cell's own.
    """
    left = share_without_background(images)
    # Without a sensor snr is infinite, and times a share of 0 no number.
    alone = np.multiply(snr(scene, light.largest), left, out=np.zeros(len(images)), where=left > 0)
    return _inverse(np.hypot(_inverse(alone), _over(light.of_others, light.largest)))


def _inverse(values: Floats) -> Floats:
    """Return 1/x, infinite where x is 0."""
    return np.divide(1.0, values, out=np.full_like(values, np.inf), where=values > 0)


def _over(values: Floats, by: Floats) -> Floats:
    """Divide values by others, 0 where these are 0."""
    return np.divide(values, by, out=np.zeros_like(values), where=by > 0)


def shown_fraction(scene: Scene) -> Floats:
    """Compute the share of each observed footprint, squared, that every frame shows; 1 for an empty one.

    Without motion it is 1. A registered movie holds all frames only there: elsewhere the picture's rim comes and goes.

    Parameters
    ----------
    scene
        A scene with cell images.

    Returns
    -------
    float64 ``(unit_id,)``, 0 to 1.

    Raises
    ------
    SpecError
        If the spec has no cell images.
    """
    images = scene.require(CellImages)
    motion = scene.find(Motion)
    shape = scene.canvas.sensor_shape
    if motion is None:
        return np.ones(len(images))
    shifts = motion.shifts_px.astype(np.float64)
    # The window lies over the tissue against the shift.
    begin, end = -shifts.min(axis=0), np.array(shape) - shifts.max(axis=0)
    rows, columns = (
        np.clip(np.minimum(np.arange(n) + 1, b) - np.maximum(np.arange(n), a), 0, 1)
        for n, a, b in zip(shape, begin, end, strict=True)
    )
    return _share(images, np.outer(rows, columns))


def _share(images: CellImages, weight: Floats) -> Floats:
    """Compute the share of each footprint, squared, that lies in weighted pixels; 1 for an empty one."""
    whole = images.sums(np.ones(weight.shape), squared=True)
    return np.divide(images.sums(weight, squared=True), whole, out=np.ones(len(images)), where=whole > 0)


def share_without_background(images: CellImages) -> Floats:
    """Compute ‖A − G·A‖/‖A‖: what is left of each image A when a local average G is subtracted from the movie.

    G is a Gaussian of σ = 10 µm. It takes little from a sharp soma and nearly all from a deep cell's broad blur.
    Since G is symmetric and G·G is a Gaussian of √2·σ, ‖A − G·A‖² = AᵀA − 2·AᵀGA + AᵀG_√2σ·A needs no pixel beyond
    the image's own.

    Parameters
    ----------
    images
        The cells' images.

    Returns
    -------
    float64 ``(unit_id,)``, 0 to 1; 0 for a cell without an image.
    """
    sigma = LOCAL_BACKGROUND_UM / images.canvas.pixel_size_um
    longest = int(images.patches.box[:, 2:].max(initial=1))
    kernels = [_gaussian_matrix(longest, sigma), _gaussian_matrix(longest, np.sqrt(2) * sigma)]
    shares = np.zeros(len(images))
    for i in range(len(images)):
        image = images.patches.patch(i).values.astype(np.float64)
        height, width = image.shape
        whole = float((image * image).sum())
        if whole > 0:
            # The Gaussian is separable: two products of small matrices in place of a convolution.
            once, twice = (((k[:height, :height] @ image @ k[:width, :width]) * image).sum() for k in kernels)
            shares[i] = np.sqrt(max(whole - 2 * once + twice, 0.0) / whole)
    return shares


def _gaussian_matrix(n: int, sigma: float) -> Floats:
    """Return the matrix that averages ``n`` pixels in a line by a Gaussian, float64 ``(n, n)``; outside is dark."""
    reach = max(n, int(6 * sigma) + 2)
    profile = elementary.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    profile /= profile.sum()
    at = np.arange(n)
    return profile[at[:, np.newaxis] - at + reach]


def saturation_notes(scene: Scene) -> tuple[str, ...]:
    """Return a note of the share of pixels that are saturated with every cell at rest, if it is 0.1 % or more.

    Parameters
    ----------
    scene
        A scene.

    Returns
    -------
    One line, or none. Without cells there is none, as saturation hides nothing then.
    """
    if scene.find(CellImages) is None:
        return ()
    full = _full_pixels(scene)
    share = float(full.mean()) if full.size else 0.0
    if share < _FULL_SHARE:
        return ()
    return (
        f"sensor: {100 * share:.1f} % of the pixels are saturated with every cell at rest, and show no transient: give "
        "less light or background, or a larger full_well_e",
    )


def _full_pixels(scene: Scene) -> Bools:
    """Tell which pixels are full with every cell at rest, ``(height, width)``."""
    detector = scene.find(SensorCodes)
    shape = scene.canvas.sensor_shape
    if detector is None:
        return np.zeros(shape, np.bool_)
    return SensorNoise.of(detector.chip(), shape).full(detector.electrons(scene.expected_light()).astype(np.float64))


def _background_fluctuation(scene: Scene, images: CellImages, activity: Activity) -> Floats:
    """Compute the neuropil's standard deviation under each cell, in typical transients; float64 ``(unit_id,)``."""
    neuropil = scene.find(NeuropilLight)
    if neuropil is None:
        return np.zeros(len(images))
    truth = cast("dict[str, TruthArray]", neuropil.truth())
    fields = truth["neuropil_spatial"].values.astype(np.float64)
    spread = truth["neuropil_temporal"].values.std(axis=1)
    variance = np.zeros(len(images))
    # Components fluctuate independently, so their variances add up.
    for field, sd in zip(fields, spread, strict=True):
        variance += (sd * images.sums(field)) ** 2
    if neuropil.patches is not None:  # patches are wider than cells: each is even over a footprint
        deviation = np.full(scene.canvas.sensor_shape, neuropil.patches.deviation)
        if neuropil.transmission is not None:
            deviation *= neuropil.transmission[scene.canvas.window.slices]
        variance += images.sums(deviation) ** 2
    signal = activity.typical_transient * images.sums(np.ones(scene.canvas.sensor_shape), squared=True)
    return _over(np.sqrt(variance), signal)
