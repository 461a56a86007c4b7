"""The light pipeline as a function of a recording, and what breaks one promise of it each."""

from functools import cache

import numpy as np
from light_pipeline import find_cells, read_traces

from pytest_calsim import Estimate, contract_scene, simulate

RUNS = [0]


def light(recording):
    """The honest one."""
    return estimate(recording.observed.values)


def estimate(movie, keep=lambda peaks: np.ones(len(peaks), bool)):
    """Cells and traces; ``keep`` says by (row, column) of each footprint's peak which ones are handed out."""
    A = find_cells(movie).clip(0)
    at = [np.unravel_index(image.argmax(), image.shape) for image in A]
    A = A[np.asarray(keep(np.reshape(at, (-1, 2))), bool)] if len(A) else A
    return Estimate(A=A, C=read_traces(movie, A))


def only(found, chosen):
    """Some units of an estimate."""
    units = np.flatnonzero(chosen)
    return Estimate(A=np.asarray(found.A)[units], C=found.C[units])


def changes_from_run_to_run(recording):
    RUNS[0] += 1
    return only(light(recording), np.arange(light(recording).n_units) >= RUNS[0] % 2)


def wraps_at_16_bits(recording):
    """Bright pixels become negative (suite2p #177, #140, #759)."""
    return estimate(recording.observed.values.astype(np.int16))


def takes_floats_for_shares(recording):
    movie = recording.observed.values
    return estimate(movie.clip(0, 1) if movie.dtype.kind == "f" else movie)


def takes_height_for_width(recording):
    height = recording.frames.shape[1]
    return estimate(recording.observed.values, lambda at: at[:, 1] < height - 10)


def dark_half(recording):
    """Half of the picture is lost (CaImAn #1492)."""
    height = recording.frames.shape[1]
    return estimate(recording.observed.values, lambda at: at[:, 0] < height / 2)


def doubles_at_patch_borders(recording):
    """A cell on the border of two patches is found in both (EXTRACT #48, CaImAn #730)."""
    found = light(recording)
    rows = np.array([np.unravel_index(image.argmax(), image.shape)[0] for image in found.A])
    seam = np.minimum(rows % 16, -rows % 16) <= 2
    twice = np.r_[np.arange(found.n_units), np.flatnonzero(seam)]
    return Estimate(A=np.asarray(found.A)[twice], C=found.C[twice])


def forgets_the_seams_of_chunks(recording):
    movie = recording.observed
    seams = [] if movie.chunks is None else np.cumsum(movie.chunks[1])[:-1]
    return estimate(movie.values, lambda at: [not any(abs(row - seam) < 8 for seam in seams) for row, _ in at])


def loses_the_last_share(recording, workers=2):
    """Each worker but the first loses a cell."""
    found = light(recording)
    return only(found, np.arange(found.n_units) < found.n_units + 1 - workers)


def loses_the_last_of_three(recording, workers=1):
    return loses_the_last_share(recording, workers)


def looks_at_the_end(recording):
    """What is found depends on the length (CaImAn #881)."""
    found = light(recording)
    return only(found, found.C.argmax(axis=1) >= found.C.shape[1] - 200)


def finds_so_many_and_no_more(recording):
    """Half as many as the contract's scene has: a new one is as likely as not among them."""
    found = light(recording)
    return only(found, np.argsort(np.argsort(-found.C.max(axis=1))) < 4)


def clearness(found):
    """Largest transient of each trace over its noise."""
    noise = 1.4826 * np.median(np.abs(np.diff(found.C, axis=1)), axis=1)
    return found.C.max(axis=1) / noise


@cache
def clearest_known():
    """The clearest cell that its author ever saw: one of the contract's own scene."""
    return clearness(light(simulate(contract_scene()))).max()


def takes_the_clear_for_artefacts(recording):
    """What is clearer than every cell so far cannot be one."""
    found = light(recording)
    return only(found, clearness(found) <= clearest_known())


def blanks_a_wide_border(recording):
    return estimate(recording.observed.values, lambda at: at[:, 0] > 13)


def sorts_traces_apart(recording):
    """Footprints go from top to bottom, traces from bright to dim."""
    found = light(recording)
    return Estimate(A=found.A, C=found.C[np.argsort(-found.C.max(axis=1))])


def fails_without_cells(recording):
    """No cell is an error (suite2p #401, CaImAn #807)."""
    found = find_cells(recording.observed.values, min_peak=12).clip(0)
    return np.stack(list(found))


def fails_on_short_movies(recording):
    """A window is longer than the movie (CaImAn #669, #1450)."""
    movie = recording.observed.values
    windows = np.lib.stride_tricks.sliding_window_view(movie, 20, axis=0)
    return estimate(np.concatenate([movie[:19], windows.mean(axis=-1)]) if not len(windows) else movie)


def divides_by_a_still_pixel(recording):
    """Pixels that never change become NaN (CaImAn #354, #277)."""
    found = light(recording)
    movie = recording.observed.values.astype(float)
    spread = movie.std(axis=0)
    with np.errstate(all="ignore"):
        weight = spread / spread
    return Estimate(A=np.asarray(found.A) * weight, C=found.C)


def finds_outside_the_picture(recording):
    found = light(recording)
    return Estimate(A=np.pad(np.asarray(found.A), ((0, 0), (0, 1), (0, 0))), C=found.C)


BROKEN = {
    "repeated": changes_from_run_to_run,
    "gain and offset": wraps_at_16_bits,
    "as float32": takes_floats_for_shares,
    "transposed": takes_height_for_width,
    "mirrored": dark_half,
    "cropped": doubles_at_patch_borders,
    "other chunks": forgets_the_seams_of_chunks,
    "one worker": loses_the_last_share,
    "three workers": loses_the_last_of_three,
    "twice as long": looks_at_the_end,
    "one more cell, far away": finds_so_many_and_no_more,
    "twice the light": takes_the_clear_for_artefacts,
    "shifted tissue": blanks_a_wide_border,
    "cells in another order": sorts_traces_apart,
    "no cell": fails_without_cells,
    "one frame": fails_on_short_movies,
    "constant rim": divides_by_a_still_pixel,
    "odd size": finds_outside_the_picture,
}
"""By the name of the clause that is meant to catch it."""

PUBLIC = ("gain and offset", "mirrored", "cropped", "twice as long", "no cell", "one frame", "constant rim")
"""Clauses whose broken pipeline is the form of a bug that users reported."""
