"""Draw what a pipeline might have found in a recording: the truth, spoiled in known ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.recording.recording import Recording
from pytest_calsim.testing.estimate import Estimate
from pytest_calsim.testing.evaluation import check_recording
from pytest_calsim.testing.strategies.fields import check_strategies, finite_floats

__all__ = ["estimates_of"]

Drawn = st.SearchStrategy[Any]


def estimates_of(
    recording: Recording,
    *,
    jitter_px: st.SearchStrategy[tuple[int, int]] | None = None,
    dropped: st.SearchStrategy[bool] | None = None,
    merged: st.SearchStrategy[bool] | None = None,
    split: st.SearchStrategy[bool] | None = None,
    noise: st.SearchStrategy[float] | None = None,
    mislabelled: st.SearchStrategy[bool] | None = None,
) -> st.SearchStrategy[Estimate]:
    """Draw estimates of a recording: its observed footprints, traces and spikes, spoiled. They shrink to the truth.

    Parameters
    ----------
    recording
        Whose truth it is; cells that have no pixel on the sensor are never found.
    jitter_px
        How far each unit lies from its place (rows, columns), px; up to 2 by default.
    dropped, merged, split
        Whether each unit is missing; is one with the next; is two, one of its upper and one of its lower half.
    noise
        Standard deviation of the noise on all traces, in that of each trace; up to 1 by default.
    mislabelled
        Whether traces and spikes are those of the next unit.

    Raises
    ------
    EstimateError
        When the recording has no footprints or no activity.
    """
    truth = check_recording(recording)
    check_strategies(
        {
            "jitter_px": jitter_px,
            "dropped": dropped,
            "merged": merged,
            "split": split,
            "noise": noise,
            "mislabelled": mislabelled,
        }
    )
    A = truth.A_observed
    if A is None or truth.C is None:
        raise EstimateError("the recording has no cells to estimate: its spec lacks 'cell_optics' or 'cell_activity'")
    seen = np.flatnonzero(np.diff(A.indptr))
    step = st.integers(-2, 2)
    return _estimates(
        recording,
        seen,
        jitter_px=st.tuples(step, step) if jitter_px is None else jitter_px,
        dropped=st.booleans() if dropped is None else dropped,
        merged=st.booleans() if merged is None else merged,
        split=st.booleans() if split is None else split,
        noise=finite_floats(0, 1) if noise is None else noise,
        mislabelled=st.booleans() if mislabelled is None else mislabelled,
    )


@st.composite
def _estimates(draw: st.DrawFn, recording: Recording, seen: NDArray[np.intp], **how: Drawn) -> Estimate:
    A = recording.truth.A_observed
    assert A is not None
    kept = [int(cell) for cell in seen if not draw(how["dropped"])]
    footprints: list[SparseFootprints] = []
    rows: list[list[int]] = []
    for cell in kept:
        moved = A[[cell]].moved(*draw(how["jitter_px"]))
        if rows and draw(how["merged"]):
            footprints[-1] = _joined(footprints[-1], moved)
            rows[-1].append(cell)
        elif draw(how["split"]):
            footprints += _halves(moved)
            rows += [[cell], [cell]]
        else:
            footprints.append(moved)
            rows.append([cell])
    traces = _means(recording.truth["C"].values, rows)
    sigma = draw(how["noise"])
    if sigma > 0:
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        traces += sigma * traces.std(axis=1, keepdims=True) * rng.standard_normal(traces.shape)
    further = int(len(rows) > 1 and draw(how["mislabelled"]))
    return Estimate(
        A=SparseFootprints.from_units([part.unit(0) for part in footprints], A.shape[1:]),
        C=np.roll(traces, further, axis=0),
        S=np.roll(_means(recording.truth["S"].values, rows), further, axis=0),
    )


def _joined(first: SparseFootprints, second: SparseFootprints) -> SparseFootprints:
    """Add two footprints."""
    both = (first[0] + second[0]).ravel()
    pixels = np.flatnonzero(both)
    return SparseFootprints.from_units([(pixels, both[pixels])], first.shape[1:])


def _halves(whole: SparseFootprints) -> list[SparseFootprints]:
    """Cut a footprint in two by its rows."""
    pixels, values = whole.unit(0)
    upper = np.arange(len(pixels)) < len(pixels) / 2
    parts = [(pixels[upper], values[upper]), (pixels[~upper], values[~upper])]
    return [SparseFootprints.from_units([part], whole.shape[1:]) for part in parts]


def _means(values: NDArray[Any], rows: list[list[int]]) -> NDArray[np.float64]:
    """Average the rows of each unit."""
    means = [values[cells].mean(axis=0, dtype=np.float64) for cells in rows]
    return np.reshape(means, (len(rows), values.shape[1]))
