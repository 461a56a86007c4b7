"""What a pipeline found, in one form whatever the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError, hide_refusals
from pytest_calsim.testing.scoring.inputs import (
    FootprintInput,
    Unit,
    as_footprints,
    as_matrix,
    as_shifts,
    check_frame_labels,
    unit_labels,
)
from pytest_calsim.testing.scoring.shifts import Convention, check_convention

__all__ = ["Estimate"]

__tracebackhide__ = hide_refusals


class Estimate:
    """What a pipeline found: any of footprints, traces, spikes and shifts, checked and made plain.

    Takes numpy, xarray (dims in any order), dask and scipy.sparse. When A and C or S carry ``unit_id`` labels, C and S
    are put in the order of A (some pipelines reorder units along the way).

    Parameters
    ----------
    A
        Footprints ``(unit_id, height, width)``, not negative, none empty.
    C
        Traces ``(unit_id, frame)``, any scale and offset.
    S
        Spikes or deconvolved activity ``(unit_id, frame)``.
    shifts
        ``(frame, shift_dim)``, px, columns (height, width).
    convention
        What the sign of ``shifts`` means, when that is known.
    picture
        Height and width; only needed when A is scipy.sparse ``(unit_id, height * width)``.
    cells
        Only without A: the planted cells that the rows of C and S stand for, each once. Left out, row i is planted
        cell i.

    Raises
    ------
    EstimateError
        When a shape or label does not fit, or a value is NaN, infinite or (in A) negative.
    """

    def __init__(
        self,
        A: FootprintInput | None = None,
        C: Any = None,
        S: Any = None,
        shifts: Any = None,
        *,
        convention: Convention | None = None,
        picture: tuple[int, int] | None = None,
        cells: Sequence[int] | NDArray[np.integer] | None = None,
    ) -> None:
        if A is not None and hasattr(A, "tocsr") and picture is None:
            raise EstimateError(f"A is scipy.sparse of shape {A.shape}: say picture=(height, width)")
        self.A: SparseFootprints | None = None if A is None else _none_empty(as_footprints(A, picture))
        labels = next((found for found in map(unit_labels, (A, C, S)) if found is not None), None)
        n_units = None if self.A is None else len(self.A)
        self.C: NDArray[np.float64] | None = _rows_like(C, labels, n_units, None, "C")
        n_units, n_frames = (n_units, None) if self.C is None else self.C.shape
        self.S: NDArray[np.float64] | None = _rows_like(S, labels, n_units, n_frames, "S")
        n_units = n_units if self.S is None else len(self.S)
        check_frame_labels(shifts)
        self.shifts: NDArray[np.float64] | None = None if shifts is None else as_shifts(shifts)
        self.convention: Convention | None = None if convention is None else check_convention(convention)
        self.labels: NDArray[Any] = np.arange(n_units or 0) if labels is None else labels
        self.cells: NDArray[np.intp] | None = None if cells is None else _named_cells(cells, n_units or 0)
        if self.A is not None and self.cells is not None:
            raise EstimateError("cells given beside A, whose footprints say which cells they are: leave one out")

    def __repr__(self) -> str:
        parts = [
            f"{name} {value.shape}" for name in ("A", "C", "S", "shifts") if (value := getattr(self, name)) is not None
        ]
        return f"<Estimate {', '.join(parts) or 'of nothing'}>"

    @property
    def n_units(self) -> int:
        """Number of units found."""
        return len(self.labels)

    @classmethod
    def from_minian(cls, results: Mapping[str, Any]) -> Estimate:
        """From minian's results: a Dataset (``open_minian``) or a dict with any of ``A``, ``C``, ``S``, ``motion``.

        Units are those of C when it is there: minian's temporal updates drop and reorder units, A keeps the old ones.
        """
        footprints, C, S, motion = (results.get(name) for name in ("A", "C", "S", "motion"))
        kept, old = unit_labels(C), unit_labels(footprints)
        if kept is not None and old is not None:
            foreign = np.setdiff1d(kept, old)
            if foreign.size:
                raise EstimateError(
                    f"C has {foreign.size} unit_id that A has not ({foreign[:5]}): of different updates?"
                )
            footprints = cast("Any", footprints).sel(unit_id=kept)
        return cls(footprints, C, S, motion, convention=None if motion is None else "correction")

    @classmethod
    def from_caiman(cls, estimates: Any, dims: tuple[int, int] | None = None, *, shifts_rig: Any = None) -> Estimate:
        """From CaImAn's ``estimates``: ``A`` (pixels, units) in Fortran order, ``C`` and ``S``.

        ``dims`` is (height, width), needed where the estimates do not carry it; ``shifts_rig`` are those of
        ``MotionCorrect``: corrections (row, column), one a frame.
        """
        from scipy.sparse import coo_array

        dims = dims or getattr(estimates, "dims", None)
        if dims is None:
            raise EstimateError("from_caiman needs dims=(height, width): these estimates do not carry them")
        height, width = int(dims[0]), int(dims[1])
        A: Any = coo_array(estimates.A)
        if A.shape[0] != height * width:
            raise EstimateError(
                f"A has shape {A.shape}; expected ({height * width}, units) = (height * width, unit_id)"
            )
        column, row = np.divmod(A.row, height)
        c_order: Any = coo_array((A.data, (A.col, row * width + column)), shape=A.shape[::-1])
        return cls(
            c_order,
            getattr(estimates, "C", None),
            getattr(estimates, "S", None),
            shifts_rig,
            convention=None if shifts_rig is None else "correction",
            picture=(height, width),
        )

    @classmethod
    def from_suite2p(
        cls,
        stat: Sequence[Mapping[str, Any]],
        shape: tuple[int, int],
        *,
        F: Any = None,
        Fneu: Any = None,
        neucoeff: float = 0.7,
        spks: Any = None,
        iscell: Any = None,
        yoff: Any = None,
        xoff: Any = None,
    ) -> Estimate:
        """From suite2p's ``stat`` (``ypix``, ``xpix``, ``lam``), ``F``, ``Fneu``, ``spks``, ``iscell`` and offsets.

        Traces are ``F − neucoeff·Fneu`` when ``Fneu`` is given; ``iscell`` selects units; ``yoff`` and ``xoff`` are
        displacements.
        """
        kept = _suite2p_kept(iscell, len(stat))
        units = [_suite2p_unit(stat[int(unit)], int(unit), shape) for unit in kept]
        traces, around, S = (_suite2p_matrix(v, len(stat), n) for v, n in ((F, "F"), (Fneu, "Fneu"), (spks, "spks")))
        if traces is not None and around is not None:
            if around.shape != traces.shape:
                raise EstimateError(f"Fneu has shape {around.shape}; expected {traces.shape}, as F")
            traces = traces - neucoeff * around
        shifts = _suite2p_shifts(yoff, xoff)
        found = cls(
            SparseFootprints.from_units(units, shape),
            None if traces is None else traces[kept],
            None if S is None else S[kept],
            shifts,
            convention=None if shifts is None else "displacement",
        )
        found.labels = kept
        return found


def _named_cells(cells: Any, n_units: int) -> NDArray[np.intp]:
    """Planted cells, one for each row, none twice."""
    named = np.asarray(cells)
    if named.ndim != 1 or len(named) != n_units:
        raise EstimateError(f"cells names {named.size} planted cells for {n_units} rows: give a list, one a row")
    if named.size and named.dtype.kind not in "iu":
        raise EstimateError(f"cells must be the numbers of planted cells, not {named.dtype} ({named[:5].tolist()})")
    numbers, counts = np.unique(named, return_counts=True)
    if (counts > 1).any():
        raise EstimateError(f"cells names planted cells {numbers[counts > 1][:5].tolist()} more than once")
    return named.astype(np.intp)


def _suite2p_matrix(value: Any, n_rois: int, name: str) -> NDArray[np.float64] | None:
    return None if value is None else as_matrix(value, shape=(n_rois, None), name=name)


def _suite2p_shifts(yoff: Any, xoff: Any) -> NDArray[Any] | None:
    if yoff is None and xoff is None:
        return None
    if yoff is None or xoff is None:
        raise EstimateError(f"{'xoff' if xoff is None else 'yoff'} is missing: motion needs both yoff and xoff")
    y, x = np.asarray(yoff), np.asarray(xoff)
    if y.ndim != 1 or y.shape != x.shape:
        raise EstimateError(f"yoff and xoff have shapes {y.shape} and {x.shape}; expected one entry a frame")
    return np.stack([y, x], axis=1)


def _suite2p_kept(iscell: Any, n_rois: int) -> NDArray[np.intp]:
    """The ROIs that ``iscell`` (n_rois,) or (n_rois, 2) accepts."""
    accepted = np.ones(n_rois) if iscell is None else np.asarray(iscell)
    if accepted.shape not in ((n_rois,), (n_rois, 2)):
        raise EstimateError(f"iscell has shape {accepted.shape}; expected ({n_rois}, 2) or ({n_rois},), as stat")
    return np.flatnonzero(accepted[:, 0] if accepted.ndim == 2 else accepted)


def _suite2p_unit(roi: Mapping[str, Any], unit: int, shape: tuple[int, int]) -> Unit:
    rows, columns, weights = (np.asarray(roi[name]) for name in ("ypix", "xpix", "lam"))
    for picked in (min, max):
        pixel = tuple(int(picked(at, default=0)) for at in (rows.tolist(), columns.tolist()))
        if not (0 <= pixel[0] < shape[0] and 0 <= pixel[1] < shape[1]):
            raise EstimateError(f"stat[{unit}] reaches pixel {pixel}; expected within (height, width) = {tuple(shape)}")
    pixels = rows.astype(np.int64) * shape[1] + columns
    order = np.argsort(pixels)
    return pixels[order], weights[order]


def _none_empty(A: SparseFootprints) -> SparseFootprints:
    empty = [unit for unit in range(len(A)) if not A.unit(unit)[1].any()]
    if empty:
        raise EstimateError(f"A: {len(empty)} of {len(A)} units are zero everywhere ({empty[:5]}): drop them first")
    return A


def _rows_like(
    value: Any, labels: NDArray[Any] | None, n_units: int | None, n_frames: int | None, name: str
) -> NDArray[np.float64] | None:
    """C or S as a matrix, its rows in the order of the labels."""
    if value is None:
        return None
    own = unit_labels(value)
    if own is not None and labels is not None and not np.array_equal(own, labels):
        if not np.array_equal(np.sort(own), np.sort(labels)):
            raise EstimateError(
                f"{name} has {len(own)} units whose unit_id are not the {len(labels)} of the others: "
                f"select one set, A.sel(unit_id={name}.unit_id)"
            )
        value = value.sel(unit_id=labels)
    return as_matrix(value, shape=(n_units, n_frames), name=name)
