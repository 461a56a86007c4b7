"""Pipelines that are right but for one planted bug each, and what an honest one promises on every movie.

The honest pipeline reads the truth, so that the promise holds on whatever scene is drawn, and only the bug breaks it.
"""

import math
import sys
import warnings
from random import Random

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from pytest_calsim import simulate
from pytest_calsim import strategies as sims
from pytest_calsim.errors import CalsimWarning

MAX_EXAMPLES = 200


def recording_of(spec):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalsimWarning)
        return simulate(spec)


def visible(recording):
    """The dense footprints of all cells that have a pixel on the sensor, and which cells they are."""
    A = recording.truth.A_observed
    cells = np.flatnonzero(np.diff(A.indptr))
    return np.asarray(A[cells]), cells


# --- each pipeline, with a flag for its bug ---------------------------------------------------------------------------


def brightest_cell(recording, *, bug):
    """The brightness of the brightest cell."""
    footprints, _ = visible(recording)
    if not len(footprints) and not bug:
        return 0.0
    return float(max(image.max() for image in footprints))


def halved(recording, *, bug):
    """The first frame at half the width; an odd column is kept."""
    frame = recording.frames.read(0, 1)[0].astype(np.float64)
    if frame.shape[1] % 2 and not bug:
        frame = np.pad(frame, ((0, 0), (0, 1)), mode="edge")
    return frame.reshape(frame.shape[0], -1, 2).mean(axis=2)


def footprints(recording, *, bug):
    """Every footprint; the bug hands out pictures (width, height) on the shape (height, width)."""
    found, _ = visible(recording)
    return found.transpose(0, 2, 1).reshape(found.shape) if bug else found


def correction(recording, *, bug):
    """What undoes the motion."""
    shifts = recording.truth.shifts
    moved = np.zeros((recording.frames.shape[0], 2)) if shifts is None else shifts.values
    return moved if bug else -moved


def without_border(recording, *, bug, border=1):
    """Every footprint; the bug blanks what filters leave undefined at the border."""
    found, _ = visible(recording)
    if bug:
        inner = np.zeros(found.shape[1:], bool)
        inner[border:-border, border:-border] = True
        found = found * inner
    return found


def traces(recording, *, bug):
    """Every trace; the bug is one frame late."""
    _, cells = visible(recording)
    C = recording.truth["C"].values[cells]
    return np.roll(C, 1, axis=1) if bug else C


def summed(recording, *, bug):
    """The first frame's rows added in pairs, a last odd one alone; the bug adds codes in their own type."""
    frame = recording.frames.read(0, 1)[0]
    wide = frame if bug else frame.astype(np.float64)
    both = wide[: len(wide) // 2 * 2]
    return np.concatenate([both[::2] + both[1::2], wide[len(both) :]])


def by_chunks(recording, *, bug, rows=8):
    """Every footprint, put together from chunks of rows; the bug forgets the last row of each but the last."""
    found, _ = visible(recording)
    out = np.zeros_like(found)
    height = found.shape[1]
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        kept = stop - 1 if bug and stop < height else stop
        out[:, start:kept] = found[:, start:kept]
    return out


# --- what an honest one promises --------------------------------------------------------------------------------------


def keeps_footprints(recording, found):
    planted, _ = visible(recording)
    assert found.shape == planted.shape
    np.testing.assert_array_equal(found, planted)


def is_a_number(recording, found):
    assert math.isfinite(found)


def has_half_the_width(recording, found):
    _, height, width = recording.frames.shape
    assert found.shape == (height, math.ceil(width / 2))


def undoes_the_motion(recording, found):
    shifts = recording.truth.shifts
    if shifts is not None:
        assert np.abs(found + shifts.values).max() < 0.5


def keeps_traces(recording, found):
    _, cells = visible(recording)
    np.testing.assert_array_equal(found, recording.truth["C"].values[cells])


def keeps_the_light(recording, found):
    frame = recording.frames.read(0, 1)[0].astype(np.float64)
    np.testing.assert_allclose(found.sum(dtype=np.float64), frame.sum(), rtol=1e-5)


BUGS = {
    "empty field": (brightest_cell, is_a_number),
    "odd width": (halved, has_half_the_width),
    "transposed output": (footprints, keeps_footprints),
    "sign flip": (correction, undoes_the_motion),
    "border": (without_border, keeps_footprints),
    "off by one frame": (traces, keeps_traces),
    "dtype overflow": (summed, keeps_the_light),
    "chunk seam": (by_chunks, keeps_footprints),
}
"""Pipeline and promise, by the bug's name."""


def breaks(bug, spec, *, planted=True):
    """Whether the pipeline breaks its promise on a spec."""
    pipeline, promise = BUGS[bug]
    recording = recording_of(spec)
    try:
        promise(recording, pipeline(recording, bug=planted))
    except (AssertionError, ValueError, TypeError):
        return True
    return False


def smallest(bug, seed):
    """The smallest spec on which the bug shows, of those found from a seed; ``None`` if none was in 200 examples."""
    settings_ = settings(
        max_examples=MAX_EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    try:
        return find(sims.specs(), lambda spec: breaks(bug, spec), settings=settings_, random=Random(seed))
    except NoSuchExample:
        return None


if __name__ == "__main__":
    print(repr(smallest(sys.argv[1], int(sys.argv[2]))))
