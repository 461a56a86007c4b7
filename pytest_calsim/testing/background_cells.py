"""Find estimates on background cells: planted cells so far out of focus that no assertion counts them.

An estimate that matches no cell of the truth's table lies on a background cell when its centre lies in that cell's disk
of confusion and, if it has a trace, the trace follows the cell's course; without a trace, when its mask is the disk.
Where background cells are dense their disks cover half of an image, so a place alone says nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.kernels.types import Floats
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.inputs.types import Unit
from pytest_calsim.testing.matched_cells import MatchedCells
from pytest_calsim.testing.scoring.masks import Overlaps, centroids, energy_masks
from pytest_calsim.testing.scoring.matching import assign
from pytest_calsim.testing.scoring.traces import correlations

if TYPE_CHECKING:
    from pytest_calsim.recording.recording import Recording
    from pytest_calsim.steps.background.background_cells import BackgroundCellLight

__all__ = ["background_cells_of"]

_FOLLOWS = 0.5
"""Least correlation of a trace with the course that it follows. Of traces and courses of other cells, 0.5 % reach it in
30 s, 2 % in 15 s and 4 % in 5 s (`static`, CA1)."""
_CHANCE = 10.0
"""Divided by the root of the number of frames, a correlation that two unrelated courses seldom reach: calcium outlasts
some ten frames, so this is about three standard deviations. Below 400 frames it asks for more than the above, below 100
for a correlation of 1 and more."""
# Courses are computed in blocks of this many frames, evenly spread, and no more of them.
_BLOCK_FRAMES = 256
_MOST_BLOCKS = 16


def background_cells_of(
    found: Estimate, recording: Recording, matched: MatchedCells, *, min_iou: float
) -> NDArray[np.intp]:
    """Find the background cells that estimates lie on, one estimate on each.

    Parameters
    ----------
    found
        The estimate; its traces are used if it has any.
    recording
        What it was found in.
    matched
        Its footprints, matched with the cells of the truth's table.
    min_iou
        Lowest IoU of a mask with a disk, for estimates without traces.

    Returns
    -------
    ndarray
        Number of the background cell of each estimate ``(estimate,)``; −1 for none, or for another planted cell.
    """
    cell_of = np.full(len(matched.A_est), -1, np.intp)
    estimates = matched.scores.spurious
    if "background_cell_defocus_um" not in recording.truth or not estimates.size:
        return cell_of
    # Here, as the steps take long to import, and most estimates do without.
    from pytest_calsim.steps.background.background_cells import BackgroundCellLight

    light = recording.scene.find(BackgroundCellLight)
    if light is None:
        return cell_of
    masks = energy_masks(matched.A_est[estimates])
    centre, radius = _disks(light, recording)
    within = _distances(centroids(masks), centre) <= radius
    near = np.flatnonzero(within.any(axis=0))
    if found.C is not None and found.C.shape[1] == recording.frames.shape[0]:
        likeness = _correlations(found.C[estimates], light, near)
        least = max(_FOLLOWS, _CHANCE / math.sqrt(found.C.shape[1]))
    else:
        likeness = Overlaps.of(masks, _disk_masks(centre[near], radius[near], matched.A_est.shape[1:])).iou
        least = min_iou
    match = assign(np.where(within[:, near], likeness, 0.0), min_score=least)
    cell_of[estimates[match.est]] = near[match.true]
    return cell_of


def _disks(light: BackgroundCellLight, recording: Recording) -> tuple[Floats, Floats]:
    """Return centres ``(cell, 2)`` on the sensor and radii of the disks of confusion ``(cell,)``, px."""
    acquisition = recording.spec.acquisition
    middle = (np.array(recording.frames.shape[1:]) - 1) / 2
    centre = light.center_um[:, 1:] / acquisition.pixel_size_um + middle
    return centre, np.abs(light.defocus_um) * acquisition.optics.cone_slope / acquisition.pixel_size_um


def _distances(a: Floats, b: Floats) -> Floats:
    return np.hypot(a[:, np.newaxis, 0] - b[:, 0], a[:, np.newaxis, 1] - b[:, 1])


def _disk_masks(centre: Floats, radius: Floats, image_shape: tuple[int, int]) -> SparseFootprints:
    row, column = np.indices(image_shape)
    units: list[Unit] = []
    for (y, x), r in zip(centre, radius, strict=True):
        pixels = np.flatnonzero(np.hypot(row - y, column - x) <= r)
        units.append((pixels, np.ones(len(pixels), np.float32)))
    return SparseFootprints.from_units(units, image_shape)


def _correlations(traces: Floats, light: BackgroundCellLight, cells: NDArray[np.intp]) -> Floats:
    """Return the correlation of every trace with every cell's course (traces, cells), 0 where it is negative."""
    n_frames = traces.shape[1]
    n_blocks = min(-(-n_frames // _BLOCK_FRAMES), _MOST_BLOCKS)
    last = max(n_frames - _BLOCK_FRAMES, 0)
    starts = [round(last * block / max(n_blocks - 1, 1)) for block in range(n_blocks)]
    blocks = [slice(start, min(start + _BLOCK_FRAMES, n_frames)) for start in starts]
    courses = np.concatenate([light.gains(block.start, block.stop)[cells] for block in blocks], axis=1)
    seen = np.concatenate([traces[:, block] for block in blocks], axis=1)
    return np.maximum(correlations(seen, courses.astype(np.float64)), 0.0)
