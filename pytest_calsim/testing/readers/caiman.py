"""CaImAn: its ``estimates``, or the ``CNMF`` object that has them."""

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
from pytest_calsim.testing.inputs.footprints import as_footprints
from pytest_calsim.testing.inputs.images import as_size
from pytest_calsim.testing.inputs.matrices import rows_of

if TYPE_CHECKING:
    from pytest_calsim.testing.inputs.types import FootprintsLike, MatrixLike
    from pytest_calsim.testing.scoring.shifts import Convention

__all__ = ["CaimanArrays", "read"]


_NAMES = ("estimates", "dims", "A", "C", "S", "b", "f", "idx_components")
"""What is read of CaImAn's objects."""


class CaimanArrays(TypedDict):
    """CaImAn's results, as arguments of an ``Estimate``."""

    A: FootprintsLike
    C: Floats | None
    S: Floats | None
    shifts: MatrixLike | None
    b: Floats | None
    f: ArrayLike | None
    convention: Convention | None


def read(
    estimates: object, dims: Sequence[int] | NDArray[np.integer] | None, shifts_rig: MatrixLike | None
) -> CaimanArrays:
    """Read ``A`` (pixels, units; Fortran order), ``C``, ``S``, ``b``, ``f`` of the components that were accepted.

    ``idx_components`` is CaImAn's curation, from ``evaluate_components``; after ``select_components`` it is ``None``.
    """
    holder = _by_name(cast("Any", estimates))
    found = _by_name(holder["estimates"]) if holder.get("estimates") is not None else holder
    if found.get("A") is None:
        there = f" of {', '.join(found)}" if found is estimates else ""
        raise EstimateError(f"this {type(estimates).__name__}{there} has no A: give cnm.estimates after fit()")
    height, width = _dims(dims, holder.get("dims"), found.get("dims"))
    every = _footprints(found["A"], height, width)
    kept = _accepted(found.get("idx_components"), len(every))
    b = found.get("b")
    f = found.get("f")
    has_background = b is not None and f is not None and 0 not in np.shape(b)  # CaImAn's CNMF-E keeps none
    return {
        "A": replace(every, unit_id=np.arange(len(every)))[kept],
        "C": _rows(found.get("C"), "C", len(every), kept),
        "S": _rows(found.get("S"), "S", len(every), kept),
        "shifts": shifts_rig,
        "b": _background_images(b, height, width) if has_background else None,
        "f": f if has_background else None,
        "convention": None if shifts_rig is None else "correction",
    }


def _by_name(value: Any) -> Mapping[str, Any]:
    """Return what an object or a dict of CaImAn holds, by name; a matrix alone is A."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    if value is None or isinstance(value, str | bytes | PathLike):
        what = "None" if value is None else f"a path or text ({value!r})"
        raise EstimateError(f"from_caiman takes cnm.estimates or cnm, load_CNMF(path), not {what}")
    if hasattr(value, "shape"):
        return {"A": value}
    return {name: getattr(value, name, None) for name in _NAMES}


def _dims(*known: Any) -> tuple[int, int]:
    """Return height and width from the first that has them."""
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
    shape: tuple[int, ...] = np.shape(saved)
    if len(shape) != 2:
        raise EstimateError(
            f"A has shape {shape}; from_caiman takes (height * width, unit_id) in Fortran order: "
            "images (unit_id, height, width) are given as Estimate(A=...)"
        )
    matrix: Any = coo_array(saved)
    if matrix.shape[0] != height * width:
        turned = ": it is transposed, give A.T" if matrix.shape[1:] == (height * width,) else ""
        raise EstimateError(
            f"A has shape {matrix.shape}; expected ({height * width}, units) = (height * width, unit_id){turned}"
        )
    column, row = np.divmod(matrix.row, height)  # Fortran order: pixels of one column follow one another
    c_order: Any = coo_array((matrix.data, (matrix.col, row * width + column)), shape=matrix.shape[::-1])
    return as_footprints(c_order, (height, width))


def _background_images(b: Any, height: int, width: int) -> Floats:
    """Return background images ``(component, height, width)``, which may be negative."""
    array = np.asarray(b.toarray() if hasattr(b, "toarray") else b, np.float64)
    if array.ndim != 2 or array.shape[0] != height * width:
        raise EstimateError(f"b has shape {array.shape}; expected ({height * width}, components)")
    return array.T.reshape(-1, width, height).transpose(0, 2, 1)  # columns are in Fortran order


def _accepted(idx_components: Any, n_units: int) -> NDArray[np.intp]:
    """Return the components that were accepted, in the order of A; all of them where nothing was rejected."""
    if idx_components is None:
        return np.arange(n_units)
    kept = np.asarray(idx_components).ravel()
    if kept.size and (kept.dtype.kind not in "iu" or kept.min() < 0 or kept.max() >= n_units):
        raise EstimateError(f"idx_components names {kept.max()}; A has the components 0 to {n_units - 1}")
    # Each once, in the order of A.
    return np.unique(kept.astype(np.intp))


def _rows(value: Any, name: str, n_units: int, kept: NDArray[np.intp]) -> Floats | None:
    if value is None:
        return None
    rows = rows_of(value, n_units, whose="A", name=name)
    if len(rows) != n_units:
        raise EstimateError(f"{name} has {len(rows)} rows for the {n_units} components of A: of different runs?")
    return rows[kept]
