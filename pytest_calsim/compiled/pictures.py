"""Pictures of many cells in one go: each is sampled, averaged over pixels, blurred, and cut to what is lit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.imaging import Workspace, block_mean, image_of, lit_box
from pytest_calsim.compiled.jit import compiled, grid
from pytest_calsim.compiled.morphology import sample_shape

__all__ = ["Frames", "Outlines", "Scratch", "picture_cells", "place_parts"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Ints32 = NDArray[np.int32]
Bounds = tuple[int, int, int, int]
"""First row, one past the last, first column, one past the last, px."""


class Outlines(NamedTuple):
    """Shapes of ``n`` cells, as in :class:`~pytest_calsim.steps.cells.morphology.Shape`.

    Attributes
    ----------
    mean_um, half_thickness_um
        ``(n,)``.
    harmonics_um
        ``(n, 4, 2)``.
    segments_um
        All cells' segments ``(total, 6)``.
    segment_start
        Where each cell's segments begin ``(n + 1,)``.
    """

    mean_um: Floats
    half_thickness_um: Floats
    harmonics_um: Floats
    segments_um: Floats
    segment_start: Ints


class Frames(NamedTuple):
    """How ``n`` cells are sampled and imaged; pixels are each cell's own, all arrays ``(n,)``.

    Attributes
    ----------
    top, left, height, width
        The pixels that the shape is sampled on.
    samples
        Parts of a pixel along its side.
    part_um
        A part's side.
    y, x
        The cell's centre, px.
    is_point
        Whether the shape is but its one pixel.
    imaged
        Whether there is an image at all.
    pad
        Pixels by which the image begins before the shape.
    first_y, first_x
        Where the first part's centre (the point) lies in the image, px.
    radius, sigma
        Of the disk and the Gaussian, px.
    waves
        Waves that the image is made of along an axis.
    flux
        A point's light; a shape's is measured.
    """

    top: Ints
    left: Ints
    height: Ints
    width: Ints
    samples: Ints
    part_um: Floats
    y: Floats
    x: Floats
    is_point: NDArray[np.bool_]
    imaged: NDArray[np.bool_]
    pad: Ints
    first_y: Floats
    first_x: Floats
    radius: Floats
    sigma: Floats
    waves: Ints
    flux: Floats

    def of(self, units: Ints) -> Frames:
        """Those of some cells."""
        chosen: Any = (values[units] for values in self)
        return Frames(*chosen)


class Scratch(NamedTuple):
    """Memory that :func:`picture_cells` writes over: of each, what the largest cell needs.

    Attributes
    ----------
    at_y, at_x
        Positions of parts.
    fine, image
        The parts, and the image.
    work
        See there.
    """

    at_y: Floats
    at_x: Floats
    fine: Floats32
    image: Floats32
    work: Workspace


@compiled
def picture_cells(
    first: int,
    stop: int,
    frames: Frames,
    outlines: Outlines,
    circles: NDArray[np.complex64],
    circle_start: Ints,
    bessel: Floats32,
    bessel_step: float,
    faint: float,
    canvas: Bounds,
    sensor: Bounds,
    scratch: Scratch,
    planted: Floats32,
    images: Floats32,
    box: Ints32,
    flux: Floats,
    within: Floats,
) -> int:
    """Sample cells ``first`` to ``stop``, and image them.

    Parameters
    ----------
    circles, circle_start
        exp(2πi j/N) for each N that is the number of parts along the longer side of some image, one after another;
        and where each cell's begin ``(n,)``.
    bessel, bessel_step, faint
        As for :func:`~pytest_calsim.compiled.imaging.image_of`.
    canvas, sensor
        What is kept of an image, and of what its light is summed.
    planted, images
        Where means over pixels, and what is lit of the images, are written, cell after cell.
    box
        Where to write each image's first row, first column, height and width, px ``(n, 4)``; zeros for none.
    flux, within
        Where to write each shape's sum over pixels, and its image's over the sensor ``(n,)``.

    Returns
    -------
    How many values of ``images`` were written.
    """
    at_planted = at_image = 0
    for i in range(first, stop):
        height, width, samples, pad = frames.height[i], frames.width[i], frames.samples[i], frames.pad[i]
        fine = grid(scratch.fine, height * samples, width * samples)
        mean = grid(planted[at_planted:], height, width)
        at_planted += height * width
        if frames.is_point[i]:
            fine[0, 0] = mean[0, 0] = 1
            flux[i] = frames.flux[i]
        else:
            y_um, x_um = scratch.at_y[: fine.shape[0]], scratch.at_x[: fine.shape[1]]
            place_parts(frames.top[i], frames.y[i], samples, frames.part_um[i], y_um)
            place_parts(frames.left[i], frames.x[i], samples, frames.part_um[i], x_um)
            segments = outlines.segments_um[outlines.segment_start[i] : outlines.segment_start[i + 1]]
            half, harmonics = outlines.half_thickness_um[i], outlines.harmonics_um[i]
            sample_shape(y_um, x_um, outlines.mean_um[i], harmonics, segments, half, fine)
            block_mean(fine, samples, mean)
            flux[i] = _sum(mean, (0, height, 0, width))
        within[i] = 0
        for k in range(4):
            box[i, k] = 0
        if not frames.imaged[i]:
            continue
        image = grid(scratch.image, height + 2 * pad, width + 2 * pad)
        circle = circles[circle_start[i] : circle_start[i] + max(image.shape[0], image.shape[1]) * samples]
        y, x, radius, sigma = frames.first_y[i], frames.first_x[i], frames.radius[i], frames.sigma[i]
        waves, work = frames.waves[i], scratch.work
        image_of(fine, y, x, sigma, radius, waves, bessel, bessel_step, circle, faint, flux[i], work, image)
        top, left, lit = frames.top[i] - pad, frames.left[i] - pad, lit_box(image)
        seen = _common(lit, sensor, top, left)
        # Flux is conserved, so an image that lies wholly on the sensor needs no sum.
        within[i] = flux[i] if seen == lit else _sum(image, seen)
        kept = _common(lit, canvas, top, left)
        if kept[0] < kept[1] and kept[2] < kept[3]:
            box[i, 0], box[i, 1] = top + kept[0], left + kept[2]
            box[i, 2], box[i, 3] = kept[1] - kept[0], kept[3] - kept[2]
            for r in range(kept[0], kept[1]):
                for c in range(kept[2], kept[3]):
                    images[at_image] = image[r, c]
                    at_image += 1
    return at_image


@compiled
def place_parts(first: int, centre: float, samples: int, part_um: float, at_um: Floats) -> None:
    """Write the centres of the parts of pixels from ``first`` on, from a cell's centre."""
    for k in range(at_um.shape[0]):
        at_um[k] = (k + ((first - 0.5 - centre) * samples + 0.5)) * part_um


@compiled
def _common(lit: Bounds, window: Bounds, top: int, left: int) -> Bounds:
    """What a window shows of a part of an image that begins at (``top``, ``left``), from there."""
    return (
        max(lit[0], window[0] - top),
        min(lit[1], window[1] - top),
        max(lit[2], window[2] - left),
        min(lit[3], window[3] - left),
    )


@compiled
def _sum(image: Floats32, part: Bounds) -> float:
    total = 0.0
    for r in range(part[0], part[1]):
        for c in range(part[2], part[3]):
            total += image[r, c]
    return total
