"""suite2p: the arrays of its output folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.kernels.types import Floats
from pytest_calsim.testing.inputs.arrays import check_numbers, plain_array
from pytest_calsim.testing.inputs.images import as_size
from pytest_calsim.testing.inputs.matrices import as_matrix, rows_of
from pytest_calsim.testing.scoring.bounds import check_finite

if TYPE_CHECKING:
    from pytest_calsim.testing.inputs.types import MatrixLike, Unit
    from pytest_calsim.testing.scoring.shifts import Convention

__all__ = ["Suite2pArrays", "read"]


class Suite2pArrays(TypedDict):
    """suite2p's results, as arguments of an ``Estimate``."""

    A: SparseFootprints
    C: Floats | None
    S: Floats | None
    shifts: Floats | None
    convention: Convention | None


def read(
    stat: Sequence[Mapping[str, ArrayLike]] | NDArray[np.object_],
    shape: tuple[int, int],
    F: MatrixLike | None,
    Fneu: MatrixLike | None,
    neucoeff: float,
    spks: MatrixLike | None,
    iscell: ArrayLike | None,
    yoff: ArrayLike | None,
    xoff: ArrayLike | None,
) -> Suite2pArrays:
    """Read ROIs, traces and offsets; rejected ROIs, and those merged into another, are left out."""
    image_shape = _size(shape)
    rois = _rois(stat)
    kept = _kept(iscell, rois)
    footprints = SparseFootprints.from_units([_unit(rois[i], i, image_shape) for i in kept.tolist()], image_shape)
    # Rows are read before ROIs are left out: suite2p writes one for each ROI, accepted or not.
    traces = _rows(F, len(rois), "F")
    around = _rows(Fneu, len(rois), "Fneu")
    spikes = _rows(spks, len(rois), "spks")
    check_finite("neucoeff", neucoeff)
    if traces is None and around is not None:
        raise EstimateError("Fneu is given without F: traces are F - neucoeff * Fneu")
    if traces is not None and around is not None:
        if around.shape != traces.shape:
            raise EstimateError(f"Fneu has shape {around.shape}; expected {traces.shape}, as F")
        traces = traces - neucoeff * around
    shifts = _offsets(yoff, xoff)
    return {
        "A": replace(footprints, unit_id=kept),
        "C": None if traces is None else traces[kept],
        "S": None if spikes is None else spikes[kept],
        "shifts": shifts,
        "convention": None if shifts is None else "displacement",
    }


def _rows(value: MatrixLike | None, n_rois: int, name: str) -> Floats | None:
    if value is None:
        return None
    return as_matrix(rows_of(value, n_rois, whose="stat", name=name), shape=(n_rois, None), name=name)


def _offsets(yoff: ArrayLike | None, xoff: ArrayLike | None) -> Floats | None:
    if yoff is None and xoff is None:
        return None
    if yoff is None or xoff is None:
        raise EstimateError(f"{'xoff' if xoff is None else 'yoff'} is missing: motion needs both yoff and xoff")
    y = plain_array(yoff, "yoff")
    x = plain_array(xoff, "xoff")
    check_numbers(y.dtype, "yoff")
    check_numbers(x.dtype, "xoff")
    if y.ndim != 1 or y.shape != x.shape:
        raise EstimateError(f"yoff and xoff have shapes {y.shape} and {x.shape}; expected one entry a frame")
    return np.stack([y, x], axis=1)


def _kept(iscell: ArrayLike | None, rois: list[Any]) -> NDArray[np.intp]:
    """Return the ROIs that ``iscell`` ``(ROI,)`` or ``(ROI, 2)`` accepts, and that are not part of a merged one."""
    n_rois = len(rois)
    accepted = np.ones(n_rois) if iscell is None else np.asarray(iscell)
    if accepted.shape not in ((n_rois,), (n_rois, 2)):
        raise EstimateError(f"iscell has shape {accepted.shape}; expected ({n_rois}, 2) or ({n_rois},), as stat")
    accepted = accepted[:, 0] if accepted.ndim == 2 else accepted
    if accepted.dtype.kind not in "biuf" or not np.isin(accepted, (0, 1)).all():
        raise EstimateError(
            f"iscell must be 0 or 1 for each ROI, in its first column if it has two, not {accepted[:5].tolist()}"
        )
    # suite2p writes 0 at first, -1 on a ROI that it made of others, and that ROI's number on each of those.
    merged = np.array([_is_merged(roi, number) for number, roi in enumerate(rois)], np.bool_)
    return np.flatnonzero(accepted.astype(np.bool_) & ~merged)


def _is_merged(roi: Mapping[str, Any], number: int) -> bool:
    into = np.asarray(roi.get("inmerge", 0))
    if into.dtype.kind not in "biuf":
        raise EstimateError(f"inmerge of stat[{number}] must be the number of a ROI, not {into.tolist()!r}")
    return bool((into > 0).any())


def _size(shape: object) -> tuple[int, int]:
    if isinstance(shape, Mapping):
        raise EstimateError('shape is a dict: give (ops["Ly"], ops["Lx"])')
    return as_size(shape, "shape")


def _rois(stat: object) -> list[Any]:
    """Return the ROIs of ``stat``, each with its pixels."""
    kind = type(stat).__name__
    if isinstance(stat, Mapping | str | PathLike) or not isinstance(stat, Sequence | np.ndarray):
        raise EstimateError(f"stat must be suite2p's list of ROIs, np.load('stat.npy', allow_pickle=True), not {kind}")
    rois: list[Any] = list(cast("Sequence[Any]", stat))
    for number, roi in enumerate(rois):
        lacking = [name for name in ("ypix", "xpix", "lam") if not (isinstance(roi, Mapping) and name in roi)]
        if lacking:
            raise EstimateError(f"stat[{number}] has no {', '.join(lacking)}: expected the dict of a ROI")
    return rois


def _unit(roi: Mapping[str, ArrayLike], number: int, shape: tuple[int, int]) -> Unit:
    rows, columns, weights = (plain_array(roi[name], f"{name} of stat[{number}]") for name in ("ypix", "xpix", "lam"))
    check_numbers(weights.dtype, f"lam of stat[{number}]")
    for name, at in (("ypix", rows), ("xpix", columns)):
        if at.size and (at.dtype.kind not in "iuf" or not np.array_equal(at, np.trunc(at))):
            raise EstimateError(f"{name} of stat[{number}] must be whole numbers, not {at[:3].tolist()}")
    if not rows.shape == columns.shape == weights.shape or rows.ndim != 1:
        raise EstimateError(
            f"stat[{number}] has ypix {rows.shape}, xpix {columns.shape} and lam {weights.shape}; expected equally many"
        )
    corners = [(int(rows.min()), int(columns.min())), (int(rows.max()), int(columns.max()))] if rows.size else []
    for row, column in corners:
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            raise EstimateError(
                f"stat[{number}] reaches pixel {(row, column)}; expected within (height, width) = {tuple(shape)}"
            )
    pixels = rows.astype(np.int64) * shape[1] + columns
    order = np.argsort(pixels)
    twice = np.flatnonzero(np.diff(pixels[order]) == 0)
    if twice.size:
        pixel = divmod(int(pixels[order][twice[0]]), shape[1])
        raise EstimateError(f"stat[{number}] lists pixel {pixel} twice: a footprint has one weight a pixel")
    return pixels[order], weights[order]
