"""Judges of a background: whether it poses the one-photon problem to a pipeline.

They know the truth and nothing of how it was made: frames are painted with all cells and with the cells alone. All is
on the sensor at rest, behind every field, in 2 x 2 binned pixels where these are small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_calsim.simulation.planning import plan
from pytest_calsim.steps.cells.cell_activity import Activity
from pytest_calsim.steps.cells.cell_optics import CellImages
from pytest_calsim.steps.cells.place_neurons import Cells

RANKS = (2, 5, 15)


@dataclass
class Judgement:
    """What a background does to those who fit it.

    Attributes
    ----------
    residual
        Standard deviation of what the best fit of rank 2 leaves under a cell, over the cell's typical transient; both
        seen through the cell's footprint. Median over the cells in view with a soma in focus.
    components
        How many more components hold 95 % of the variance that rank 2 leaves.
    global_share
        Share of the background's variance that rank 2 explains.
    ring
        Share of the clean background's deviation that a ring of neighbours leaves, the ring's weights being fitted to
        the noisy movie.
    ring_size
        Neighbours in the ring.
    ranks
        The same for courses from the noisy movie's singular values, by rank; the last is the ring's size.
    """

    residual: float
    components: int
    global_share: float
    ring: float
    ring_size: int
    ranks: dict[int, float]

    @property
    def poses_the_problem(self):
        return (
            0.3 <= self.residual <= 3
            and self.components >= 15
            and all(self.ring < left for left in self.ranks.values())
        )


def binned(movie, by):
    frames, height, width = movie.shape
    movie = movie[:, : height // by * by, : width // by * by]
    return movie.reshape(frames, height // by, by, width // by, by).mean(axis=(2, 4), dtype=np.float32)


def painted(scene, by):
    """What the sensor would see of all but the cells' images, and the codes; both (frame, height, width) and binned."""
    behind = "neuropil" if "neuropil" in scene.stages else scene.stages[0]
    footprints = scene.require(CellImages).observed.csr.T.tocsr()
    traces = scene.require(Activity).C.astype(np.float32)
    gain = scene.gain_of_fields()
    clean = []
    seen = []
    for start in range(0, scene.n_frames, 50):
        stop = min(start + 50, scene.n_frames)
        light = scene.paint(start, stop, behind)
        light -= (footprints @ traces[:, start:stop]).T.reshape(light.shape)
        clean.append(binned(light * gain, by))
        seen.append(binned(scene.paint(start, stop), by))
    clean = np.concatenate(clean)
    seen = np.concatenate(seen)
    return clean - clean.mean(axis=0), seen - seen.mean(axis=0)


def judge(spec, ring_um=16.5, max_pixels=400):
    """Judge a spec without motion and without bleaching."""
    scene = plan(spec)
    by = max(1, round(3.3 / scene.canvas.pixel_size_um))
    clean, seen = painted(scene, by)
    residual, components, share = _after_rank_two(scene, clean, by)
    ring, size, ranks = _fits(clean, seen, ring_um / (scene.canvas.pixel_size_um * by), max_pixels)
    return Judgement(residual, components, share, ring, size, ranks)


def _modes(movie):
    """Variances and courses (frame, mode) of a movie's components, the largest first."""
    flat = movie.reshape(len(movie), -1)
    values, courses = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    return values[::-1].clip(0), courses[:, ::-1].astype(np.float32)


def _after_rank_two(scene, clean, by):
    """What is left under cells, and of how many components it is."""
    images, cells, activity = (scene.require(kind) for kind in (CellImages, Cells, Activity))
    values, courses = _modes(clean)
    left = np.cumsum(values[2:]) / values[2:].sum()
    own = courses[:, :2]
    gain = scene.gain_of_fields()
    ratios = []
    for unit in np.flatnonzero(cells.in_fov & images.soma_in_focus & (images.fov_fraction > 0.9)):
        footprint = binned(images.observed[int(unit)][np.newaxis], by)[0]
        seen = binned((images.observed[int(unit)] * gain)[np.newaxis], by)[0]
        at = footprint > 0.05 * footprint.max()
        under = clean[:, at] @ footprint[at]
        under = under - own @ (own.T @ under)
        ratios.append(under.std() / (activity.typical_transient[unit] * (footprint * seen)[at].sum()))
    return float(np.median(ratios)), int(np.searchsorted(left, 0.95)) + 1, float(values[:2].sum() / values.sum())


def _fits(clean, seen, radius, max_pixels):
    """What a ring and courses of several ranks leave of the clean background, when they are fitted to the movie."""
    reach = int(np.ceil(radius + 0.5))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    ring = np.abs(np.hypot(dy, dx) - radius) <= 0.5
    dy = dy[ring]
    dx = dx[ring]
    height, width = clean.shape[1:]
    rng = np.random.default_rng(0)
    rows = rng.integers(reach, height - reach, max_pixels)
    columns = rng.integers(reach, width - reach, max_pixels)
    of_ring = 0.0
    for r, c in zip(rows, columns, strict=True):
        weights = np.linalg.lstsq(seen[:, r + dy, c + dx], seen[:, r, c], rcond=None)[0]
        of_ring += ((clean[:, r, c] - clean[:, r + dy, c + dx] @ weights) ** 2).sum()
    courses = _modes(seen)[1]
    at = clean[:, rows, columns]
    total = (at**2).sum()
    ranks = {}
    for rank in (*RANKS, len(dy)):
        own = courses[:, :rank]
        ranks[rank] = float(np.sqrt(((at - own @ (own.T @ at)) ** 2).sum() / total))
    return float(np.sqrt(of_ring / total)), len(dy), ranks
