"""CaImAn: its ``estimates``, or the ``CNMF`` object that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.arrays.footprints import SparseFootprints
from pytest_calsim.errors import EstimateError
from pytest_calsim.testing.inputs.footprints import as_footprints
from pytest_calsim.testing.inputs.matrices import as_matrix
from pytest_calsim.testing.inputs.pictures import as_size

if TYPE_CHECKING:
    from pytest_calsim.testing.inputs.types import FootprintsLike, MatrixLike
    from pytest_calsim.testing.scoring.shifts import Convention

__all__ = ["CaimanArrays", "read"]

_Matrix = NDArray[np.float64]


class CaimanArrays(TypedDict):
    """What becomes of CaImAn's results, as arguments of an ``Estimate``."""

    A: FootprintsLike
    C: _Matrix | None
    S: _Matrix | None
    shifts: MatrixLike | None
    b: _Matrix | None
    f: _Matrix | None
    convention: Convention | None


def read(
    estimates: object, dims: Sequence[int] | NDArray[np.integer] | None, shifts_rig: MatrixLike | None
) -> CaimanArrays:
    """Read ``A`` (pixels, units; Fortran order), ``C``, ``S``, ``b``, ``f`` of the components that were accepted.

    ``idx_components`` is CaImAn's curation, from ``evaluate_components``; after ``select_components`` it is ``None``.
    """
    found: Any = getattr(estimates, "estimates", estimates)
    if getattr(found, "A", None) is None:
        raise EstimateError(f"this {type(found).__name__} has no A: give cnm.estimates after fit()")
    height, width = _dims(dims, estimates, found)
    every = _footprints(found.A, height, width)
    kept = _accepted(getattr(found, "idx_components", None), len(every))
    b = getattr(found, "b", None)
    f = getattr(found, "f", None)
    if b is None or f is None or 0 in np.shape(b):  # CaImAn's CNMF-E keeps no background of its own
        b = None
    pictures = None if b is None else np.asarray(_footprints_of_any_sign(b, height, width, "b"))
    return {
        "A": replace(every, unit_id=np.arange(len(every)))[kept],
        "C": _rows(found, "C", len(every), kept),
        "S": _rows(found, "S", len(every), kept),
        "shifts": shifts_rig,
        "b": pictures,
        "f": None if pictures is None else np.atleast_2d(np.asarray(f, np.float64)),
        "convention": None if shifts_rig is None else "correction",
    }


def _dims(given: Sequence[int] | NDArray[np.integer] | None, *owners: object) -> tuple[int, int]:
    """Return the height and width, from the argument or from the estimates."""
    known = [given, *(getattr(owner, "dims", None) for owner in owners)]
    dims = next((np.asarray(found).ravel() for found in known if found is not None), None)
    if dims is None:
        raise EstimateError("from_caiman needs dims=(height, width): these estimates do not carry them")
    if len(dims) == 3:
        raise EstimateError(f"dims must be (height, width), not {tuple(dims.tolist())}: volumes are not scored")
    return as_size(dims.item() if dims.size == 1 else tuple(dims.tolist()), "dims")


def _footprints(A: Any, height: int, width: int) -> SparseFootprints:
    """Return columns of pixels in Fortran order, as footprints."""
    from scipy.sparse import coo_array

    # NumPy saves a sparse matrix as an array of one object.
    saved: Any = A.item() if getattr(A, "shape", None) == () else A
    matrix: Any = coo_array(saved)
    if matrix.shape[0] != height * width:
        raise EstimateError(
            f"A has shape {matrix.shape}; expected ({height * width}, units) = (height * width, unit_id)"
        )
    column, row = np.divmod(matrix.row, height)
    c_order: Any = coo_array((matrix.data, (matrix.col, row * width + column)), shape=matrix.shape[::-1])
    return as_footprints(c_order, (height, width))


def _footprints_of_any_sign(b: Any, height: int, width: int, name: str) -> _Matrix:
    """Return background pictures ``(component, height, width)``, which may be negative."""
    array = np.asarray(b.toarray() if hasattr(b, "toarray") else b, np.float64)
    if array.ndim != 2 or array.shape[0] != height * width:
        raise EstimateError(f"{name} has shape {array.shape}; expected ({height * width}, components)")
    return array.T.reshape(-1, width, height).transpose(0, 2, 1)


def _accepted(idx_components: Any, n_units: int) -> NDArray[np.intp]:
    """Return the components that were accepted, in the order of A; all of them where nothing was rejected."""
    if idx_components is None:
        return np.arange(n_units)
    kept = np.asarray(idx_components).ravel()
    if kept.size and (kept.dtype.kind not in "iu" or kept.min() < 0 or kept.max() >= n_units):
        raise EstimateError(f"idx_components names {kept.max()}; A has the components 0 to {n_units - 1}")
    return np.unique(kept.astype(np.intp))


def _rows(found: Any, name: str, n_units: int, kept: NDArray[np.intp]) -> _Matrix | None:
    value = getattr(found, name, None)
    if value is None:
        return None
    rows = as_matrix(value, shape=(None, None), name=name)
    if len(rows) != n_units:
        raise EstimateError(f"{name} has {len(rows)} rows for the {n_units} components of A: of different runs?")
    return rows[kept]
